// What the oracle reads from images: the twin of benchmarks/oracle/network.py, for its files.
//
// An image is a Float64Array of values, channel by channel, and a batch is a list of images. Each
// convolution is one product of matrices; the sums are float64, so what is read differs from
// torch's float32 in the fifth digit.

const CENTRE = [1.5, 1.5, 0, 0]; // mean and deviation of |a|, |b|, c, d: the network's unit
const SPREAD = [0.75, 0.75, 3, 3].map(Math.sqrt);
const EPSILON = 1e-5; // of torch's BatchNorm

/** The oracle in the bytes of a safetensors file: its config, and its weights by name. */
export function opened(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  const weights = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    const bytes = buffer.slice(...offsets.map((offset) => 8 + length + offset));
    if (dtype === "F16") weights[name] = { shape, values: halves(new Uint16Array(bytes)) };
    if (dtype === "F32")
      weights[name] = { shape, values: Float64Array.from(new Float32Array(bytes)) };
  }
  return { config: JSON.parse(metadata.config), weights };
}

function halves(words) {
  return Float64Array.from(words, (word) => {
    const sign = word & 0x8000 ? -1 : 1;
    const exponent = (word >> 10) & 31;
    const fraction = word & 1023;
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return sign * size;
  });
}

/** What can be read of a vector of the Fractal Dream: a' = |a|, b' = sign(a) b, c, d. */
export function readable([, , a, b, c, d]) {
  const flipped = a < 0 || (a === 0 && b < 0);
  return [flipped ? -a : a, flipped ? -b : b, c, d];
}

/** a', b', c and d as read from pixels [size * size * 4] of a picture. */
export function readPixels({ config, weights }, pixels) {
  const seen = VIEWS.map((view) => viewed(pixels, config.size, view));
  const found = network(weights, seen, config.size).map((outputs, place) => {
    const numbers = CENTRE.map((centre, number) => outputs[number] * SPREAD[number] + centre);
    return upright([...numbers, 1 / (1 + Math.exp(-outputs[4]))], VIEWS[place]);
  });
  const [a, b, c, d, positive] = found[0].map(
    (_, number) => found.reduce((total, one) => total + one[number], 0) / found.length,
  );
  return [a, b * (2 * positive - 1), c, d];
}

// The eight symmetries of the square.
const VIEWS = Array.from({ length: 8 }, (_, number) => ({
  down: Boolean(number & 1),
  across: Boolean(number & 2),
  transposed: Boolean(number & 4),
}));

// Values from -1 to 1 of a picture that is flipped, and then transposed.
function viewed(pixels, size, { down, across, transposed }) {
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

// The layers are numbered: convolutions of stride 2, then blocks, then linear ones.
function network(weights, images, size) {
  const has = (name) => name in weights;
  let batch = images;
  let side = size;
  let layer = 0;
  for (; has(`${layer}.weight`); layer += 3) {
    batch = convolved(weights[`${layer}.weight`], batch, side, 2, 1);
    side /= 2;
    batch = rectified(normalised(weights, `${layer + 1}`, batch));
  }
  for (; has(`${layer}.body.0.weight`); layer++) {
    const stride = has(`${layer}.skip.1.weight`) ? 2 : 1;
    let body = convolved(weights[`${layer}.body.0.weight`], batch, side, stride, 1);
    body = rectified(normalised(weights, `${layer}.body.1`, body));
    body = convolved(weights[`${layer}.body.3.weight`], body, side / stride, 1, 1);
    body = normalised(weights, `${layer}.body.4`, body);
    if (stride === 2) {
      batch = batch.map((image) => halved(image, side));
      side /= 2;
      batch = convolved(weights[`${layer}.skip.1.weight`], batch, side, 1, 0);
    }
    batch = rectified(batch.map((image, place) => image.map((value, i) => value + body[place][i])));
  }
  const hidden = rectified(linear(weights, `${layer + 1}`, batch));
  return linear(weights, `${layer + 3}`, hidden);
}

function convolved({ shape: [out, channels, kernel], values }, batch, side, stride, padding) {
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
    return products(values, out, patches, width * width, length);
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

function linear(weights, name, batch) {
  const {
    shape: [out, length],
    values,
  } = weights[`${name}.weight`];
  const bias = weights[`${name}.bias`].values;
  return batch.map((image) =>
    products(values, out, image, 1, length).map((value, place) => value + bias[place]),
  );
}

function normalised(weights, name, batch) {
  const of = (part) => weights[`${name}.${part}`].values;
  const scale = of("weight").map((value, i) => value / Math.sqrt(of("running_var")[i] + EPSILON));
  const shift = of("bias").map((value, i) => value - of("running_mean")[i] * scale[i]);
  return batch.map((image) => {
    const area = image.length / scale.length;
    return image.map(
      (value, i) => value * scale[Math.floor(i / area)] + shift[Math.floor(i / area)],
    );
  });
}

function rectified(batch) {
  return batch.map((image) => image.map((value) => Math.max(value, 0)));
}

// Means of two by two.
function halved(image, side) {
  const half = side / 2;
  return Float64Array.from({ length: image.length / 4 }, (_, place) => {
    const [channel, row, column] = [
      Math.floor(place / half ** 2),
      Math.floor(place / half) % half,
      place % half,
    ];
    const first = (channel * side + 2 * row) * side + 2 * column;
    return (image[first] + image[first + 1] + image[first + side] + image[first + side + 1]) / 4;
  });
}
