"""The network starts on the next frame while the one before is decided on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.pipeline import Pipeline, Step
from edge.runtimes import Runtime, load_runtime
from landing.camera import CameraModel
from landing.decider import Decider
from landing.decision import Decision
from landing.errors import CameraError
from landing.settings import DecisionSettings
from landing.types import Frame, Pose, Segmentation
from tests.edge import fake_model
from tests.edge.conftest import FakeGpu
from tests.edge.test_daemon import Rig, pipe_source, wait_for

WIDTH, HEIGHT = 160, 120
PATCHES: list[tuple[Any, ...]] = [
    (),
    (("car", (0, 0, 60, 60)),),
    (("pool", (80, 0, 80, 120)),),
    (("car", (40, 40, 90, 50)),),
]


def frames() -> list[Frame]:
    return [
        Frame(fake_model.paint(WIDTH, HEIGHT, *patches), i, (i + 1) * 50_000_000) for i, patches in enumerate(PATCHES)
    ]


def pose_at(at_ns: int) -> Pose:
    return Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -20.0), 20.0)


class Told:
    """Writes down when frames are submitted and decided on."""

    def __init__(self, runtime: Runtime) -> None:
        lens = CameraModel.from_hfov(WIDTH, HEIGHT, 70.0)
        decider = Decider(DecisionSettings(), runtime.spec.taxonomy, lens, time.perf_counter_ns)
        self.lines: list[str] = []
        submit, observe = runtime.submit, decider.observe

        def told_submit(frame: Frame) -> None:
            self.lines.append(f"submit {frame.frame_id}")
            submit(frame)

        def told_observe(seen: Segmentation, pose: Pose | None, now_ns: int, *more: None) -> Decision:
            self.lines.append(f"decide {seen.captured_at_ns // 50_000_000 - 1}")
            return observe(seen, pose, now_ns, *more)

        runtime.submit = told_submit  # type: ignore[method-assign]
        decider.observe = told_observe  # type: ignore[method-assign]
        self.pipeline = Pipeline(runtime, decider, lens, lambda: 1_000_000_000, time.perf_counter_ns)

    def run(self) -> list[Step]:
        waiting = frames()
        steps = []
        while self.pipeline.ahead is not None or waiting:
            frame = self.pipeline.ahead or waiting.pop(0)
            steps.append(self.pipeline.step(frame, pose_at, lambda: waiting.pop(0) if waiting else None))
        return steps


def test_the_next_frame_is_under_way_while_one_is_decided_on(fake_gpu: FakeGpu, model_path: Path) -> None:
    with load_runtime(fake_gpu.engine(model_path)) as runtime:
        told = Told(runtime)
        overlapped = told.run()
    assert told.lines == [
        "submit 0",
        "submit 1",
        "decide 0",
        "submit 2",
        "decide 1",
        "submit 3",
        "decide 2",
        "decide 3",
    ]
    with load_runtime(model_path) as runtime:
        told = Told(runtime)
        plain = told.run()
    # A CPU gains nothing by it, and would decide on older frames.
    assert told.lines == [f"{what} {i}" for i in range(4) for what in ("submit", "decide")]
    for ahead, behind in zip(overlapped, plain, strict=True):
        assert ahead.frame.frame_id == behind.frame.frame_id
        assert np.array_equal(ahead.segmentation.landable, behind.segmentation.landable)
        assert type(ahead.decision.selection) is type(behind.decision.selection)
        assert set(ahead.timings_ms) == set(behind.timings_ms)


def test_another_frame_than_the_one_under_way_is_a_mistake(fake_gpu: FakeGpu, model_path: Path) -> None:
    first, second, third, _ = frames()
    with load_runtime(fake_gpu.engine(model_path)) as runtime:
        pipeline = Told(runtime).pipeline
        pipeline.step(first, pose_at, lambda: second)
        assert pipeline.ahead is second
        with pytest.raises(ValueError, match="frame 1 is under way, not 2"):
            pipeline.step(third, pose_at)
        other = Frame(fake_model.paint(32, 32), 9, 0)
        with pytest.raises(CameraError, match="frame 9 is 32x32 px"):
            pipeline.step(second, pose_at, lambda: other)
    assert fake_gpu.cuda.live == 0


def test_the_daemon_flies_an_engine(fake_gpu: FakeGpu, tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, fake_gpu.engine(model_path), pipe_source(tmp_path, fps=60))
    with rig.running():
        wait_for(lambda: rig.daemon.counters.decisions > 20)
        assert rig.error is None
    assert rig.error is None
    assert {"preprocess", "inference", "total", "age"} <= set(rig.pipeline.timings.percentiles())
    assert fake_gpu.cuda.live == 0
