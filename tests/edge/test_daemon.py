"""The daemon in this process: a fake link, a real pipe camera, a model of palette colours."""

from __future__ import annotations

import json
import math
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cameras import Camera, make_camera
from edge.config import EdgeConfig, parse_config
from edge.daemon import LAND_S, Daemon
from edge.flight_loop import FlightLoop
from edge.keys import to_file
from edge.log import EventLog
from edge.observer import Observer
from edge.pipeline import Pipeline
from edge.resolved import resolve_flight
from edge.runtimes import load_runtime
from edge.sdnotify import ServiceNotifier
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import Refusal, SendResult
from landing.decider import Decider
from landing.errors import CameraError
from landing.estimator import FrameShift
from landing.site import LandingSite
from landing.types import Pose
from tests.edge import fake_model
from tests.edge.fake_link import FakeLink

WIDTH, HEIGHT = 160, 120
RAW_CAMERA = Path(__file__).with_name("raw_camera.py")


def wait_for(what: Callable[[], Any], timeout_s: float = 8.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


def pipe_source(tmp_path: Path, *options: str, fps: float = 20) -> str:
    picture = tmp_path / "ground.npy"
    np.save(picture, fake_model.photograph(WIDTH, HEIGHT, ("car", (5, 5, 30, 20))))
    words = [sys.executable, str(RAW_CAMERA), str(WIDTH), str(HEIGHT), str(fps)]
    return "pipe:" + shlex.join([*words, "--picture", str(picture), *options])


class Rig:
    """A daemon with everything around it, run in a thread."""

    def __init__(
        self,
        tmp_path: Path,
        model_path: Path,
        source: str,
        notifier: ServiceNotifier | None = None,
        observers: tuple[Observer, ...] = (),
        **sections: dict[str, Any],
    ) -> None:
        camera = {"source": source, "width_px": WIDTH, "height_px": HEIGHT, "hfov_deg": 70.0}
        data: dict[str, Any] = {
            "model": {"path": str(model_path)},
            "camera": {**camera, "fps": 20.0, **sections.pop("camera", {})},
            "link": {"connection": "udpin:127.0.0.1:14550"},
            **sections,
        }
        self.config: EdgeConfig = parse_config(to_file(data), tmp_path / "edge.toml")
        self.link = FakeLink()
        self.log_path = tmp_path / "events.jsonl"
        self.events = EventLog(self.log_path)
        self.runtime = load_runtime(model_path)
        self.flight = flight = resolve_flight(self.config, self.runtime.spec, {})
        decider = Decider(flight.decision, flight.classes, flight.camera, time.perf_counter_ns)
        self.pipeline = Pipeline(self.runtime, decider, flight.camera, time.monotonic_ns, time.perf_counter_ns)
        self.camera: Camera = make_camera(self.config.camera.request())
        live = not source.startswith(("file://", "images://"))
        self.daemon = Daemon(
            self.config,
            flight,
            self.camera,
            self.pipeline,
            self.link,
            self.events,
            notifier or ServiceNotifier({}),
            live,
            observers,
        )
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.daemon.run(30.0)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    @contextmanager
    def running(self) -> Iterator[Rig]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            started = time.monotonic()
            self.daemon.stop("test")
            thread.join(5.0)
            self.stopped_in_s = time.monotonic() - started
            self.events.close()
            self.runtime.close()
        assert not thread.is_alive()

    def all_logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.all_logged() if e["event"] == event]


