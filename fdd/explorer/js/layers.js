// Layers of networks, with torch's numbers.
//
// An image is a Float64Array of values, channel by channel, and a batch is a list of images. Each
// convolution is one product of matrices; the sums are float64, so what comes out differs from
// torch's float32 in the fifth digit.

/** A linear layer of rows, each Float64Array [length], with its bias if it has one. */
export function linear(weights, name, batch) {
  const {
    shape: [out, length],
    values,
  } = weights[`${name}.weight`];
  const bias = weights[`${name}.bias`]?.values;
  return batch.map((row) => {
    const made = products(values, out, row, 1, length);
    return bias ? made.map((value, place) => value + bias[place]) : made;
  });
}

/** A convolution, with its bias if it has one. */
export function convolved(weights, name, batch, side, stride, padding) {
  const {
    shape: [out, channels, kernel],
    values,
  } = weights[`${name}.weight`];
  const bias = weights[`${name}.bias`]?.values;
  const width = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  const length = channels * kernel * kernel;
  return batch.map((image) => {
    const patches = new Float64Array(width * width * length);
    let place = 0;
    for (let row = 0; row < width; row++) {
      for (let column = 0; column < width; column++) {
        for (let channel = 0; channel < channels; channel++) {
          for (let i = 0; i < kernel; i++) {
            const y = row * stride + i - padding;
            for (let j = 0; j < kernel; j++, place++) {
              const x = column * stride + j - padding;
              if (y < 0 || y >= side || x < 0 || x >= side) continue;
              patches[place] = image[(channel * side + y) * side + x];
            }
          }
        }
      }
    }
    const made = products(values, out, patches, width * width, length);
    return bias ? eachChannel(made, out, (value, channel) => value + bias[channel]) : made;
  });
}

// rows [n, length] times columns [m, length], transposed: [n, m]. Four rows at a time, for speed.
function products(rows, n, columns, m, length) {
  const result = new Float64Array(n * m);
  for (let row = 0; row < n; row += 4) {
    const [first, second, third, fourth] = [0, 1, 2, 3].map((i) => Math.min(row + i, n - 1));
    for (let column = 0; column < m; column++) {
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      for (let i = 0; i < length; i++) {
        const value = columns[column * length + i];
        a += rows[first * length + i] * value;
        b += rows[second * length + i] * value;
        c += rows[third * length + i] * value;
        d += rows[fourth * length + i] * value;
      }
      result[first * m + column] = a;
      result[second * m + column] = b;
      result[third * m + column] = c;
      result[fourth * m + column] = d;
    }
  }
  return result;
}

/** An image with act(value, channel) in place of each value. */
export function eachChannel(image, channels, act) {
  const area = image.length / channels;
  return image.map((value, i) => act(value, Math.floor(i / area)));
}

/** BatchNorm by its running averages, with its own scale and shift if it has them. */
export function normalised(weights, name, batch, epsilon = 1e-5) {
  const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(
    (part) => weights[`${name}.${part}`]?.values,
  );
  const scale = Float64Array.from(
    variance,
    (value, i) => (weight ? weight[i] : 1) / Math.sqrt(value + epsilon),
  );
  const shift = Float64Array.from(mean, (value, i) => (bias ? bias[i] : 0) - value * scale[i]);
  return batch.map((image) =>
    eachChannel(image, scale.length, (value, i) => value * scale[i] + shift[i]),
  );
}

/** GroupNorm, with as many groups of channels. */
export function grouped(weights, name, batch, groups, epsilon = 1e-5) {
  const [weight, bias] = ["weight", "bias"].map((part) => weights[`${name}.${part}`].values);
  return batch.map((image) => {
    const length = image.length / groups;
    const normal = Array.from({ length: groups }, (_, group) =>
      unified(image.subarray(group * length, (group + 1) * length), epsilon),
    );
    return eachChannel(
      Float64Array.from(normal.flatMap((values) => [...values])),
      weight.length,
      (value, channel) => value * weight[channel] + bias[channel],
    );
  });
}

/** LayerNorm of rows. */
export function standardised(weights, name, batch, epsilon = 1e-5) {
  const [weight, bias] = ["weight", "bias"].map((part) => weights[`${name}.${part}`].values);
  return batch.map((row) => unified(row, epsilon).map((value, i) => value * weight[i] + bias[i]));
}

/** Values with a mean of 0 and a deviation of 1. */
export function unified(values, epsilon) {
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  const scale = 1 / Math.sqrt(squares / values.length + epsilon);
  return values.map((value) => (value - mean) * scale);
}

/** SiLU of an image or a row. */
export function silu(values) {
  return values.map((value) => value / (1 + Math.exp(-value)));
}

/** ReLU, or with a slope LeakyReLU. */
export function rectified(batch, slope = 0) {
  return batch.map((image) => image.map((value) => (value > 0 ? value : slope * value)));
}

/** The sum of two batches. */
export function added(batch, other) {
  return batch.map((image, place) => image.map((value, i) => value + other[place][i]));
}

/** Means of two by two pixels. */
export function halved(batch, side) {
  const half = side / 2;
  return batch.map((image) =>
    Float64Array.from({ length: image.length / 4 }, (_, place) => {
      const channel = Math.floor(place / half ** 2);
      const row = Math.floor(place / half) % half;
      const first = (channel * side + 2 * row) * side + 2 * (place % half);
      return (image[first] + image[first + 1] + image[first + side] + image[first + side + 1]) / 4;
    }),
  );
}
