"""Mistakes of set-up told from the motion of the picture: named rightly, how soon, and never where there is none.

    python -m benchmarks.picture_motion --flights 20 --good-minutes 60 --json FILE

A multicopter in gusts moves, turns, hovers and descends over rendered worlds: dusk, snow, a crowd, an island in water.
Each flight is filmed once; then `landing.picture.monitor` watches it as it is, and with each kind of mistake at random
sizes beyond the stated ones. The poses believed have errors: attitude 0.4 degrees, position 0.15 m, height 1 %, mount
0.7 degrees, stamps 6 ms (standard deviations).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray, Quaternion, multiplied, quaternion_from_euler
from landing.motion.check import MotionReport
from landing.motion.corners import anchor_rays
from landing.motion.mistakes import KINDS, LOOPED, STATED
from landing.motion.pairs import ANCHORS, CameraTrack, Pairs, Setup
from landing.picture.monitor import PictureMonitor
from landing.site import NoSite, NoSiteReason
from landing.types import ByteArray, Frame, Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.campaign.landing import UNCHECKED
from sim.vehicle import Vehicle, Wind
from sim.world import parse_world_spec

FPS, STEP_S, POSE_EVERY = 10, 0.01, 2
SIZE_PX = (320, 240)
WORLDS = ("scenes", "procedural?layout=park", "scenes?light=dusk", "scenes?season=snow", "adversarial:moving-crowd")
WET = "adversarial:island"

SOON_S = 10.0
"""A mistake is to be named within so long."""

EXCITES = 60.0
"""Cost (`landing.motion.pairs`) of a mistake in the first 10 looks of 1 s, without errors: the flight excites it."""


@dataclass(frozen=True)
class Film:
    """A flight: pictures at `FPS`, and true poses (north, east, down, quaternion) every `POSE_EVERY` steps."""

    name: str
    pictures: tuple[ByteArray, ...]
    poses: FloatArray
    camera: CameraModel


@dataclass(frozen=True)
class Error:
    """A mistake as it is made: its kind in `KINDS`, its size, the truth against what is believed, what it changes."""

    name: str
    kind: str
    size: float
    truth: Setup = field(default_factory=Setup)
    camera: Callable[[CameraModel], CameraModel] = lambda camera: camera
    picture: Callable[[ByteArray], ByteArray] = lambda picture: picture
    late_s: float = 0.0
    height: float = 1.0
    drift_mps: tuple[float, float] = (0.0, 0.0)
    frozen: bool = False
    loop_s: float = 0.0

    def shown(self, pictures: tuple[ByteArray, ...], number: int) -> ByteArray:
        """The picture that is seen at a time: frozen and looped ones are of the end of the film."""
        if self.frozen:
            return pictures[0]
        if self.loop_s:
            period = round(self.loop_s * FPS)
            return pictures[len(pictures) - period + number % period]
        return pictures[number]


@dataclass(frozen=True)
class Pilot:
    """Flies by chance: tasks, how long each takes (s), heights to begin at and highest (m), way of a move (m), most
    acceleration (m/s2) and sink (m/s)."""

    tasks: tuple[str, ...] = ("move", "move", "down", "hover", "yaw")
    task_s: tuple[float, float] = (2.0, 5.0)
    heights_m: tuple[float, float] = (8.0, 30.0)
    reach_m: float = 7.0
    push_mps2: float = 3.0
    sink_mps: float = 1.0


CALM = Pilot()


def film(
    number: int, seconds: float, pilot: Pilot = CALM, mount: Mount | None = None, worlds: tuple[str, ...] = WORLDS
) -> Film:
    """Flies and films a seeded flight."""
    rng = np.random.default_rng(number)
    spec = worlds[number % len(worlds)]
    world = parse_world_spec(spec, 70000 + number)
    camera = CameraModel.from_hfov(*SIZE_PX, float(rng.uniform(60, 90)), mount)
    vehicle = Vehicle(wind=Wind(rng.uniform(0, 6), rng.uniform(0, 360), rng.uniform(0.2, 1.5)), seed=number)
    height_m, yaw_rad = float(rng.uniform(*pilot.heights_m)), float(rng.uniform(-3, 3))
    place = rng.uniform(-15, 15, 2)
    vehicle.place(place[0], place[1], height_m, yaw_rad, flying=True)
    effects = Effects(number, noise_sd=2.5, exposure_s=0.004, exposure_wobble=0.1, vignetting=0.2, lens_blur_px=0.3)
    pictures, poses, turn_at_s = [], [], 1.0
    for step in range(round(seconds / STEP_S)):
        t_s = step * STEP_S
        if t_s >= turn_at_s:
            turn_at_s = t_s + rng.uniform(*pilot.task_s)
            task = rng.choice(pilot.tasks)
            if task == "move":
                place = np.array([vehicle.n_m, vehicle.e_m]) + rng.uniform(-pilot.reach_m, pilot.reach_m, 2)
            elif task == "down":
                height_m = max(3.0, height_m - rng.uniform(2, 6))
            elif task == "up":
                height_m = min(pilot.heights_m[1], height_m + rng.uniform(2, 6))
            elif task == "yaw":
                yaw_rad += rng.uniform(-1.2, 1.2)
        north, east = np.clip(
            0.8 * (place - [vehicle.n_m, vehicle.e_m]) - 1.6 * np.array([vehicle.vn_mps, vehicle.ve_mps]),
            -pilot.push_mps2,
            pilot.push_mps2,
        )
        sink_mps = float(np.clip(0.8 * (-height_m - vehicle.d_m), -pilot.sink_mps, pilot.sink_mps))
        vehicle.command(north, east, 2.0 * (sink_mps - vehicle.vd_mps), yaw_rad)
        vehicle.step(STEP_S)
        if step % POSE_EVERY == 0:
            poses.append((vehicle.n_m, vehicle.e_m, vehicle.d_m, *vehicle.q))
        if step % round(1 / FPS / STEP_S) == 0:
            pose = Pose(0, vehicle.q, (vehicle.n_m, vehicle.e_m, vehicle.d_m))
            motion = Motion((vehicle.vn_mps, vehicle.ve_mps, vehicle.vd_mps), vehicle.rates_radps)
            picture, _ = render(world, camera, pose, t_s, effects, motion=motion, labels=False)
            pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
    return Film(spec, tuple(pictures), np.array(poses), camera)


def wander(rng: np.random.Generator, steps: int, sd: float, within_s: float) -> FloatArray:
    """Errors that are alike for so long, shape (steps, 3)."""
    keep = math.exp(-POSE_EVERY * STEP_S / within_s)
    errors = np.empty((steps, 3))
    errors[0] = sd * rng.normal(size=3)
    for step in range(1, steps):
        errors[step] = keep * errors[step - 1] + sd * math.sqrt(1 - keep * keep) * rng.normal(size=3)
    return errors


@dataclass(frozen=True)
class Seen:
    """Answer to a picture: kind of mistake (None: none), its size, words, and kinds that were ruled out."""

    t_s: float
    kind: str | None
    size: float
    text: str
    tested: frozenset[str]


def watch(flown: Film, error: Error, seed: int, seconds: list[float]) -> list[Seen]:
    """Watches a flight with a mistake in it; the cost of each picture is added to `seconds`."""
    rng = np.random.default_rng(seed)
    count = len(flown.poses)
    turned = wander(rng, count, math.radians(0.4), 0.6)
    moved = wander(rng, count, 0.15, 8.0)
    scale = error.height * (1 + 0.01 * rng.normal())
    pitch, yaw, roll = 0.7 * rng.normal(size=3)
    mount = Mount(roll, -90.0 + pitch, yaw)
    monitor = PictureMonitor(UNCHECKED, error.camera(replace(flown.camera, mount=mount)))
    seen = []
    for number in range(len(flown.pictures)):
        t_s = number / FPS
        at_s = t_s + error.late_s + 0.006 * rng.normal()
        index = round(at_s / (POSE_EVERY * STEP_S))
        if not 0 <= index < count:
            continue
        north, east, down, *q = flown.poses[index].tolist()
        attitude: Quaternion = multiplied((q[0], q[1], q[2], q[3]), quaternion_from_euler(*turned[index]))
        place = moved[index] + [north + error.drift_mps[0] * at_s, east + error.drift_mps[1] * at_s, down]
        at_ns = round((1000 + at_s) * 1e9)
        pose = Pose(at_ns, attitude, (place[0], place[1], place[2]), -down * scale)
        shown = error.picture(error.shown(flown.pictures, number))
        frame = Frame(np.repeat(shown[..., None], 3, axis=2), number, at_ns)
        started = time.process_time()
        refused = monitor.refusal(frame, pose)
        seconds.append(time.process_time() - started)
        seen.append(_seen(t_s, refused, monitor))
    return seen


def excites(flown: Film, error: Error) -> bool:
    """True when the motion of the first `SOON_S`, seen without errors, tells a mistake."""
    if error.kind == LOOPED:
        return True
    camera, track = error.camera(flown.camera), CameraTrack(SOON_S + 1.0)
    for index, (north, east, down, *q) in enumerate(flown.poses.tolist()):
        at_s = index * POSE_EVERY * STEP_S
        if at_s <= SOON_S:
            place = north + error.drift_mps[0] * at_s, east + error.drift_mps[1] * at_s, down
            track.take(round(at_s * 1e9), camera, Pose(0, (q[0], q[1], q[2], q[3]), place, -down * error.height))
    starts_ns = np.arange(1, round(SOON_S)) * 1_000_000_000
    places = np.zeros((len(starts_ns), len(ANCHORS), 2))
    pairs = Pairs(anchor_rays(camera, ANCHORS), starts_ns, starts_ns + 1_000_000_000, places, track)
    return pairs.apart(error.truth) >= EXCITES


def _seen(t_s: float, refused: NoSite | None, monitor: PictureMonitor) -> Seen:
    motion = monitor.motion or MotionReport()
    if refused is None:
        return Seen(t_s, None, 0.0, "", motion.tested)
    if refused.reason is NoSiteReason.PICTURE_MOTION and motion.mistake is not None:
        return Seen(t_s, motion.mistake.kind, motion.mistake.value, refused.detail, frozenset())
    kind = "frozen" if "frozen" in refused.detail else "bad picture"
    return Seen(t_s, kind, 0.0, refused.detail, frozenset())


def errors(rng: np.random.Generator) -> list[Error]:
    """One of each kind, of random sizes beyond the stated ones."""
    yaw = float(rng.uniform(25, 180) * rng.choice([-1, 1]))
    pitch, aside = float(rng.uniform(18, 35) * rng.choice([-1, 1])), float(rng.uniform(18, 35) * rng.choice([-1, 1]))
    wide, tele = float(rng.uniform(1.6, 2.5)), float(rng.uniform(1.6, 2.5))
    high, low, late_s = float(rng.uniform(1.7, 3)), float(rng.uniform(1.7, 3)), float(rng.uniform(0.2, 0.6))
    speed, course = rng.uniform(1.0, 3.0), rng.uniform(0, 2 * math.pi)
    loop_s = float(rng.integers(2 * FPS, 6 * FPS)) / FPS

    def turn(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> Callable[[CameraModel], CameraModel]:
        def mounted(camera: CameraModel) -> CameraModel:
            m = camera.mount
            return replace(camera, mount=Mount(m.roll_deg + roll, m.pitch_deg + pitch, m.yaw_deg + yaw))

        return mounted

    def tilt(*degrees: float) -> Setup:
        return Setup(tilt_rad=(math.radians(degrees[0]), math.radians(degrees[1])))

    def focal(ratio: float) -> Callable[[CameraModel], CameraModel]:
        return lambda camera: replace(camera, fx=camera.fx * ratio, fy=camera.fy * ratio)

    drift = (float(speed * math.cos(course)), float(speed * math.sin(course)))
    return [
        Error("mirrored left to right", "mirrored", 0.0, Setup(mirrored=True), picture=lambda p: p[:, ::-1]),
        Error(
            "mirrored top to bottom", "mirrored", 0.0, Setup(mirrored=True, turn_rad=math.pi), picture=lambda p: p[::-1]
        ),
        Error("turned", "turned", abs(yaw), Setup(turn_rad=math.radians(yaw)), turn(yaw=yaw)),
        Error("tilted forward or back", "tilted", abs(pitch), tilt(0.0, pitch), turn(pitch=pitch)),
        Error("tilted to a side", "tilted", abs(aside), tilt(aside, 0.0), turn(-90.0, aside, 90.0)),
        Error("field of view too small", "field of view", wide, Setup(focal=-math.log(wide)), focal(wide)),
        Error("field of view too large", "field of view", tele, Setup(focal=math.log(tele)), focal(1 / tele)),
        Error("height too large", "height", high, Setup(height=-math.log(high)), height=high),
        Error("height too small", "height", low, Setup(height=math.log(low)), height=1 / low),
        Error("late", "late", late_s, Setup(late_s=late_s), late_s=late_s),
        Error("drift", "drift", speed, Setup(drift_mps=drift), drift_mps=drift),
        Error("frozen", "frozen", 0.0, Setup(still=True), frozen=True),
        Error("looped", LOOPED, loop_s, loop_s=loop_s),
    ]


@dataclass
class Tally:
    """Of one mistake over all flights: each list has an entry for each flight in which something was told."""

    flights: int = 0
    soon: int = 0
    named: int = 0
    excited: int = 0
    excited_soon: int = 0
    delays_s: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, error: Error, seen: list[Seen], excited: bool) -> None:
        """Counts a flight, and whether it excites the mistake."""
        self.flights += 1
        self.excited += excited
        told = [s for s in seen if s.kind is not None]
        if not told:
            return
        by_then = [s for s in told if s.t_s <= SOON_S]
        soon = bool(by_then) and by_then[-1].kind == error.kind
        self.soon += soon
        self.excited_soon += soon and excited
        settled = told[-1]
        if settled.kind != error.kind:
            self.wrong.append(settled.text)
            return
        self.named += 1
        self.delays_s.append(next(s.t_s for s in told if s.kind == error.kind))
        if error.size:
            self.off.append(abs(settled.size / error.size - 1))

    def as_dict(self) -> Figures:
        """For JSON."""
        return {
            "flights": self.flights,
            "named rightly within 10 s": self.soon,
            "named rightly at the end": self.named,
            "excited within 10 s": self.excited,
            "excited and named rightly within 10 s": self.excited_soon,
            "named wrongly at the end": self.wrong,
            "median_s": float(np.median(self.delays_s)) if self.delays_s else None,
            "size_off_median": float(np.median(self.off)) if self.off else None,
        }


@dataclass
class Good:
    """Flights without a mistake, by world."""

    watched_s: dict[str, float] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    told_apart: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    flights: int = 0

    def add(self, number: int, flown: Film, seen: list[Seen]) -> None:
        """Counts a flight; one whose alarm stays counts once."""
        self.flights += 1
        self.watched_s[flown.name] = self.watched_s.get(flown.name, 0.0) + len(flown.pictures) / FPS
        self.alarms += [f"{flown.name} {number}, {s.t_s:.1f} s: {s.text}" for s in seen if s.kind is not None][:1]
        for kind in KINDS:
            self.told_apart[kind] += any(kind in s.tested for s in seen)

    def as_dict(self) -> Figures:
        """For JSON."""
        hours = sum(self.watched_s.values()) / 3600
        return {
            "watched_s": self.watched_s,
            "hours": hours,
            "false alarms": self.alarms,
            "false alarms an hour": len(self.alarms) / hours if hours else None,
            "flights that ruled a kind out": self.told_apart,
            "of": self.flights,
        }


@benchmark
@click.option("--flights", default=20, show_default=True, help="Flights with each mistake.")
@click.option("--seconds", default=20.0, show_default=True, help="Of each flight.")
@click.option("--first", default=0, show_default=True, help="Number of the first flight.")
@click.option(
    "--minutes", default=600.0, show_default=True, help="Begin no further flight with mistakes after so long."
)
@click.option("--good-minutes", default=0.0, show_default=True, help="Then watch flights without mistakes for so long.")
def main(flights: int, seconds: float, first: int, minutes: float, good_minutes: float) -> Figures:
    """Watches all flights."""
    rows: dict[str, Tally] = {}
    costs: list[float] = []
    good, worlds = Good(), (*WORLDS, WET)
    begun = time.perf_counter()
    number = first
    while number < first + flights and time.perf_counter() - begun < 60 * minutes:
        flown = film(number, seconds, worlds=worlds)
        right = watch(flown, Error("none", "", 0.0), number, costs)
        good.add(number, flown, right)
        for error in errors(np.random.default_rng(9000 + number)):
            rows.setdefault(error.name, Tally()).add(
                error, watch(flown, error, 500 + number, costs), excites(flown, error)
            )
        number += 1
        click.echo(f"{number - first}: {[(n, t.soon, t.named) for n, t in rows.items()]}", err=True)
    until = time.perf_counter() + 60 * good_minutes
    while time.perf_counter() < until:
        flown = film(number, 3 * seconds, worlds=worlds)
        good.add(number, flown, watch(flown, Error("none", "", 0.0), number, costs))
        number += 1
    return {
        "mistakes": {name: row.as_dict() for name, row in rows.items()},
        "good flights": good.as_dict(),
        "stated": STATED,
        "ms of CPU a picture": percentiles([1000 * s for s in costs]),
    }