def test_it_decides_and_sends_targets_at_its_own_rate(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path, fps=8))
    with rig.running():
        wait_for(lambda: len(rig.link.targets) > 40)
        rig.link.alive = False
        wait_for(lambda: rig.logged("target-stop"))
        count = len(rig.link.targets)
        time.sleep(0.3)
        assert len(rig.link.targets) == count  # nothing is sent to an autopilot that is gone
        wait_for(lambda: len(rig.link.texts) >= len(rig.logged("transition")))  # texts keep their distance
    assert rig.error is None and rig.stopped_in_s < 2.0
    stamps = [at_ns for at_ns, _ in rig.link.targets]
    rate_hz = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) / 1e9)
    assert 12 < rate_hz < 21  # 20 Hz out of a camera of 8 Hz
    site = rig.logged("site-chosen")[0]["site"]
    assert site["clearance_m"] > 1.0 and site["area_m2"] > 10.0
    assert rig.logged("target-start") and rig.logged("ready")
    states = [e["to_state"] for e in rig.logged("transition")]
    assert states[:2] == ["confirm", "track"]
    assert len(rig.link.texts) == len(states)  # each transition is said once
    assert rig.link.texts[1][1] is Severity.INFO
    end = rig.logged("stop")[0]
    assert end["reason"] == "test" and end["unstopped"] == []
    assert end["decisions"] > 10 and end["targets_sent"] == len(rig.link.targets)
    assert end["timings_ms"]["inference"]["p50_ms"] > 0


def test_the_heartbeat_tells_the_truth(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    with rig.running():
        wait_for(lambda: HealthState.OK in [s for _, s in rig.link.heartbeats])
        rig.link.posing = False
        wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.DEGRADED)
        rig.link.posing = True
        wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.OK)
    stamps = np.array([at_ns for at_ns, _ in rig.link.heartbeats[:-1]])
    assert np.all(np.abs(np.diff(stamps) / 1e9 - 1.0) < 0.5)
    assert rig.link.heartbeats[-1][1] is HealthState.STOPPING
    assert any("pose" in r for e in rig.logged("health") for r in e["reasons"])


@pytest.mark.parametrize(("fails", "ticks"), [(False, 3), (True, 3), (False, None)])
def test_before_the_end_a_failsafe_landing_that_it_holds_up_is_let_go_on(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool, ticks: int | None
) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    leaving: list[int] = []
    plain = FlightLoop.tick

    def tick(loop: FlightLoop[Any], now_ns: int, **options: bool) -> Any:
        leaving.extend([now_ns] if options.get("leaving") else [])
        return plain(loop, now_ns, **options)

    monkeypatch.setattr(FlightLoop, "tick", tick)
    monkeypatch.setattr(FlightLoop, "holds_failsafe", property(lambda _: ticks is None or len(leaving) < ticks))
    with rig.running():
        wait_for(lambda: len(rig.link.targets) > 3)
        if fails:
            monkeypatch.setattr(rig.pipeline, "step", lambda *_: 1 / 0)
            wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.STOPPING)
    assert rig.link.heartbeats[-1][1] is HealthState.STOPPING and bool(rig.error) is fails
    assert rig.link.heartbeats[-1][0] > leaving[-1]
    if ticks is None:  # an autopilot that never says that it lands is not waited for without end
        assert LAND_S - 0.5 < (leaving[-1] - leaving[0]) * 1e-9 < LAND_S
    else:
        assert len(leaving) == ticks


def test_a_height_is_missed_in_the_air_but_not_on_the_ground(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    with rig.running():
        wait_for(lambda: rig.logged("target-start"))
        rig.link.ranging = False
        wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.DEGRADED)
        rig.link.armed = False
        wait_for(lambda: rig.link.heartbeats[-1][1] is HealthState.STANDBY)
    assert any("pose without height" in r for e in rig.logged("health") for r in e["reasons"])


