// An orbit to the visits of each cell: the twin of counts in fdd/attractors/reference.py.

import { orbits } from "./orbits.js";

/**
 * Visits to each cell of the orbit's bounding box, row 0 on top: Uint32Array [size * size].
 *
 * params are the family's, the starting point first; points counts the starting point. null for an
 * orbit that is not finite, is constant in x or in y, or is so narrow that its scale is not finite.
 */
export function countsOf(family, params, size, points) {
  const xs = new Float64Array(points);
  const ys = new Float64Array(points);
  [xs[0], ys[0]] = params;
  orbits[family](xs, ys, params.slice(2));
  const across = axis(xs, size);
  const up = axis(ys, size);
  if (!across || !up) return null;
  const counts = new Uint32Array(size * size);
  for (let i = 0; i < points; i++) {
    const row = size - 1 - cell(ys[i], up, size);
    counts[row * size + cell(xs[i], across, size)]++;
  }
  return counts;
}

function axis(values, size) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) return null;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = size / (high - low);
  const shift = -low * scale;
  return Number.isFinite(scale) && Number.isFinite(shift) ? { scale, shift, high } : null;
}

function cell(value, { scale, shift, high }, size) {
  const place = Math.trunc(value * scale + shift) - (value === high ? 1 : 0);
  return Math.min(Math.max(place, 0), size - 1);
}

/** How many cells were visited. */
export function occupiedCells(counts) {
  let cells = 0;
  for (const count of counts) cells += count > 0 ? 1 : 0;
  return cells;
}
