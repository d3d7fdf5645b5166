// What a trained model draws, beside the attractor.

import { newest } from "./asking.js";
import { fillSelect, find, put } from "./elements.js";
import { drawing, workerOf } from "./learned.js";

const AMONG = 300; // test images, among which FD(v) is looked for
const LONG = 2; // seconds for a picture, of which the page tells
const MET_AT_ONCE = 10; // of them that are drawn before the slider is listened to again

/** A function that shows what the chosen model draws of a state; null if none draws. */
export function newMade({ models, vectors }, fail) {
  const makers = drawing(models);
  if (models.length && !makers.length) {
    find("made-note").textContent =
      "None of the models in this page draws the picture of a vector: they have no generator, or " +
      "codes of their own and no encoder.";
  }
  if (!makers.length) return null;
  find("made").hidden = find("made-details").hidden = false;
  fillSelect(find("drawer"), [...makers.keys()], (place) => {
    const { name, does } = makers[place];
    return `${name}: ${does.includes("vector") ? "G(v)" : "G(E(FD(v)))"}`;
  });
  let wanted = null;
  let noise = 0;
  let chosen = null; // the model, and its worker to come
  let answer = null;

  const show = newest(async () => {
    const asked = chosen;
    const { model, worker } = asked;
    const { family, params } = wanted;
    if (family !== "fractal_dream") {
      answer = null;
      return display("Trained models know the Fractal Dream alone.");
    }
    const ask = await worker;
    const begun = performance.now();
    const found = await ask("follow", { params, noise });
    if (asked !== chosen) return;
    const seconds = (performance.now() - begun) / 1000;
    find("made-note").textContent =
      seconds > LONG ? `${model.name} takes ${Math.round(seconds)} s for a picture here.` : "";
    answer = found;
    display(found ? sentence(found, model) : "This vector has no picture.");
  });

  function display(text) {
    find("made-facts").textContent = text;
    put(find("made-picture"), answer && answer[find("view").value]);
    find("made-picture").setAttribute("aria-label", answer ? find("view").selectedOptions[0].text : "nothing is drawn");
  }

  function choose() {
    const model = makers[find("drawer").value];
    chosen?.worker.then((ask) => ask.end());
    chosen = { model, worker: workerOf(model, fail) };
    answer = null;
    noise = 0;
    display("It is being drawn.");
    find("made-note").textContent = "";
    const { baseline, loss } = model.config;
    find("again").hidden = loss !== "counts" && baseline !== "biggan"; // others know no chance
    meetOthers(chosen);
  }

  async function meetOthers(asked) {
    const ask = await asked.worker;
    const rows = vectors[asked.model.config.version].slice(0, AMONG);
    for (let row = 0; row < rows.length && asked === chosen; row += MET_AT_ONCE) {
      await ask("meet", { vectors: rows.slice(row, row + MET_AT_ONCE) });
    }
    show();
  }

  find("drawer").onchange = () => {
    choose();
    show();
  };
  find("view").onchange = () => display(find("made-facts").textContent);
  find("again").onclick = () => {
    noise++;
    show();
  };
  choose();
  return (state) => {
    wanted = state;
    show();
  };
}

function sentence({ alike, rank, among }, { config: { image_size: side } }) {
  const size = `${side} x ${side} pixels`;
  const near = alike === null ? "" : `SSIM with FD(v) ${alike.toFixed(2)}, `;
  const nearer = rank === 1 ? "none is" : rank === 2 ? "1 is" : `${rank - 1} are`;
  const place = among ? ` Of ${among} test images, ${nearer} nearer to it than FD(v).` : "";
  return `${near}${size}.${place}`;
}
