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

from fdd.explorer import explore

CHECKOUT = Path(__file__).resolve().parent.parent
ORACLE = CHECKOUT / "benchmarks" / "oracle" / "mini-1.safetensors"
VIEWS = {
    "desk": (1400, 1000, "light", "", 0),
    "phone": (390, 844, "dark", "family=clifford&a=1.5&palette=inferno", 0),
    "fine": (1200, 660, "dark", "family=symmetric_icon&size=512&points=1000000&palette=viridis", 0),
    "strip": (1400, 860, "light", "", 960),
}
"""By name: width, height, colours, what stands behind # and how far down the page."""
SECONDS = 12  # for the oracle and the strip to finish


def main():
    options = webdriver.ChromeOptions()
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(one)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with tempfile.TemporaryDirectory() as folder, webdriver.Chrome(options, service) as browser:
        page = Path(folder) / "explorer.html"
        explore(oracle=ORACLE).save(page)
        for name, (width, height, colours, state, down) in VIEWS.items():
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            media = {"features": [{"name": "prefers-color-scheme", "value": colours}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            browser.get("about:blank")
            browser.get(f"{page.as_uri()}#{state}")
            time.sleep(SECONDS)
            browser.execute_script(f"scrollTo(0, {down})")
            time.sleep(0.5)
            shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
            out = CHECKOUT / "docs" / "images" / f"explorer-{name}.png"
            shot.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
