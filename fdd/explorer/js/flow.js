// The flow from noise to a picture: the twin of baselines/flow.py.

import { softmax, uniforms } from "./emulator.js";
import { added, convolved, eachChannel, grouped, linear, silu } from "./layers.js";
import { doubled, inBlocks, outOfBlocks } from "./pixels.js";

const TIMES = 16; // sines and cosines of the time, as many of each
const MAPS = 4;
const GROUPS = 8;
const FAINT = 6; // a density below exp(-6) times the mean one is seen as that

/** The level of an empty cell; those of ink are from 0 to 1. */
export const EMPTY = -1;

/** What its convolutions see of the canvas's numbers: of the density the logarithm, within FAINT. */
function seenMaps(made, area) {
  const density = softmax(made.slice(0, area));
  return made.map((value, place) =>
    place < area ? Math.max(Math.log(density[place] * area), -FAINT) / FAINT : value,
  );
}

/** The levels [size * size] that a canvas's numbers and normal noise lead to: below 0 where empty. */
export function flowing(weights, { image_size: size, noise_steps: steps }, made, noise) {
  const maps = seenMaps(made, size * size);
  const block = Math.max(2, size / 32);
  let levels = Float64Array.from(noise);
  for (let step = 0; step < steps; step++) {
    const velocity = velocityOf(weights, size, block, Float64Array.of(...levels, ...maps), step / steps);
    levels = levels.map((level, i) => level + velocity[i] / steps);
  }
  return levels;
}

function velocityOf(weights, size, block, seen, time) {
  const angles = Array.from({ length: TIMES }, (_, i) => time * (i + 1) * Math.PI);
  const times = [Float64Array.from([...angles.map(Math.sin), ...angles.map(Math.cos)])];
  const side = size / block;
  const part = (name, batch, at) => residual(weights, name, batch, at, times);
  const blocks = [inBlocks(seen, 1 + MAPS, size, block)];
  const above = part("above", convolved(weights, "enter", blocks, side, 1, 1), side);
  let below = convolved(weights, "down", above, side, 2, 1);
  for (const number of [0, 1]) below = part(`below.${number}`, below, side / 2);
  const both = [Float64Array.from([...above[0], ...doubled(below[0], side / 2)])];
  const merged = part("merge", both, side);
  return outOfBlocks(convolved(weights, "leave", merged, side, 1, 1)[0], 1, size, block);
}

// Two convolutions beside the input, and what the time adds to each channel.
function residual(weights, name, batch, side, times) {
  const half = (number, input) => {
    const normal = grouped(weights, `${name}.${number}.0`, input, GROUPS).map(silu);
    return convolved(weights, `${name}.${number}.2`, normal, side, 1, 1);
  };
  const [time] = linear(weights, `${name}.time`, times);
  const found = half("first", batch).map((image) =>
    eachChannel(image, time.length, (value, channel) => value + time[channel]),
  );
  return added(convolved(weights, `${name}.skip`, batch, side, 1, 0), half("second", found));
}

/** Normal random numbers, the same ones for the same seed (Box and Muller). */
export function normals(seed, length) {
  const numbers = uniforms(seed, 2 * length);
  return Float64Array.from({ length }, (_, i) => {
    const size = Math.sqrt(-2 * Math.log(1 - numbers[2 * i]));
    return size * Math.cos(2 * Math.PI * numbers[2 * i + 1]);
  });
}
