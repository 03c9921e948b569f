"""The landing loop: the daemon's threads and one thread get the same outputs from the same inputs."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge.flight_loop import FlightLoop, LoopSettings
from edge.log import EventLog
from edge.pipeline import Pipeline
from edge.runtimes import load_runtime
from edge.sections.camera import CameraSection
from landing.decider import Decider
from landing.estimator import FrameShift
from landing.types import Frame
from tests.edge.fake_link import FakeLink
from tests.edge.test_daemon import HEIGHT, WIDTH, Rig, pipe_source, wait_for

OF_THE_PROCESS = ("camera-open", "camera-end", "stop")
INPUTS = ("frame_arrived", "camera_failed", "take_frame", "decide", "tick")


def record(loop: FlightLoop[Frame], link: FakeLink) -> list[tuple[str, tuple[Any, ...], Any, tuple[Any, ...]]]:
    """Calls of the loop as the threads make them, one at a time, each with its result and the state of the link."""
    calls: list[tuple[str, tuple[Any, ...], Any, tuple[Any, ...]]] = []
    lock = threading.RLock()
    for name in INPUTS:
        original = getattr(loop, name)

        def wrapped(*args: Any, _name: str = name, _original: Any = original) -> Any:
            with lock:
                state = (link.alive, link.posing, link.landing, link.height_m, link.frame)
                result = _original(*args)
                calls.append((_name, args, result, state))
                return result

        setattr(loop, name, wrapped)
    return calls


def written(log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("time", "mono_ns")}
        for line in lines
        if line["event"] not in OF_THE_PROCESS
    ]


def test_the_daemons_threads_and_one_thread_give_the_same_outputs(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path, fps=20))
    loop = rig.daemon._loop
    calls = record(loop, rig.link)
    with rig.running():
        wait_for(lambda: len(rig.link.targets) > 15)
        rig.link.landing = True
        rig.link.height_m = 9.0
        wait_for(lambda: rig.logged("transition")[-1]["to_state"] == "descend")
        rig.link.frame = rig.link.frame.moved(FrameShift(0.3, (2.0, 1.0, 0.0)))
        wait_for(lambda: rig.logged("map-moved"))
        rig.link.alive = False
        wait_for(lambda: rig.logged("target-stop"))

    link, now = FakeLink(), [0]
    flight = rig.flight
    with load_runtime(model_path) as runtime, EventLog(tmp_path / "again.jsonl") as events:
        decider = Decider(flight.decision, flight.classes, flight.camera)
        pipeline = Pipeline(runtime, decider, flight.camera, lambda: now[0], time.perf_counter_ns)
        rules = LoopSettings(flight.director, flight.authority, flight.max_frame_age_ms, rig.config.health)
        again: FlightLoop[Frame] = FlightLoop(
            rules, pipeline, link, events, rig.daemon._started_ns, book=flight.site_book()
        )
        for name, args, result, state in calls:
            link.alive, link.posing, link.landing, link.height_m, link.frame = state
            if name == "decide":
                frame, now_ns, *_ = args
                now[0] = result.decision.decided_at_ns
                step = again.decide(frame, now_ns, link.pose_at)
                assert step.decision.selection == result.decision.selection
            else:
                assert getattr(again, name)(*args) == result
    assert again.counts() == {**loop.counts(), "late_ticks": 0}
    assert [t for _, t in link.targets] == [t for _, t in rig.link.targets]
    stopping = [s for _, s in rig.link.heartbeats][:-1]  # the last one is said by the process
    assert [s for _, s in link.heartbeats] == stopping
    assert link.texts == rig.link.texts
    assert written(rig.log_path) == written(tmp_path / "again.jsonl")


def test_the_newest_frame_is_taken_and_a_stale_one_is_not(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    loop, oldest_ns = rig.daemon._loop, round(rig.flight.max_frame_age_ms * 1e6)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    first, second, third = (Frame(picture, number, number * oldest_ns) for number in range(3))
    assert loop.take_frame(0) is None
    loop.frame_arrived(first, 0)
    loop.frame_arrived(second, oldest_ns)
    assert loop.take_frame(2 * oldest_ns) is second and loop.dropped_frames == 1
    loop.frame_arrived(third, 2 * oldest_ns)
    assert loop.take_frame(3 * oldest_ns + 1) is None and loop.counters.stale_frames == 1
    loop.frame_arrived(third, 2 * oldest_ns)
    loop.camera_failed("unplugged")
    assert loop.take_frame(2 * oldest_ns) is None and loop.counts()["camera_failures"] == 1
    rig.events.close()
    rig.runtime.close()


def test_a_simulated_flight_has_the_daemons_rule_of_stale_frames() -> None:
    assert LoopSettings.max_frame_age_ms == CameraSection.model_fields["max_frame_age_ms"].default
