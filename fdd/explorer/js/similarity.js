// How alike two pictures are: the twins of benchmarks/images/structure.py and retrieval.py.
// Pixels are [size * size * 4], of which the first three channels count.

const RADIUS = 5; // of the window of Wang et al., a Gaussian of 1.5 pixels
const WINDOW = (() => {
  const sizes = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-((i - RADIUS) ** 2) / 4.5));
  const total = sizes.reduce((one, other) => one + other);
  return sizes.map((size) => size / total);
})();
const STEADY_MEAN = (0.01 * 255) ** 2;
const STEADY_SPREAD = (0.03 * 255) ** 2;

/** SSIM, from -1 to 1, of pictures of at least 11 x 11 pixels. */
export function ssim(pixels, others, size) {
  let total = 0;
  for (let channel = 0; channel < 3; channel++) {
    const [a, b] = [pixels, others].map((one) =>
      Float64Array.from({ length: size * size }, (_, place) => one[4 * place + channel]),
    );
    const products = [a, b, a.map((x) => x * x), b.map((y) => y * y), a.map((x, i) => x * b[i])];
    const [means, meansOther, squares, squaresOther, both] = products.map((one) => blurred(one, size));
    total += means.reduce((sum, m, i) => {
      const n = meansOther[i];
      const spread = squares[i] - m * m + squaresOther[i] - n * n;
      const shared = both[i] - m * n;
      const upper = (2 * m * n + STEADY_MEAN) * (2 * shared + STEADY_SPREAD);
      return sum + upper / ((m * m + n * n + STEADY_MEAN) * (spread + STEADY_SPREAD));
    }, 0);
  }
  return total / 3 / (size - 2 * RADIUS) ** 2;
}

// Means under the window where it lies wholly inside.
function blurred(values, size) {
  const inner = size - 2 * RADIUS;
  const across = Float64Array.from({ length: size * inner }, (_, place) => {
    const first = Math.floor(place / inner) * size + (place % inner);
    return WINDOW.reduce((total, share, i) => total + share * values[first + i], 0);
  });
  return Float64Array.from({ length: inner * inner }, (_, place) =>
    WINDOW.reduce((total, share, i) => total + share * across[place + i * inner], 0),
  );
}

/** How many of the other pictures are at least as near to `made` as `truth` is, and one more. */
export function rankOf(made, truth, others) {
  const far = distance(made, truth);
  return 1 + others.filter((one) => distance(made, one) <= far).length;
}

// The square of the Euclidean distance; the fourth channels are the same.
function distance(pixels, others) {
  let total = 0;
  for (let i = 0; i < pixels.length; i++) {
    const difference = pixels[i] - others[i];
    total += difference * difference;
  }
  return total;
}

/** White where two pictures are the same, and the darker the more they differ, by channel. */
export function differenceOf(pixels, others) {
  return pixels.map((value, i) => (i % 4 === 3 ? 255 : 255 - Math.abs(value - others[i])));
}
