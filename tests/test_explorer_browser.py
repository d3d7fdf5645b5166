"""The explorer in headless Chromium: what a visitor sees, and that nothing leaves the page.

FDD_EXPLORER_VECTORS: vectors of each family whose counts are compared (1).
"""

import hashlib
import os
import shutil

import numpy as np
import pytest
from explorer_modules import write_run
from PIL import Image
from tiny_runs import TINY

import fdd
from fdd.attractors.families import FAMILIES
from fdd.explorer import explore
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
ui = pytest.importorskip("selenium.webdriver.support.ui")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if CHROMIUM is None or DRIVER is None:
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

VECTORS = int(os.environ.get("FDD_EXPLORER_VECTORS", "1"))
FIRST = [0.1, 0.1, -2.0, -1.5, -2.6, 0.9]
SECONDS = 60  # that anything may take where other programs run


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for one in ("--headless=new", "--no-sandbox", "--disable-3d-apis", "--window-size=1400,1000"):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as made:
        made.set_script_timeout(SECONDS)
        yield made


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page's own address, without what stands behind #."""
    out = tmp_path_factory.mktemp("explorer") / "explorer.html"
    explore([]).save(out)
    return out.as_uri()


@pytest.fixture
def page(browser, address):
    """Opens the page anew and waits for its first picture; gives the browser."""

    def opened(state=""):
        browser.get("about:blank")
        browser.get(f"{address}#{state}")
        wait(browser, lambda: text(browser, "facts"))
        return browser

    return opened


def wait(browser, condition):
    return ui.WebDriverWait(browser, SECONDS, poll_frequency=0.02).until(lambda _: condition())


def text(browser, name):
    return browser.find_element(By.ID, name).text


def pixels(browser, name="picture"):
    """A canvas as RGB, uint8 [H, W, 3]."""
    flat = browser.execute_script(
        "const canvas = document.getElementById(arguments[0]);"
        "const { width, height } = canvas;"
        "return [...canvas.getContext('2d').getImageData(0, 0, width, height).data];",
        name,
    )
    size = int((len(flat) / 4) ** 0.5)
    return np.array(flat, np.uint8).reshape(size, size, 4)[..., :3]


def come_to(browser, name):
    element = browser.find_element(By.ID, name)
    browser.execute_script("arguments[0].scrollIntoView()", element)
    return element


def test_the_page_opens_with_the_first_image_byte_for_byte(page):
    browser = page()
    assert np.array_equal(pixels(browser), fdd.render([0.1, 0.1, -2.0, -1.5, -2.6, 0.9]))
    assert text(browser, "facts") == (
        "11,773 of 16,384 cells hold a point, 71.9 %; the release keeps it (from 15 %)."
    )
    assert text(browser, "python") == (
        "import fdd\nimage = fdd.render([0.1, 0.1, -2, -1.5, -2.6, 0.9])"
    )


def test_a_click_enlarges_the_picture_and_another_closes_it(page):
    browser = page()
    small = browser.find_element(By.ID, "picture")
    name = small.accessible_name
    small.click()
    large = browser.find_element(By.CSS_SELECTOR, "dialog[open] canvas")
    assert large.size["width"] > small.size["width"]
    assert large.accessible_name == name != ""
    large.click()
    assert browser.find_elements(By.CSS_SELECTOR, "dialog[open]") == []


COUNTED = """
const [family, vectors, done] = arguments;
const source = document.getElementById("computing").textContent;
const worker = new Worker(URL.createObjectURL(new Blob([source])));
const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const found = vectors.map(() => null);
let answers = 0;
worker.onmessage = async ({ data: { id, answer } }) => {
  if (answer) found[id] = hex(await crypto.subtle.digest("SHA-256", answer.counts));
  if (++answers === vectors.length) done(found);
};
vectors.forEach((params, id) => {
  const drawing = { size: 128, points: 60000, output: "gray" };
  worker.postMessage({ id, task: "draw", family, params, ...drawing });
});
"""


@pytest.fixture(scope="module")
def counted(browser, address):
    """What the worker of one page counts: a digest of each vector, or None, by family."""
    browser.get(address)
    return {
        family: browser.execute_async_script(
            COUNTED, family, fdd.uniform_params(VECTORS, family, seed=4).tolist()
        )
        for family in FAMILIES
    }


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_worker_counts_as_python_does(counted, family):
    vectors = fdd.uniform_params(VECTORS, family, seed=4)
    counts, degenerate = render_cpu(Drawing(family, output="counts"), vectors, 1)
    expected = [hashlib.sha256(one).hexdigest() for one in counts]
    assert counted[family] == [
        None if no_image else one for no_image, one in zip(degenerate, expected, strict=True)
    ]


