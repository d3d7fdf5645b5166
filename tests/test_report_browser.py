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

ActionChains = pytest.importorskip("selenium.webdriver").ActionChains
DESK, PHONE = (1400, 900), (390, 844)


def picture(name, topic, width, height):
    """A grey figure of that size."""
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), 128, np.uint8)).save(file, "PNG")
    return Figure(f"{name}.png", topic, f"alt of {name}", name, file.getvalue())


FIGURES = [
    *(picture(name, "rows", 263, 32) for name in ("FD(v)", "G(v)", "G(Mv + b)", "G(E(FD(v)))")),
    picture("plot", "read", 1200, 800),
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
