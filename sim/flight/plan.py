"""Plan and result of a flight: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from landing.errors import InvalidValueError
from landing.settings import AuthoritySettings
from sim.vehicle.autopilot_process import LandingOrder
from sim.vehicle.failsafes import Failsafe
from sim.world.model import DiscTruth
from sim.world.pad_place import WantedPad

SHARED_MACHINE: dict[str, dict[str, Any]] = {
    "director": {"max_decision_age_s": 1.0},
    "camera": {"max_frame_age_ms": 600.0},
}
"""Daemon settings for a landing for show: camera, autopilot and network share one processor in real time, and what that
costs is no fault of the landing. Measurements fly with the daemon's defaults."""


REAL_FPS, SIMULATED_FPS = 10.0, 5.0
"""Of the camera, where nobody says otherwise. The simulated clock is for machines that have too much to do: half the
frames take half the time, and are still more than the four a second needed."""


CAMERA_EFFECTS: Mapping[str, float] = {
    "noise_sd": 3.0,
    "exposure_s": 0.004,
    "exposure_wobble": 0.05,
    "vignetting": 0.15,
    "lens_blur_px": 0.6,
    "dropped": 0.02,
}
"""Of a camera by day, by fields of `sim.camera.effects.Effects`."""

FLIGHT_S = 240.0
"""Limit for a flight, beyond the time that a guarding daemon may take for its tries, s."""

PERSON_AWAY_M = 2.0
"""A landing that comes nearer to a person than this at its end, from where the vehicle is lower than a person is tall
until its motors stop, is never a success."""


class Fault(str, Enum):
    """A fault in the middle of a landing."""

    INTRUDER = "intruder"
    """A person walks to the middle of the site."""
    LINK_CUT = "link-cut"
    """Nothing passes between daemon and autopilot for a while."""
    CAMERA_STALL = "camera-stall"
    """No frame comes for a while."""
    DAEMON_KILL = "daemon-kill"
    """The daemon is killed and stays away."""
    DAEMON_END = "daemon-end"
    """The daemon is told to end, as a service manager does it, while it holds the vehicle up, and stays away."""
    SWITCHED_OFF = "switched-off"
    """A ground station sets TD_ENABLE to 0 for a while."""
    AUTOPILOT_RESTART = "autopilot-restart"
    """The autopilot is killed, starts anew and climbs to the start again."""
    RC_LOSS = Failsafe.RC_LOSS.value
    GCS_LOSS = Failsafe.GCS_LOSS.value
    BATTERY_LOW = Failsafe.BATTERY_LOW.value
    FENCE = Failsafe.FENCE.value


@dataclass(frozen=True)
class PlannedFault:
    """A fault and its moment.

    Attributes:
        below_m: As soon as the vehicle, landing, is lower than this.
        for_s: Duration; None for the rest of the flight.
        walk_m: Distance from the site at which an intruder sets out.
        from_deg: Direction an intruder comes from, clockwise from north.
    """

    fault: Fault
    below_m: float
    for_s: float | None = None
    walk_m: float = 8.0
    from_deg: float = 0.0


def parse_fault(text: str) -> PlannedFault:
    """``NAME@HEIGHT_M`` or ``NAME@HEIGHT_M:SECONDS``, e.g. ``camera-stall@8:2``.

    Raises:
        TouchdownError: It is not of that form, or names no fault.
    """
    name, _, rest = text.partition("@")
    height, _, seconds = rest.partition(":")
    try:
        below_m, for_s = float(height), float(seconds) if seconds else None
        if not 0 < below_m < 1000 or (for_s is not None and not 0 < for_s < 1000):
            raise ValueError
        return PlannedFault(Fault(name), below_m, for_s)
    except ValueError:
        names = ", ".join(m.value for m in Fault)
        raise InvalidValueError(
            f"fault {text!r}: expected NAME@HEIGHT_M or NAME@HEIGHT_M:SECONDS, as in "
            f"camera-stall@8:2, with one of {names}"
        ) from None


