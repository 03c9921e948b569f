"""One frame, from camera to LANDING_TARGET: the list of functions in ARCHITECTURE.md is walked."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import cv2
import numpy as np

from edge.cameras import make_camera
from edge.config import parse_config
from edge.flight_loop import FlightLoop, LoopSettings
from edge.log import EventLog
from edge.pipeline import Pipeline
from edge.resolved import resolve_flight
from edge.runtimes import load_runtime
from landing.decider import Decider
from landing.picture.monitor import PictureMonitor
from landing.settings import AuthorityLevel, AuthoritySettings
from landing.types import Frame
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, TICK_NS, no_stopwatch
from sim.vehicle.autopilot import Mode
from sim.vehicle.autopilot.core import TICK_S, AutopilotConfig, StandInAutopilot
from sim.vehicle.standin import PLND_PARAMETERS
from tests.edge import fake_model

WIDTH, HEIGHT = 160, 120
HEADING = "### One frame, from camera to LANDING_TARGET"
MOST = 15
FRAME_TICKS, CONTROL_TICKS = 100_000_000 // TICK_NS, 50_000_000 // TICK_NS


def listed() -> list[str]:
    """Names of the list in ARCHITECTURE.md."""
    text = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text("utf-8")
    section = text[text.index(HEADING) + len(HEADING) :]
    return re.findall(r"^\d+\. `([\w.]+)`", re.split(r"^#", section, flags=re.M)[0], flags=re.M)


def codes_of(name: str) -> list[CodeType]:
    """Code of a function `module.function` or `module.Class.method`, and of overriding methods."""
    parts = name.split(".")
    depth = next(k for k, part in enumerate(parts) if part[0].isupper() or k == len(parts) - 1)
    found: Any = importlib.import_module(".".join(parts[:depth]))
    if depth == len(parts) - 1:
        return [getattr(found, parts[-1]).__code__]
    classes, codes = [getattr(found, parts[depth])], []
    while classes:
        one = classes.pop()
        classes += one.__subclasses__()
        if parts[-1] in vars(one):
            codes.append(vars(one)[parts[-1]].__code__)
    assert codes, f"{name} is no method"
    return codes


class Walk:
    """Notes the first call of each listed function."""

    def __init__(self, names: list[str]) -> None:
        self._names = {code: name for name in names for code in codes_of(name)}
        self.called: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        name = self._names.get(frame.f_code) if event == "call" else None
        if name is not None and name not in self.called:
            self.called.append(name)


def test_a_frame_walks_the_list(tmp_path: Path) -> None:
    names = listed()
    assert 5 < len(names) <= MOST and len(set(names)) == len(names)
    picture = fake_model.paint(WIDTH, HEIGHT, ("car", (5, 5, 30, 20)))
    grain = np.random.default_rng(0).integers(-12, 13, (40, *picture.shape))
    for number in range(40):
        noisy = np.clip(picture.astype(int) + grain[number], 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), noisy)
    model = fake_model.save(tmp_path / "palette.onnx")
    config = parse_config(
        {
            "model": {"path": str(model)},
            "camera": {"source": f"images://{tmp_path}", "width_px": WIDTH, "height_px": HEIGHT, "hfov_deg": 70.0},
            "link": {"connection": "udpin:127.0.0.1:0"},
        },
        tmp_path / "edge.toml",
    )
    autopilot = StandInAutopilot(
        AutopilotConfig(parameters=PLND_PARAMETERS, airborne_height_m=15.0, airborne_mode=Mode.GUIDED)
    )
    link = InProcessLink(autopilot, config.link_settings(), LinkFaults(2.0), np.random.default_rng(0), BOOT_NS)
    now_ns = BOOT_NS
    with load_runtime(model) as runtime, make_camera(replace(config.camera.request(), realtime=False)) as camera:
        flight = resolve_flight(config, runtime.spec, {})
        decider = Decider(flight.decision, flight.classes, flight.camera)
        monitor = PictureMonitor(flight.picture, flight.camera)
        pipeline = Pipeline(runtime, decider, flight.camera, lambda: now_ns, no_stopwatch, monitor)
        authority = AuthoritySettings(level=AuthorityLevel.GUARD)
        loop: FlightLoop[Frame] = FlightLoop(
            LoopSettings(flight.director, authority), pipeline, link, EventLog(None), BOOT_NS
        )
        walk = Walk(names)
        for tick in range(4 * FRAME_TICKS * 10):
            now_ns = BOOT_NS + tick * TICK_NS
            autopilot.step(TICK_S)
            link.carry(now_ns)
            sends = link.targets > 0
            if tick % FRAME_TICKS == 0:
                sys.setprofile(walk if sends else None)
                grabbed = replace(camera.grab(1.0), captured_at_ns=now_ns - 3 * TICK_NS)
                loop.frame_arrived(grabbed, now_ns)
                frame = loop.take_frame(now_ns)
                assert frame is grabbed
                loop.decide(frame, now_ns, link.pose_at)
            if tick % CONTROL_TICKS == 0:
                loop.tick(now_ns)
            sys.setprofile(None)
            if walk.called:
                break
    assert walk.called == names
