import { enlargeable } from "./enlarging.js";
import { pointable, pointAt, pointAway } from "./pointing.js";
import { sortable } from "./sorting.js";

// What shows the same images in rows, below one another.
const rows = [...document.querySelectorAll(".rows img")];

// The image of a row that a place is in: grey lines stand between those of `strip` in plots.py.
function imageAt(row, share) {
  const { naturalWidth: width, naturalHeight: side } = row;
  const step = side + Math.max(1, Math.floor(side / 64));
  return Math.min(Math.floor((share * (width + step - side)) / step), Math.round(width / step) - 1);
}

function imageOf(row, number) {
  const { naturalHeight: side } = row;
  const canvas = document.createElement("canvas");
  canvas.className = "pixels";
  canvas.width = canvas.height = side;
  const left = number * (side + Math.max(1, Math.floor(side / 64)));
  canvas.getContext("2d").drawImage(row, left, 0, side, side, 0, 0, side, side);
  const shown = document.createElement("figure");
  shown.append(row.parentElement.firstChild.textContent, canvas);
  return shown;
}

// The marks of a plot, from what `drawn` in plots.py says of each panel.
function marksOf({ dataset }) {
  const placeOf = ({ at: [from, to], ends: [low, high], values }, number) =>
    from + ((to - from) * (values[number] - low)) / (high - low);
  return JSON.parse(dataset.marks).flatMap(({ name, words, x, y }, group) =>
    x.values.map((value, number) => {
      const told = words[number] ?? `${x.name} ${value}, ${y.name} ${y.values[number]}`;
      return { x: placeOf(x, number), y: placeOf(y, number), group, text: `${name}\n${told}` };
    }),
  );
}

// Makes a picture with marks, small or enlarged, one that can be pointed into.
function mark(picture) {
  if (!picture.dataset.marks) return;
  let marks = null; // until somebody points: there may be many
  pointable(picture, () => (marks ??= marksOf(picture)), ({ text }) => [text]);
  picture.ariaLabel = `${picture.alt} Arrow keys go from mark to mark.`;
}

for (const table of document.querySelectorAll("table")) sortable(table);
for (const picture of document.querySelectorAll("figure img")) {
  enlargeable(picture, mark);
  mark(picture);
}
for (const row of rows) {
  row.onpointermove = ({ offsetX, clientX, clientY }) => {
    const number = imageAt(row, offsetX / row.clientWidth);
    const images = document.createElement("div");
    images.className = "compared";
    images.append(...rows.map((one) => imageOf(one, number)));
    pointAt(clientX, clientY, `Test image ${number + 1}`, images);
  };
  row.onpointerleave = pointAway;
}
for (const bar of document.querySelectorAll(".bar[aria-label]")) {
  const text = bar.getAttribute("aria-label");
  bar.onpointermove = ({ clientX, clientY }) => pointAt(clientX, clientY, text);
  bar.onpointerleave = pointAway;
}
