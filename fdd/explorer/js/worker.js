// What the page asks of its worker: each task is a pure function of its fields.

import { KEPT_PERCENT, PALETTES, RELEASE } from "./families.js";
import { countsOf, occupiedCells } from "./counts.js";
import { opened, readPixels } from "./oracle.js";
import { gray, logarithmic, rgb } from "./shading.js";
import { uniformVector } from "./state.js";

const DRAWS = 300; // of a random vector, before it is given up

/** Counts, pixels and occupied cells of a state, or null if it is degenerate. */
function draw({ family, params, size, points, output, palette }) {
  const counts = countsOf(family, params, size, points);
  if (!counts) return null;
  const shade = { rgb: () => rgb(counts, PALETTES[palette]), gray: () => gray(counts) };
  const pixels = (shade[output] ?? (() => logarithmic(counts)))();
  return { counts, pixels, occupied: occupiedCells(counts) };
}

/** The share of occupied cells as the release draws it; 0 if it is degenerate. */
function share({ family, params }) {
  const counts = countsOf(family, params, RELEASE.size, RELEASE.points);
  return counts ? occupiedCells(counts) / counts.length : 0;
}

/** A vector of the family that the release would keep; null if none was drawn. */
function random({ family }) {
  for (let draws = 0; draws < DRAWS; draws++) {
    const params = uniformVector(family, Math.random);
    if (100 * share({ family, params }) >= KEPT_PERCENT) return params;
  }
  return null;
}

/** Keeps the oracle in the bytes of its file; returns its config. */
function keepOracle({ buffer }) {
  oracle = opened(buffer);
  return oracle.config;
}

/** What the oracle reads from the picture of a vector, as its release draws it; null if degenerate. */
function readVector({ params }) {
  const { size, points } = oracle.config;
  const counts = countsOf("fractal_dream", params, size, points);
  return counts && [...readPixels(oracle, rgb(counts, PALETTES.kbc))];
}

let oracle = null;

const TASKS = { draw, keepOracle, random, readVector, share };

onmessage = ({ data: { id, task, ...fields } }) => {
  const answer = TASKS[task](fields);
  const owned = answer?.counts ? [answer.counts.buffer, answer.pixels.buffer] : [];
  postMessage({ id, answer }, owned);
};
