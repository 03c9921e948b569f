"""The simulated camera as a process of its own: raw frames on stdout, for a ``pipe:`` camera.

    python -m sim.camera.process --world procedural --seed 3 --autopilot tcp:127.0.0.1:5763

Stdout carries nothing but frames, bgr24, width x height x 3 bytes each; logs go to stderr. The pose is the true one,
from the autopilot simulator's SIM_STATE on a link of the camera's own.

World time, which says where people walk, is the autopilot's time since boot in seconds (less ``--t0-boot``): whoever
knows that time knows where everybody was. NED (0, 0, 0) is the autopilot's GPS_GLOBAL_ORIGIN, unless ``--home`` is
given; the ground is at its height.

Ends with 0 when stdout is closed, on SIGTERM, when its parent has gone or the autopilot goes; with 1 when the autopilot
never came or by ``--die-after``; with 2 for a mistake in the options.
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
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

import click
import cv2

from landing.camera import CameraModel, Mount
from landing.errors import DataError, InvalidValueError, TouchdownError
from landing.types import Pose
from sim.camera.effects import Effects
from sim.camera.orders import OrderTail, Stall, Visit
from sim.camera.sensor import CameraSensor
from sim.camera.shake import Shake
from sim.camera.truth_link import Truth, TruthLink
from sim.vehicle.home import Home
from sim.world import World, parse_world_spec

POLL_S = 0.05

SILENT_S = 5.0
"""Without SIM_STATE for this long the autopilot counts as gone."""


@dataclass(frozen=True)
class FrameSchedule:
    """When frames are made, and when they fail to arrive.

    Attributes:
        fps: Frames a second.
        latency_s: From capture to the first byte on stdout.
        t0_boot_s: Boot time of the autopilot at world time 0.
        freeze_after_s: No more frames after this; the process lives on. None for never.
        repeat_after_s: The same picture over and over after this. None for never.
        die_after_s: The process ends after this. None for never.
    """

    fps: float = 10.0
    latency_s: float = 0.0
    t0_boot_s: float = 0.0
    freeze_after_s: float | None = None
    repeat_after_s: float | None = None
    die_after_s: float | None = None


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


class CameraProcess:
    """Paces, renders and writes."""

    def __init__(
        self,
        world: World,
        shutter: CameraSensor,
        link: TruthLink,
        shooting: FrameSchedule,
        truth_log: TextIO | None,
        stdout_fd: int,
        shake: Shake | None = None,
        orders: OrderTail | None = None,
    ) -> None:
        self.world = world
        self.shutter = shutter
        self.link = link
        self.shooting = shooting
        self.truth_log = truth_log
        self.stdout_fd = stdout_fd
        self.shake = shake
        self.orders = orders
        self.frames = 0
        self._stalled_until_ns = 0
        self._parent = os.getppid()
        self._stopping = False
        self._pending: deque[tuple[int, bytes]] = deque()
        self._last = b""

    def stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Signal handler: ends at the next wait, which is never long."""
        self._stopping = True

    def run(self, patience_s: float) -> None:
        """Shoots until something ends it.

        Raises:
            _Over: Always, with the reason.
        """
        self._first_truth(patience_s)
        period_ns = round(1e9 / self.shooting.fps)
        begun_ns = next_ns = time.monotonic_ns()
        while True:
            now_ns = time.monotonic_ns()
            self._check(now_ns, begun_ns)
            if now_ns >= next_ns:
                self._obey()
                self._shoot(now_ns, (now_ns - begun_ns) * 1e-9)
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

    def _check(self, now_ns: int, begun_ns: int) -> None:
        self._check_ends()
        truth = self.link.truth()
        if truth is not None and (now_ns - truth.at_ns) * 1e-9 > SILENT_S:
            raise _Over(f"the autopilot has been silent for {SILENT_S:g} s")
        die_s = self.shooting.die_after_s
        if die_s is not None and (now_ns - begun_ns) * 1e-9 >= die_s:
            raise _Over(f"--die-after {die_s:g}", 1)
        if not self._pending:  # a reader that left is noticed while nothing is written, too
            poller = select.poll()
            poller.register(self.stdout_fd, 0)
            if any(event & (select.POLLERR | select.POLLNVAL) for _, event in poller.poll(0)):
                raise _Over("stdout was closed")

    def _obey(self) -> None:
        """Does what was ordered since the last frame."""
        for order in self.orders.read() if self.orders is not None else ():
            if isinstance(order, Visit):
                self.world = self.world.with_actors(order.actor())
            elif isinstance(order, Stall):
                self._stalled_until_ns = order.until_ns
            _log(f"ordered: {order}")

    def _shoot(self, now_ns: int, age_s: float) -> None:
        truth = self.link.truth()
        boot_s = self.link.boot_time_s(now_ns)
        frozen_s, repeat_s = self.shooting.freeze_after_s, self.shooting.repeat_after_s
        if truth is None or boot_s is None or (frozen_s is not None and age_s >= frozen_s):
            return
        if now_ns < self._stalled_until_ns:
            return
        frame, self.frames = self.frames, self.frames + 1
        if self.shutter.effects.drops(frame):
            return
        if repeat_s is None or age_s < repeat_s or not self._last:
            pose, t_s = truth.pose_at(now_ns), boot_s - self.shooting.t0_boot_s
            seen_from = pose if self.shake is None else self.shake.applied(pose)
            picture = self.shutter.picture(self.world, seen_from, t_s, truth.motion)
            self._last = picture.tobytes()
            self._note(frame, now_ns, t_s, pose, truth)
        self._pending.append((now_ns + round(self.shooting.latency_s * 1e9), self._last))

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
            _, writable, _ = select.select([], [self.stdout_fd], [], POLL_S)
            if not writable:
                continue
            try:
                view = view[os.write(self.stdout_fd, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise _Over("stdout was closed") from None


def _distortion(text: str) -> tuple[float, float, float, float, float]:
    try:
        k1, k2, p1, p2, k3 = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidValueError(f"distortion {text!r}: expected five numbers, k1,k2,p1,p2,k3") from None
    return (k1, k2, p1, p2, k3)


_SECONDS = click.FloatRange(min=0.0)


@click.command(help=__doc__.split("\n\n")[0] if __doc__ else None)
@click.option(
    "--world",
    "spec",
    default="procedural",
    show_default=True,
    help="procedural[?..], photo:FILE[?..] or the folder of a saved world.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of world and effects.")
@click.option("--width", type=click.IntRange(16, 8192), default=640, show_default=True)
@click.option("--height", type=click.IntRange(16, 8192), default=480, show_default=True)
@click.option("--hfov-deg", type=float, default=70.0, show_default=True)
@click.option("--distortion", default=None, help="k1,k2,p1,p2,k3 of OpenCV's model.")
@click.option(
    "--mount-deg",
    type=(float, float, float),
    default=(0.0, -90.0, 0.0),
    show_default=True,
    help="Roll, pitch and yaw of the camera; pitch -90 looks down.",
)
@click.option(
    "--offset-m",
    type=(float, float, float),
    default=(0.0, 0.0, 0.0),
    show_default=True,
    help="Of the camera from the body, forward right down.",
)
@click.option("--fps", type=click.FloatRange(0.1, 240), default=10.0, show_default=True)
@click.option("--autopilot", required=True, help="tcp:HOST:PORT to connect to, or udp:HOST:PORT to listen on.")
@click.option("--home", default=None, help="LAT,LON,ALT of NED zero; default: ask the autopilot.")
@click.option("--truth-rate-hz", type=click.FloatRange(10, 400), default=100.0, show_default=True)
@click.option(
    "--t0-boot", type=float, default=0.0, show_default=True, help="Autopilot time since boot, s, at world time 0."
)
@click.option(
    "--patience", type=_SECONDS, default=30.0, show_default=True, help="Seconds to wait for the first true pose."
)
@click.option(
    "--truth-log",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="JSON lines: time and true pose of each frame.",
)
@click.option("--latency", type=_SECONDS, default=0.0, show_default=True, help="Seconds.")
@click.option("--noise", type=float, default=0.0, help="Sensor noise, grey steps.")
@click.option("--exposure", type=float, default=0.0, help="CameraSensor time, s: motion blur.")
@click.option("--exposure-wobble", type=float, default=0.0, help="Fraction.")
@click.option("--gain", type=float, default=1.0)
@click.option("--vignetting", type=float, default=0.0, help="Light lost in the corners, 0 to 1.")
@click.option("--lens-blur", type=float, default=0.0, help="Pixels.")
@click.option("--dropped", type=float, default=0.0, help="Fraction of frames lost.")
@click.option(
    "--shake-deg",
    type=click.FloatRange(0.0, 10.0),
    default=0.0,
    help="Standard deviation of the attitude the camera has beyond the true one.",
)
@click.option(
    "--orders",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="File of orders to follow while it runs, see sim.camera.orders.",
)
@click.option("--painted", is_flag=True, help="Show classes in their colours, not the ground.")
@click.option("--freeze-after", type=_SECONDS, default=None, help="No frame after so many s.")
@click.option("--repeat-after", type=_SECONDS, default=None, help="One picture after so many s.")
@click.option("--die-after", type=_SECONDS, default=None, help="Exit after so many s.")
def main(
    spec: str,
    seed: int,
    width: int,
    height: int,
    hfov_deg: float,
    distortion: str | None,
    mount_deg: tuple[float, float, float],
    offset_m: tuple[float, float, float],
    fps: float,
    autopilot: str,
    home: str | None,
    truth_rate_hz: float,
    t0_boot: float,
    patience: float,
    truth_log: Path | None,
    latency: float,
    noise: float,
    exposure: float,
    exposure_wobble: float,
    gain: float,
    vignetting: float,
    lens_blur: float,
    dropped: float,
    shake_deg: float,
    orders: Path | None,
    painted: bool,
    freeze_after: float | None,
    repeat_after: float | None,
    die_after: float | None,
) -> None:
    """Entry point; see the module."""
    cv2.setNumThreads(1)  # leave the other cores to what is being tested
    try:
        camera = CameraModel.from_hfov(width, height, hfov_deg, Mount(*mount_deg, offset_m))
        if distortion is not None:
            camera = CameraModel(
                width, height, camera.fx, camera.fy, camera.cx, camera.cy, _distortion(distortion), camera.mount
            )
        effects = Effects(
            seed=seed,
            noise_sd=noise,
            exposure_s=exposure,
            gain=gain,
            vignetting=vignetting,
            exposure_wobble=exposure_wobble,
            lens_blur_px=lens_blur,
            dropped=dropped,
        )
        origin = Home.parse(home) if home else None
        link = TruthLink(autopilot, origin, truth_rate_hz, patience)
        world = parse_world_spec(spec, seed)
        shooting = FrameSchedule(fps, latency, t0_boot, freeze_after, repeat_after, die_after)
        with ExitStack() as stack:
            log = None
            if truth_log is not None:
                try:
                    log = stack.enter_context(truth_log.open("w", encoding="utf-8"))
                except OSError as error:
                    raise DataError(f"truth log {truth_log}: {error.strerror}") from error
            process = CameraProcess(
                world,
                CameraSensor(camera, effects, painted),
                link,
                shooting,
                log,
                sys.stdout.fileno(),
                Shake(shake_deg, seed) if shake_deg > 0 else None,
                OrderTail(orders) if orders is not None else None,
            )
            code = _shoot_until_over(process, patience)
    except TouchdownError as error:
        _log(str(error))
        sys.exit(error.exit_code)
    # Not sys.exit: closing a broken stdout at interpreter exit would complain.
    sys.stderr.flush()
    os._exit(code)


def _shoot_until_over(process: CameraProcess, patience_s: float) -> int:
    world, shutter, link = process.world, process.shutter, process.link
    signal.signal(signal.SIGTERM, process.stop)
    signal.signal(signal.SIGINT, process.stop)
    world.label_pyramid if shutter.painted else world.pyramid  # noqa: B018  made in time
    os.set_blocking(process.stdout_fd, False)
    link.start()
    fps = process.shooting.fps
    camera = shutter.camera
    _log(f"{world.name}, {camera.width_px}x{camera.height_px} at {fps:g} fps")
    try:
        process.run(patience_s)
    except _Over as over:
        _log(f"{over}; {process.frames} frames")
        return over.code
    finally:
        link.stop()
        link.join(1.5)
    return 0


if __name__ == "__main__":
    main()
