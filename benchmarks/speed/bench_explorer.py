"""The explorer in headless Chromium: what exact sines cost, the first picture, frames of a drag.

python -m pytest -s benchmarks/speed/bench_explorer.py
"""

import shutil

import pytest

from fdd.attractors.families import FAMILIES
from fdd.explorer import explore
from fdd.explorer.gallery import GALLERY

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

ROUNDS = 30

WATCH = """
const put = CanvasRenderingContext2D.prototype.putImageData;
window.pictures = [];
CanvasRenderingContext2D.prototype.putImageData = function (...given) {
  if (this.canvas.id === "picture") window.pictures.push(performance.now());
  return put.apply(this, given);
};
"""

DRAG = """
const done = arguments[0];
const slider = document.getElementById("slider-2");
const frames = [];
let work = 0;
const before = window.pictures.length;
const begin = performance.now();
const frame = (now) => {
  frames.push(now);
  if (now - begin > 4000) {
    const gaps = frames.slice(1).map((time, place) => time - frames[place]);
    const drawn = window.pictures.length - before;
    const late = gaps.filter((gap) => gap > 50).length;
    return done([Math.max(...gaps), late, gaps.length, drawn / ((now - begin) / 1000), work]);
  }
  const start = performance.now();
  slider.value = 3 * Math.sin((now - begin) / 700);
  slider.dispatchEvent(new Event("input"));
  work = Math.max(work, performance.now() - start);
  requestAnimationFrame(frame);
};
requestAnimationFrame(frame);
"""

COMPARE = """
const [tasks, inexact, rounds, done] = arguments;
const source = document.getElementById("computing").textContent;
const started = (text) => new Worker(URL.createObjectURL(new Blob([text])));
const workers = [started(source), started(source.replace(new RegExp(inexact, "g"), "Math.$1("))];
const ask = (worker, task) => new Promise((resolve) => {
  const begin = performance.now();
  worker.onmessage = () => resolve(performance.now() - begin);
  worker.postMessage({ id: 1, task: "share", ...task });
});
(async () => {
  const found = {};
  for (const task of tasks) {
    const times = [[], []];
    for (let round = 0; round < rounds; round++)
      for (const which of [0, 1]) times[which].push(await ask(workers[which], task));
    found[task.family] = times.map((one) => Math.min(...one));
  }
  done(found);
})();
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, opened; every picture that it puts up is in `pictures`, with its time."""
    out = tmp_path_factory.mktemp("explorer") / "explorer.html"
    explore().save(out)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(one)
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        browser.set_script_timeout(300)
        watch = {"source": WATCH}
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", watch)
        browser.get(out.as_uri())
        browser.execute_async_script("setTimeout(arguments[0], 5000)")
        yield browser


def test_the_first_picture(page, capsys):
    first = page.execute_script("return window.pictures[0]")
    with capsys.disabled():
        print(f"\nfirst picture {first:.0f} ms after the page was asked for")


def test_a_drag(page, capsys):
    longest, late, frames, rate, work = page.execute_async_script(DRAG)
    with capsys.disabled():
        print(f"\nwhile a slider moves: {rate:.0f} pictures a second")
        print(f"frames above 50 ms: {late} of {frames}, the longest {longest:.0f} ms")
        print(f"work of the page for a frame: at most {work:.0f} ms")


def test_exact_beside_inexact(page, capsys):
    """Pictures of 60,000 points, the fastest of some, with our sines and with the browser's."""
    tasks = [{"family": name, "params": GALLERY[name][0]} for name in FAMILIES]
    found = page.execute_async_script(COMPARE, tasks, r"\b(sin|cos)\((?=\$)", ROUNDS)
    with capsys.disabled():
        print("\nfamily          exact ms  inexact ms  ratio")
        for name, (exact, inexact) in found.items():
            print(f"{name:15} {exact:8.1f} {inexact:11.1f} {exact / inexact:6.2f}")
