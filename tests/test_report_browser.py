"""Pages of results in a browser: sorted, unfolded, enlarged, on a phone, asking nobody."""

import io
import json

import numpy as np
import pytest
from fake_results import HOSTILE, cell, image_scores, result
from PIL import Image

from benchmarks.leaderboard import as_html as board_html
from benchmarks.leaderboard import leaderboard
from benchmarks.reporting.figures import Figure
from benchmarks.reporting.html import as_html

webdriver = pytest.importorskip("selenium.webdriver")
ActionChains, Keys = webdriver.ActionChains, webdriver.Keys
DESK, PHONE = (1400, 900), (390, 844)


def picture(name, topic, width, height, marks=()):
    """A grey figure of that size."""
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), 128, np.uint8)).save(file, "PNG")
    return Figure(f"{name}.png", topic, f"alt of {name}", name, file.getvalue(), marks)


MARKS = [
    {
        "name": HOSTILE,
        "words": [],
        "x": {"name": "step", "at": [0.1, 0.7], "ends": [0, 60], "values": [50, 10, 30]},
        "y": {"name": "loss", "at": [0.7, 0.3], "ends": [-1, 1], "values": [-0.5, 1, 0.25]},
    },
    {
        "name": "below",
        "words": ["<b>one</b>", "two\nlines"],
        "x": {"name": "across", "at": [0, 1], "ends": [0, 1], "values": [0.7, 0.9]},
        "y": {"name": "down", "at": [0, 1], "ends": [0, 1], "values": [0.9, 0.8]},
    },
]
"""Of a plot: three corners of a line, not in order, and two marks below it that have words."""
SAID = {
    (0.2, 0.3): f"{HOSTILE}\nstep 10, loss 1",
    (0.4, 0.45): f"{HOSTILE}\nstep 30, loss 0.25",
    (0.6, 0.6): f"{HOSTILE}\nstep 50, loss -0.5",
    (0.7, 0.9): "below\n<b>one</b>",
    (0.9, 0.8): "below\ntwo\nlines",
}
"""What they say, by their places in shares of the picture."""
FIGURES = [
    *(picture(name, "rows", 263, 32) for name in ("FD(v)", "G(v)", "G(Mv + b)", "G(E(FD(v)))")),
    picture("plot", "read", 1200, 800, MARKS),
]


def scored(name, value, track="none"):
    """A result whose R2 of parameters is that."""
    one = result(name, value, run=f"runs/{name}", supervision=track, weights_sha256=name)
    one["scores"]["nonlinear_r2"]["canonical"]["mean"] = cell(value)
    return one


@pytest.fixture
def opened(chromium, tmp_path):
    """opened(html, size, scheme) shows a page from a file in a fresh log and gives the browser."""

    def show(html, size=DESK, scheme="light"):
        file = tmp_path / "index.html"
        file.write_text(html)
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        chromium.get("about:blank")
        for log in ("browser", "performance"):
            chromium.get_log(log)
        chromium.get(file.as_uri())
        return chromium

    return show


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def bottom(browser, selector):
    """How far down the last of these elements ends, in pixels."""
    box = find(browser, selector)[-1].rect
    return box["y"] + box["height"]


def test_a_page_runs_nothing_of_what_it_shows_and_asks_nobody(opened):
    browser = opened(
        as_html([scored(HOSTILE, 0.5), scored("<img src=//example.org>", 0.4)], FIGURES)
    )
    assert len(find(browser, "script")) == 1
    assert HOSTILE in browser.find_element("tag name", "body").text
    find(browser, "#read summary")[0].click()
    find(browser, "#read img")[0].send_keys(Keys.ARROW_RIGHT)
    assert told(browser).startswith(HOSTILE)
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"].endswith("WillBeSent")]
    assert len(sent) > 1
    assert {url.partition(":")[0] for url in sent} == {"file", "data"}


def test_a_click_on_a_head_sorts_each_track_and_another_turns_it(opened):
    found = {"b": (0.3, "none"), "a": (0.5, "none"), "c": (0.4, "none"), "d": (0.9, "pairs")}
    browser = opened(as_html([scored(name, *about) for name, about in found.items()]))
    names = "#headline tbody th[scope=row] span"
    head, *_ = find(browser, "#headline thead th")
    for order, expected in (("descending", "acbd"), ("ascending", "bcad")):  # d is of another track
        head.find_element("tag name", "button").click()
        assert head.get_attribute("aria-sort") == order
        assert "".join(one.text for one in find(browser, names)) == expected
    firsts = [row.text.split()[0] for row in find(browser, "#headline tbody tr")]
    assert firsts == ["chance", "trained", "b", "c", "a", "trained", "d", "ceiling"]


