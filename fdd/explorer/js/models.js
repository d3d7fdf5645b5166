// A trained model as functions: the twin of baselines/training/model.py, by baseline.

import { encoderOf2020, generatorOf2020 } from "./aegean.js";
import { newBigGenerator } from "./biggan.js";
import { pixelsOf, valuesOf } from "./colours.js";
import { countsOf } from "./counts.js";
import { drawn, newCanvas, softmax, uniforms } from "./emulator.js";
import { PALETTES } from "./families.js";
import { EMPTY, flowing, normals } from "./flow.js";
import { linear, rectified } from "./layers.js";
import { encoder, newGenerator, residualEncoder } from "./networks.js";
import { canonical } from "./oracle.js";
import { codeOfMaps, newDecoder, newDictionaries, pooled } from "./sdpc.js";
import { rgb } from "./shading.js";
import { readable } from "./state.js";
import { canonicalCode, fold, unfolded } from "./vectors.js";
import { partOf } from "./weights.js";

/**
 * The functions that a model has of these, from the config of its run, how its release draws and its
 * weights by name; pixels are Uint8ClampedArray [size * size * 4] of config.image_size.
 *
 * see(params): FD(v) as its networks see it, null if degenerate
 * encode(pixels): the code of a picture, Float64Array
 * vector(params): the code that stands for v
 * generate(code, noise): the picture that it draws; other ones for another noise, where it draws
 * paint(code): the same as values from -1 to 1, channel by channel, where it paints pixels
 * probabilities(code): of each cell, where it draws points by them
 * levels(code, noise): how dark each cell's ink is, where it follows a flow from normal noise
 * pictured(code, noise): the same as paint, where it depends on normal noise
 */
export function newModel({ config, drawing, weights }) {
  const part = (name) => partOf(weights, name);
  const { image_size: side, colors, network } = config;
  const read = (outputs) => (pixels) => outputs([valuesOf(pixels, colors)])[0];
  const residual = (images) => residualEncoder(part("encoder"), images, side);
  const painting = (paint = newGenerator(part("generator"), config)) => ({
    paint,
    generate: (code) => pixelsOf(paint(code), colors),
  });
  const adversarial = () => ({
    ...painting(),
    encode: read((images) => encoder(part("encoder"), config, images)),
  });
  const made = {
    dcgan: painting,
    lsd: () => ({ ...painting(), vector: scaled(config.vector) }),
    aae: adversarial,
    aegean: () =>
      network === "2019"
        ? adversarial()
        : {
            ...painting(generatorOf2020(part("generator"), config)),
            encode: read((images) => encoderOf2020(part("encoder"), config, images)),
          },
    betavae: () => ({
      ...painting(),
      encode: read((images) => residual(images).map((row) => row.slice(0, row.length / 2))),
    }),
    contrastive: () => ({
      encode: read((images) => evenAndOdd(residual, images, images.map(down), config.odd_codes)),
    }),
    lejepa: () => ({ encode: read(residual) }),
    regression: () => ({ encode: read((images) => residual(images).map(canonical)) }),
    dcca: () => ({ encode: read(correlating(weights, config, residual)) }),
    emulator: () => emulating(part("canvas"), config, drawing.points),
    flow: () => streaming(weights, config),
    biggan: () => conditioning(part("generator"), config),
    sdpc: () => ({ encode: read(coding(weights, config)) }),
    sdpc_gan: () => {
      const dictionaries = newDictionaries(part("coder"), config);
      const code = (image) => codeOfMaps(part("encoder"), config, dictionaries, image)[0];
      return {
        ...painting(newDecoder(part("generator"), config, dictionaries)),
        encode: read(([image]) => [code(image)]),
      };
    },
  };
  return { config, see: (params) => seen(params, drawing, side), ...made[config.baseline]() };
}

// Pictures

function seen(params, { size, points }, side) {
  const counts = countsOf("fractal_dream", params, size, points);
  return counts && resized(rgb(counts, PALETTES.kbc), size, side);
}

/** Block means of pixels, rounded half up: the twin of fdd.pictures.resize. */
export function resized(pixels, size, side) {
  const block = size / side;
  if (block === 1) return pixels;
  const sums = new Float64Array(4 * side * side);
  pixels.forEach((value, place) => {
    const row = Math.floor(Math.floor(place / 4 / size) / block);
    const column = Math.floor((Math.floor(place / 4) % size) / block);
    sums[4 * (row * side + column) + (place % 4)] += value;
  });
  return Uint8ClampedArray.from(sums, (sum) => Math.floor(sum / block ** 2 + 0.5));
}

// The image upside down.
function down(image) {
  const side = Math.sqrt(image.length / 3);
  return image.map((_, place) => {
    const row = Math.floor(place / side) % side;
    return image[place + (side - 1 - 2 * row) * side];
  });
}

// Codes

function scaled(kind) {
  return (params) => {
    const [x0, y0] = params;
    const [a, b, c, d] = (kind === "canonical" ? readable(params) : params.slice(2)).map(
      (value) => value / 3,
    );
    return [x0, y0, kind === "canonical" ? 2 * a - 1 : a, b, c, d];
  };
}

