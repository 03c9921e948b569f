"""Make the pictures of docs/train/report.md: parts of real reports, good and bad, on ground drawn by the simulator.

    python -m docs.make.reports --work out/reports

Three networks are judged by the commands that a reader types. The demo network on worlds of a kind that it was trained
on (good). The same network on ground with slopes, of which it knows nothing (unsafe); the page's pictures are of a
network that did not know roads and crops either. A network that
saw a few small pictures twice (learnt nothing). What lies in --work already is not made again. Needs the extra
`train`, chromium, chromedriver and selenium (extra `dev`).
"""

from __future__ import annotations

import argparse
import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from docs.make.browser import chromium
from sim.cli import find_demo_model
from touchdown.cli import cli

OUT = Path(__file__).resolve().parents[1] / "pictures" / "reports"
VIEW = ("--height-m", "15", "--hfov-deg", "70")
SEEN = ("--heights-m", "15", "15", "--hfov-deg", "70", "70", "--tilt-deg", "0", "--size", "480x360")
PAGE_PX, SHOWN_PX = 1000, 800

RECTANGLE = """
const ends = [...arguments].map((selector) => document.querySelector(selector));
const boxes = ends.map((end) => end.getBoundingClientRect());
const top = boxes[0].top + window.scrollY, bottom = boxes[1].bottom + window.scrollY;
return {x: 0, y: top - 4, width: document.documentElement.clientWidth, height: bottom - top + 8};
"""


@dataclass(frozen=True)
class Amounts:
    """Amount of what is made.

    Attributes:
        seeds: Of the worlds that judge.
        frames: Pictures of each.
        few: Seeds of the worlds that train the third network.
    """

    seeds: str = "19850:19870"
    frames: int = 3
    few: str = "1000:1006"


def type_in(*words: object) -> None:
    """Run `touchdown WORDS...` in this process."""
    cli.main([str(word) for word in words], prog_name="touchdown", standalone_mode=False)


def judge(work: Path, amounts: Amounts = Amounts()) -> dict[str, Path]:
    """Make the data, the third network and the reports; return the reports by name.

    Args:
        work: Folder for all of it.
        amounts: How much.
    """
    many = ("--seeds", amounts.seeds, "--frames-per-world", amounts.frames, "--jobs", 1)
    for name, worlds in (("good", "procedural"), ("other", "scenes")):
        if not (work / name).exists():
            type_in("sim", "dataset", "--out", work / name, "--worlds", worlds, *many, *SEEN)
    few, run = work / "few", work / "run"
    if not (run / "best.pt").exists():
        small = ("--worlds", "procedural", "--frames-per-world", 2, "--size", "160x120", "--jobs", 1)
        type_in("sim", "dataset", "--out", few, "--seeds", amounts.few, *small)
        network = ("--arch", "unet", "--encoder-depth", 3, "--decoder-channels", "32,16,8", "--input", "96x64")
        plan = ("--epochs", 2, "--workers", 0, "--logger", "none", "--absent-classes", "allow")
        type_in("trainer", "fit", "--data", few, "--out", run, *network, *plan)
    demo = find_demo_model()
    judged = ("--part", "all", "--absent-classes", "allow", *VIEW)
    reports = {name: work / f"report-{name}" / "report.html" for name in ("good", "other", "few")}
    for name in ("good", "other"):
        if not reports[name].exists():
            type_in("export", "evaluate", demo, "--data", work / name, *judged, "--out", reports[name].parent)
    if not reports["few"].exists():
        type_in(
            "trainer", "evaluate", run / "best.pt", "--data", work / "good", *judged, "--out", reports["few"].parent
        )
    return reports


PARTS = {
    "good-summary": ("good", "[data-docs=from]", "[data-docs=to]"),
    "good-frames": ("good", "h4.best + figure", "h4.best + figure + figure"),
    "unsafe-summary": ("other", "[data-docs=from]", "[data-docs=to]"),
    "unsafe-frames": ("other", "figure.hazard", "figure.hazard + figure.hazard + figure.hazard"),
    "untrained-summary": ("few", "[data-docs=from]", "[data-docs=to]"),
}
"""Picture: report, and the first and last element of the page that it shows."""

MARK = """
const done = arguments[arguments.length - 1];
const groups = [...document.querySelectorAll('#summary + .scroll tr.group')];
groups[1].dataset.docs = 'from';
groups[2].previousElementSibling.dataset.docs = 'to';
for (const head of document.querySelectorAll('h4')) head.className = head.textContent.split(' ')[0].toLowerCase();
const images = [...document.querySelectorAll('img')];
for (const image of images) image.loading = 'eager';
Promise.all(images.map((image) => image.decode())).then(() => done(true));
"""
"""Marks the rows of the operating point, and the headings of frames by their first word; waits for all pictures."""


def photograph(driver: Any, report: Path, first: str, last: str) -> Image.Image:
    """Return the part of a report between two elements, as a reader sees it."""
    driver.get(report.resolve().as_uri())
    driver.execute_async_script(MARK)
    clip = {**driver.execute_script(RECTANGLE, first, last), "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    shot = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
    return shot.resize((SHOWN_PX, round(shot.height * SHOWN_PX / shot.width)), Image.Resampling.LANCZOS)


def write(reports: dict[str, Path], out: Path) -> list[Path]:
    """Write the parts as WebP; return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    with chromium() as driver:
        metrics = {"width": PAGE_PX, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for name, (report, first, last) in PARTS.items():
            path = out / f"{name}.webp"
            photograph(driver, reports[report], first, last).save(path, quality=72, method=6)
            paths.append(path)
    return paths


def main() -> None:
    """Make reports and pictures, and say how large the pictures are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("out/reports"), help="folder for data, network and reports")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the pictures")
    options = parser.parse_args()
    for path in write(judge(options.work), options.out):
        print(f"{path} {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
