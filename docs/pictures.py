"""Makes the README's pictures: the report of the demo, and the graph in the user interface. Called by `make pictures`.

Takes the home that LIFTOS_HOME names, filled by `liftos demo` if it is empty, and needs a Chromium (`make browser`).
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

from tests.pipeline.interface import Interface

FOLDER = Path(__file__).parent
LIFTOS = Path(sys.executable).parent / "liftos"
_COLOURS = 128
_MARGIN_PX = 14.0
_CLEARER = "button, input, [role=slider], [class*=slider i] { visibility: hidden } svg path { stroke: #7d8798 !important }"
"""What is pressed is left out, and lines are dark enough for a small picture."""
REPORT = FloatRect(x=0.0, y=0.0, width=1000.0, height=1150.0)


def main() -> None:
    home = Path(os.environ.get("LIFTOS_HOME", ".liftos")).absolute()
    if not (home / "liftos.duckdb").exists():
        subprocess.run([str(LIFTOS), "demo"], env={**os.environ, "LIFTOS_HOME": str(home)}, check=True)
    with sync_playwright() as started:
        found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 1200})
        keep("report", of_report(page, home))
        interface = Interface(home)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 760}, device_scale_factor=2.0)
            keep("graph", of_graph(page, interface.address))
        finally:
            interface.stop()
        browser.close()


def of_report(page: Page, home: Path) -> bytes:
    """The top of the newest report."""
    file = home / "reports" / "picture.html"
    subprocess.run(
        [str(LIFTOS), "report", "--out", str(file)], env={**os.environ, "LIFTOS_HOME": str(home)}, check=True
    )
    page.goto(file.as_uri())
    png = page.screenshot(clip=REPORT)
    file.unlink()
    return png


def of_graph(page: Page, address: str) -> bytes:
    """Groups of assets, from raw pulls to the published file."""
    page.goto(f"{address}/asset-groups", wait_until="networkidle")
    page.get_by_text("Hide navigation").click()
    page.get_by_role("button", name="panel_show_right").click()
    page.reload(wait_until="networkidle")
    groups = page.locator("foreignObject")
    groups.first.wait_for()
    page.add_style_tag(content=_CLEARER)
    boxes = [box for group in groups.all() if (box := group.bounding_box()) is not None]
    left, top = (min(box[side] for box in boxes) - _MARGIN_PX for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes) + _MARGIN_PX
    bottom = max(box["y"] + box["height"] for box in boxes) + _MARGIN_PX
    return page.screenshot(clip=FloatRect(x=left, y=top, width=right - left, height=bottom - top))


def keep(name: str, png: bytes) -> None:
    """With few colours: a third of the bytes."""
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    file = FOLDER / f"{name}.png"
    file.write_bytes(small.getvalue())
    print(f"{file.relative_to(FOLDER.parent)}  {len(small.getvalue()) / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
