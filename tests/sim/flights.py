"""The recorded ArduCopter landings, flown again in-process against the stand-in autopilot.

A recorded flight was made by a script that read the simulator's ground truth (SIM_STATE) and sent LANDING_TARGET
computed from it; its command line is in ``flags``. ``fly`` plays that script.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from firmware_bridge.dialect import mavlink
from sim.vehicle import Wind, rotate_back
from sim.vehicle.autopilot import AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.core import TICK_MS, TICK_S

REPOSITORY = Path(__file__).resolve().parents[2]
# SITL's default heading; the directions of the two runaway flights confirm it.
SITL_YAW_DEG = 353.0
# SITL lets the wind grow with the square root of height up to 60 m, and it comes from the south.
SITL_WIND_FROM_DEG = 180.0
# The script stopped sending this close above the target.
BLIND_BELOW_M = 0.05
# Case names say the wind; the flags do not.
WIND_OF_CASE = {"wind5": 5.0, "wind8": 8.0}
AFTER_DISARM_S = 0.5
MODE_LAND = 9
LINK = "companion"


def data_folder() -> Path | None:
    """Where the recorded flights are, or None."""
    root = Path(os.environ.get("TOUCHDOWN_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = root / "ardupilot-flights"
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Sample:
    """Truth at one time: seconds since LAND, north, east and height in metres."""

    at_s: float
    n_m: float
    e_m: float
    height_m: float


@dataclass(frozen=True)
class Outcome:
    """How a landing went; the same shape for recorded and stand-in flights.

    ``texts`` are (seconds since LAND, text) of the precision-landing rules, in order.
    """

    landed: bool
    final_n_m: float
    final_e_m: float
    duration_s: float
    texts: tuple[tuple[float, str], ...]
    track: tuple[Sample, ...]

    @property
    def verdict(self) -> str:
        """accepted, ignored, lost, retried, hovered or runaway: what the texts and the end say."""
        words = [text for _, text in self.texts]
        last = self.track[-1]
        if math.hypot(last.n_m, last.e_m) > 50.0:
            return "runaway"
        if not self.landed:
            return "hovered"
        if "PrecLand: Retrying" in words:
            return "retried"
        used = [i for i, (_, text) in enumerate(self.texts) if text == "PrecLand: Init Complete"]
        if not used and math.hypot(self.final_n_m, self.final_e_m) < 2.0:
            return "ignored"
        lost = [at for at, text in self.texts if text == "PrecLand: Target Lost"]
        return "lost" if lost and lost[0] < self.duration_s - 5.0 else "accepted"

    @cached_property
    def touchdown_s(self) -> float:
        """When the ground was hit, seconds since LAND; infinite without a landing."""
        hit = [at for at, text in self.texts if text.startswith("SIM Hit ground")]
        return hit[0] if hit else math.inf

    def texts_until(self, end_s: float) -> tuple[tuple[float, str], ...]:
        """The texts before a time."""
        return tuple((at, text) for at, text in self.texts if at < end_s)

    @property
    def words(self) -> frozenset[str]:
        """Which texts were said at all, without numbers."""
        return frozenset(text.split(" at ")[0].strip() for _, text in self.texts)


@dataclass(frozen=True)
class Flight:
    """A recorded landing and the script's flags."""

    case: str
    flags: argparse.Namespace
    outcome: Outcome
    start: Sample


def _flags(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=True)
    parser.add_argument("--form", choices=("angle", "position", "none"))
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--north", type=float, default=4.0)
    parser.add_argument("--east", type=float, default=3.0)
    parser.add_argument("--yaw", type=float, default=SITL_YAW_DEG)
    parser.add_argument("--frame", type=int, default=12)
    parser.add_argument("--type", type=int, default=2)
    parser.add_argument("--sysid", type=int, default=255)
    parser.add_argument("--compid", type=int, default=190)
    parser.add_argument("--min-height", type=float, default=BLIND_BELOW_M)
    parser.add_argument("--fov", type=float, default=0.0)
    parser.add_argument("--lead", type=float, default=0.0)
    parser.add_argument("--stop-below", type=float, default=0.0)
    parser.add_argument("--resume-after", type=float, default=0.0)
    parser.add_argument("--timeout", type=float, default=120.0)
    parser.add_argument("--plnd", type=int, default=1)
    parser.add_argument("--param", action="append", default=[])
    for switch in (
        "--flip-x",
        "--flip-y",
        "--raw-angles",
        "--zero-time",
        "--no-distance",
        "--no-rangefinder",
        "--no-reboot",
    ):
        parser.add_argument(switch, action="store_true")
    return parser.parse_args(text.split())


