// Paths from A to B: in the parameters, drawn exactly, and in the codes, drawn by a model.

import { fillSelect, find, put, save, whenSeen } from "./elements.js";
import { drawing, workerOf } from "./learned.js";
import { firstState } from "./state.js";

const FRAMES = 49;
const A_SECOND = 12;
const GAP = 8; // pixels between the two pictures of a video
const SIDE = 256; // of each of them

/** Shows the paths from one vector to another; `draw(params)` draws exactly. */
export function newPaths({ models }, draw, current, fail) {
  const makers = drawing(models);
  if (makers.length === 0) return;
  find("paths").hidden = false;
  const [model, share, play] = ["path-model", "path-share", "path-play"].map(find);
  const pictures = [find("path-exact"), find("path-made")];
  fillSelect(model, [...makers.keys()], (place) => makers[place].name);
  share.max = FRAMES - 1;
  const { params } = firstState("fractal_dream");
  let ends = [params, params.map((value) => -value / 2)];
  let frames = []; // pairs of pixels, exact and made
  let worker = null;
  let begun = 0; // how often a path was begun
  let playing = 0;

  async function begin() {
    const path = ++begun;
    stop();
    frames = [];
    find("path-ends").textContent = ends
      .map((end, place) => `${"AB"[place]}: ${end.map((value) => value.toFixed(2)).join(", ")}`)
      .join("; ");
    const ask = await worker;
    const codes = await Promise.all(ends.map((end) => ask("code", { params: end })));
    if (path !== begun) return;
    if (codes.includes(null)) return say("A or B has no picture, so it has no code.");
    for (let frame = 0; frame < FRAMES; frame++) {
      const part = frame / (FRAMES - 1);
      const between = ([from, to]) => from.map((value, i) => (1 - part) * value + part * to[i]);
      const [exact, made] = await Promise.all([
        draw(between(ends)),
        ask("generate", { code: between(codes), noise: 0 }),
      ]);
      if (path !== begun) return;
      frames.push([exact?.pixels, made]);
      if (frame === Number(share.value)) show();
    }
    say("");
    find("path-video").disabled = false;
  }

  function say(sentence) {
    find("path-note").textContent = sentence;
  }

  function show() {
    const frame = frames[share.value];
    if (frame) pictures.forEach((canvas, place) => put(canvas, frame[place]));
    const percent = Math.round((100 * share.value) / (FRAMES - 1));
    share.setAttribute("aria-valuetext", `${percent} % of the way from A to B`);
  }

  function stop() {
    clearInterval(playing);
    playing = 0;
    play.textContent = "Play";
    find("path-video").disabled = frames.length < FRAMES;
  }

  function advance() {
    share.value = (Number(share.value) + 1) % FRAMES;
    show();
  }

  function choose() {
    worker?.then((ask) => ask.end());
    worker = workerOf(makers[model.value], fail);
    say("It is being drawn.");
    begin();
  }

  play.onclick = () => {
    if (playing) return stop();
    playing = setInterval(advance, 1000 / A_SECOND);
    play.textContent = "Pause";
  };
  share.oninput = show;
  model.onchange = choose;
  ["path-a", "path-b"].forEach((id, place) => {
    find(id).onclick = () => {
      const { family, params } = current();
      if (family !== "fractal_dream") return say("Trained models know the Fractal Dream alone.");
      ends = ends.with(place, params);
      say("It is being drawn.");
      begin();
    };
  });
  find("path-video").onclick = async ({ target }) => {
    stop();
    target.disabled = true;
    try {
      const film = await filmed(frames);
      save(film, `path.${film.type.includes("mp4") ? "mp4" : "webm"}`);
    } catch {
      say("This browser cannot record a video of a canvas.");
    }
    target.disabled = false;
  };
  whenSeen(find("paths"), choose);
}

// The frames as a video, both pictures side by side; the last one stays half a second, for a recorder
// that is behind.
async function filmed(frames) {
  const film = document.createElement("canvas");
  [film.width, film.height] = [2 * SIDE + GAP, SIDE];
  const context = film.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, film.width, film.height);
  const shown = document.createElement("canvas");
  const show = (frame) =>
    frame.forEach((pixels, place) => {
      put(shown, pixels);
      context.drawImage(shown, place * (SIDE + GAP), 0, SIDE, SIDE);
    });
  show(frames[0]); // before the recorder looks
  const recorder = new MediaRecorder(film.captureStream(), { videoBitsPerSecond: 4e6 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  const passed = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  for (const frame of frames) {
    show(frame);
    await passed(1 / A_SECOND);
  }
  await passed(0.5);
  recorder.stop();
  await ended;
  return new Blob(parts, { type: recorder.mimeType });
}
