// The trained models in the page.

import { newWorker } from "./asking.js";
import { bytesOf } from "./bytes.js";

/**
 * What the page has of them: { models, vectors }.
 *
 * A model is { name, does, config, drawing, weights }, where `does` lists "generate" pictures of
 * codes, "vector", the code of params, and "encode" pictures; vectors are, by release, lists
 * of params of its test split.
 */
export function readLearned() {
  const { models, vectors } = JSON.parse(document.getElementById("models").textContent);
  const rows = Object.entries(vectors).map(([version, text]) => {
    const numbers = new Float64Array(bytesOf(text).buffer);
    const row = (_, place) => [...numbers.slice(6 * place, 6 * place + 6)];
    return [version, Array.from({ length: numbers.length / 6 }, row)];
  });
  return { models, vectors: Object.fromEntries(rows) };
}

/** A new worker, as a function, that keeps a model from now on. */
export async function workerOf({ config, drawing, weights }, fail) {
  const ask = newWorker(fail);
  await ask("keepModel", { config, drawing, weights });
  return ask;
}

/** The models that draw what belongs to a vector. */
export function drawing(models) {
  return models.filter(
    ({ does }) => does.includes("generate") && (does.includes("vector") || does.includes("encode")),
  );
}

/** The models that encode pictures. */
export function encoding(models) {
  return models.filter(({ does }) => does.includes("encode"));
}
