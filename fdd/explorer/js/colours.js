// Pixels as the numbers that networks see and make: the twin of to_tensor and to_images in
// baselines/training/data.py.

/** Values from -1 to 1, channel by channel, of pixels, whose rgb the network sees or their hsv. */
export function valuesOf(pixels, colors) {
  const area = pixels.length / 4;
  const values = new Float64Array(3 * area);
  for (let place = 0; place < area; place++) {
    let shares = [0, 1, 2].map((channel) => pixels[4 * place + channel] / 255);
    if (colors === "hsv") shares = toHsv(shares);
    shares.forEach((share, channel) => (values[channel * area + place] = 2 * share - 1));
  }
  return values;
}

/** The pixels of such values, which are cut to the range. */
export function pixelsOf(values, colors) {
  const area = values.length / 3;
  const pixels = new Uint8ClampedArray(4 * area).fill(255);
  for (let place = 0; place < area; place++) {
    let shares = [0, 1, 2].map((channel) => (values[channel * area + place] + 1) / 2);
    if (colors === "hsv") shares = toRgb(shares.map((share) => Math.min(Math.max(share, 0), 1)));
    shares.forEach((share, channel) => (pixels[4 * place + channel] = 255 * share));
  }
  return pixels;
}

// As matplotlib does both.

function toHsv([red, green, blue]) {
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  if (range === 0) return [0, 0, most];
  let hue = (green - blue) / range;
  if (green === most) hue = 2 + (blue - red) / range;
  if (blue === most) hue = 4 + (red - green) / range;
  return [(hue / 6 + 1) % 1, range / most, most];
}

function toRgb([hue, saturation, value]) {
  const sector = Math.floor(6 * hue);
  const rest = 6 * hue - sector;
  const p = value * (1 - saturation);
  const q = value * (1 - saturation * rest);
  const t = value * (1 - saturation * (1 - rest));
  const sectors = [
    [value, t, p],
    [q, value, p],
    [p, value, t],
    [p, q, value],
    [t, p, value],
    [value, p, q],
  ];
  return sectors[sector % 6];
}
