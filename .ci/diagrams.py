"Renders nbs/figures/*.svg to PNG beside them, with a browser; run it when a diagram has changed."

import hashlib
import shutil
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

FIGURES = Path(__file__).resolve().parent.parent / "nbs" / "figures"


def render(page, svg: Path) -> None:
    "One diagram as a PNG of twice its size, in few colours, which names the SVG it was made from."
    png = svg.with_suffix(".png")
    page.goto(svg.as_uri())
    width, height = page.evaluate(
        "(b => [b.width, b.height])(document.rootElement.viewBox.baseVal)"
    )
    page.set_viewport_size({"width": int(width), "height": int(height)})
    page.screenshot(path=png)
    source = PngInfo()
    source.add_text("svg", hashlib.sha256(svg.read_bytes()).hexdigest())
    picture = Image.open(png).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    picture.save(png, optimize=True, pnginfo=source)


if __name__ == "__main__":
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_context(device_scale_factor=2).new_page()
        for path in sorted(FIGURES.glob("*.svg")):
            render(tab, path)
