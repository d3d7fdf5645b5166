// The map of codes: each test image a dot where its code lies, and the matrix of what codes tell.

import { button, fillSelect, find, put, whenSeen } from "./elements.js";
import { encoding } from "./learned.js";
import { pointable, pointAgain } from "./pointing.js";
import { sortable } from "./sorting.js";
import { rangeTold, TOLD, told } from "./state.js";

const START = ["x0", "y0"];
const PARAMETERS = [...START, ...TOLD]; // the columns of the matrix
const COLOURS = [...PARAMETERS, "a", "b"];
const NEAR = 14; // pixels from the pointer to a dot that is meant
const MARGIN = 18;

/** Shows the map of the chosen model's codes; `go({family, params})` follows a click. */
export function newMap({ models }, codesOf, draw, go) {
  const encoders = encoding(models);
  if (encoders.length === 0) return;
  find("map").hidden = false;
  const canvas = find("dots");
  const [model, across, up, colour] = ["map-model", "map-x", "map-y", "map-colour"].map(find);
  fillSelect(model, [...encoders.keys()], (place) => encoders[place].name);
  fillSelect(colour, COLOURS);
  colour.value = "a'";
  let known = null;
  let dots = []; // { x, y } of each image, in shares of the canvas
  let codes = null;

  const listen = (found) => {
    const isFirst = known === null;
    known = found;
    if (isFirst) offerAxes();
    find("map-count").textContent =
      `${known.rows.length.toLocaleString("en")} of ${known.total.toLocaleString("en")} images`;
    fillMatrix(known.matrix, (code, parameter) => {
      [across.value, up.value] = [parameter, code];
      show();
    });
    show();
  };

  function choose() {
    codes?.silence(listen);
    [known, dots] = [null, []];
    find("matrix").tBodies[0].replaceChildren();
    find("map-count").textContent = "It is being loaded.";
    codes = codesOf(encoders[model.value]);
    codes.listen(listen);
  }

  function offerAxes() {
    const numbers = known.codes[0].map((_, i) => `code ${i + 1}`);
    const axes = known.places[0].map((_, i) => `axis ${i + 1}`);
    fillSelect(across, [...axes, ...numbers, ...PARAMETERS]);
    fillSelect(up, [...axes, ...numbers, ...PARAMETERS]);
    up.value = axes.at(-1);
  }

  function show() {
    if (!known) return;
    const [xs, ys] = [column(known, across.value), column(known, up.value)];
    const ratio = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = canvas;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const [x, y] = [scale(xs, MARGIN, width - MARGIN), scale(ys, height - MARGIN, MARGIN)];
    dots = xs.map((value, row) => ({ x: x(value) / width, y: y(ys[row]) / height, row }));
    const shades = column(known, colour.value);
    const [least, most] = START.includes(colour.value) ? [-1, 1] : rangeTold(colour.value);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    dots.forEach((dot, row) => {
      context.fillStyle = shadeOf((shades[row] - least) / (most - least));
      context.beginPath();
      context.arc(dot.x * width, dot.y * height, 2.5, 0, 7);
      context.fill();
    });
    find("map-scale").textContent = `${colour.value} from ${least} to ${most}`;
    canvas.setAttribute(
      "aria-label",
      `${dots.length} test images, ${across.value} across and ${up.value} up; left and right go ` +
        "from one to the next, Enter loads it",
    );
    pointAgain();
  }

  // The image of a dot, which is drawn as soon as it can be, and its vector.
  function tell({ row }) {
    const picture = document.createElement("canvas");
    const params = known.rows[row];
    draw(params).then((answer) => put(picture, answer?.pixels));
    return [picture, params.map((value) => value.toFixed(2)).join(", ")];
  }

  const here = pointable(canvas, () => dots, tell, NEAR);
  const load = () => here() >= 0 && go({ family: "fractal_dream", params: known.rows[here()] });
  canvas.onclick = load;
  canvas.addEventListener("keydown", ({ key }) => key === "Enter" && load());
  model.onchange = choose;
  for (const select of [across, up, colour]) select.onchange = show;
  addEventListener("resize", show);
  whenSeen(find("map"), choose);
}

// What is shown of each image: a principal axis, a number of its code, or a parameter.
function column({ rows, codes, places }, name) {
  const [kind, number] = name.split(" ");
  if (kind === "axis") return places.map((row) => row[number - 1]);
  if (kind === "code") return codes.map((row) => row[number - 1]);
  const place = PARAMETERS.indexOf(name);
  if (place < 0) return rows.map((row) => row[name === "a" ? 2 : 3]);
  return rows.map((row) => (place < 2 ? row[place] : told(row)[place - 2]));
}

function scale(values, first, last) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return (value) => first + ((last - first) * (value - low)) / (high - low || 1);
}

// From blue over gray to orange, all as light: shares below 0 and above 1 are the ends.
function shadeOf(share) {
  const whole = Math.min(Math.max(share, 0), 1);
  return `hsl(${whole < 0.5 ? 210 : 25} ${Math.round(180 * Math.abs(whole - 0.5))}% 50%)`;
}

// The correlations of codes with parameters, each a button that shows them against each other. The
// buttons stay while the numbers change, since one of them may have the focus.
function fillMatrix(matrix, choose) {
  const [body] = find("matrix").tBodies;
  if (body.rows.length !== matrix.length) {
    const first = document.createElement("tr");
    first.append(document.createElement("td"), ...PARAMETERS.map((name) => heading(name, "col")));
    find("matrix").tHead.replaceChildren(first);
    body.replaceChildren(...matrix.map((_, code) => matrixRow(code, choose)));
    sortable(find("matrix"));
  }
  for (const row of body.rows) {
    const values = matrix[row.dataset.code];
    [...row.querySelectorAll("td")].forEach((cell, place) => {
      const [value, shown] = [values[place], cell.firstChild];
      const text = value.toFixed(2);
      cell.dataset.value = Math.abs(value);
      shown.textContent = text;
      shown.setAttribute("aria-label", `${shown.title}: ${text}`);
      shown.style.setProperty("--strength", `${Math.round(100 * Math.abs(value))}%`);
    });
  }
}

function matrixRow(place, choose) {
  const row = document.createElement("tr");
  const code = `code ${place + 1}`;
  row.dataset.code = place;
  const cells = PARAMETERS.map((name) => {
    const cell = document.createElement("td");
    const shown = button("", () => choose(code, name));
    shown.title = `${code} against ${name}`;
    cell.append(shown);
    return cell;
  });
  row.append(heading(code, "row"), ...cells);
  return row;
}

function heading(text, scope) {
  const made = document.createElement("th");
  made.scope = scope;
  made.textContent = text;
  return made;
}