def test_questions_unfold_and_pictures_enlarge(opened):
    browser = opened(as_html([scored("one", 0.5)], FIGURES))
    (plot,) = find(browser, "#read img")
    assert not plot.is_displayed()
    find(browser, "#read summary")[0].click()
    assert plot.is_displayed()
    for small in (find(browser, ".rows img")[1], plot):
        small.click()
        large = browser.find_element("css selector", "dialog[open] img")
        assert large.get_attribute("alt") == small.get_attribute("alt")
        assert large.size["width"] > small.size["width"]
        large.click()
        assert find(browser, "dialog[open]") == []


def point_at(browser, element, share):
    """Moves the pointer to a share of an element's width; gives the text of the box beside it."""
    x = round((share - 0.5) * element.size["width"])
    actions = ActionChains(browser, duration=0)
    actions.move_to_element_with_offset(element, x, 0).perform()
    return browser.find_element("class name", "pointed").text


def test_the_pointer_shows_an_image_of_all_rows_and_what_a_bar_says(opened):
    browser = opened(as_html([scored("one", 0.5)], FIGURES))
    rows = find(browser, ".rows img")
    names = "FD(v)\nG(v)\nG(Mv + b)\nG(E(FD(v)))"
    for share, number in ((0.01, 1), (0.49, 4), (0.51, 5), (0.99, 8)):
        assert point_at(browser, rows[1], share) == f"Test image {number}\n{names}"
    assert len(find(browser, ".pointed canvas")) == 4
    bar = find(browser, ".bar[aria-label]")[0]
    assert point_at(browser, bar, 0.5) == bar.get_attribute("aria-label")
    point_at(browser, find(browser, "h1")[0], 0.5)
    assert not find(browser, ".pointed")[0].is_displayed()


@pytest.fixture
def plotted(opened):
    """plotted(size, scheme) opens a page and gives the browser and its plot, unfolded."""

    def show(size=DESK, scheme="light"):
        browser = opened(as_html([scored("one", 0.5)], FIGURES), size, scheme)
        find(browser, "#read summary")[0].click()
        (plot,) = find(browser, "#read img")
        browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", plot)
        return browser, plot

    return show


def told(browser):
    """The text of the box, or None where there is none; the ring is there when it is."""
    (box,), (ring,) = find(browser, ".pointed"), find(browser, ".ring")
    assert box.is_displayed() == ring.is_displayed()
    return box.text if box.is_displayed() else None


PLACE = """
const [plot, ring] = arguments;
const [whole, small] = [plot, ring].map((one) => one.getBoundingClientRect());
const scale = Math.min(whole.width / plot.naturalWidth, whole.height / plot.naturalHeight);
return ["x", "y"].map((axis) => {
  const [low, length] = axis === "x" ? ["left", "width"] : ["top", "height"];
  const side = scale * plot[axis === "x" ? "naturalWidth" : "naturalHeight"];
  const middle = (one) => one[low] + one[length] / 2;
  return 0.5 + (middle(small) - middle(whole)) / side;
});
"""


def ringed(browser, plot):
    """Where the ring is, in shares of the picture, which is in the middle of its element."""
    return browser.execute_script(PLACE, plot, find(browser, ".ring")[0])


def offsets(plot, place):
    """From the middle of a plot of 1200 x 800 pixels to a place in it, in pixels of the window."""
    scale = min(plot.size["width"] / 1200, plot.size["height"] / 800)
    return [
        round((share - 0.5) * side * scale) for share, side in zip(place, (1200, 800), strict=True)
    ]


@pytest.mark.parametrize("is_large", [False, True])
def test_the_pointer_rings_the_nearest_mark_of_a_plot_and_says_it(plotted, is_large):
    browser, plot = plotted()
    if is_large:
        plot.click()
        (plot,) = find(browser, "dialog[open] img")
    for place, text in SAID.items():
        near = [share + 0.02 for share in place]
        actions = ActionChains(browser, duration=0)
        actions.move_to_element_with_offset(plot, *offsets(plot, near)).perform()
        assert told(browser) == text
        assert ringed(browser, plot) == pytest.approx(place, abs=0.003)
    plot.send_keys(Keys.ESCAPE)
    ActionChains(browser, duration=0).move_to_element(find(browser, "#read h2")[0]).perform()
    assert told(browser) is None