@dataclass(frozen=True)
class FlightPlan:
    """Plan of a flight.

    Attributes:
        model: ONNX file made by `touchdown export onnx`.
        out: Folder for configuration, logs, result and picture.
        autopilot: One of `sim.vehicle.autopilot_process.AUTOPILOTS`.
        authority: Of the daemon: `advise`, `guard` or `land`.
        world: Specification, see `sim.world.spec.GRAMMAR`.
        seed: Of the world, the start, the wind's gusts and the camera's noise.
        height_m: Start height above ground.
        start_ne_m: Start over the ground; chosen by the seed when None.
        yaw_deg: Heading; chosen by the seed when None.
        wind: Speed m/s and direction it comes from, degrees.
        gust_mps: Standard deviation of gusts.
        attitude_noise_deg: Standard deviation of the angle between the attitude that the autopilot believes and the one
            that the camera looks from.
        camera_latency_s: From exposure to the first byte; the daemon is told of it.
        vehicle_radius_m: The ground truth must be landable within this radius.
        width_px, height_px, hfov_deg, fps: The camera.
        painted: The camera shows what the ground is, in the colours of its classes.
        effects: Of the camera, by fields of `sim.camera.effects.Effects`.
        threads: Of the network's inference.
        search_s: The pilot gives up hovering without a site after this time.
        lands_anyway: The pilot lands when that time is over, instead of giving up.
        guard_s: Time of a guarding daemon for all tries of one landing; None: its own default.
        timeout_s: Limit for the whole flight; None: long enough for the daemon's own end to be seen.
        faults: On the way down.
        order: How the pilot orders a landing.
        ordered_by: The failsafe that begins the landing; nobody is at the sticks from then on. None: the pilot does.
        battery_left_s: Flight time at the start, told by a battery with electronics of its own; None without one.
        parameters: Of the autopilot.
        settings: Further daemon configuration, by section.
        gimbal: The camera is on a gimbal of the autopilot's, which the daemon points down for the landing.
        pad: A marked pad, near the start and in the daemon's configuration; None for none.
        clock: `real`: processes of their own; `simulated`: in this process, see `sim.flight.simulated`.
        ends_when_slow: A pilot who hovers without a site gives up as soon as the daemon turns out too slow for this
            machine.
    """

    model: Path
    out: Path
    autopilot: str = "stand-in"
    authority: str = "advise"
    world: str = "procedural"
    seed: int = 0
    height_m: float = 20.0
    start_ne_m: tuple[float, float] | None = None
    yaw_deg: float | None = None
    wind: tuple[float, float] = (2.0, 230.0)
    gust_mps: float = 0.5
    attitude_noise_deg: float = 0.0
    camera_latency_s: float = 0.0
    vehicle_radius_m: float = 0.5
    width_px: int = 640
    height_px: int = 480
    hfov_deg: float = 80.0
    fps: float = REAL_FPS
    painted: bool = False
    effects: Mapping[str, float] = field(default_factory=lambda: dict(CAMERA_EFFECTS))
    threads: int = 1
    search_s: float = 25.0
    lands_anyway: bool = False
    guard_s: float | None = None
    timeout_s: float | None = None
    faults: tuple[PlannedFault, ...] = ()
    order: LandingOrder = LandingOrder.MODE
    ordered_by: Failsafe | None = None
    battery_left_s: float | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    gimbal: bool = False
    pad: WantedPad | None = None
    clock: str = "real"
    ends_when_slow: bool = False

    @property
    def limit_s(self) -> float:
        """Time after which the flight ends wherever the vehicle is, s."""
        if self.timeout_s is not None:
            return self.timeout_s
        guarded_s = AuthoritySettings().max_total_s if self.guard_s is None else self.guard_s
        return FLIGHT_S + (0.0 if self.authority == "advise" else guarded_s)


@dataclass(frozen=True)
class TrackPoint:
    """The true state of the vehicle.

    Attributes:
        t_s: Since the start of the scene, which is also the world's time.
        north_m, east_m, height_m: True position over the ground.
        state: The director's; empty if not known.
        target_ne_m: Site that is being sent (true ground position as the estimator has it), or None.
    """

    t_s: float
    north_m: float
    east_m: float
    height_m: float
    state: str = ""
    target_ne_m: tuple[float, float] | None = None


