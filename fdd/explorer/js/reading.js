// What the oracle reads from the picture beside what is true.

import { readable } from "./oracle.js";
import { newWorker, newest } from "./asking.js";

const NAMES = ["a'", "b'", "c", "d"];
const LOWEST = [0, -3, -3, -3];
const HIGHEST = 3;

/** A function that shows what the oracle in the page reads from a state; null if there is none. */
export function newReading(fail) {
  const text = document.getElementById("oracle").textContent.trim();
  if (!text) return null;
  document.getElementById("reading").hidden = false;
  const ask = newWorker(fail);
  const { buffer } = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const kept = ask("keepOracle", { buffer });
  let wanted = null;
  const show = newest(async () => {
    const { family, params } = wanted;
    const { version, size, points } = await kept;
    document.getElementById("oracle-facts").textContent =
      `It was trained on ${version}: ${size} x ${size} pixels, ${points.toLocaleString("en")} points.`;
    if (family !== "fractal_dream") return fill(null, "It reads the Fractal Dream alone.");
    const found = await ask("readVector", { params });
    if (params !== wanted.params) return;
    if (found) fill({ found, expected: readable(params) }, "");
    else fill(null, "This vector has no picture.");
  });
  return (state) => {
    wanted = state;
    show();
  };
}

function fill(values, sentence) {
  document.getElementById("oracle-note").textContent = sentence;
  const rows = NAMES.map((name, place) => {
    const row = document.createElement("tr");
    const cells = values ? [values.expected[place], values.found[place]] : [];
    const texts = cells.map((value) => value.toFixed(2));
    row.innerHTML = `<th scope="row"></th><td></td><td></td><td></td>`;
    row.cells[0].textContent = name;
    texts.forEach((text, number) => (row.cells[number + 1].textContent = text));
    if (values) row.cells[3].innerHTML = bar(LOWEST[place], ...cells);
    return row;
  });
  document.getElementById("read").replaceChildren(...rows);
}

// A line for the range, a tick where the true value is, a dot for the one that was read.
function bar(lowest, expected, found) {
  const x = (value) => {
    const share = (value - lowest) / (HIGHEST - lowest);
    return 10 + 280 * Math.min(Math.max(share, 0), 1);
  };
  return (
    `<svg viewBox="0 0 300 24" aria-hidden="true"><line x1="10" x2="290" y1="12" y2="12"/>` +
    `<line class="error" x1="${x(expected)}" x2="${x(found)}" y1="12" y2="12"/>` +
    `<rect x="${x(expected) - 2}" y="3" width="4" height="18"/>` +
    `<circle cx="${x(found)}" cy="12" r="6"/></svg>`
  );
}