def test_a_moved_local_frame_starts_the_map_anew(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    with rig.running():
        wait_for(lambda: rig.logged("target-start"))
        rig.link.frame = rig.link.frame.moved(None)
        wait_for(lambda: rig.logged("target-stop"))
        wait_for(lambda: len(rig.logged("target-start")) == 2)
    assert len(rig.logged("map-reset")) == 1
    sites = [e["site"] for e in rig.logged("site-chosen") + rig.logged("site-changed")]
    assert sites
    confirmed = [e for e in rig.logged("transition") if e["to_state"] == "confirm"]
    assert len(confirmed) == 2  # the old site is not trusted in the new frame


def test_a_reset_of_known_size_moves_the_map_and_the_target_goes_on(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    with rig.running():
        wait_for(lambda: rig.logged("target-start"))
        before = rig.link.targets[-1][1]
        rig.link.frame = rig.link.frame.moved(FrameShift(math.radians(40), (5.0, -3.0, 2.0)))
        wait_for(lambda: rig.logged("map-moved"))
        wait_for(lambda: rig.link.targets[-1][1].position_ned_m != before.position_ned_m)
        rig.link.targets.clear()
        wait_for(lambda: len(rig.link.targets) > 10)
        after = rig.link.targets[-1][1]
    assert not rig.logged("map-reset") and len(rig.logged("map-moved")) == 1
    assert math.dist(before.offset_frd_m, after.offset_frd_m) < 0.5  # the same ground
    expected = rig.link.frame.shift.point(before.position_ned_m)
    assert math.dist(expected, after.position_ned_m) < 0.5


def test_a_camera_that_fails_is_opened_again(tmp_path: Path, model_path: Path) -> None:
    source = pipe_source(tmp_path, "--frames", "25", "--exit", "5", "--say", "bus error")
    rig = Rig(tmp_path, model_path, source)
    with rig.running():
        wait_for(lambda: rig.logged("camera-back"))
    failures = rig.logged("camera-failed")
    assert "exit code 5" in failures[0]["error"] and "bus error" in failures[0]["error"]
    assert failures[0]["retry_in_s"] == 0.25
    assert len(rig.logged("camera-open")) >= 2
    assert rig.error is None


def test_a_camera_that_stalls_is_opened_again_and_targets_stop(tmp_path: Path, model_path: Path) -> None:
    source = pipe_source(tmp_path, "--stall-after", "60")
    rig = Rig(
        tmp_path,
        model_path,
        source,
        camera={"stall_timeout_ms": 1500.0},
        director={"confirm_s": 0.5, "max_evidence_age_s": 0.6, "max_decision_age_s": 0.6},
        health={"camera_timeout_ms": 400.0},
    )
    with rig.running():
        wait_for(lambda: rig.logged("target-start"))
        wait_for(lambda: rig.logged("target-stop"))
        wait_for(lambda: rig.logged("camera-failed"))
    assert "stalled: no frame for" in rig.logged("camera-failed")[0]["error"]
    assert any("camera" in r for e in rig.logged("health") for r in e["reasons"])
    stop_ns = rig.logged("target-stop")[0]["mono_ns"]
    assert not [1 for at_ns, _ in rig.link.targets if 1e8 < at_ns - stop_ns < 1e9]


def test_a_recording_is_played_to_its_end(tmp_path: Path, model_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(30):
        cv2.imwrite(str(folder / f"{number:03d}.png"), fake_model.paint(WIDTH, HEIGHT))
    (folder / "010.png").write_bytes(b"broken")
    rig = Rig(tmp_path, model_path, f"images://{folder}")
    rig.run()
    rig.events.close()
    assert rig.error is None
    assert rig.logged("stop")[0]["reason"].startswith("folder pictures ended after 29 pictures")
    assert isinstance(rig.logged("site-chosen")[0]["site"], dict)


def test_a_recording_that_is_missing_ends_the_daemon(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, f"images://{tmp_path / 'none'}")
    rig.run()
    assert isinstance(rig.error, CameraError)


def test_a_pilot_hears_that_the_link_takes_no_targets(tmp_path: Path, model_path: Path) -> None:
    """TD_ENABLE is kept over restarts, and the texts of the landing sound as if all were well."""
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path, fps=20))
    off = SendResult(Refusal.SWITCHED_OFF, "switched off by TD_ENABLE")
    rig.link.send_target = lambda _: off  # type: ignore[method-assign, assignment]
    told = ("Targets not sent: switched off by TD_ENABLE", Severity.CRITICAL)
    with rig.running():
        wait_for(lambda: told in rig.link.texts)
        time.sleep(0.5)
    assert rig.link.texts.count(told) == 1


def test_a_crash_of_the_pipeline_brings_everything_down(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("bug")

    rig.pipeline.step = broken  # type: ignore[method-assign, assignment]
    started = time.monotonic()
    rig.run()
    assert isinstance(rig.error, ZeroDivisionError)
    assert time.monotonic() - started < 5.0
    assert rig.logged("stop")[0]["reason"] == "failure"
    assert rig.link.texts[-1] == ("Touchdown ends: no target and no command from now on", Severity.WARNING)


def test_a_pipeline_that_hangs_silences_heartbeat_and_watchdog(tmp_path: Path, model_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.setblocking(False)
        environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"}
        rig = Rig(
            tmp_path, model_path, pipe_source(tmp_path), ServiceNotifier(environment), health={"hang_timeout_ms": 600.0}
        )
        heard: list[tuple[float, str]] = []

        def listen() -> list[str]:
            while True:
                try:
                    heard.append((time.monotonic(), manager.recv(4000).decode()))
                except BlockingIOError:
                    return [text for _, text in heard]

        release = threading.Event()
        step = rig.pipeline.step
        with rig.running():
            wait_for(lambda: listen().count("WATCHDOG=1") > 4)
            rig.pipeline.step = (  # type: ignore[method-assign]
                lambda *arguments: (release.wait(20), step(*arguments))[1]
            )
            wait_for(lambda: rig.logged("hang"))
            listen()
            hung_at = time.monotonic()
            count = len(rig.link.heartbeats)
            time.sleep(1.5)
            listen()
            assert len(rig.link.heartbeats) == count
            told = [text for text, _ in rig.link.texts if text.startswith("Touchdown")]
            assert told == ["Touchdown hangs: no target and no command from now on"]
            assert not [t for t, text in heard if text == "WATCHDOG=1" and t > hung_at]
            release.set()
            wait_for(lambda: len(rig.link.heartbeats) > count)
        texts = listen()
    assert texts.index("READY=1") < texts.index("WATCHDOG=1")
    assert any(t.startswith("STATUS=") for t in texts)
    assert texts[-1] == "STOPPING=1" or "STOPPING=1" in texts


def test_frames_that_are_too_old_are_not_decided_on(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path), camera={"latency_ms": 500.0, "max_frame_age_ms": 100.0})
    with rig.running():
        wait_for(lambda: rig.daemon.counters.stale_frames > 10)
        assert rig.daemon.counters.decisions == 0
    assert not rig.link.targets and not rig.logged("ready")


def test_the_same_step_gives_the_same_site_as_the_decider(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path))
    with rig.camera as camera:
        for _ in range(6):
            step = rig.pipeline.step(camera.grab(5.0), rig.link.pose_at)
    assert isinstance(step.decision.selection, LandingSite)
    assert {"preprocess", "inference", "pose", "map", "pick", "total", "age"} <= set(step.timings_ms)
    rig.runtime.close()


def test_a_pose_that_is_still_on_its_way_is_waited_for(tmp_path: Path, model_path: Path) -> None:
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path, fps=10))
    seen: dict[int, int] = {}
    pose_at = rig.link.pose_at

    def late(at_ns: int) -> Pose | None:
        """Known only at the third time of asking."""
        seen[at_ns] = seen.get(at_ns, 0) + 1
        return pose_at(at_ns) if seen[at_ns] >= 3 or len(seen) == 1 else None

    rig.link.pose_at = late  # type: ignore[method-assign]
    rig.link.latest_pose = lambda now_ns: pose_at(now_ns)  # type: ignore[method-assign]
    with rig.running():
        wait_for(lambda: len(rig.link.targets) > 10)
    assert rig.error is None
    # Only the first frame may have been refused, before anything was known.
    assert not [e for e in rig.logged("no-site")[1:] if e["reason"] == "no-pose"]
