// The page: one state, drawn at once while it changes and as finely as asked for when it rests.

import { CHANGES, FAMILIES, KEPT_PERCENT, PALETTES, RELEASE } from "./families.js";
import { complaint, firstState, POINTS, python, read, SIZES, written } from "./state.js";
import { newWorker, newest } from "./asking.js";
import { button, fillSelect, find, put, save } from "./elements.js";
import { codeBook } from "./codes.js";
import { enlargeable } from "./enlarging.js";
import { readLearned } from "./learned.js";
import { newMade } from "./made.js";
import { newMap } from "./map.js";
import { newPaths } from "./paths.js";
import { pointAt, pointAway } from "./pointing.js";
import { newReading } from "./reading.js";
import { showStrip } from "./strip.js";

const REST = 150; // milliseconds without a change before the fine picture and the strip begin

const picture = find("picture");

const drafts = newWorker(fail);
const fines = newWorker(fail);
let reading = null;
let made = null;

let { state, faults } = read(location.hash);
let settled = state; // the last state that Undo comes back to
const past = [];
let shown = null; // the answer that the picture shows
let finest = null; // the state that was last drawn as finely as it asks for
let resting = 0;

faults.forEach(say);

/** A sentence above the picture, until the next change. */
function say(sentence) {
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = sentence;
  find("notes").append(note);
  return note;
}

/** A sentence that stays. */
function fail(sentence) {
  say(sentence).classList.add("lasting");
}

// Controls

const title = (family) => family.replaceAll("_", " ");
const grouped = (number) => number.toLocaleString("en");

fillSelect(find("family"), Object.keys(FAMILIES), title);
fillSelect(find("palette"), Object.keys(PALETTES));
fillSelect(find("size"), SIZES, (size) => `${size} x ${size}`);
fillSelect(find("points"), POINTS, grouped);
find("drawing").textContent =
  `${RELEASE.size} x ${RELEASE.size} cells and ${grouped(RELEASE.points)} points`;
find("percent").textContent = `${KEPT_PERCENT} %`;

/** Decimals of a slider: at least a thousand of its steps are in the range. */
function digitsOf([low, high]) {
  const digits = Math.ceil(Math.log10(1000 / (high - low)) - 1e-9);
  return Math.min(Math.max(digits, 0), 15);
}

function parameterRow(name, place) {
  const { ranges, whole } = FAMILIES[state.family];
  const [low, high] = ranges[place];
  const digits = whole.includes(name) ? 0 : digitsOf(ranges[place]);
  const row = document.createElement("div");
  row.className = "parameter";
  row.innerHTML = `<label></label><input type="range"><input type="number">`;
  const [label, slider, field] = row.children;
  label.textContent = name;
  label.htmlFor = slider.id = `slider-${place}`;
  field.setAttribute("aria-label", `${name}, exactly`);
  Object.assign(slider, { min: low, max: high, step: 10 ** -digits });
  Object.assign(field, { min: low, max: high, step: "any", id: `field-${place}` });
  const fault = document.createElement("p");
  fault.className = "fault";
  fault.id = `fault-${place}`;
  field.setAttribute("aria-describedby", fault.id);
  slider.oninput = () => {
    const value = Number(Number(slider.value).toFixed(digits));
    change({ params: state.params.with(place, value) });
  };
  slider.onchange = settle;
  field.oninput = () => {
    const found = complaint(state.family, place, field.valueAsNumber);
    fault.textContent = found;
    field.setAttribute("aria-invalid", String(Boolean(found)));
    if (!found) change({ params: state.params.with(place, field.valueAsNumber) }, field);
  };
  field.onchange = settle;
  return [row, fault];
}

function buildFamily() {
  const { parameters, symmetries, gallery } = FAMILIES[state.family];
  find("parameters").replaceChildren(
    find("parameters").firstElementChild,
    ...parameters.flatMap(parameterRow),
  );
  find("symmetries").hidden = symmetries.length === 0;
  find("symmetries").lastElementChild.replaceChildren(
    ...symmetries.map((name, place) =>
      button(name, () => {
        const params = CHANGES[state.family][place](state.params).map((value) => value + 0);
        go({ params });
      }),
    ),
  );
  fillSelect(find("along"), parameters);
  find("along").selectedIndex = 2; // the first after the starting point
  const { family } = state;
  find("gallery").replaceChildren(
    ...gallery.map((params, place) => {
      const made = button("", () => go({ params }));
      made.className = "thumbnail";
      made.setAttribute("aria-label", `Vector ${place + 1}: ${params.join(", ")}`);
      const canvas = document.createElement("canvas");
      made.append(canvas);
      fines("draw", { ...firstState(family), params }).then((answer) => paint(canvas, answer));
      return made;
    }),
  );
}

/** Puts the state into every control but the one that it comes from. */
function fillControls(source) {
  state.params.forEach((value, place) => {
    const [slider, field] = [find(`slider-${place}`), find(`field-${place}`)];
    slider.value = value;
    if (field === source) return;
    field.value = value;
    field.removeAttribute("aria-invalid");
    find(`fault-${place}`).textContent = "";
  });
  for (const id of ["family", "output", "palette", "size", "points"]) find(id).value = state[id];
  find("palette").disabled = state.output !== "rgb";
  find("undo").disabled = past.length === 0 && state === settled;
  find("python").textContent = `import fdd\nimage = ${python(state)}`;
}

