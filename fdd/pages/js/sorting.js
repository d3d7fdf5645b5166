// Tables that a click on a head sorts by that column.

// By the numbers that texts begin with, or else as texts; what is missing comes last, either way.
function compare(one, other, down) {
  if (!one || !other) return !one - !other;
  const numbers = [one, other].map(parseFloat);
  const order = numbers.some(Number.isNaN) ? one.localeCompare(other) : numbers[0] - numbers[1];
  return down ? -order : order;
}

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.replace("\u2013", "").trim();
}

// The rows of each part of a table by a column; names of tracks, chance and ceiling stay.
function sort(bodies, column, down) {
  for (const body of bodies) {
    const rows = [...body.rows].filter((row) => !row.matches(".track"));
    rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), down));
    body.append(...rows);
  }
}

/** Makes a table one of them, if any part of it has more than one row. */
export function sortable(table) {
  const bodies = [...table.tBodies];
  const heads = [...table.tHead.lastElementChild.cells];
  if (bodies.every((body) => body.querySelectorAll("tr:not(.track)").length < 2)) return;
  heads.forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const button = document.createElement("button");
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(bodies, column, down);
    });
  });
}
