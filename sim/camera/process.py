"""The simulated camera as a process of its own: raw frames on stdout, for a ``pipe:`` camera.

    python -m sim.camera.process --world procedural --seed 3 --autopilot tcp:127.0.0.1:5763

Stdout carries nothing but frames, bgr24, width x height x 3 bytes each; logs go to stderr. The pose is the true one,
from the autopilot simulator's SIM_STATE on a link of the camera's own.

World time, which places the people, is the autopilot's time since boot in seconds. NED (0, 0, 0) is the autopilot's
GPS_GLOBAL_ORIGIN, unless ``--home`` is given; the ground is at its height.

Ends with 0 when stdout is closed, on SIGTERM, when its parent or the autopilot has gone; with 1 when the autopilot
never came; with 2 for a mistake in the options.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

import click
import cv2

from landing.camera import CameraModel, Mount
from landing.errors import DataError, InvalidValueError, TouchdownError
from landing.types import Pose
from sim.camera.effects import Effects
from sim.camera.orders import OrderTail, Stall
from sim.camera.sensor import CameraSensor
from sim.camera.shake import Shake
from sim.camera.truth_link import Truth, TruthLink
from sim.vehicle.home import Home
from sim.vehicle.processes import go_first
from sim.world import World, parse_world_spec

POLL_S = 0.05

SILENT_S = 5.0
"""Without SIM_STATE for this long the autopilot counts as gone."""


EFFECTS = tuple(f.name for f in fields(Effects) if f.name not in ("seed", "white_balance"))
"""Effects that an option can ask for."""


class _Over(Exception):
    """The process is to end.

    Attributes:
        code: Exit status.
    """

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code


def _log(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody may be reading any more
        sys.stderr.write(f"sim camera: {text}\n")
        sys.stderr.flush()


@dataclass
class CameraProcess:
    """Paces, renders and writes.

    Attributes:
        latency_s: From capture to the first byte on stdout.
        truth_log: Takes time and true pose of each frame, as JSON lines.
        shake: Attitude that the camera has beyond the true one.
        orders: Read before each frame.
    """

    world: World
    sensor: CameraSensor
    link: TruthLink
    fps: float
    latency_s: float
    truth_log: TextIO | None = None
    shake: Shake | None = None
    orders: OrderTail | None = None
    frames: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._stdout_fd = sys.stdout.fileno()
        self._stalled_until_ns = 0
        self._parent = os.getppid()
        self._stopping = False
        self._pending: deque[tuple[int, bytes]] = deque()

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Signal handler: ends at the next wait, which is never long."""
        self._stopping = True

    def run(self, patience_s: float) -> int:
        """Delivers frames until something ends it; returns the exit status."""
        go_first()
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        self.world.label_pyramid if self.sensor.painted else self.world.pyramid  # noqa: B018  made in time
        os.set_blocking(self._stdout_fd, False)
        self.link.start()
        camera = self.sensor.camera
        _log(f"{self.world.name}, {camera.width_px}x{camera.height_px} at {self.fps:g} fps")
        try:
            self._first_truth(patience_s)
            self._deliver()
        except _Over as over:
            _log(f"{over}; {self.frames} frames")
            return over.code
        finally:
            self.link.stop()
            self.link.join(1.5)

    def _deliver(self) -> NoReturn:
        period_ns = round(1e9 / self.fps)
        next_ns = time.monotonic_ns()
        while True:
            now_ns = time.monotonic_ns()
            self._check(now_ns)
            if now_ns >= next_ns:
                self._obey()
                self._shoot(now_ns)
                next_ns += period_ns
                if next_ns < now_ns:  # too slow: leave frames out rather than lag
                    next_ns = now_ns + period_ns
            while self._pending and self._pending[0][0] <= time.monotonic_ns():
                self._write(self._pending.popleft()[1])
            due_ns = min([next_ns, *(due for due, _ in self._pending)])
            wait_s = min(POLL_S, (due_ns - time.monotonic_ns()) * 1e-9)
            if wait_s > 0:
                time.sleep(wait_s)

    def _first_truth(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while self.link.truth() is None or self.link.boot_time_s(0) is None:
            self._check_ends()
            if time.monotonic() >= deadline:
                raise _Over(
                    f"no SIM_STATE, SYSTEM_TIME and origin on {self.link.address} in "
                    f"{patience_s:g} s: is it a simulated autopilot, and is the link free? "
                    "--home names the origin",
                    1,
                )
            time.sleep(0.02)

    def _check_ends(self) -> None:
        if self._stopping:
            raise _Over("asked to stop")
        if os.getppid() != self._parent:
            raise _Over("the parent process has gone")
        if self.link.ended is not None:
            heard = self.link.truth() is not None
            raise _Over(self.link.ended, 0 if heard else 1)

    def _check(self, now_ns: int) -> None:
        self._check_ends()
        truth = self.link.truth()
        if truth is not None and (now_ns - truth.at_ns) * 1e-9 > SILENT_S:
            raise _Over(f"the autopilot has been silent for {SILENT_S:g} s")
        if not self._pending:  # a reader that left is noticed while nothing is written, too
            poller = select.poll()
            poller.register(self._stdout_fd, 0)
            if any(event & (select.POLLERR | select.POLLNVAL) for _, event in poller.poll(0)):
                raise _Over("stdout was closed")

    def _obey(self) -> None:
        """Does what was ordered since the last frame."""
        for order in self.orders.read() if self.orders is not None else ():
            if isinstance(order, Stall):
                self._stalled_until_ns = order.until_ns
            else:
                self.world = self.world.with_actors(order)
            _log(f"ordered: {order}")

    def _shoot(self, now_ns: int) -> None:
        truth = self.link.truth()
        t_s = self.link.boot_time_s(now_ns)
        if truth is None or t_s is None or now_ns < self._stalled_until_ns:
            return
        frame, self.frames = self.frames, self.frames + 1
        if self.sensor.effects.drops(frame):
            return
        pose = self.link.pose_at(now_ns)
        assert pose is not None  # as the truth is not
        seen_from = pose if self.shake is None else self.shake.applied(pose)
        picture = self.sensor.picture(self.world, seen_from, t_s, truth.motion)
        self._note(frame, now_ns, t_s, pose, truth)
        self._pending.append((now_ns + round(self.latency_s * 1e9), picture.tobytes()))

    def _note(self, frame: int, now_ns: int, t_s: float, pose: Pose, truth: Truth) -> None:
        if self.truth_log is None:
            return
        row = {
            "frame": frame,
            "captured_ns": now_ns,
            "t_s": round(t_s, 4),
            "position_ned_m": [round(x, 4) for x in pose.position_ned_m or ()],
            "ned_from_frd": [round(x, 6) for x in pose.ned_from_frd or ()],
            "velocity_ned_mps": [round(x, 4) for x in truth.motion.velocity_ned_mps],
        }
        self.truth_log.write(json.dumps(row) + "\n")
        self.truth_log.flush()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._check_ends()
            _, writable, _ = select.select([], [self._stdout_fd], [], POLL_S)
            if not writable:
                continue
            try:
                view = view[os.write(self._stdout_fd, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise _Over("stdout was closed") from None


def _effect(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in EFFECTS:
        raise InvalidValueError(f"effect {name!r} is unknown; expected one of {', '.join(EFFECTS)}")
    try:
        return name, float(value)
    except ValueError:
        raise InvalidValueError(f"effect {text!r}: expected {name}=NUMBER") from None


_SECONDS = click.FloatRange(min=0.0)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True}, help=__doc__.split("\n\n")[0] if __doc__ else None)
@click.option("--world", "spec", default="procedural", help="Specification, or the folder of a saved world.")
@click.option("--seed", type=int, default=0, help="Of world and effects.")
@click.option("--width", type=click.IntRange(16, 8192), default=640, help="Pixels.")
@click.option("--height", type=click.IntRange(16, 8192), default=480, help="Pixels.")
@click.option("--hfov-deg", type=float, default=70.0, help="Horizontal field of view; the camera looks straight down.")
@click.option("--fps", type=click.FloatRange(0.1, 240), default=10.0, help="Frames a second.")
@click.option("--autopilot", required=True, help="tcp:HOST:PORT to connect to, or udp:HOST:PORT to listen on.")
@click.option("--home", default=None, help="LAT,LON,ALT of NED zero; default: ask the autopilot.")
@click.option("--patience", type=_SECONDS, default=30.0, help="Seconds to wait for the first true pose.")
@click.option("--truth-log", type=_FILE, default=None, help="JSON lines: time and true pose of each frame.")
@click.option("--latency", type=_SECONDS, default=0.0, help="Seconds.")
@click.option("--effect", "effects", multiple=True, metavar="NAME=VALUE", help="Fault of the camera; repeatable.")
@click.option("--shake-deg", type=click.FloatRange(0.0, 10.0), default=0.0, help="Attitude error, standard deviation.")
@click.option("--orders", type=_FILE, default=None, help="Orders to follow while it runs, see sim.camera.orders.")
@click.option("--painted", is_flag=True, help="Show classes in their colours, not the ground.")
@click.option("--gimbal", is_flag=True, help="Look where the autopilot says that its gimbal does.")
def main(
    spec: str,
    seed: int,
    width: int,
    height: int,
    hfov_deg: float,
    fps: float,
    autopilot: str,
    home: str | None,
    patience: float,
    truth_log: Path | None,
    latency: float,
    effects: tuple[str, ...],
    shake_deg: float,
    orders: Path | None,
    painted: bool,
    gimbal: bool,
) -> None:
    """Entry point; see the module."""
    cv2.setNumThreads(1)  # leave the other cores to what is being tested
    try:
        camera = CameraModel.from_hfov(width, height, hfov_deg, Mount.on_gimbal() if gimbal else Mount())
        faults: dict[str, Any] = dict(_effect(text) for text in effects)
        link = TruthLink(autopilot, Home.parse(home) if home else None, patience_s=patience, gimbal=gimbal)
        sensor = CameraSensor(camera, Effects(seed, **faults), painted)
        shake = Shake(shake_deg, seed) if shake_deg > 0 else None
        tail = OrderTail(orders) if orders is not None else None
        with ExitStack() as stack:
            log = _opened(truth_log, stack)
            world = parse_world_spec(spec, seed)
            code = CameraProcess(world, sensor, link, fps, latency, log, shake, tail).run(patience)
    except TouchdownError as error:
        _log(str(error))
        sys.exit(error.exit_code)
    # Not sys.exit: closing a broken stdout at interpreter exit would complain.
    sys.stderr.flush()
    os._exit(code)


def _opened(path: Path | None, stack: ExitStack) -> TextIO | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("w", encoding="utf-8"))
    except OSError as error:
        raise DataError(f"truth log {path}: {error.strerror}") from error


if __name__ == "__main__":
    main()
