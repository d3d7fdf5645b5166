// Layers that make images larger, and blocks of pixels as channels.

import { convolved } from "./layers.js";

/**
 * The weights of a convolution of an image whose pixels are repeated 2 * stride times, without the
 * repeated pixels: the taps that meet one pixel's copies are added up, which leaves a small kernel
 * for each of the four positions in a 2 x 2 block of the result.
 */
export function folded({ shape: [out, channels, kernel], values }, bias, stride) {
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

/** The convolution that `folded` gave, of images of this side: their side doubles. */
export function enlarged({ reach, ...kernels }, batch, side) {
  return convolved(kernels, "small", batch, side, 1, reach).map((image) => {
    const out = image.length / (4 * side * side);
    const wide = 2 * side;
    return Float64Array.from({ length: image.length }, (_, place) => {
      const channel = Math.floor(place / wide ** 2);
      const row = Math.floor(place / wide) % wide;
      const column = place % wide;
      const position = 2 * (row % 2) + (column % 2);
      return image[((position * out + channel) * side + (row >> 1)) * side + (column >> 1)];
    });
  });
}

/** Each pixel as two by two. */
export function doubled(image, side) {
  const wide = 2 * side;
  return Float64Array.from({ length: 4 * image.length }, (_, place) => {
    const channel = Math.floor(place / wide ** 2);
    const row = Math.floor(place / wide) % wide;
    return image[(channel * side + (row >> 1)) * side + ((place % wide) >> 1)];
  });
}

/** Blocks of pixels as channels: torch's pixel_unshuffle. */
export function inBlocks(image, channels, size, block) {
  const side = size / block;
  return Float64Array.from({ length: channels * size * size }, (_, place) => {
    const [column, row] = [place % side, Math.floor(place / side) % side];
    const channel = Math.floor(place / side ** 2);
    const [right, below] = [channel % block, Math.floor(channel / block) % block];
    const map = Math.floor(channel / block ** 2);
    return image[(map * size + row * block + below) * size + column * block + right];
  });
}

/** Channels as blocks of pixels: torch's pixel_shuffle. */
export function outOfBlocks(image, channels, size, block) {
  const side = size / block;
  return Float64Array.from({ length: channels * size * size }, (_, place) => {
    const [column, row] = [place % size, Math.floor(place / size) % size];
    const map = Math.floor(place / size ** 2);
    const channel = (map * block + (row % block)) * block + (column % block);
    return image[(channel * side + Math.floor(row / block)) * side + Math.floor(column / block)];
  });
}

/** Images of twice the side, bilinear: a quarter of the way to the neighbours of each pixel. */
export function blended(batch, side) {
  const wide = 2 * side;
  const inside = (at) => Math.min(Math.max(at, 0), side - 1);
  return batch.map((image) =>
    Float64Array.from({ length: 4 * image.length }, (_, place) => {
      const map = Math.floor(place / wide ** 2) * side * side;
      const [row, column] = [Math.floor(place / wide) % wide, place % wide];
      const [y, x] = [row >> 1, column >> 1];
      const [beside, below] = [inside(x + (column % 2 ? 1 : -1)), inside(y + (row % 2 ? 1 : -1))];
      const across = (line) => 0.75 * image[map + line * side + x] + 0.25 * image[map + line * side + beside];
      return 0.75 * across(y) + 0.25 * across(below);
    }),
  );
}
