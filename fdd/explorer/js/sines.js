// Correctly rounded sine and cosine for |x| <= 1024: the twin of fdd/arithmetic/sines.py.
//
// The scheme is the one proven there: with t = k/64 nearest to x and r = x - t,
//
//     sin x = S cos r + C sin r = S + C r + r^2 (S B(r^2) + C r A(r^2)) + (tails of S and C)
//
// summed as h + lo; if h + (lo + e) and h + (lo - e) round to one float64, that is the answer. The
// cosine is the same sum with C in place of S and -S in place of C. JavaScript rounds each product
// and each sum once and has no fused multiply-add, so the product C r is split instead: C is C1 + C2
// with 27 bits in C1, r is r1 + r2 with r1 a multiple of 2^-33, and C1 r1 is exact (53 bits).
//
// Bound of the first try, 1/128 < |x| <= 15, with q = r^2 and u = 2^-53:
// - S is a multiple of 2^-58 and C1 r1 one of 2^-60 below 2^-7, so that S - h is exact (Fast2Sum).
// - In units of u q: B is off by 0.31, S B rounds by 0.25, the sum v of |v| <= 0.502 by 0.5, q itself
//   gives 0.51, q v 0.51, the sum lo 0.51, S' B q is at most 0.25, the rest below 0.02, and lo +- e
//   0.51. Together less than 3.5, which is 1.75 * 2^-52 q.
// - C1 r2, C2 r and what they are added to stay below 2^-33 beside q v: their roundings are less than
//   2^-83, and |S| is above 2^-11 in each row but that of t = 0, whose sines take the second try.
// So e = 1.75 * 2^-52 q + 2^-72 |S|. In about 1 of 1600 sines it does not decide.
//
// The second try repeats the sum with pairs of float64, good to 2^-98 (Dekker's product; Python's
// twin has the bound). Beyond 15 it takes off n turns of 2 pi first, in three words: n times either
// of the first two is exact, so what is left is off by less than 2^-125. The last try is exact:
// integers of growing precision, as in fdd/attractors/reference.py.

import { SINE_TABLE, TAYLOR, TURN } from "./constants.js";

const NARROW = 15;
const LIMIT = 1024;
const TINY = 2 ** -27; // below, sin x rounds to x and cos x to 1

// Adding one of these rounds to a multiple of 2^-6, 2^-33 or 2^-27. The first leaves the number of
// the node in the low bits of the sum.
const NODE = 1.5 * 2 ** 46;
const FINE = 1.5 * 2 ** 19;
const COARSE = 1.5 * 2 ** 25;

const E_SQUARE = 1.75 * 2 ** -52;
const E_NODE = 2 ** -72;

// Eight numbers a node: S, S', C1, C2 for the sine, then C, C', -S1, -S2 for the cosine.
const SINE = 0;
const COSINE = 4;
const ROWS = (() => {
  const rows = new Float64Array(2 * SINE_TABLE.length);
  const put = (place, value, tail, slope, slopeTail) => {
    const head = slope + COARSE - COARSE;
    rows.set([value, tail, head, slope - head + slopeTail], place);
  };
  for (let k = 0; k < SINE_TABLE.length / 4; k++) {
    const [s, c, sTail, cTail] = SINE_TABLE.subarray(4 * k, 4 * k + 4);
    put(8 * k + SINE, s, sTail, c, cTail);
    put(8 * k + COSINE, c, cTail, -s, -sTail);
  }
  return rows;
})();

const key = new Float64Array(1);
const keyBits = new Int32Array(key.buffer);

function rounded(x, column) {
  const size = Math.abs(x);
  if (!(size > 1 / 128 && size <= NARROW)) return secondTry(x, column);
  key[0] = x + NODE;
  const t = key[0] - NODE;
  const row = ((keyBits[0] & 2047) << 3) | column;
  const s = ROWS[row];
  const c1 = ROWS[row + 2];
  const r = x - t;
  const r1 = x + FINE - FINE - t;
  const p = c1 * r1;
  const h = s + p;
  const q = r * r;
  const a = (q * (-1 / 5040) + 1 / 120) * q - 1 / 6;
  const b = (q * (-1 / 720) + 1 / 24) * q - 1 / 2;
  const rest = c1 * (r - r1) + ROWS[row + 3] * r + ROWS[row + 1];
  const lo = q * (s * b + (p + rest) * a) + (p - (h - s) + rest);
  const e = q * E_SQUARE + Math.abs(s) * E_NODE;
  const upper = h + (lo + e);
  return upper === h + (lo - e) ? upper : secondTry(x, column);
}