def test_no_request_leaves_the_page_and_nothing_complains(page):
    browser = page("family=clifford&size=256&points=300000")
    wait(browser, lambda: "of 65,536 cells" in text(browser, "facts"))
    requests = browser.execute_script("return performance.getEntriesByType('resource').length")
    assert requests == 0
    assert browser.get_log("browser") == []


def test_a_notebook_shows_it_inside_its_own_page(browser, tmp_path):
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><meta charset=utf-8>{explore([])._repr_html_()}")
    browser.get(notebook.as_uri())
    browser.switch_to.frame(0)
    wait(browser, lambda: text(browser, "facts").startswith("11,773 of 16,384"))
    browser.find_element(By.ID, "slider-2").send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda: "-1.999" in text(browser, "python"))
    assert text(browser, "notes") == ""


def test_a_bad_address_is_told_and_never_markup(page):
    browser = page("family=clifford&a=<img src=x onerror=alert(1)>&b=0.5")
    assert text(browser, "notes") == (
        'The address has a = "<img src=x onerror=alert(1)>"; a must be a number from -3 to 3.'
    )
    assert browser.find_elements(By.TAG_NAME, "img") == []
    assert browser.find_element(By.ID, "field-3").get_attribute("value") == "0.5"


def test_a_degenerate_vector_is_told_and_the_page_goes_on(page):
    browser = page("x0=0&y0=0&c=0&d=0")
    assert text(browser, "facts") == (
        "Degenerate: this orbit is constant in x or in y, or not finite, and has no picture."
    )
    browser.find_element(By.CSS_SELECTOR, "#gallery button").click()
    wait(browser, lambda: text(browser, "facts").startswith("11,773 of 16,384"))


def test_a_number_out_of_range_is_told_beside_its_field(page):
    browser = page()
    field = browser.find_element(By.ID, "field-2")
    field.clear()
    field.send_keys("7")
    assert text(browser, "fault-2") == "a must be a number from -3 to 3."
    assert "-2" in text(browser, "python")
    field.clear()
    field.send_keys("1.5")
    assert text(browser, "fault-2") == ""
    assert "fdd.render([0.1, 0.1, 1.5, -1.5, -2.6, 0.9])" in text(browser, "python")


def test_keys_move_a_slider_the_address_follows_and_undo_goes_back(page):
    browser = page()
    browser.find_element(By.ID, "slider-2").send_keys(Keys.ARROW_RIGHT)
    assert "[0.1, 0.1, -1.999, -1.5, -2.6, 0.9]" in text(browser, "python")
    assert "a=-1.999&" in browser.current_url
    browser.find_element(By.ID, "undo").click()
    assert "[0.1, 0.1, -2, -1.5, -2.6, 0.9]" in text(browser, "python")
    assert "a=-2&" in browser.current_url
    assert not browser.find_element(By.ID, "undo").is_enabled()


def test_gray_and_palettes_are_those_of_python(page):
    browser = page("family=de_jong&output=gray")
    vector = browser.execute_script("return document.getElementById('python').textContent")
    params = [float(value) for value in vector.partition("[")[2].partition("]")[0].split(",")]
    gray = fdd.render(params, family="de_jong", output="gray")
    assert np.array_equal(pixels(browser), np.repeat(gray[..., None], 3, axis=2))
    ui.Select(browser.find_element(By.ID, "output")).select_by_value("rgb")
    ui.Select(browser.find_element(By.ID, "palette")).select_by_value("inferno")
    colours = fdd.render(params, family="de_jong", palette="inferno")
    wait(browser, lambda: np.array_equal(pixels(browser), colours))


def test_the_picture_can_be_taken_away_as_a_png(page, tmp_path):
    browser = page("size=32&points=4000")
    place = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", place)
    browser.find_element(By.ID, "download").click()
    file = tmp_path / "fractal_dream-32.png"
    wait(browser, file.exists)
    image = fdd.render([0.1, 0.1, -2.0, -1.5, -2.6, 0.9], size=32, points=4000)
    assert np.array_equal(Image.open(file).convert("RGB"), image)


def test_a_random_vector_is_one_that_the_release_keeps(page):
    browser = page()
    before = text(browser, "python")
    browser.find_element(By.ID, "random").click()
    wait(browser, lambda: text(browser, "python") != before)
    wait(browser, lambda: "the release keeps it" in text(browser, "facts"))


