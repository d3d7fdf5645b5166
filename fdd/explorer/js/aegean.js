// The networks of AEGeAN of 2020: the twin of baselines/aegean.py.

import { convolved, linear, normalised, rectified, unified } from "./layers.js";
import { block } from "./networks.js";
import { blended } from "./pixels.js";

/** Encoder: images -> codes. */
export function encoderOf2020(weights, config, images) {
  const { image_size: size, kernel_size: kernel, leaky_slope: slope } = config;
  const half = Math.floor(kernel / 2);
  let batch = rectified(convolved(weights, "0", images, size, 2, half), slope);
  let side = size / 2;
  let layer = 2;
  for (let stage = 0; stage < 3; stage++) {
    batch = convolved(weights, `${layer}`, batch, side, 2, half);
    side /= 2;
    batch = normalised(weights, `${layer + 2}`, batch, config.batch_norm_eps);
    batch = rectified(batch, slope);
    layer += 4;
    if (stage < 2) batch = block(weights, `${layer++}`, batch, side);
  }
  const hidden = rectified(linear(weights, `${layer + 1}`, batch), slope);
  return linear(weights, `${layer + 3}`, hidden);
}

/** Generator, as a function: a code -> an image with values from -1 to 1. */
export function generatorOf2020(weights, config) {
  const { image_size: size, kernel_size: kernel, leaky_slope: slope, width } = config;
  const half = Math.floor(kernel / 2);
  const same = (name, batch, side) => convolved(weights, name, batch, side, 1, half);
  return (code) => {
    let batch = rectified(linear(weights, "0", [Float64Array.from(code)]), slope);
    batch = rectified(linear(weights, "2", batch), slope);
    let side = size / 4;
    batch = rectified(same("5", batch, side), slope);
    for (const layer of [7, 12]) {
      batch = blended(same(`${layer}`, batch, side), side);
      side *= 2;
      const alone = (_weights, _name, images) => eachAlone(images, side);
      batch = rectified(eachAlone(batch, side), slope);
      batch = block(weights, `${layer + 4}`, batch, side, alone);
    }
    return picture(batch[0]);
  };

  // What the channels give: a figure, and behind it, where there is a mask, a background.
  function picture(channels) {
    const [before] = weights["17.figure.weight"].shape.slice(1);
    const area = size * size;
    const draw = (name, image) => same(`17.${name}`, [image], size)[0];
    const figure = draw("figure", channels.slice(0, before * area)).map(squashed);
    if (before === width) return figure.map((value) => 2 * value - 1);
    const background = draw("background", channels.slice(before * area)).map(squashed);
    const mask = draw("mask", channels).map(sigmoid);
    return figure.map((value, place) => {
      const behind = background[place];
      return 2 * (behind + mask[place % area] * (value - behind)) - 1;
    });
  }
}

// InstanceNorm: each channel of each image with a mean of 0 and a deviation of 1.
function eachAlone(batch, side) {
  return batch.map((image) => {
    const made = new Float64Array(image.length);
    for (let start = 0; start < image.length; start += side * side) {
      made.set(unified(image.subarray(start, start + side * side), 1e-5), start);
    }
    return made;
  });
}

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

function squashed(value) {
  return 0.9 * Math.min(Math.max(value, 0), 1) + 0.1 * sigmoid(value - 0.5);
}