/** The float64 nearest to the true sine of x; NaN unless |x| <= 1024. */
export function sin(x) {
  return rounded(x, SINE);
}

/** The float64 nearest to the true cosine of x; NaN unless |x| <= 1024. */
export function cos(x) {
  return rounded(x, COSINE);
}

// Pairs [head, tail]: sums and products with an error near 2^-103.

function exactSum(x, y) {
  const s = x + y;
  const t = s - x;
  return [s, x - (s - t) + (y - t)];
}

function exactProduct(x, y) {
  const p = x * y;
  const xSplit = 134217729 * x; // 2^27 + 1
  const ySplit = 134217729 * y;
  const x1 = xSplit - (xSplit - x);
  const y1 = ySplit - (ySplit - y);
  const x2 = x - x1;
  const y2 = y - y1;
  return [p, x2 * y2 - (p - x1 * y1 - x2 * y1 - x1 * y2)];
}

function sum([x, xTail], [y, yTail]) {
  const [s, e] = exactSum(x, y);
  return exactSum(s, e + (xTail + yTail));
}

function product([x, xTail], [y, yTail]) {
  const [p, e] = exactProduct(x, y);
  return exactSum(p, e + (x * yTail + xTail * y));
}

function secondTry(x, column) {
  const size = Math.abs(x);
  if (!(size <= LIMIT)) return NaN;
  if (size < TINY) return column === SINE ? x : 1;
  let angle = [x, 0];
  if (size > NARROW) {
    const n = Math.round(x / TURN[0]);
    const [head, tail] = exactSum(x - n * TURN[0], -n * TURN[1]);
    angle = exactSum(head, tail - n * TURN[2]);
  }
  const k = Math.round(64 * angle[0]);
  const r = exactSum(angle[0] - k / 64, angle[1]);
  const row = (k & 2047) << 3;
  const sine = [ROWS[row], ROWS[row + 1]];
  const cosine = [ROWS[row + COSINE], ROWS[row + COSINE + 1]];
  const [value, slope] = column === SINE ? [sine, cosine] : [cosine, [-sine[0], -sine[1]]];

  const q = product(r, r);
  const t = TAYLOR; // t[n]: the coefficient of r^n, as a pair
  const odd = ((q[0] * t[11][0] + t[9][0]) * q[0] + t[7][0]) * q[0];
  let a = sum(t[5], [odd, 0]);
  a = sum(t[3], product(a, q));
  a = sum(r, product(product(a, q), r)); // sin r
  const even = ((q[0] * t[10][0] + t[8][0]) * q[0] + t[6][0]) * q[0];
  let b = sum(t[4], [even, 0]);
  b = product(sum([-0.5, 0], product(b, q)), q); // cos r - 1

  const atZero = value[0] === 0;
  const [h, tail] = atZero ? a : sum(value, sum(product(slope, a), product(value, b)));
  const e = Math.abs(h) * 2 ** -96 + (atZero ? 2 ** -125 : 2 ** -98);
  const upper = h + (tail + e);
  return upper === h + (tail - e) ? upper : lastTry(x, column);
}

/** By integers alone, TINY <= |x| <= LIMIT; exported for the tests, which else never get here. */
export function lastTry(x, column) {
  const guard = BigInt(2 * Math.ceil(Math.abs(x)));
  for (let bits = 128n; ; bits *= 2n) {
    const precision = bits + guard;
    const argument = BigInt(x * 2 ** 80) << (precision - 80n); // x is a multiple of 2^-80
    const square = (argument * argument) >> precision;
    let n = column === SINE ? 1n : 0n;
    let term = n ? argument : 1n << precision;
    let total = term;
    while (term !== 0n) {
      term = -((term * square) >> precision) / ((n + 1n) * (n + 2n));
      total += term;
      n += 2n;
    }
    // Each step adds at most 4 units, which later factors enlarge to at most 2^guard units.
    const error = (4n * n + 4n) << guard;
    const low = Number((total - error) >> guard) / 2 ** Number(bits);
    const high = Number(((total + error) >> guard) + 1n) / 2 ** Number(bits);
    if (low === high) return low;
  }
}