// Changes

function change(parts, source) {
  const before = state;
  state = { ...state, ...parts };
  if (state.family !== before.family) buildFamily();
  find("notes").replaceChildren(...document.querySelectorAll(".lasting"));
  fillControls(source);
  draft();
  made?.(state);
  clearTimeout(resting);
  resting = setTimeout(rest, REST);
}

/** Ends a change: Undo comes back to what was before it. */
function settle() {
  if (written(state) === written(settled)) return;
  past.push(settled);
  settled = state;
  keepAddress();
  fillControls();
}

function go(parts) {
  change(parts);
  settle();
}

function undo() {
  const before = past.pop() ?? settled;
  change(before);
  settled = state;
  keepAddress();
  fillControls();
}

function keepAddress() {
  try {
    history.replaceState(null, "", `#${written(state)}`);
  } catch {
    // a page inside a notebook has no address of its own
  }
}

find("family").onchange = ({ target }) => {
  const { params } = firstState(target.value);
  go({ family: target.value, params });
};
find("output").onchange = ({ target }) => go({ output: target.value });
find("palette").onchange = ({ target }) => go({ palette: target.value });
find("size").onchange = ({ target }) => go({ size: Number(target.value) });
find("points").onchange = ({ target }) => go({ points: Number(target.value) });
find("undo").onclick = undo;
find("random").onclick = async () => {
  const { family } = state;
  const params = await fines("random", { family });
  if (params && family === state.family) go({ params });
  else if (!params) say("None of 300 random vectors occupies enough cells; try again.");
};
find("controls").onsubmit = (event) => event.preventDefault();
onkeydown = (event) => {
  const asked = event.key === "z" && (event.ctrlKey || event.metaKey);
  if (!asked || event.target.type === "number") return; // a field has an undo of its own
  event.preventDefault();
  undo();
};
onhashchange = () => {
  const found = read(location.hash, state.family);
  go(found.state);
  found.faults.forEach(say);
};

find("download").onclick = () =>
  picture.toBlob((blob) => save(blob, `${state.family}-${picture.width}.png`));
find("copy").onclick = async ({ target }) => {
  try {
    await navigator.clipboard.writeText(find("python").textContent);
    target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(find("python"));
    target.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (target.textContent = "Copy the Python"), 1500);
};

// Pictures

const paint = (canvas, answer) => put(canvas, answer && answer.pixels);

function show(drawn, answer) {
  paint(picture, answer);
  shown = answer;
  const size = grouped(drawn.size ** 2);
  let facts = "Degenerate: this orbit is constant in x or in y, or not finite, and has no picture.";
  if (answer) {
    const percent = (100 * answer.occupied) / drawn.size ** 2;
    facts = `${grouped(answer.occupied)} of ${size} cells hold a point, ${percent.toFixed(1)}\u00a0%`;
    if (drawn.size === RELEASE.size && drawn.points === RELEASE.points) {
      const verdict = percent >= KEPT_PERCENT ? "keeps" : "does not keep";
      facts += `; the release ${verdict} it (from ${KEPT_PERCENT}\u00a0%)`;
    }
    facts += ".";
  }
  find("facts").textContent = facts;
  picture.setAttribute(
    "aria-label",
    `${title(drawn.family)} attractor, ${drawn.output}, ${drawn.size} by ${drawn.size} pixels`,
  );
  find("same").textContent =
    drawn.output === "counts"
      ? "The counts are those of this line; for the eye they are on a logarithmic scale."
      : "The picture has the same bytes as this line.";
}

const isHeavy = ({ size, points }) => size * points > RELEASE.size * RELEASE.points;

const draft = newest(async () => {
  const asked = state;
  const drawn = isHeavy(asked) ? { ...asked, ...RELEASE } : asked;
  const answer = await drafts("draw", drawn);
  if (asked !== finest) show(drawn, answer);
});

const rest = newest(async () => {
  const asked = state;
  if (isHeavy(asked)) {
    const answer = await fines("draw", asked);
    if (asked !== state) return;
    finest = asked;
    show(asked, answer);
  }
  reading?.(state);
  showStrip(fines, state, find("along").selectedIndex, paint, go);
});

find("along").onchange = () => rest();

picture.onpointermove = ({ offsetX, offsetY, clientX, clientY }) => {
  if (!shown) return;
  const size = Math.sqrt(shown.counts.length);
  const [column, row] = [offsetX, offsetY].map((at) =>
    Math.min(Math.max(Math.floor((at * size) / picture.clientWidth), 0), size - 1),
  );
  const points = grouped(shown.counts[row * size + column]);
  pointAt(clientX, clientY, `Row ${row}, column ${column}: ${points} points`);
};
picture.onpointerleave = pointAway;

for (const id of ["picture", "made-picture", "path-exact", "path-made"]) enlargeable(find(id));
buildFamily();
fillControls();
draft();
rest();

// trained models are millions of characters, behind this script: the first picture does not wait
addEventListener("DOMContentLoaded", () => {
  const learned = readLearned();
  const codesOf = codeBook(learned.vectors, fail);
  const draw = (params) => fines("draw", { ...firstState("fractal_dream"), params });
  made = newMade(learned, fail);
  reading = newReading(learned, codesOf, fail);
  newMap(learned, codesOf, draw, go);
  newPaths(learned, draw, () => state, fail);
  made?.(state);
  reading?.(state);
});