def load(path: Path) -> Flight:
    """Read one recorded flight; time zero becomes the start of LAND."""
    raw = json.loads(path.read_text())
    start_s = raw["track"][0][0] / 1000.0
    track = tuple(Sample(t / 1000.0 - start_s, n, e, h) for t, n, e, h, _ in raw["track"])
    texts = tuple((at - start_s, text) for at, _, _, text in raw["texts_after_takeoff"])
    outcome = Outcome(raw["landed"], raw["final_ned"][0], raw["final_ned"][1], track[-1].at_s, texts, track)
    return Flight(raw["case"], _flags(raw["flags"]), outcome, track[0])


def load_all() -> list[Flight]:
    """Every recorded flight, by name; empty without the data."""
    folder = data_folder()
    return [load(path) for path in sorted(folder.glob("*.json"))] if folder else []


class _Companion:
    """The script that flew the recorded landings, without its bugs hidden."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._period_ms = 1000.0 / flags.rate
        self._due_ms = 0.0
        self._queue: deque[tuple[float, Any]] = deque()
        self._stopped_at_ms: float | None = None
        self._resumed = False

    def due(self, now_ms: float, autopilot: StandInAutopilot) -> list[Any]:
        """Messages that reach the autopilot now."""
        if now_ms >= self._due_ms:
            self._due_ms += self._period_ms
            message = self._message(now_ms, autopilot)
            if message is not None:
                self._queue.append((now_ms + self._flags.latency_ms, message))
        out = []
        while self._queue and self._queue[0][0] <= now_ms:
            out.append(self._queue.popleft()[1])
        return out

    def _message(self, now_ms: float, autopilot: StandInAutopilot) -> Any | None:
        flags, vehicle = self._flags, autopilot.vehicle
        if flags.form == "none" or self._stopped(now_ms, vehicle.height_m):
            return None
        if vehicle.height_m < flags.min_height:
            return None
        forward, right, down = rotate_back(vehicle.q, flags.north - vehicle.n_m, flags.east - vehicle.e_m, -vehicle.d_m)
        if flags.fov and math.degrees(math.atan2(math.hypot(forward, right), down)) > flags.fov:
            return None
        distance = math.sqrt(forward * forward + right * right + down * down)
        angle_x, angle_y = math.atan2(right, down), math.atan2(-forward, down)
        if flags.raw_angles:
            # Image angles sent as they are: x ahead, y to the right (flown, a growing spiral).
            angle_x, angle_y = math.atan2(forward, down), math.atan2(right, down)
        if flags.flip_x:
            angle_x = -angle_x
        if flags.flip_y:
            angle_y = -angle_y
        is_position = flags.form == "position"
        return mavlink.MAVLink_landing_target_message(
            time_usec=0 if flags.zero_time else int(now_ms * 1000.0),
            target_num=0,
            frame=flags.frame,
            angle_x=0.0 if is_position else angle_x,
            angle_y=0.0 if is_position else angle_y,
            distance=0.0 if flags.no_distance else distance,
            size_x=0.0,
            size_y=0.0,
            x=forward if is_position else 0.0,
            y=right if is_position else 0.0,
            z=down if is_position else 0.0,
            q=[1.0, 0.0, 0.0, 0.0],
            type=flags.type,
            position_valid=int(is_position),
        )

    def _stopped(self, now_ms: float, height_m: float) -> bool:
        if not self._flags.stop_below or self._resumed:
            return False
        if self._stopped_at_ms is None:
            if height_m >= self._flags.stop_below:
                return False
            self._stopped_at_ms = now_ms
        after = self._flags.resume_after
        if after and now_ms - self._stopped_at_ms >= 1000.0 * after:
            self._resumed = True
            return False
        return True


def fly(flight: Flight) -> Outcome:
    """Fly the stand-in from the recorded start with the recorded flags."""
    flags = flight.flags
    parameters: dict[str, float] = {"PLND_ENABLED": flags.plnd}
    if not flags.no_rangefinder:
        parameters["RNGFND1_TYPE"] = 100
    if not flags.no_reboot:
        parameters["PLND_TYPE"] = flags.plnd
    parameters |= {name: float(value) for name, value in (p.split("=") for p in flags.param)}
    speed_mps = next((v for k, v in WIND_OF_CASE.items() if flight.case.startswith(k)), 0.0)
    start = flight.start
    autopilot = StandInAutopilot(
        AutopilotConfig(
            parameters=parameters,
            start_n_m=start.n_m,
            start_e_m=start.e_m,
            start_yaw_deg=flags.yaw,
            airborne_height_m=start.height_m,
            airborne_mode=Mode.GUIDED,
            wind=Wind(speed_mps, SITL_WIND_FROM_DEG),
        )
    )
    autopilot.connect(LINK)
    if flags.no_reboot:
        autopilot.parameters.set("PLND_TYPE", 1)
    # Let the rangefinder settle, as it had long before LAND in the recordings.
    for _ in range(20):
        autopilot.step(TICK_S)
    companion = _Companion(flags)
    lead_ms = 1000.0 * flags.lead
    land_ms = autopilot.now_ms + lead_ms
    first_ms = autopilot.now_ms
    texts: list[tuple[float, str]] = []
    track: list[Sample] = []
    land_sent = False
    ended_s: float | None = None
    while True:
        now_ms = autopilot.now_ms
        at_s = (now_ms - land_ms) / 1000.0
        if not land_sent and now_ms >= land_ms:
            land_sent = True
            autopilot.receive(LINK, mavlink.MAVLink_set_mode_message(1, 1, MODE_LAND))
        # The first message leaves one step after the command, as from a real script.
        if now_ms > first_ms:
            for message in companion.due(now_ms - first_ms - TICK_MS, autopilot):
                autopilot.receive(LINK, message)
        if land_sent and (now_ms - land_ms) % 500 < TICK_MS:
            v = autopilot.vehicle
            track.append(Sample(at_s, v.n_m, v.e_m, v.height_m))
        autopilot.step(TICK_S)
        for _, message in autopilot.take_outbox():
            if message.get_type() == "STATUSTEXT":
                texts.append(((autopilot.now_ms - land_ms) / 1000.0, message.text.rstrip("\0")))
        if ended_s is None and land_sent and not autopilot.flight.armed:
            ended_s = at_s
        # The recording went on a little after the motors stopped.
        if at_s >= flags.timeout or (ended_s is not None and at_s >= ended_s + AFTER_DISARM_S):
            break
    v = autopilot.vehicle
    duration_s = at_s if ended_s is None else ended_s
    return Outcome(ended_s is not None, v.n_m, v.e_m, duration_s, tuple(texts), tuple(track))


def profile_rms_m(recorded: Outcome, ours: Outcome) -> float:
    """Root mean square of the height difference at the recorded times, aligned at LAND."""
    squares = []
    for sample in recorded.track:
        squares.append((_height_at(ours.track, sample.at_s) - sample.height_m) ** 2)
    return math.sqrt(sum(squares) / len(squares))


def _height_at(track: tuple[Sample, ...], at_s: float) -> float:
    previous = track[0]
    for sample in track:
        if sample.at_s >= at_s:
            span = sample.at_s - previous.at_s
            share = (at_s - previous.at_s) / span if span > 0.0 else 0.0
            return previous.height_m + share * (sample.height_m - previous.height_m)
        previous = sample
    return previous.height_m


def cruise_mps(outcome: Outcome) -> float:
    """Mean ground speed over the last 20 s of the track."""
    last = outcome.track[-1]
    first = next(s for s in outcome.track if s.at_s >= last.at_s - 20.0)
    travelled = sum(
        math.hypot(b.n_m - a.n_m, b.e_m - a.e_m)
        for a, b in zip(outcome.track, outcome.track[1:], strict=False)
        if a.at_s >= first.at_s
    )
    return travelled / (last.at_s - first.at_s)
