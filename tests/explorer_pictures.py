"""Draws docs/images/explorer-*.png: `python tests/explorer_pictures.py`, with chromium, selenium.

Each is a view of the page in a window of that size, with 128 colours.
"""

import io
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support import ui

from fdd.explorer import explore

CHECKOUT = Path(__file__).resolve().parent.parent
VIEWS = {
    "desk": (1400, 960, "light", "", "", ("made-facts", "Of 300")),
    "phone": (
        390,
        844,
        "dark",
        "family=fractal_dream&palette=inferno",
        "",
        ("made-facts", "Of 300"),
    ),
    "fine": (
        1200,
        660,
        "dark",
        "family=symmetric_icon&size=512&points=1000000&palette=viridis",
        "",
        ("facts", "of 262,144"),
    ),
    "map": (1400, 660, "light", "", "map", ("map-count", "2,000 of 2,000")),
    "strip": (1400, 1160, "light", "", "paths", ("curve", "of 121 vectors")),
    "reading": (1400, 460, "light", "", "reading", ("read", "a'")),
}
"""By name: width, height, colours, what stands behind #, the part of the page, and an element with
what it holds when all is drawn."""
DRAWN = "return document.getElementById(arguments[0]).outerHTML.includes(arguments[1])"


def main():
    options = webdriver.ChromeOptions()
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(one)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with tempfile.TemporaryDirectory() as folder, webdriver.Chrome(options, service) as browser:
        pages = {name: Path(folder) / f"{name or 'all'}.html" for name in ("", "mini-1")}
        for oracle, page in pages.items():
            explore(oracle=oracle or None).save(page)
        for name, (width, height, colours, state, part, drawn) in VIEWS.items():
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            media = {"features": [{"name": "prefers-color-scheme", "value": colours}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            browser.get("about:blank")
            page = pages["mini-1" if name == "reading" else ""]
            browser.get(f"{page.as_uri()}#{state}")
            if part:
                browser.execute_script(f"document.getElementById('{part}').scrollIntoView()")
            ui.WebDriverWait(browser, 600).until(lambda b, d=drawn: b.execute_script(DRAWN, *d))
            time.sleep(2)  # until what is asked for is on the screen
            shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
            out = CHECKOUT / "docs" / "images" / f"explorer-{name}.png"
            shot.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