@dataclass
class FlightResult:
    """Result of a flight.

    Attributes:
        verdict: `landed-safe`, `landed-unsafe`, `landed-unjudged` (over a photograph whose labels do not tell),
            `struck` (it met somebody or something and did not land), `no-site`, `handed-back` (a guarding daemon's
            tries ended in the air), `timeout` or `not-landed`.
        reason: Why it is no safe landing, in words; empty after one.
        autopilot, version: Of the vehicle; the version is its own.
        touchdown_ne_m: True touchdown, world NED.
        truth: The ground there, within the vehicle's radius.
        site_ne_m: True place of the last site that was sent: by the autopilot's frame and its true origin.
        miss_m: From that site to the touchdown, both true.
        miss_estimated_m: The same in the estimator's own frame: the guidance's own share.
        person_m: To the nearest person from where the vehicle was lower than a person until its motors stopped; None
            without any.
        pad_miss_m: From the first contact with the ground to the middle of the marked pad then; None without any.
        seconds: From the order to land to the touchdown.
        sites: All sites the daemon chose, in order, each with its event; in world NED.
        manual_takeovers: Descents that the pilot stopped because the site was lost.
        happened: The faults as they came: what, boot time, true height.
        transitions: The director's.
        modes: Flight modes from the order to land on, each with its boot time, s.
        heights: True height every second from the order to land, m.
        batteries: What the batteries leave from the order to land on: boot time s, height m, flight time s, critical,
            good.
        texts: Of autopilot and daemon.
        flight: The daemon's resolved configuration and its digest, from its event log.
        daemon: Its counters and latencies at the end.
        clock: `real` or `simulated`.
        photograph: Scale and resolution of the photograph flown over, in words; empty over another world.
        too_slow: Figures of a machine that was too slow to land; empty if it was not.
    """

    world: str
    seed: int
    verdict: str
    autopilot: str = "stand-in"
    version: str = ""
    reason: str = ""
    start_ne_m: tuple[float, float] = (0.0, 0.0)
    start_height_m: float = 0.0
    straight_down_ok: bool | None = None
    touchdown_ne_m: tuple[float, float] | None = None
    truth: DiscTruth | None = None
    site_ne_m: tuple[float, float] | None = None
    miss_m: float | None = None
    miss_estimated_m: float | None = None
    person_m: float | None = None
    pad_miss_m: float | None = None
    seconds: float | None = None
    manual_takeovers: int = 0
    sites: list[dict[str, Any]] = field(default_factory=list)
    happened: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    modes: list[tuple[float, str]] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    batteries: list[tuple[float, float, float | None, bool, bool]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    flight: dict[str, Any] = field(default_factory=dict)
    daemon: dict[str, Any] = field(default_factory=dict)
    picture: str = ""
    clock: str = "real"
    photograph: str = ""
    too_slow: str = ""

    @property
    def exit_status(self) -> int:
        """0 for a safe landing, 3 for no site or handed back in the air, 4 for one that nobody judged, else 1."""
        return {"landed-safe": 0, "no-site": 3, "handed-back": 3, "landed-unjudged": 4}.get(self.verdict, 1)

    def summary(self) -> str:
        """One line for people."""
        words = f"seed {self.seed}: {self.verdict}"
        if self.truth is not None and self.seconds is not None:
            where = f" on {', '.join(self.truth.classes)}, {self.truth.clearance_m:.1f} m clear"
            words += f"{where}, {self.seconds:.0f} s"
        if self.miss_m is not None:
            words += f", {self.miss_m:.2f} m from the site"
        if self.pad_miss_m is not None:
            words += f", {self.pad_miss_m:.2f} m from the pad"
        if self.person_m is not None:
            words += f", {self.person_m:.1f} m from a person"
        if self.reason:
            words += f", {self.reason}"
        return words + (f", manual takeovers: {self.manual_takeovers}" if self.manual_takeovers else "")

    def to_json(self) -> dict[str, Any]:
        """As written to `result.json`."""
        return asdict(self)
