// Sparse deep predictive coding: the twin of baselines/sdpc.py, and of the decoder of sdpc_gan.py.

import { convolved, eachChannel, linear, normalised, rectified } from "./layers.js";

const LEAST = 4; // fewest iterations of an inference
const POWERS = 4; // of the power method, from the maps that the run kept
const UNCHANGED = 1e-6; // the tolerance of sdpc_gan, whose options have none

/**
 * { inferred, pictured, layers } of dictionaries: the maps of each layer that an image, with values
 * from -1 to 1, is made of, and the image that maps of the first layer stand for.
 */
export function newDictionaries(weights, config) {
  const { k, iterations, tolerance = UNCHANGED, image_size: size } = config;
  const scale = Math.sqrt(weights.variance.values[0]);
  const mean = weights.mean.values;
  const numbers = (text) => text.split(":").map(Number);
  const [sides, strides, lambdas] = [config.sides, config.strides, config.lambdas].map(numbers);
  let below = size;
  const layers = sides.map((_, i) => {
    const layer = newLayer(weights, i, below, strides[i], lambdas[i]);
    below = layer.side;
    return layer;
  });
  const inferred = (image) => {
    const centred = image.map((value, place) => (value - mean[place]) / scale);
    return mapsOf(centred, layers, k, iterations, tolerance);
  };
  const pictured = (maps) => layers[0].predict(maps).map((value, place) => mean[place] + scale * value);
  return { inferred, pictured, layers };
}

function newLayer(weights, i, below, stride, sparsity) {
  const atoms = weights[`dictionaries.${i}`];
  const [count, channels, length] = atoms.shape;
  const side = Math.floor((below - length) / stride) + 1;
  const named = { "atoms.weight": atoms };
  const analyse = (image) => convolved(named, "atoms", [image], below, stride, 0)[0];
  const predict = (maps) => {
    const made = new Float64Array(channels * below * below);
    maps.forEach((value, place) => {
      if (value === 0) return;
      const [column, row] = [place % side, Math.floor(place / side) % side];
      const atom = Math.floor(place / side ** 2) * channels * length * length;
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < length; y++) {
          const from = atom + (channel * length + y) * length;
          const to = (channel * below + row * stride + y) * below + column * stride;
          for (let x = 0; x < length; x++) made[to + x] += value * atoms.values[from + x];
        }
      }
    });
    return made;
  };
  let strongest = Float64Array.from(weights[`strongest_${i}`].values);
  for (let round = 0; round < POWERS; round++) {
    const size = norm(strongest);
    strongest = analyse(predict(strongest.map((value) => value / size)));
  }
  const gain = weights[`gains.${i}`]?.values ?? new Float64Array(count).fill(1);
  return { analyse, predict, gain, side, count, sparsity, curvature: norm(strongest) };
}

// FISTA of all layers in turn, until an iteration changes little.
function mapsOf(image, layers, k, iterations, tolerance) {
  const maps = layers.map(({ count, side }) => new Float64Array(count * side * side));
  const made = layers.map((layer, i) => layer.predict(maps[i]));
  const [ahead, madeAhead] = [[...maps], [...made]];
  let t = 1;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const before = t;
    t = (1 + Math.sqrt(1 + 4 * t * t)) / 2;
    const step = 1 + (before - 1) / t;
    const carried = (old, now) => now.map((value, place) => old[place] + step * (value - old[place]));
    let target = image;
    let changed = 0;
    layers.forEach((layer, i) => {
      const { analyse, predict, gain, count, sparsity, curvature } = layer;
      const slope = analyse(madeAhead[i].map((value, place) => value - target[place]));
      const feedback = i + 1 < layers.length ? k : 0;
      if (feedback) {
        const above = eachChannel(madeAhead[i + 1], count, (value, atom) => value / gain[atom]);
        above.forEach((value, place) => (slope[place] += feedback * (ahead[i][place] - value)));
      }
      const rate = 1 / (curvature + feedback);
      const now = ahead[i].map((value, place) =>
        Math.max(value - rate * (slope[place] + sparsity), 0),
      );
      const predicted = predict(now);
      const change = norm(now.map((value, place) => value - maps[i][place]));
      changed = Math.max(changed, change / Math.max(norm(now), 1e-12));
      ahead[i] = carried(maps[i], now);
      madeAhead[i] = carried(made[i], predicted);
      [maps[i], made[i]] = [now, predicted];
      target = eachChannel(ahead[i], count, (value, atom) => value * gain[atom]);
    });
    if (iteration >= LEAST && changed < tolerance) break;
  }
  return maps;
}

/** Means of so many parts a side of each map: torch's adaptive_avg_pool2d. */
export function pooled(maps, side, parts) {
  const ends = Array.from({ length: parts }, (_, part) => [
    Math.floor((part * side) / parts),
    Math.ceil(((part + 1) * side) / parts),
  ]);
  const count = maps.length / side ** 2;
  return Float64Array.from({ length: count * parts ** 2 }, (_, place) => {
    const [top, bottom] = ends[Math.floor(place / parts) % parts];
    const [left, right] = ends[place % parts];
    const start = Math.floor(place / parts ** 2) * side ** 2;
    let total = 0;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) total += maps[start + row * side + column];
    }
    return total / ((bottom - top) * (right - left));
  });
}

/** The code of an image by the encoder of sdpc_gan, from what is inferred. */
export function codeOfMaps(weights, config, { inferred, layers }, image) {
  const last = layers.at(-1);
  const [normal] = normalised(weights, "0", [pooled(inferred(image).at(-1), last.side, config.pool)]);
  return linear(weights, "2", [normal]);
}

/** Decoder, as a function: a code -> an image with values from -1 to 1. */
export function newDecoder(weights, config, { pictured, layers }) {
  const lowered = (maps, { count }, i) => {
    const threshold = weights[`thresholds.${i}`].values;
    return eachChannel(maps, count, (value, atom) => Math.max(value - threshold[atom], 0));
  };
  return (code) => {
    const [hidden] = rectified(linear(weights, "first.0", [Float64Array.from(code)]), config.leaky_slope);
    const end = layers.length - 1;
    let maps = lowered(linear(weights, "first.2", [hidden])[0], layers[end], end);
    for (let i = end; i > 0; i--) {
      const { side } = layers[i - 1];
      const predicted = layers[i].predict(maps);
      const large = repeated(maps, layers[i].side, side);
      const [refined] = convolved(weights, `refine.${i - 1}`, [large], side, 1, 1);
      const both = predicted.map((value, place) => value + refined[place]);
      maps = lowered(both, layers[i - 1], i - 1);
    }
    return pictured(maps);
  };
}

// Maps of another side, each value that of the nearest place.
function repeated(maps, from, to) {
  return Float64Array.from({ length: (maps.length / from ** 2) * to ** 2 }, (_, place) => {
    const [row, column] = [Math.floor(place / to) % to, place % to].map((at) => Math.floor((at * from) / to));
    return maps[(Math.floor(place / to ** 2) * from + row) * from + column];
  });
}

const norm = (values) => Math.sqrt(values.reduce((total, value) => total + value * value, 0));
