// The codes of test images, which an encoder finds one after the other.

import { workerOf } from "./learned.js";

const AT_ONCE = 10; // images, before other questions are heard
const SUMMED_UP = 250; // images, until what they show is told again

/** A function: a model -> its codes, as `newCodes`, begun when they are first asked for. */
export function codeBook(vectors, fail) {
  const begun = new Map();
  return (model) => {
    if (!begun.has(model)) begun.set(model, newCodes(model, vectors, fail));
    return begun.get(model);
  };
}

/**
 * Encodes a model's test images from now on. Each of `listeners` hears, ever again, what is known:
 * { rows, codes, places, matrix, r2, total }; `ask` asks the worker that has the model.
 */
function newCodes(model, vectors, fail) {
  const listeners = new Set();
  const worker = workerOf(model, fail);
  const rows = vectors[model.config.version];
  let known = null;
  const run = async () => {
    const ask = await worker;
    const codes = [];
    while (codes.length < rows.length) {
      codes.push(...(await ask("encode", { vectors: rows.slice(codes.length, codes.length + AT_ONCE) })));
      if (codes.length % SUMMED_UP && codes.length < rows.length) continue;
      const shown = await ask("summary");
      known = { ...shown, codes: [...codes], rows: rows.slice(0, codes.length), total: rows.length };
      listeners.forEach((listener) => listener(known));
    }
  };
  run();
  return {
    ask: async (...question) => (await worker)(...question),
    listen(listener) {
      listeners.add(listener);
      if (known) listener(known);
    },
    silence: (listener) => listeners.delete(listener),
  };
}
