"""Make the README's moving picture: a simulated landing as the live page shows it.

    python -m docs.make.landing_gif

The flight is `touchdown sim land` on the simulated clock: the daemon's own landing loop, network and link. Each moment
is drawn by the live page itself (`edge/web/page.html`) in chromium, from the messages that the daemon's web server
sends. Needs chromium, chromedriver and selenium (extra `dev`).
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from docs.make.browser import chromium
from edge.flight_loop import FlightLoop
from edge.pipeline import Step
from edge.web.feed import Feed
from edge.web.preview_frame import draw_preview
from edge.web.server import pack
from edge.web.status import describe
from landing.camera import CameraModel
from landing.guidance.director import DirectorOutput
from landing.settings import DecisionSettings, DirectorSettings
from sim.cli import find_demo_model
from sim.flight import simulated
from sim.flight.fly import fly_one
from sim.flight.loop import BOOT_NS, CameraSample
from sim.flight.plan import SIMULATED_FPS, FlightPlan, FlightResult

OUT = Path(__file__).resolve().parents[1] / "pictures" / "landing.webp"
SEED = 16
"""Of `make demo`: begins over a pond and ends on dry ground."""
PAGE_PX = (1080, 980)
SHOWN_PX = (800, 726)
FIRST_S, EVERY_S = 1.5, 0.5
"""A picture each half second of the flight, from when the autopilot's position has come."""
SHOWN_MS, END_MS = 125, 4000
"""Four times as fast as the flight, and the last picture for longer."""

SHOW = """
const done = arguments[arguments.length - 1];
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
heardMs = Infinity;
show(unpack(bytes.buffer)).then(() => { tell(arguments[1]); requestAnimationFrame(() => done(true)); });
"""


class FlownEnoughError(Exception):
    """The part of the flight that was asked for is over."""


class LivePage:
    """The page of the daemon in chromium, shown one moment after the other.

    Attributes:
        shots: Pictures taken so far, RGB.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.shots: list[Image.Image] = []
        width, height = PAGE_PX
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        with resources.as_file(resources.files("edge.web") / "page.html") as page:
            driver.get(page.as_uri())

    def words(self) -> tuple[str, str]:
        """Return the state and its reason, as shown."""
        state, reason = (self._driver.find_element("id", name).text.lower() for name in ("state", "reason"))
        return state, reason

    def show(self, message: bytes, status: dict[str, Any]) -> None:
        """Show what a viewer's browser would have got, and take a picture."""
        self._driver.execute_async_script(SHOW, base64.b64encode(message).decode(), {**status, "events": []})
        shot = Image.open(io.BytesIO(self._driver.get_screenshot_as_png())).convert("RGB")
        self.shots.append(shot.resize(SHOWN_PX, Image.Resampling.LANCZOS))


def is_used(step: Step) -> bool:
    """Tell whether the daemon uses the picture: in the last third of a metre it looks at none."""
    height_m = None if step.pose is None else step.pose.height_agl_m
    return height_m is None or height_m >= DecisionSettings().view.watch_height_m


def watched(page: LivePage, camera: CameraModel, until_s: float) -> type[FlightLoop[CameraSample]]:
    """Return the landing loop with a viewer: the page sees each half second of it.

    Args:
        page: Shows it.
        camera: Of the flight.
        until_s: The flight ends there.
    """

    class WatchedLoop(FlightLoop[CameraSample]):
        feed = Feed(DirectorSettings())
        seen: Step | None = None
        next_ns = BOOT_NS + round(FIRST_S * 1e9)

        def decide(self, *args: Any, **kwargs: Any) -> Step:
            self.seen = super().decide(*args, **kwargs)
            return self.seen

        def tick(self, now_ns: int, *, leaving: bool = False) -> DirectorOutput:
            output = super().tick(now_ns, leaving=leaving)
            self.feed.on_status(self.status())
            if self.seen is not None and is_used(self.seen) and now_ns >= self.next_ns:
                self.next_ns = now_ns + round(EVERY_S * 1e9)
                look = draw_preview(self.seen, camera, DecisionSettings(), 640, with_ground=True)
                told = describe(
                    self.status(), self.feed.held, self.pipeline.timings.percentiles(), {"temperature_c": None}
                )
                page.show(pack(look), told)
            if now_ns - BOOT_NS > until_s * 1e9:
                raise FlownEnoughError
            return output

    return WatchedLoop


def film(page: LivePage, out: Path, until_s: float) -> FlightResult | None:
    """Fly, and show the flight on the page.

    Args:
        page: Keeps the pictures.
        out: Folder for the flight's own files.
        until_s: End before the touchdown, s.

    Returns:
        The flight's result; None when it ended before the touchdown.
    """
    plan = FlightPlan(model=find_demo_model(), out=out, seed=SEED, clock="simulated", fps=SIMULATED_FPS)
    camera = CameraModel.from_hfov(plan.width_px, plan.height_px, plan.hfov_deg)
    with patch.object(simulated, "FlightLoop", watched(page, camera, until_s)), suppress(FlownEnoughError):
        return fly_one(plan)
    return None


def save(shots: Sequence[Image.Image], path: Path) -> None:
    """Write an animated WebP, small enough for a README."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [SHOWN_MS] * (len(shots) - 1) + [END_MS]
    shots[0].save(
        path, save_all=True, append_images=shots[1:], duration=times, loop=0, quality=55, method=6, minimize_size=True
    )


def main() -> None:
    """Make the picture and say how the flight ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="WebP to write")
    parser.add_argument("--until-s", type=float, default=120.0, help="end the flight before, s")
    options = parser.parse_args()
    with chromium() as driver, tempfile.TemporaryDirectory() as folder:
        page = LivePage(driver)
        result = film(page, Path(folder), options.until_s)
    save(page.shots, options.out)
    ending = "ended before the touchdown" if result is None else result.verdict
    print(json.dumps({"pictures": len(page.shots), "bytes": options.out.stat().st_size, "flight": ending}))


if __name__ == "__main__":
    main()
