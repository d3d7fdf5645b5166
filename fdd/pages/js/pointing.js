// A small box beside what is pointed at.

const pointed = document.createElement("div");
pointed.className = "pointed";
pointed.hidden = true;
pointed.setAttribute("role", "status");
document.body.append(pointed);
addEventListener("scroll", pointAway, { capture: true, passive: true });

/** Shows texts and elements beside a place in the window. */
export function pointAt(x, y, ...contents) {
  pointed.replaceChildren(...contents);
  pointed.hidden = false;
  const inside = (at, length, whole) => `${Math.max(Math.min(at, whole - length), 0)}px`;
  pointed.style.left = inside(x + 12, pointed.offsetWidth, innerWidth);
  pointed.style.top = inside(y + 12, pointed.offsetHeight, innerHeight);
}

export function pointAway() {
  pointed.hidden = true;
}
