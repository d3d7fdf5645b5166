// What codes of many images show: their principal axes, and what can be read from them linearly.
// Rows come first, as lists of numbers.

const ROUNDS = 100; // of the power iteration, for each axis
const RIDGE = 1e-6; // of the mean square of the codes, so that a dead code does no harm

export const dot = (one, other) => one.reduce((total, value, i) => total + value * other[i], 0);

export function meansOf(rows) {
  return rows[0].map((_, i) => rows.reduce((total, row) => total + row[i], 0) / rows.length);
}

/** The two directions in which rows spread most, each of length 1, by power iteration. */
export function principalAxes(rows) {
  const means = meansOf(rows);
  const centred = rows.map((row) => row.map((value, i) => value - means[i]));
  const covariance = means.map((_, i) =>
    means.map((_, j) => centred.reduce((total, row) => total + row[i] * row[j], 0) / rows.length),
  );
  const axes = [];
  for (let number = 0; number < Math.min(2, means.length); number++) {
    let axis = means.map((_, i) => 1 + ((i * 7) % 5) / 10); // any that is at right angles to none
    for (let round = 0; round < ROUNDS; round++) {
      axis = covariance.map((row) => dot(row, axis));
      for (const before of axes) {
        const share = dot(axis, before);
        axis = axis.map((value, i) => value - share * before[i]);
      }
      const length = Math.sqrt(dot(axis, axis)) || 1;
      axis = axis.map((value) => value / length);
    }
    axes.push(axis);
  }
  return axes;
}

/** Pearson's correlation of two lists; 0 where one of them is constant. */
export function correlation(xs, ys) {
  const [[x], [y]] = [meansOf(xs.map((value) => [value])), meansOf(ys.map((value) => [value]))];
  const [across, up] = [xs.map((value) => value - x), ys.map((value) => value - y)];
  const size = Math.sqrt(dot(across, across) * dot(up, up));
  return size ? dot(across, up) / size : 0;
}

/** The linear map of rows, a constant last, that comes nearest to targets: a row for each target. */
export function linearMap(rows, targets) {
  const longer = rows.map((row) => [...row, 1]);
  const squares = longer[0].map((_, i) =>
    longer[0].map((_, j) => longer.reduce((total, row) => total + row[i] * row[j], 0)),
  );
  const trace = squares.reduce((total, row, i) => total + row[i], 0);
  squares.forEach((row, i) => (row[i] += (RIDGE * trace) / squares.length));
  return targets[0].map((_, target) =>
    solved(
      squares.map((row, i) => [
        ...row,
        longer.reduce((total, one, place) => total + one[i] * targets[place][target], 0),
      ]),
    ),
  );
}

/** What a linear map says of a row. */
export function mapped(map, row) {
  return map.map((weights) => dot([...row, 1], weights));
}

// Gauss's elimination of [n, n + 1], positive definite.
function solved(system) {
  const n = system.length;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const factor = system[j][i] / system[i][i];
      for (let k = i; k <= n; k++) system[j][k] -= factor * system[i][k];
    }
  }
  const found = Array(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    const known = system[i].slice(0, n).reduce((total, value, j) => total + value * found[j], 0);
    found[i] = (system[i][n] - known) / system[i][i];
  }
  return found;
}

/** R2 of each target: 1 for what is read without error, 0 for the mean. */
export function determination(found, targets) {
  const means = meansOf(targets);
  return means.map((mean, i) => {
    const wrong = found.reduce((total, row, place) => total + (row[i] - targets[place][i]) ** 2, 0);
    return 1 - wrong / targets.reduce((total, row) => total + (row[i] - mean) ** 2, 0);
  });
}
