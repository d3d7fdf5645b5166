// What the oracle reads from images: the twin of benchmarks/oracle/network.py, for its files.

import { residualEncoder } from "./networks.js";
import { opened } from "./weights.js";

const CENTRE = [1.5, 1.5, 0, 0]; // mean and deviation of |a|, |b|, c, d: the network's unit
const SPREAD = [0.75, 0.75, 3, 3].map(Math.sqrt);

/** The oracle in the bytes of a safetensors file: its config, and its weights by name. */
export function openedOracle(buffer) {
  const { metadata, weights } = opened(buffer);
  return { config: JSON.parse(metadata.config), weights };
}

/** a', b', c and d as read from pixels [size * size * 4] of a picture. */
export function readPixels({ config, weights }, pixels) {
  const seen = VIEWS.map((view) => viewed(pixels, config.size, view));
  const found = residualEncoder(weights, seen, config.size).map((outputs, place) =>
    upright([...sizes(outputs), 1 / (1 + Math.exp(-outputs[4]))], VIEWS[place]),
  );
  const [a, b, c, d, positive] = found[0].map(
    (_, number) => found.reduce((total, one) => total + one[number], 0) / found.length,
  );
  return [a, b * (2 * positive - 1), c, d];
}

// |a|, |b|, c and d from the network's unit.
function sizes(outputs) {
  return CENTRE.map((centre, number) => outputs[number] * SPREAD[number] + centre);
}

/** a', b', c and d as the same network, trained as a baseline, reads them from one view. */
export function canonical(outputs) {
  const [a, b, c, d] = sizes(outputs);
  return Float64Array.of(a, b * Math.tanh(outputs[4] / 2), c, d);
}

// The eight symmetries of the square.
const VIEWS = Array.from({ length: 8 }, (_, number) => ({
  down: Boolean(number & 1),
  across: Boolean(number & 2),
  transposed: Boolean(number & 4),
}));

/** Values from -1 to 1, channel by channel, of a picture that is flipped, and then transposed. */
export function viewed(pixels, size, { down, across, transposed } = {}) {
  const image = new Float64Array(3 * size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [r, c] = transposed ? [column, row] : [row, column];
      const from = 4 * ((down ? size - 1 - r : r) * size + (across ? size - 1 - c : c));
      for (let channel = 0; channel < 3; channel++) {
        image[(channel * size + row) * size + column] = pixels[from + channel] / 127.5 - 1;
      }
    }
  }
  return image;
}

// A flip changes the signs of c and d, and transposing swaps a with b and c with d.
function upright([a, b, c, d, positive], { down, across, transposed }) {
  const numbers = transposed ? [b, a, d, c] : [a, b, c, d];
  const sign = down !== across ? -1 : 1;
  return [numbers[0], numbers[1], sign * numbers[2], sign * numbers[3], positive];
}
