// Counts to pixels: the twin of fdd/rendering/shading.py, with the bytes of datashader's eq_hist.
// Pixels are Uint8ClampedArray [cells * 4], red, green, blue and 255, as a canvas takes them.

const BINS = 65536; // from this spread of counts on, the equalisation bins them
const WHITE = [255, 255, 255];

/** Colours from the rarest counts to the densest, white where no point is; palette: [256 * 3]. */
export function rgb(counts, palette) {
  const { levels, cells } = distribution(counts);
  const wide = levels[levels.length - 1] - levels[0] >= BINS;
  return painted(counts, levels, (wide ? binned : interpolated)(levels, cells, palette));
}

/** Ink on paper: white where no point is, black in the densest cell. */
export function gray(counts) {
  const { levels, cells } = distribution(counts);
  const inks = sharesOf(cells).map((share) => Math.trunc(255 * (1 - share)));
  return painted(counts, levels, inks.map(grayOf));
}

/** The counts themselves, for the eye: the darker the more, on a logarithmic scale. */
export function logarithmic(counts) {
  const { levels } = distribution(counts);
  const most = Math.log1p(levels[levels.length - 1]);
  const inks = levels.map((level) => 230 * (1 - Math.log1p(level) / most));
  return painted(counts, levels, inks.map(grayOf));
}

function grayOf(ink) {
  return [ink, ink, ink];
}

// The counts that occur, ascending, and how many cells have each.
function distribution(counts) {
  const cells = new Map();
  for (const count of counts) if (count) cells.set(count, (cells.get(count) ?? 0) + 1);
  const levels = [...cells.keys()].sort((one, other) => one - other);
  return { levels, cells: levels.map((level) => cells.get(level)) };
}

// The share of the occupied cells up to each level.
function sharesOf(cells) {
  const occupied = cells.reduce((total, number) => total + number, 0);
  let running = 0;
  return cells.map((number) => (running += number) / occupied);
}

function painted(counts, levels, colours) {
  const pixels = new Uint8ClampedArray(4 * counts.length);
  const words = new Uint32Array(pixels.buffer); // little-endian, as every browser's machine is
  const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;
  const table = new Map(levels.map((level, place) => [level, packed(colours[place])]));
  table.set(0, packed(WHITE));
  for (let cell = 0; cell < counts.length; cell++) words[cell] = table.get(counts[cell]);
  return pixels;
}

const CHANNELS = [0, 1, 2];

function interpolated(levels, cells, palette) {
  const shares = sharesOf(cells);
  const lowest = shares[0];
  const step = (1 - lowest) / 255;
  let colour = 0;
  return shares.map((share) => {
    if (share >= 1) return palette.subarray(255 * 3);
    while (colour < 254 && (colour + 1) * step + lowest <= share) colour++;
    const left = colour * step + lowest;
    const right = colour < 254 ? (colour + 1) * step + lowest : 1;
    return CHANNELS.map((channel) => {
      const low = palette[3 * colour + channel];
      const high = palette[3 * colour + 3 + channel];
      return Math.trunc(((high - low) / (right - left)) * (share - left) + low);
    });
  });
}

function binned(levels, cells, palette) {
  const offsets = levels.map((level) => level - levels[0]);
  const edges = linspace(0, offsets[offsets.length - 1], BINS + 1);
  const filled = new Map();
  offsets.forEach((offset, place) => {
    const bin = Math.min(interval(edges, offset), BINS - 1);
    filled.set(bin, (filled.get(bin) ?? 0) + cells[place]);
  });
  const centres = [...filled.keys()].map((bin) => (edges[bin] + edges[bin + 1]) / 2);
  const shares = offsets.map(interpolation(centres, sharesOf([...filled.values()])));
  const span = linspace(shares[0], shares[shares.length - 1], 256);
  const curves = CHANNELS.map((channel) =>
    interpolation(
      span,
      palette.filter((_, byte) => byte % 3 === channel),
    ),
  );
  return shares.map((share) => curves.map((curve) => Math.trunc(curve(share))));
}

// As in numpy: linspace, and interp as a function of x.

function linspace(first, last, count) {
  const step = (last - first) / (count - 1);
  const values = Float64Array.from({ length: count }, (_, i) => i * step + first);
  values[count - 1] = last;
  return values;
}

function interpolation(xs, ys) {
  return (x) => {
    if (x < xs[0]) return ys[0];
    const i = interval(xs, x);
    if (i === xs.length - 1 || x === xs[i]) return ys[i];
    return ((ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i])) * (x - xs[i]) + ys[i];
  };
}

// The last i with xs[i] <= x.
function interval(xs, x) {
  let low = 0;
  let high = xs.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return low;
}
