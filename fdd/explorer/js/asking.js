// Workers as functions: asked for a task, they promise its answer.

/**
 * A new worker, ask(task, fields), until ask.end(), when all that waits gets null; `fail` hears in a
 * sentence if it cannot work.
 */
export function newWorker(fail) {
  const source = document.getElementById("computing").textContent;
  const waiting = new Map();
  let last = 0;
  let worker;
  try {
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  } catch {
    fail("This browser does not let the page start a worker, so nothing can be drawn.");
    return Object.assign(() => new Promise(() => {}), { end: () => {} });
  }
  worker.onerror = () => fail("The worker that draws has failed; load the page again.");
  worker.onmessage = ({ data: { id, answer } }) => {
    waiting.get(id)(answer);
    waiting.delete(id);
  };
  const ask = (task, fields) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ id: last, task, ...fields });
    });
  const end = () => {
    worker.terminate();
    waiting.forEach((answered) => answered(null));
  };
  return Object.assign(ask, { end });
}

/** `act` so that one call runs at a time, and of those that come meanwhile one more at its end. */
export function newest(act) {
  let running = false;
  let again = false;
  return async function run() {
    again = running;
    if (running) return;
    running = true;
    await act();
    running = false;
    if (again) run();
  };
}