@pytest.mark.parametrize("is_large", [False, True])
def test_arrow_keys_go_from_mark_to_mark(plotted, is_large):
    browser, plot = plotted(PHONE)
    if is_large:
        plot.send_keys(Keys.ENTER)
        (plot,) = find(browser, "dialog[open] img")
    first, second, third, one, two = SAID.values()
    for key, text in (
        (Keys.ARROW_RIGHT, first),
        (Keys.ARROW_RIGHT, second),
        (Keys.ARROW_RIGHT, third),
        (Keys.ARROW_RIGHT, first),
        (Keys.ARROW_LEFT, third),
        (Keys.ARROW_UP, third),
        (Keys.ARROW_DOWN, one),
        (Keys.ARROW_RIGHT, two),
    ):
        plot.send_keys(key)
        assert told(browser) == text
        assert plot.get_attribute("aria-valuetext") == text
    assert plot.aria_role == "slider"
    box = find(browser, ".ring")[0].rect
    browser.execute_script("document.activeElement.blur()")
    assert told(browser) is None
    assert 0 < box["x"] < PHONE[0]  # what it is in has been scrolled


def test_what_is_pointed_at_scrolls_with_its_plot(plotted):
    browser, plot = plotted(PHONE)
    plot.send_keys(Keys.ARROW_RIGHT)
    place, box = ringed(browser, plot), find(browser, ".pointed")[0].rect
    assert place == pytest.approx((0.2, 0.3), abs=0.003)
    browser.execute_async_script(
        """
      const [plot, done] = arguments;
      addEventListener("scroll", () => done(), { capture: true, once: true });
      plot.parentElement.scrollBy(50, 0);
    """,
        plot,
    )
    assert ringed(browser, plot) == place
    assert find(browser, ".pointed")[0].rect["x"] == pytest.approx(box["x"] - 50, abs=1)


def test_a_tap_says_a_mark_and_another_enlarges(plotted):
    browser, _ = plotted(PHONE)
    finger = webdriver.common.actions.pointer_input.PointerInput("touch", "finger")
    for dialogs in (0, 1):
        tap = webdriver.common.action_chains.ActionBuilder(browser, mouse=finger, duration=0)
        tap.pointer_action.move_to_location(100, 422).pointer_down().pointer_up()
        tap.perform()
        assert len(find(browser, "dialog[open]")) == dialogs
        assert (told(browser) in SAID.values()) == (not dialogs)


@pytest.mark.parametrize(("scheme", "turned"), [("light", {}), ("dark", {"plot"})])
def test_in_the_dark_plots_are_dark_and_images_as_they_are(opened, scheme, turned):
    figures = [*FIGURES, *(picture(topic, topic, 90, 60) for topic in ("generator", "pairing"))]
    browser = opened(as_html([scored("one", 0.5)], figures), scheme=scheme)
    filters = {
        one.get_attribute("alt").removeprefix("alt of "): one.value_of_css_property("filter")
        for one in find(browser, "figure img")
    }
    assert len(filters) == len(figures)
    assert {name for name, value in filters.items() if value != "none"} == set(turned)


def test_the_first_screen_holds_the_answer(opened):
    one = scored("one", 0.5)
    browser = opened(as_html([one], FIGURES))
    assert len(find(browser, ".numbers li")) == 5
    for part in (".verdict", ".rows img", ".numbers li"):
        assert bottom(browser, part) < DESK[1], part
    browser = opened(as_html([one], FIGURES), PHONE)
    for part in (".verdict", ".rows img"):
        assert bottom(browser, part) < PHONE[1], part


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_tables_and_not_the_page(opened, tmp_path, scheme):
    results = [scored("one", 0.5), result("no-encoder", scores=image_scores(0.6, ("direct",)))]
    paths = []
    for number, content in enumerate(results):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(content | {"weights_sha256": str(number)}))
    for html in (as_html(results, FIGURES), board_html(leaderboard(paths))):
        browser = opened(html, PHONE, scheme)
        for summary in find(browser, "details.question > summary"):
            summary.click()
        page = "document.documentElement"
        assert browser.execute_script(f"return {page}.scrollWidth") == PHONE[0]
        wide = "return [...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > 390)"
        assert browser.execute_script(wide)
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
        assert browser.get_log("browser") == []
