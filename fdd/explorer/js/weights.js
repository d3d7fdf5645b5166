// The numbers in a safetensors file.

/** Its metadata, and its tensors by name: { shape, values: Float32Array }. */
export function opened(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata = {}, ...entries } = header;
  const weights = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    const bytes = buffer.slice(...offsets.map((offset) => 8 + length + offset));
    if (dtype in NUMBERS) weights[name] = { shape, values: NUMBERS[dtype](bytes) };
  }
  for (const [name, { values }] of Object.entries(weights)) {
    const scale = weights[`${name}.scale`]; // of each row of a matrix in eight bits
    if (!scale) continue;
    const length = values.length / scale.values.length;
    values.forEach((value, i) => (values[i] = value * scale.values[Math.floor(i / length)]));
  }
  return { metadata, weights };
}

const NUMBERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), half),
  I8: (bytes) => Float32Array.from(new Int8Array(bytes)),
};

function half(word) {
  const sign = word & 0x8000 ? -1 : 1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1023;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

/** The weights of one part of a model, by their names within it. */
export function partOf(weights, part) {
  const inside = Object.entries(weights).filter(([name]) => name.startsWith(`${part}.`));
  return Object.fromEntries(inside.map(([name, weight]) => [name.slice(part.length + 1), weight]));
}
