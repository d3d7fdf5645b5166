// The networks of trained models: the twin of baselines/parts/networks.py, for what is learned.
//
// Each takes the weights of its part of a model, by the numbers of torch's layers.

import { added, convolved, halved, linear, normalised, rectified } from "./layers.js";

/** ResidualEncoder: images -> outputs, with convolutions of stride 2, then blocks, then layers. */
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
    const stride = has(`${layer}.skip.1.weight`) ? 2 : 1;
    let body = convolved(weights, `${layer}.body.0`, batch, side, stride, 1);
    body = rectified(normalised(weights, `${layer}.body.1`, body));
    body = convolved(weights, `${layer}.body.3`, body, side / stride, 1, 1);
    body = normalised(weights, `${layer}.body.4`, body);
    if (stride === 2) {
      batch = halved(batch, side);
      side /= 2;
      batch = convolved(weights, `${layer}.skip.1`, batch, side, 1, 0);
    }
    batch = rectified(added(batch, body));
  }
  const hidden = rectified(linear(weights, `${layer + 1}`, batch));
  return linear(weights, `${layer + 3}`, hidden);
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
    enlarging.forEach(({ reach, ...kernels }, number) => {
      batch = convolved(kernels, "small", batch, side, 1, reach).map((one) => spread(one, side));
      side *= 2;
      batch = normalised(weights, `${first + 3 * number + 1}`, batch, config.batch_norm_eps);
      batch = rectified(batch, slope);
    });
    return convolved(weights, `${first + 9}`, batch, size, 1, 1)[0].map(Math.tanh);
  };
}

// UpsampledConv2d without the repeated pixels: the taps of a kernel that meet one pixel's copies are
// added up, which leaves a small kernel for each of the four positions in a 2 x 2 block.
function folded({ shape: [out, channels, kernel], values }, bias, stride) {
  const half = Math.floor(kernel / 2);
  const copies = 2 * stride;
  const met = (position, tap) => Math.floor((tap - half + position * stride) / copies);
  const reach = Math.max(-met(0, 0), met(1, kernel - 1));
  const side = 2 * reach + 1;
  const sums = new Float32Array(4 * out * channels * side * side);
  for (let place = 0; place < values.length; place++) {
    const across = place % kernel;
    const down = Math.floor(place / kernel) % kernel;
    const pair = Math.floor(place / kernel ** 2); // out * channels + channel
    for (let position = 0; position < 4; position++) {
      const row = met(position >> 1, down) + reach;
      const column = met(position & 1, across) + reach;
      sums[((position * out * channels + pair) * side + row) * side + column] += values[place];
    }
  }
  const biases = Float32Array.from({ length: 4 * out }, (_, i) => bias.values[i % out]);
  return {
    reach,
    "small.weight": { shape: [4 * out, channels, side], values: sums },
    "small.bias": { shape: [4 * out], values: biases },
  };
}

// Channels of four positions, [4 * out, side, side], as blocks of pixels: [out, 2 side, 2 side].
function spread(image, side) {
  const out = image.length / (4 * side * side);
  const wide = 2 * side;
  return Float64Array.from({ length: image.length }, (_, place) => {
    const channel = Math.floor(place / wide ** 2);
    const row = Math.floor(place / wide) % wide;
    const column = place % wide;
    const position = 2 * (row % 2) + (column % 2);
    return image[((position * out + channel) * side + (row >> 1)) * side + (column >> 1)];
  });
}
