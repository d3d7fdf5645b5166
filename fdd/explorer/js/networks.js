// The networks of trained models: the twin of baselines/parts/networks.py, for what is learned.
//
// Each takes the weights of its part of a model, by the numbers of torch's layers.

import { added, convolved, halved, linear, normalised, rectified } from "./layers.js";
import { enlarged, folded } from "./pixels.js";

/** ResidualEncoder: images -> outputs, with convolutions of stride 2, then blocks, then layers, as
 * far as it has them. */
export function residualEncoder(weights, images, size) {
  const has = (name) => name in weights;
  let batch = images;
  let side = size;
  let layer = 0;
  for (; has(`${layer}.weight`); layer += 3) {
    batch = convolved(weights, `${layer}`, batch, side, 2, 1);
    side /= 2;
    batch = rectified(normalised(weights, `${layer + 1}`, batch));
  }
  for (; has(`${layer}.body.0.weight`); layer++) {
    batch = block(weights, `${layer}`, batch, side);
    if (has(`${layer}.skip.1.weight`)) side /= 2;
  }
  if (!has(`${layer + 1}.weight`)) return batch;
  const hidden = rectified(linear(weights, `${layer + 1}`, batch));
  return has(`${layer + 3}.weight`) ? linear(weights, `${layer + 3}`, hidden) : hidden;
}

/** Block: two convolutions beside the input; `normal` is what normalises. */
export function block(weights, name, batch, side, normal = normalised) {
  const halves = `${name}.skip.1.weight` in weights;
  const end = halves ? side / 2 : side;
  let body = convolved(weights, `${name}.body.0`, batch, side, side / end, 1);
  body = rectified(normal(weights, `${name}.body.1`, body));
  body = convolved(weights, `${name}.body.3`, body, end, 1, 1);
  body = normal(weights, `${name}.body.4`, body);
  const beside = halves ? convolved(weights, `${name}.skip.1`, halved(batch, side), end, 1, 0) : batch;
  return rectified(added(beside, body));
}

/** Encoder: images -> codes. */
export function encoder(weights, config, images) {
  const { image_size: size, kernel_size: kernel, leaky_slope: slope } = config;
  const half = Math.floor(kernel / 2);
  let batch = rectified(convolved(weights, "0", images, size, 2, half), slope);
  let layer = 2;
  for (let side = size / 2; side > size / 16; side /= 2, layer += 3) {
    batch = rectified(convolved(weights, `${layer}`, batch, side, 2, half), slope);
    batch = normalised(weights, `${layer + 2}`, batch, config.batch_norm_eps);
  }
  return linear(weights, `${layer + 1}`, batch);
}

/** Generator, as a function: a code -> an image with values from -1 to 1. */
export function newGenerator(weights, config) {
  const { image_size: size, mapping_layers: mapping, leaky_slope: slope } = config;
  const first = 2 * mapping + 3; // behind the mapping, a linear layer, its new shape and slope
  const enlarging = [0, 1, 2].map((number) => {
    const [weight, bias] = ["weight", "bias"].map((part) => weights[`${first + 3 * number}.${part}`]);
    return folded(weight, bias, config.generator_stride);
  });
  return (code) => {
    let batch = [Float64Array.from(code)];
    for (let layer = 0; layer <= 2 * mapping; layer += 2) {
      batch = rectified(linear(weights, `${layer}`, batch), slope);
    }
    let side = size / 8;
    enlarging.forEach((kernels, number) => {
      batch = enlarged(kernels, batch, side);
      side *= 2;
      batch = normalised(weights, `${first + 3 * number + 1}`, batch, config.batch_norm_eps);
      batch = rectified(batch, slope);
    });
    return convolved(weights, `${first + 9}`, batch, size, 1, 1)[0].map(Math.tanh);
  };
}
