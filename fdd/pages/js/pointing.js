// A small box beside what is pointed at, and pictures whose marks can be pointed at.

const pointed = document.createElement("div");
pointed.className = "pointed";
pointed.setAttribute("role", "status");
const ring = document.createElement("div");
ring.className = "ring";
let marked = null; // the mark that is pointed at: { element, number, place }
pointAway();

/** Puts ring and box where the mark now is; what is beside no mark goes. */
export const pointAgain = () => (marked ? marked.place() : pointAway());
addEventListener("scroll", pointAgain, { capture: true, passive: true });
addEventListener("resize", pointAgain);

/** Shows texts and elements beside a place in the window. */
export function pointAt(x, y, ...contents) {
  pointAway();
  fillBox("polite", contents);
  putBeside(x, y);
}

export function pointAway() {
  pointed.hidden = ring.hidden = true;
  marked = null;
}

function fillBox(live, contents) {
  const whole = document.querySelector("dialog[open]") ?? document.body; // nothing else is above it
  if (pointed.parentElement !== whole) whole.append(pointed);
  pointed.setAttribute("aria-live", live);
  pointed.replaceChildren(...contents);
}

function putBeside(x, y) {
  pointed.hidden = false;
  const inside = (at, length, whole) => `${Math.max(Math.min(at, whole - length), 0)}px`;
  pointed.style.left = inside(x + 12, pointed.offsetWidth, innerWidth);
  pointed.style.top = inside(y + 12, pointed.offsetHeight, innerHeight);
}

/**
 * Makes an element one whose marks the pointer, a tap and the arrow keys point at; to those who do
 * not see them it is a slider. Right and left go along a group, up and down to the nearest of the
 * one before and after.
 *
 * `marks()` gives { x, y, group } of each, shares of the picture's width and height; `tell(mark)`
 * the texts and elements of the box. Farther than `near` pixels from all of them none is meant.
 * Gives a function: the number of the mark that is pointed at, or -1.
 */
export function pointable(element, marks, tell, near = Infinity) {
  let last = -1; // where the arrow keys go on from
  let isTouch = false;
  const here = () => (marked?.element === element ? marked.number : -1);

  const point = (number) => {
    if (number === here()) return;
    if (number < 0) return pointAway();
    fillBox("off", tell(marks()[number])); // as the slider says it
    marked = { element, number, place };
    last = number;
    place();
    element.setAttribute("aria-valuemax", marks().length);
    element.setAttribute("aria-valuenow", number + 1);
    element.setAttribute("aria-valuetext", pointed.textContent);
  };

  function place() {
    const mark = marks()[here()];
    if (!mark) return pointAway();
    const { left, top, width, height } = boxOf(element);
    const [x, y] = [left + mark.x * width, top + mark.y * height];
    const outer = element.getBoundingClientRect();
    if (ring.parentElement !== element.offsetParent) element.offsetParent?.append(ring);
    ring.hidden = false;
    ring.style.left = `${element.offsetLeft + x - outer.left}px`;
    ring.style.top = `${element.offsetTop + y - outer.top}px`;
    putBeside(x, y);
    pointed.hidden = x < 0 || y < 0 || x > innerWidth || y > innerHeight;
  }

  const nearest = ({ clientX, clientY }) => {
    const { left, top, width, height } = boxOf(element);
    const at = { x: (clientX - left) / width, y: (clientY - top) / height };
    return closest(marks(), at, width, height, near);
  };

  element.tabIndex = 0;
  element.role = "slider";
  for (const [name, value] of [["min", 0], ["max", 0], ["now", 0], ["text", "none"]]) {
    element.setAttribute(`aria-value${name}`, value);
  }
  element.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") point(nearest(event)); // a finger that moves scrolls
  });
  element.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") point(-1);
  });
  element.addEventListener("pointerdown", ({ pointerType }) => {
    isTouch = pointerType === "touch";
  });
  const tap = (event) => {
    const number = nearest(event);
    if (number === here()) return;
    point(number);
    if (isTouch) event.stopImmediatePropagation(); // what a click does, a second tap does
  };
  element.addEventListener("click", tap, { capture: true });
  element.addEventListener("blur", () => point(-1));
  element.addEventListener("keydown", (event) => {
    const next = nextOf(marks(), last, event.key, boxOf(element));
    if (next < 0) return;
    event.preventDefault();
    point(next);
    ring.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  return here;
}

// Where the picture is in its element: one in a dialog has room left over.
function boxOf(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const { naturalWidth, naturalHeight } = element;
  if (!naturalWidth) return { left, top, width, height };
  const scale = Math.min(width / naturalWidth, height / naturalHeight);
  const [across, down] = [scale * naturalWidth, scale * naturalHeight];
  return {
    left: left + (width - across) / 2,
    top: top + (height - down) / 2,
    width: across,
    height: down,
  };
}

// The number of the mark that is closest to a place, if it is nearer than that; else -1.
function closest(marks, { x, y }, width, height, near = Infinity) {
  let [found, least] = [-1, near];
  marks.forEach((mark, number) => {
    const far = Math.hypot((mark.x - x) * width, (mark.y - y) * height);
    if (far < least) [found, least] = [number, far];
  });
  return found;
}

// The number of the mark to which a key leads from another one; -1 if it leads nowhere.
function nextOf(marks, from, key, { width, height }) {
  const along = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const across = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!(along || across) || marks.length === 0) return -1;
  const here = marks[from] ?? marks[0];
  const numbersOf = (group) => [...marks.keys()].filter((number) => marks[number].group === group);
  if (along || !marks[from]) {
    const order = numbersOf(here.group).sort((one, other) => marks[one].x - marks[other].x);
    const next = marks[from] ? order.indexOf(from) + along : Math.min(along ?? across, 0);
    return order.at(next % order.length);
  }
  const others = numbersOf(here.group + across);
  const found = closest(others.map((number) => marks[number]), here, width, height);
  return found < 0 ? -1 : others[found];
}
