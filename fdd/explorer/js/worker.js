// What the page asks of its workers: each task is a function of its fields, and of the oracle or
// the model that the worker keeps.

import { KEPT_PERCENT, PALETTES, RELEASE } from "./families.js";
import { bytesOf } from "./bytes.js";
import { countsOf, occupiedCells } from "./counts.js";
import { newModel } from "./models.js";
import { openedOracle, readPixels } from "./oracle.js";
import { gray, logarithmic, rgb } from "./shading.js";
import { differenceOf, rankOf, ssim } from "./similarity.js";
import { told, uniformVector } from "./state.js";
import {
  correlation,
  determination,
  dot,
  linearMap,
  mapped,
  meansOf,
  principalAxes,
} from "./statistics.js";
import { opened } from "./weights.js";

const DRAWS = 300; // of a random vector, before it is given up

let oracle = null;
let model = null;
let readout = null; // from its codes to what TOLD names
const encoded = []; // test vectors, and the codes of their pictures
const others = []; // pictures of test vectors, among which a drawn one looks for its own

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

/** Keeps the oracle in its file's bytes, as base64; returns its config. */
function keepOracle({ text }) {
  oracle = openedOracle(bytesOf(text).buffer);
  return oracle.config;
}

/** What the oracle reads from the picture of a vector, as its release draws it; null if degenerate. */
function readVector({ params }) {
  const { size, points } = oracle.config;
  const counts = countsOf("fractal_dream", params, size, points);
  return counts && [...readPixels(oracle, rgb(counts, PALETTES.kbc))];
}

/** Keeps a model as the page has it. */
async function keepModel({ config, drawing, weights }) {
  const packed = new Blob([bytesOf(weights)]).stream();
  const stream = packed.pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  model = newModel({ config, drawing, weights: opened(buffer).weights });
  return true;
}

/** Draws pictures of vectors besides those that are there; returns how many there are. */
function meet({ vectors }) {
  others.push(...vectors.map(model.see));
  return others.length;
}

/** The code of a vector, or of its picture where none stands for it; null if it has no picture. */
function code({ params }) {
  if (model.vector) return [...model.vector(params)];
  const seen = model.see(params);
  return seen && [...model.encode(seen)];
}

/** The picture that the model draws of a code. */
function generate({ code, noise }) {
  return model.generate(code, noise);
}

/**
 * What the model draws of a vector, or of what it reads from its picture: that picture as it sees
 * it, its own one, where they differ, and how alike they are; null if the vector is degenerate.
 */
function follow({ params, noise }) {
  const seen = model.see(params);
  if (!seen) return null;
  const made = model.generate(model.vector ? model.vector(params) : model.encode(seen), noise);
  const { image_size: side } = model.config;
  return {
    seen,
    made,
    difference: differenceOf(seen, made),
    alike: side > 10 ? ssim(seen, made, side) : null,
    rank: rankOf(made, seen, others),
    among: others.length,
  };
}

/** Encodes pictures of further test vectors; returns their codes. */
function encode({ vectors }) {
  const found = vectors.map((params) => [...model.encode(model.see(params))]);
  encoded.push(...vectors.map((params, row) => ({ params, code: found[row] })));
  return found;
}

/**
 * What the codes so far show: their places along two principal axes, correlations of each code with
 * each of x0, y0 and what TOLD names, and R2 of these in the last third of the images, read by a
 * linear map that is fitted to the others.
 */
function summary() {
  const codes = encoded.map(({ code }) => code);
  const targets = encoded.map(({ params }) => told(params));
  const all = encoded.map(({ params }, row) => [params[0], params[1], ...targets[row]]);
  const column = (rows, i) => rows.map((row) => row[i]);
  const fitted = Math.ceil((2 * codes.length) / 3);
  readout = linearMap(codes.slice(0, fitted), targets.slice(0, fitted));
  const read = codes.slice(fitted).map((one) => mapped(readout, one));
  const means = meansOf(codes);
  const axes = principalAxes(codes);
  return {
    places: codes.map((one) => axes.map((axis) => dot(axis, one) - dot(axis, means))),
    matrix: codes[0].map((_, i) =>
      all[0].map((_, j) => correlation(column(codes, i), column(all, j))),
    ),
    r2: determination(read, targets.slice(fitted)),
  };
}

/** What TOLD names, read linearly from the code of a vector's picture; null if it has none. */
function readCode({ params }) {
  const seen = model.see(params);
  return seen && mapped(readout, [...model.encode(seen)]);
}

const TASKS = {
  code,
  draw,
  encode,
  follow,
  generate,
  keepModel,
  keepOracle,
  meet,
  random,
  readCode,
  readVector,
  share,
  summary,
};

onmessage = async ({ data: { id, task, ...fields } }) => {
  const answer = await TASKS[task](fields);
  const owned = answer?.counts ? [answer.counts.buffer, answer.pixels.buffer] : [];
  postMessage({ id, answer }, owned);
};
