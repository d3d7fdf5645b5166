// The emulator of the renderer: the twin of baselines/emulator.py.

import { added, linear, silu, standardised } from "./layers.js";
import { fold, unfolded } from "./vectors.js";

/** Its network as a function: a code [4] -> numbers for each cell, Float64Array [maps * size * size]. */
export function newCanvas(weights, config) {
  const { image_size: size, maps, blocks, frequencies, symmetry } = config;
  const mixtures = weights.mixtures.values;
  const cells = (code) => {
    const waves = Float64Array.from({ length: frequencies }, (_, wave) =>
      code.reduce((total, value, i) => total + value * mixtures[i * frequencies + wave], 0),
    );
    const seen = [...code.map((value) => 2 * value), ...waves.map(Math.sin), ...waves.map(Math.cos)];
    let batch = linear(weights, "first", [Float64Array.from(seen)]);
    for (let block = 0; block < blocks; block++) {
      const inner = standardised(weights, `blocks.${block}.norm`, batch);
      const hidden = linear(weights, `blocks.${block}.first`, inner).map(silu);
      batch = added(batch, linear(weights, `blocks.${block}.second`, hidden));
    }
    return linear(weights, "last", standardised(weights, "norm", batch))[0];
  };
  if (!symmetry) return cells;
  return (code) => {
    const { chosen, ...turns } = fold(code);
    return unfolded(wholeOf(cells(chosen), maps, size), maps, size, turns);
  };
}

// The whole of each map from its upper half: the lower one is its half-turn.
function wholeOf(half, maps, size) {
  const area = size * size;
  return Float64Array.from({ length: maps * area }, (_, place) => {
    const inMap = place % area;
    const inHalf = inMap < area / 2 ? inMap : area - 1 - inMap;
    return half[(Math.floor(place / area) * area) / 2 + inHalf];
  });
}

/** The probabilities of cells whose logarithms, up to a constant, are `scores`. */
export function softmax(scores) {
  const most = scores.reduce((one, other) => Math.max(one, other), -Infinity);
  const sizes = scores.map((score) => Math.exp(score - most));
  const total = sizes.reduce((one, other) => one + other, 0);
  return sizes.map((size) => size / total);
}

/** Counts of points that fall into cells of these probabilities; numbers: uniform in [0, 1). */
export function drawn(probabilities, numbers) {
  const sums = new Float64Array(probabilities.length);
  probabilities.reduce((total, share, cell) => (sums[cell] = total + share), 0);
  const counts = new Uint32Array(sums.length);
  for (const number of numbers) {
    const reached = number * sums[sums.length - 1];
    let low = 0; // the first cell whose sum is above what is reached
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] > reached) high = middle;
      else low = middle + 1;
    }
    counts[low]++;
  }
  return counts;
}

/** Random numbers in [0, 1), the same ones for the same seed (mulberry32). */
export function uniforms(seed, length) {
  let state = seed | 0;
  return Float64Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  });
}