// Codes of which the last `odd` change their sign where an input and the same upside down are
// exchanged, and the others do not.
function evenAndOdd(network, inputs, flipped, odd) {
  if (!odd) return network(inputs);
  const codes = network(inputs);
  const others = network(flipped).map((row) => turned(row, odd));
  return codes.map((row, place) => row.map((value, i) => (value + others[place][i]) / 2));
}

function turned(row, odd) {
  return row.map((value, i) => (i < row.length - odd ? value : -value));
}

const FARTHEST = 4; // baselines/dcca.py

function correlating(weights, config, residual) {
  const { odd_codes: odd, reads } = config;
  const oddBefore = ["hidden", "features"].includes(reads) ? 0 : config.encoder_odd_codes;
  const network = (name) => {
    const layers = partOf(weights, name);
    return (rows) => {
      const first = rectified(linear(layers, "0", rows));
      return linear(layers, "4", rectified(linear(layers, "2", first)));
    };
  };
  // A linear map, and the small network that is added to it.
  const bent = (name) => {
    const layers = partOf(weights, name);
    const added = network(`${name}.bend`);
    return (rows) => {
      const straight = linear(layers, "straight", rows);
      const curved = added(rows);
      return straight.map((row, place) => row.map((value, i) => value + curved[place][i]));
    };
  };
  const standard = (rows, centre, scale) =>
    rows.map((row) => row.map((value, i) => (value - centre.values[i]) / scale.values[i]));
  return (images) => {
    const read = evenAndOdd(residual, images, images.map(down), oddBefore);
    const inputs = standard(read, weights.centre, weights.scale);
    const flipped = inputs.map((row) => turned(row, oddBefore));
    const codes = evenAndOdd(network("head"), inputs, flipped, odd);
    if (!config.codes) return codes;
    const units = standard(codes, weights.middle, weights.spread);
    const within = units.map((row) => row.map((value) => Math.max(-FARTHEST, Math.min(FARTHEST, value))));
    const made = bent("sorting")(within);
    const variates = linear(weights, "variates", made);
    if (!config.sorted_codes) return variates;
    return config.pairs === "one" ? linear(weights, "axes", variates) : bent("axes")(variates);
  };
}

function coding(weights, config) {
  const { inferred, layers } = newDictionaries(weights, config);
  const { side, count } = layers.at(-1);
  const parts = Math.sqrt(Math.floor(config.latent_size / count));
  return ([image]) => [pooled(inferred(image).at(-1), side, parts)];
}

// The emulator, and the flow that sees its numbers

function emulating(weights, config, points) {
  const { image_size: side, loss, draws } = config;
  const canvas = canvasOf(weights, config);
  if (loss !== "counts") {
    const paint = (code) => canvas(code).map(Math.tanh);
    return { vector: canonicalCode, paint, generate: (code) => pixelsOf(paint(code), "rgb") };
  }
  const probabilities = (code) => softmax(canvas(code));
  const generate = (code, noise = 0) => {
    const shares = probabilities(code);
    const total = new Float64Array(4 * side * side);
    for (let draw = 0; draw < draws; draw++) {
      const numbers = uniforms(noise * draws + draw, points);
      const pixels = rgb(drawn(shares, numbers), PALETTES.kbc);
      pixels.forEach((value, place) => (total[place] += value / draws));
    }
    return Uint8ClampedArray.from(total);
  };
  return { vector: canonicalCode, generate, probabilities };
}

function streaming(weights, config) {
  const canvas = canvasOf(partOf(weights, "canvas"), config);
  const velocity = partOf(weights, "velocity");
  const levels = (code, noise) => flowing(velocity, config, canvas(code), noise);
  const generate = (code, noise = 0) => {
    const inks = [...levels(code, normals(noise, config.image_size ** 2))].map((level) =>
      level > EMPTY / 2 ? Math.round(1 + 254 * Math.min(Math.max(level, 0), 1)) : 0,
    );
    return rgb(Uint32Array.from(inks), PALETTES.kbc);
  };
  return { vector: canonicalCode, generate, levels };
}

function canvasOf(weights, config) {
  const { image_size: side, symmetry } = config;
  const maps = weights["last.bias"].values.length / (side ** 2 / (symmetry ? 2 : 1));
  return newCanvas(weights, { ...config, maps });
}

// BigGAN

function conditioning(weights, config) {
  const { image_size: side, symmetry } = config;
  const { numbers, paint } = newBigGenerator(weights, config);
  const pictured = (code, noise) => {
    if (!symmetry) return paint(code, noise);
    const { chosen, ...turns } = fold(code);
    const [a, b, c, d] = chosen;
    return unfolded(paint([2 * a - 1, b, 2 * c - 1, d], noise), 3, side, turns);
  };
  const generate = (code, noise = 0) => pixelsOf(pictured(code, normals(noise, numbers)), config.colors);
  return { vector: canonicalCode, generate, pictured };
}