def test_the_strip_shows_where_the_release_accepts_and_leads_there(page):
    browser = page()
    curve = browser.find_element(By.ID, "curve")
    wait(browser, lambda: "of 121" in str(curve.get_attribute("aria-label")))
    assert curve.get_attribute("aria-label") == "The release keeps 86 of 121 vectors"
    first = browser.find_element(By.CSS_SELECTOR, "#thumbnails button")
    assert first.get_attribute("aria-label").startswith("a = -3, ")
    first.send_keys(Keys.ENTER)
    assert "[0.1, 0.1, -3, -1.5, -2.6, 0.9]" in text(browser, "python")
    wait(browser, lambda: first.get_attribute("aria-current") == "true")
    assert browser.switch_to.active_element == first


def test_the_oracle_reads_in_the_browser(browser, tmp_path):
    explore([], oracle="mini-1").save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    come_to(browser, "reading")
    wait(browser, lambda: text(browser, "read"))
    assert text(browser, "read") == ("a' 2.00 2.09\nb' 1.50 1.30\nc -2.60 -2.48\nd 0.90 1.05")
    ui.Select(browser.find_element(By.ID, "family")).select_by_value("clifford")
    wait(browser, lambda: text(browser, "reader-note") == "It reads the Fractal Dream alone.")


# Trained models

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def learned(browser, tmp_path_factory):
    """The page with an emulator, an encoder, and an auto-encoder whose name is markup."""
    folder = tmp_path_factory.mktemp("learned")
    mine = write_run(folder / HOSTILE, "aae", **TINY, version="mini-1")
    explore(["mini-emulator", "mini-one", mine]).save(folder / "explorer.html")
    browser.get((folder / "explorer.html").as_uri())
    wait(browser, lambda: "Of 300 test images" in text(browser, "made-facts"))
    return browser


def choose(browser, name, value):
    ui.Select(browser.find_element(By.ID, name)).select_by_value(value)


def test_a_model_draws_beside_the_attractor_and_follows_it(learned):
    assert text(learned, "made-facts") == (
        "SSIM with FD(v) 0.21, 32 x 32 pixels. Of 300 test images, none is nearer to it than FD(v)."
    )
    made = pixels(learned, "made-picture").astype(int)
    choose(learned, "view", "seen")
    seen = pixels(learned, "made-picture")
    assert np.array_equal(seen, fdd.render(FIRST, size=32, points=4000))
    choose(learned, "view", "difference")
    assert np.array_equal(pixels(learned, "made-picture"), 255 - np.abs(made - seen))
    choose(learned, "view", "seen")
    learned.find_element(By.ID, "slider-2").send_keys(Keys.ARROW_RIGHT)
    moved = fdd.render([*FIRST[:2], -1.999, *FIRST[3:]], size=32, points=4000)
    wait(learned, lambda: np.array_equal(pixels(learned, "made-picture"), moved))
    choose(learned, "view", "made")
    before = pixels(learned, "made-picture")
    learned.find_element(By.ID, "again").click()
    wait(learned, lambda: not np.array_equal(pixels(learned, "made-picture"), before))
    learned.find_element(By.ID, "undo").click()


def test_an_auto_encoder_draws_what_it_reads_and_its_name_is_text(learned):
    options = [one.text for one in ui.Select(learned.find_element(By.ID, "drawer")).options]
    assert options == ["mini-emulator: G(v)", f"{HOSTILE}: G(E(FD(v)))"]
    choose(learned, "drawer", "1")
    wait(learned, lambda: "16 x 16 pixels" in text(learned, "made-facts"))
    assert pixels(learned, "made-picture").shape == (16, 16, 3)
    assert learned.find_elements(By.TAG_NAME, "img") == []
    choose(learned, "drawer", "0")
    choose(learned, "family", "clifford")
    wait(learned, lambda: "Fractal Dream alone" in text(learned, "made-facts"))
    learned.find_element(By.ID, "undo").click()


def test_another_model_may_be_chosen_before_the_first_has_drawn(learned):
    learned.execute_script("""
      const drawer = document.getElementById("drawer");
      for (drawer.value of ["1", "0"]) drawer.dispatchEvent(new Event("change"));
    """)
    assert text(learned, "made-facts") == "It is being drawn."
    wait(learned, lambda: "Of 300 test images" in text(learned, "made-facts"))
    assert "32 x 32 pixels" in text(learned, "made-facts")


CLICKED = """
const { left, top, width, height } = arguments[1].getBoundingClientRect();
const place = { clientX: left + width / 2, clientY: top + height / 2 };
arguments[0].blur();
arguments[0].dispatchEvent(new MouseEvent("click", place));
"""
"""In one go: dots move while further images are encoded."""


