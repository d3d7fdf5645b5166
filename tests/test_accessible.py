"""Every page that we write, as axe-core finds it: names, focus, contrast; on a desk, on a phone."""

import json

import numpy as np
import pytest
from fake_results import evaluation

from benchmarks.leaderboard import as_html as board_html
from benchmarks.leaderboard import leaderboard
from benchmarks.protocol.translation import Pairs, Settings, evaluate
from benchmarks.reporting.figures import all_figures
from benchmarks.reporting.html import as_html
from fdd.explorer import explore

axe = pytest.importorskip("axe_playwright_python.base", reason="its package carries axe-core")
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ui = pytest.importorskip("selenium.webdriver.support.ui")

SCREENS = [((1400, 1000), "light"), ((390, 844), "dark")]
"""Colours depend on the scheme alone and the layout on the size alone."""
SECONDS = 300  # that anything may take where other programs run

FAULTS = """
const done = arguments[0];
const told = ({ id, nodes }) =>
  nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`);
const options = { resultTypes: ["violations"] };
axe.run(options).then(({ violations }) => done(violations.flatMap(told)));
"""


class Mirror:
    """Translates images into themselves, mirrored."""

    def translate(self, images, back=False):
        return np.ascontiguousarray(images[:, :, ::-1])


def report(folder):
    found = evaluation("one", supervision="none")
    return as_html([found.result], all_figures([found]))


def board(folder):
    paths = []
    for name, level in (("one", 0.5), ("two", 0.4)):
        found = evaluation(name, level=level, supervision="none", weights_sha256=name).result
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps(found))
    return board_html(leaderboard(paths))


def translation(folder):
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    pairs = Pairs(images, np.roll(images[:, :, ::-1], 1, axis=0))
    found = evaluate(Mirror(), pairs, settings=Settings(test_images=40, draws=9, halves=2))
    found.result.update(evaluation().result | found.result, name="mirror", domains="palettes")
    return as_html([found.result], all_figures([found]))


def explorer(folder):
    return str(explore(["mini-emulator", "mini-one"], oracle="mini-1"))


@pytest.fixture(scope="module", params=[report, board, translation, explorer])
def page(request, chromium, tmp_path_factory):
    """A page, opened from a file, with all that it has to show."""
    chromium.set_script_timeout(SECONDS)
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(request.param(folder))
    chromium.get((folder / "index.html").as_uri())
    chromium.execute_script(
        "document.querySelectorAll('details').forEach(one => (one.open = true))"
    )
    if request.param is explorer:
        for part, shown in (("reading", "read"), ("map", "map-count"), ("strip-title", "ends")):
            chromium.execute_script("document.getElementById(arguments[0]).scrollIntoView()", part)
            wait = ui.WebDriverWait(chromium, SECONDS)
            wait.until(lambda browser, name=shown: browser.find_element("id", name).text)
    for plot in chromium.find_elements("css selector", "img[role=slider]")[:1]:
        plot.send_keys(Keys.ARROW_RIGHT)  # with what is said of a mark beside it
    chromium.execute_script(axe.AXE_SCRIPT)
    return chromium


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_axe_core_finds_nothing_wrong(page, size, scheme):
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert page.execute_async_script(FAULTS) == []
