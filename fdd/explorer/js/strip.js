// One parameter over its range: pictures, and the share of occupied cells as a curve.

import { FAMILIES, KEPT_PERCENT, RELEASE } from "./families.js";
import { pointAt, pointAway } from "./pointing.js";

const PICTURES = 21;
const BETWEEN = 6; // steps of the curve from one picture to the next

let strip = { key: "", move: () => {} };

/** Shows the strip of a state, which is drawn unless it is there; `go({params})` follows a click. */
export async function showStrip(ask, state, place, paint, go) {
  const name = FAMILIES[state.family].parameters[place];
  const values = stops(state.family, place);
  const at = (value) => ({ ...state, ...RELEASE, params: state.params.with(place, value) });
  const [low, high] = [values[0], values[values.length - 1]];
  const nearest = (value) =>
    values.reduce((one, other) => (Math.abs(other - value) < Math.abs(one - value) ? other : one));
  const pictured = values.filter((_, number) => values.length < PICTURES || number % BETWEEN === 0);
  const shares = new Map();
  const key = JSON.stringify([place, at(low)]); // everything but the parameter itself
  if (key === strip.key) return strip.move(state.params[place]);

  const buttons = pictured.map((value) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "thumbnail";
    made.append(document.createElement("canvas"));
    made.title = `${name} = ${value}`;
    made.setAttribute("aria-label", `${name} = ${value}`);
    made.onclick = () => go({ params: at(value).params });
    return made;
  });
  document.getElementById("thumbnails").replaceChildren(...buttons);
  document.getElementById("ends").textContent = `${name} from ${low} to ${high}`;
  const curve = document.getElementById("curve");
  // the curve begins below the middle of the first picture and ends below that of the last
  const count = pictured.length;
  const across = (value) => (((value - low) / (high - low)) * (count - 1) + 0.5) / count;
  const valueAt = ({ offsetX }) => {
    const number = (offsetX / curve.clientWidth) * count - 0.5;
    return nearest(low + ((high - low) * number) / (count - 1));
  };
  const occupied = (value) => `${name} = ${value}, ${percentOf(shares.get(value))} % of cells occupied`;
  curve.onclick = (event) => go({ params: at(valueAt(event)).params });
  curve.onpointermove = (event) => {
    const value = valueAt(event);
    if (shares.has(value)) pointAt(event.clientX, event.clientY, occupied(value));
  };
  curve.onpointerleave = pointAway;
  let here = state.params[place];
  const draw = () => {
    plot(curve, shares, across, here);
    buttons.forEach((one, number) =>
      one.setAttribute("aria-current", String(pictured[number] === here)),
    );
  };
  const move = (value) => {
    here = value;
    draw();
  };
  strip = { key, move };

  for (const [number, value] of pictured.entries()) {
    const answer = await ask("draw", at(value));
    if (key !== strip.key) return;
    paint(buttons[number].firstChild, answer);
    shares.set(value, answer ? answer.occupied / RELEASE.size ** 2 : 0);
    buttons[number].setAttribute("aria-label", occupied(value));
    draw();
  }
  for (const value of values) {
    if (shares.has(value)) continue;
    const share = await ask("share", at(value));
    if (key !== strip.key) return;
    shares.set(value, share);
    draw();
  }
}

const percentOf = (share) => (100 * share).toFixed(1);

// The values of the parameter along the strip, ascending.
function stops(family, place) {
  const { parameters, ranges, whole } = FAMILIES[family];
  const [low, high] = ranges[place];
  if (whole.includes(parameters[place])) {
    return Array.from({ length: high - low + 1 }, (_, number) => low + number);
  }
  const count = (PICTURES - 1) * BETWEEN;
  const value = (number) => low + ((high - low) * number) / count;
  return Array.from({ length: count + 1 }, (_, number) => Number(value(number).toPrecision(6)));
}

function plot(curve, shares, across, here) {
  const kept = KEPT_PERCENT / 100;
  const x = (value) => 1000 * across(value);
  const y = (share) => 115 - 110 * share;
  const points = [...shares].sort(([one], [other]) => one - other);
  const line = points.map(([value, share]) => `${x(value)} ${y(share)}`).join("L");
  const bands = points.slice(1).map(([value, share], number) => {
    const [before, shareBefore] = points[number];
    if (share < kept || shareBefore < kept) return "";
    return `<rect x="${x(before)}" width="${x(value) - x(before)}" y="0" height="120"/>`;
  });
  curve.innerHTML =
    bands.join("") +
    `<line x1="0" x2="1000" y1="${y(kept)}" y2="${y(kept)}"/>` +
    `<line class="here" x1="${x(here)}" x2="${x(here)}" y1="0" y2="120"/>` +
    `<path d="${line && `M${line}`}"/>`;
  const accepted = points.filter(([, share]) => share >= kept).length;
  curve.setAttribute("aria-label", `The release keeps ${accepted} of ${points.length} vectors`);
}