def test_the_map_leads_from_codes_to_vectors(learned):
    dots = come_to(learned, "dots")
    wait(learned, lambda: "of 2,000 images" in text(learned, "map-count"))
    cell = learned.find_element(By.CSS_SELECTOR, "#matrix tbody tr:nth-child(2) td:nth-child(4)")
    cell.find_element(By.TAG_NAME, "button").click()
    label = dots.get_attribute("aria-label")
    assert "a' across and code 2 up" in label
    learned.find_element(By.CSS_SELECTOR, "#matrix thead th:nth-child(4) button").click()
    cells = learned.find_elements(By.CSS_SELECTOR, "#matrix tbody td:nth-child(4)")
    sizes = [abs(float(cell.text)) for cell in cells]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.3
    for load in (
        lambda: dots.send_keys(Keys.ENTER),
        lambda: learned.execute_script(CLICKED, dots, learned.find_element(By.CLASS_NAME, "ring")),
    ):
        dots.send_keys(Keys.ARROW_RIGHT)
        shown = learned.find_element(By.CLASS_NAME, "pointed").text
        load()
        vector = text(learned, "python").partition("[")[2].partition("]")[0]
        params = [float(value) for value in vector.split(",")]
        assert shown == ", ".join(f"{value:.2f}" for value in params)
        assert params in fdd.sample_params(2000, "test", version="mini-1").tolist()
    for _ in range(2):
        learned.find_element(By.ID, "undo").click()


def test_an_encoder_reads_what_its_codes_tell(learned):
    come_to(learned, "reading")
    wait(learned, lambda: "test images; R2 in the others: a' 0." in text(learned, "reader-facts"))
    assert text(learned, "reader-facts").startswith("mini-one, supervision one: its 16 numbers, ")
    wait(learned, lambda: text(learned, "read"))
    names = [row.split()[0] for row in text(learned, "read").splitlines()]
    assert names == ["a'", "b'", "c", "d", "|b|", "|c|", "|d|"]


def test_a_path_goes_from_a_to_b_and_can_be_taken_away(learned, tmp_path):
    come_to(learned, "paths")
    video = learned.find_element(By.ID, "path-video")
    wait(learned, video.is_enabled)
    assert np.array_equal(pixels(learned, "path-exact"), fdd.render(FIRST))
    learned.find_element(By.ID, "path-share").send_keys(Keys.END)
    last = fdd.render([-value / 2 for value in FIRST])
    wait(learned, lambda: np.array_equal(pixels(learned, "path-exact"), last))
    assert pixels(learned, "path-made").shape == (32, 32, 3)
    place = {"behavior": "allow", "downloadPath": str(tmp_path)}
    learned.execute_cdp_cmd("Browser.setDownloadBehavior", place)
    video.click()
    wait(learned, (tmp_path / "path.webm").exists)
    av = pytest.importorskip("av", reason="it decodes the video")
    with av.open(tmp_path / "path.webm") as film:
        frames = [(one.time, one.to_ndarray(format="rgb24")) for one in film.decode(video=0)]
    (_, opening), (lasts, ending) = frames[0], frames[-1]
    assert opening.shape == ending.shape == (256, 520, 3)
    assert lasts > 3.5  # seconds: 49 pictures, twelve a second
    for frame, drawn in [(opening, fdd.render(FIRST)), (ending, last)]:
        colours = frame[:, :256].mean(axis=(0, 1))
        assert colours == pytest.approx(drawn.mean(axis=(0, 1)), abs=10)


def test_everything_of_the_models_has_a_name_and_nothing_complains(learned):
    found = learned.find_elements(By.CSS_SELECTOR, "button:not(#matrix *), input, select")
    assert [one.get_attribute("outerHTML") for one in found if not one.accessible_name] == []
    assert learned.execute_script("return performance.getEntriesByType('resource').length") == 0
    errors = [one for one in learned.get_log("browser") if one["level"] == "SEVERE"]
    assert errors == []


def test_a_model_without_a_generator_is_told(browser, tmp_path):
    explore("mini-one").save(tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())
    wait(browser, lambda: text(browser, "made-note"))
    assert text(browser, "made-note").startswith("None of the models in this page draws")
    assert not browser.find_element(By.ID, "made").is_displayed()
    assert not browser.find_element(By.ID, "paths").is_displayed()


def test_everything_that_can_be_used_has_a_name(page):
    browser = page()
    found = browser.find_elements(By.CSS_SELECTOR, "button, input, select, canvas[role], svg")
    shown = [one for one in found if one.is_displayed()]
    assert len(shown) > 40
    assert [one.get_attribute("outerHTML") for one in shown if not one.accessible_name] == []


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_window(page, width):
    browser = page()
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= width


def test_without_scripts_the_page_says_what_to_do(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get("about:blank")
    browser.get(address)
    shown = browser.find_element(By.TAG_NAME, "main").text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert shown.startswith("This page draws with JavaScript, which is off in this browser.")
