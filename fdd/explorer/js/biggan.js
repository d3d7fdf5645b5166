// BigGAN's generator: the twin of baselines/biggan.py, its weights without their spectral norms.

import { added, convolved, eachChannel, linear, normalised, rectified } from "./layers.js";
import { doubled, enlarged, folded, outOfBlocks } from "./pixels.js";

const FREQUENCIES = 4; // sines and cosines of each number of v, as many of each
const ENDS = 4; // pixels on a side at which it starts

/**
 * { numbers, paint }: paint(conditions, noise) makes an image with values from -1 to 1 of a v and of
 * as many normal numbers.
 */
export function newBigGenerator(weights, { noise_size: length, condition, patch, image_size: size }) {
  const hierarchical = condition !== "concatenation";
  const names = [];
  while (`blocks.${names.length}.skip.weight` in weights) names.push(`blocks.${names.length}`);
  const kernels = names.map((name) =>
    folded(weights[`${name}.enlarge.weight`], weights[`${name}.enlarge.bias`], 1),
  );
  const paint = (conditions, noise) => {
    const [hidden] = rectified(linear(weights, "embedding.0", [waves(conditions)]));
    const [told] = linear(weights, "embedding.2", [hidden]);
    const level = (number) => noise.slice(number * length, (number + 1) * length);
    const first = hierarchical ? level(0) : noise;
    let batch = linear(weights, "enter", [Float64Array.of(...told, ...first)]);
    let side = ENDS;
    names.forEach((name, number) => {
      const own = Float64Array.of(...told, ...level(number + 1));
      const normal = (part, input) =>
        rectified(conditioned(weights, `${name}.${part}`, input, hierarchical && own));
      const wide = enlarged(kernels[number], normal("first", batch), side);
      const made = convolved(weights, `${name}.convolve`, normal("second", wide), 2 * side, 1, 1);
      const skipped = convolved(weights, `${name}.skip`, batch, side, 1, 0);
      batch = added(
        made,
        skipped.map((image) => doubled(image, side)),
      );
      side *= 2;
    });
    const last = rectified(normalised(weights, "norm", batch));
    const [image] = convolved(weights, "leave", last, side, 1, 1);
    return outOfBlocks(image, 3, size, patch).map(Math.tanh);
  };
  return { numbers: (names.length + 1) * length, paint };
}

function waves(conditions) {
  const angles = Array.from({ length: FREQUENCIES }, (_, k) =>
    conditions.map((value) => (value * 2 ** k * Math.PI) / 2),
  ).flat();
  const scale = 1 / Math.sqrt(angles.length);
  const [sines, cosines] = [Math.sin, Math.cos].map((of) => angles.map((angle) => scale * of(angle)));
  return Float64Array.of(...conditions, ...sines, ...cosines);
}

// BatchNorm whose gain and bias are linear in numbers, or the ordinary one without numbers.
function conditioned(weights, name, batch, numbers) {
  const normal = normalised(weights, `${name}.norm`, batch);
  if (!numbers) return normal;
  const [[gain], [bias]] = ["gain", "bias"].map((part) =>
    linear(weights, `${name}.${part}`, [numbers]),
  );
  return normal.map((image) =>
    eachChannel(image, gain.length, (value, i) => value * (1 + gain[i]) + bias[i]),
  );
}
