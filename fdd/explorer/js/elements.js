// Elements of the page.

export const find = (id) => document.getElementById(id);

export function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.onclick = act;
  return made;
}

/** Gives a select the values to choose from, each shown as text(value). */
export function fillSelect(select, values, text = String) {
  select.replaceChildren(...values.map((value) => new Option(text(value), value)));
}

/** Puts pixels [size * size * 4] into a canvas, which takes their size; null empties it. */
export function put(canvas, pixels) {
  const size = pixels ? Math.sqrt(pixels.length / 4) : 128;
  canvas.width = canvas.height = size;
  if (pixels) canvas.getContext("2d").putImageData(new ImageData(pixels, size), 0, 0);
}

/** Gives the visitor a file. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Acts once, when a part of the page first comes into sight. */
export function whenSeen(element, act) {
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    act();
  }).observe(element);
}
