// What the page shows, as one value, and the same in the address behind #.

import { FAMILIES, PALETTES, RELEASE } from "./families.js";

export const OUTPUTS = ["rgb", "gray", "counts"];
export const SIZES = [32, 64, 128, 256, 512, 1024];
export const POINTS = [4000, 60000, 300000, 1000000, 4000000];

/** A family's first vector, drawn as the release draws. */
export function firstState(family) {
  const [params] = FAMILIES[family].gallery;
  return { family, params, output: "rgb", palette: "kbc", ...RELEASE };
}

/** Why a number cannot be this parameter of the family; "" if it can. */
export function complaint(family, place, value) {
  const { parameters, ranges, whole } = FAMILIES[family];
  const [low, high] = ranges[place];
  const inWhole = whole.includes(parameters[place]);
  if (value >= low && value <= high && (!inWhole || Number.isInteger(value))) return "";
  const kind = inWhole ? "whole number" : "number";
  return `${parameters[place]} must be a ${kind} from ${low} to ${high}.`;
}

/** The state as the part of an address behind #. */
export function written({ family, params, output, palette, size, points }) {
  const named = FAMILIES[family].parameters.map((name, place) => [name, String(params[place])]);
  const rest = { output, palette, size, points };
  return new URLSearchParams([["family", family], ...named, ...Object.entries(rest)]).toString();
}

/** The state that an address has behind #, and a sentence for each thing in it that is wrong. */
export function read(text, family = "fractal_dream") {
  const given = new URLSearchParams(text.replace(/^#/, ""));
  const faults = [];
  const chosen = (name, choices, otherwise) => {
    const value = given.get(name);
    const found = choices.find((choice) => String(choice) === value);
    if (value !== null && found === undefined) {
      const short = JSON.stringify(value.slice(0, 40));
      faults.push(`The address has ${name} = ${short}; it must be one of ${choices.join(", ")}.`);
    }
    return found ?? otherwise;
  };
  const state = firstState(chosen("family", Object.keys(FAMILIES), family));
  state.params = FAMILIES[state.family].parameters.map((name, place) => {
    const value = given.get(name);
    if (value === null) return state.params[place];
    const number = value.trim() === "" ? NaN : Number(value);
    const fault = complaint(state.family, place, number);
    if (fault)
      faults.push(`The address has ${name} = ${JSON.stringify(value.slice(0, 40))}; ${fault}`);
    return fault ? state.params[place] : number;
  });
  state.output = chosen("output", OUTPUTS, state.output);
  state.palette = chosen("palette", Object.keys(PALETTES), state.palette);
  state.size = chosen("size", SIZES, state.size);
  state.points = chosen("points", POINTS, state.points);
  return { state, faults };
}

/** The line of Python that draws the same bytes. */
export function python({ family, params, output, palette, size, points }) {
  const options = [
    output !== "rgb" && `output="${output}"`,
    size !== 128 && `size=${size}`,
    points !== 60000 && `points=${points}`,
    output === "rgb" && palette !== "kbc" && `palette="${palette}"`,
    family !== "fractal_dream" && `family="${family}"`,
  ];
  return `fdd.render(${[`[${params.join(", ")}]`, ...options.filter(Boolean)].join(", ")})`;
}

/** A vector of independent draws, uniform over the family's ranges; random() is in [0, 1). */
export function uniformVector(family, random) {
  const { parameters, ranges, whole } = FAMILIES[family];
  return ranges.map(([low, high], place) =>
    whole.includes(parameters[place])
      ? low + Math.floor((high - low + 1) * random())
      : Number((low + (high - low) * random()).toPrecision(6)),
  );
}

/** What can be read of a vector of the Fractal Dream: a' = |a|, b' = sign(a) b, c, d. */
export function readable([, , a, b, c, d]) {
  const flipped = a < 0 || (a === 0 && b < 0);
  return [flipped ? -a : a, flipped ? -b : b, c, d];
}

/** What codes may tell of a vector: what can be read, and the sizes of the last three. */
export const TOLD = ["a'", "b'", "c", "d", "|b|", "|c|", "|d|"];

/** The numbers that TOLD names. */
export function told(params) {
  const [a, b, c, d] = readable(params);
  return [a, b, c, d, Math.abs(b), Math.abs(c), Math.abs(d)];
}

/** The range of a number that TOLD names. */
export function rangeTold(name) {
  return [name === "a'" || name.startsWith("|") ? 0 : -3, 3];
}
