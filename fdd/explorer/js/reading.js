// What an encoder reads from the picture beside what is true.

import { newWorker, newest } from "./asking.js";
import { fillSelect, find, whenSeen } from "./elements.js";
import { encoding } from "./learned.js";
import { rangeTold, TOLD, told } from "./state.js";

/** A function that shows what the chosen encoder reads from a state; null if there is none. */
export function newReading({ models }, codesOf, fail) {
  const oracle = find("oracle").textContent.trim();
  const readers = encoding(models).map((model) => ({
    name: model.name,
    begin: () => encoderOf(model, codesOf),
  }));
  if (oracle) readers.unshift({ name: "the oracle", begin: () => oracleOf(oracle, fail) });
  if (readers.length === 0) return null;
  find("reading").hidden = false;
  fillSelect(find("reader"), [...readers.keys()], (place) => readers[place].name);
  let wanted = null;
  let chosen = null;
  const show = newest(async () => {
    const reader = chosen;
    const { family, params } = wanted;
    find("reader-facts").textContent = await reader.facts();
    if (family !== "fractal_dream") return fill(null, "It reads the Fractal Dream alone.");
    const found = await reader.read(params);
    if (params !== wanted.params || reader !== chosen) return;
    if (found) fill({ found, expected: told(params) }, "");
    else fill(null, "This vector has no picture.");
  });
  const begun = new Map();
  const choose = () => {
    const reader = readers[find("reader").value];
    if (!begun.has(reader)) begun.set(reader, reader.begin());
    chosen = begun.get(reader);
    chosen.again = show; // when it knows more
    fill(null, "It is being loaded.");
  };
  find("reader").onchange = () => {
    choose();
    show();
  };
  whenSeen(find("reading"), () => {
    choose();
    show();
  });
  return (state) => {
    wanted = state;
    if (chosen) show();
  };
}

function oracleOf(text, fail) {
  const ask = newWorker(fail);
  const kept = ask("keepOracle", { text });
  return {
    facts: async () => {
      const { version, size, points } = await kept;
      const drawing = `${size} x ${size} pixels, ${points.toLocaleString("en")} points`;
      return (
        "The oracle was trained, with the true parameters, to read them from images of " +
        `${version}: ${drawing}.`
      );
    },
    read: (params) => ask("readVector", { params }),
  };
}

// An encoder's codes have no names: what they tell is read by a linear map that is fitted to them.
function encoderOf(model, codesOf) {
  const codes = codesOf(model);
  const reader = { read: (params) => codes.ask("readCode", { params }) };
  const known = new Promise((resolve) =>
    codes.listen((found) => {
      const how = TOLD.map((name, i) => `${name} ${found.r2[i].toFixed(2)}`).join(", ");
      reader.told =
        `${model.name}, supervision ${model.config.supervision}: its ${found.codes[0].length} ` +
        "numbers, read by a linear map that is fitted to two thirds of " +
        `${found.rows.length} test images; R2 in the others: ${how}.`;
      resolve();
      reader.again?.();
    }),
  );
  reader.facts = async () => {
    await known;
    return reader.told;
  };
  return reader;
}

function fill(values, sentence) {
  find("reader-note").textContent = sentence;
  const rows = (values?.found ?? []).map((found, place) => {
    const row = document.createElement("tr");
    const expected = values.expected[place];
    row.innerHTML = `<th scope="row"></th><td></td><td></td><td></td>`;
    row.cells[0].textContent = TOLD[place];
    row.cells[1].textContent = expected.toFixed(2);
    row.cells[2].textContent = found.toFixed(2);
    row.cells[3].innerHTML = bar(rangeTold(TOLD[place]), expected, found);
    return row;
  });
  find("read").replaceChildren(...rows);
}

// A line for the range, a tick where the true value is, a dot for the one that was read.
function bar([lowest, highest], expected, found) {
  const x = (value) => {
    const share = (value - lowest) / (highest - lowest);
    return `${100 * Math.min(Math.max(share, 0), 1)}%`;
  };
  return (
    `<svg class="bar" aria-hidden="true"><line class="base" x2="100%" y1="7" y2="7"/>` +
    `<line class="interval" x1="${x(expected)}" x2="${x(found)}" y1="7" y2="7"/>` +
    `<line class="ceiling" x1="${x(expected)}" x2="${x(expected)}" y2="14"/>` +
    `<circle cx="${x(found)}" cy="7" r="3.5"/></svg>`
  );
}
