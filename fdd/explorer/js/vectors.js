// The codes of parameters, and what the symmetries do: the twin of baselines/parts/vectors.py.

import { readable } from "./state.js";

/** The code of a vector: (2 a' / 3 - 1, b' / 3, c / 3, d / 3). */
export function canonicalCode(params) {
  const [a, ...rest] = readable(params).map((value) => value / 3);
  return [2 * a - 1, ...rest];
}

/** Of the eight codes with one picture the one with a >= |b| and c >= 0, and how its picture turns. */
export function fold([first, ...rest]) {
  const [size, other, across, up] = [(first + 1) / 2, ...rest];
  const swapped = Math.abs(other) > Math.abs(size);
  const [a, b, c, d] = swapped ? [other, size, up, across] : [size, other, across, up];
  const sign = a < 0 ? -1 : 1;
  const turn = c < 0 ? -1 : 1;
  return { chosen: [sign * a, sign * b, turn * c, turn * d], swapped, flipped: c < 0 };
}

/** The picture of a code, each of its maps, from that of the folded one. */
export function unfolded(image, maps, size, { swapped, flipped }) {
  return Float64Array.from({ length: maps * size * size }, (_, place) => {
    let row = Math.floor(place / size) % size;
    let column = place % size;
    if (swapped) [row, column] = [size - 1 - column, size - 1 - row];
    if (flipped) row = size - 1 - row;
    return image[(Math.floor(place / size ** 2) * size + row) * size + column];
  });
}
