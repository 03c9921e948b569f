"""Status of the flight controller, as far as a landing decision needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Autopilot(str, Enum):
    """Autopilot whose rules for LANDING_TARGET apply."""

    ARDUPILOT = "ardupilot"
    PX4 = "px4"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sticks:
    """The pilot's sticks, each from -1 to 1 with 0 in the middle of its travel.

    Attributes:
        roll, pitch, yaw: 0 where the spring leaves them.
        throttle: Has no spring on most transmitters: wherever the pilot left it.
    """

    roll: float
    pitch: float
    throttle: float
    yaw: float


@dataclass(frozen=True)
class PilotReport:
    """Last report of the pilot's transmitter by the autopilot.

    Attributes:
        at_ns: Monotonic time of the report.
        sticks: None while there is no transmitter, or it is out of range.
    """

    at_ns: int
    sticks: Sticks | None


class WayDown(str, Enum):
    """Way on which a vehicle goes to the ground, see `landing.guidance.descent`.

    LAND is a mode that lands where the vehicle is, HOME the last leg of a way home, MISSION a mission's landing item,
    HAND a pilot who sinks by stick, and UNNAMED any other sinking close to the ground.
    """

    NONE = "none"
    LAND = "land"
    HOME = "home"
    MISSION = "mission"
    HAND = "hand"
    UNNAMED = "unnamed"


@dataclass(frozen=True)
class MissionItem:
    """The item of its mission that the vehicle flies.

    Attributes:
        number: Its sequence number.
        total: Number of the last item; None where the autopilot does not say.
        lands: It ends on the ground; None while its kind is not known.
    """

    number: int
    total: int | None = None
    lands: bool | None = None


@dataclass(frozen=True)
class Battery:
    """Flight time that the batteries leave.

    Attributes:
        left_s: Flight time at the present draw, s; None where it is not known of every one.
        critical: One is critical by the autopilot's own word.
        good: The charge of each is above its low level by the autopilot's own word.
    """

    left_s: float | None = None
    critical: bool = False
    good: bool = False


@dataclass(frozen=True)
class VehicleStatus:
    """The vehicle's state as last reported.

    Attributes:
        link_alive: A heartbeat of the autopilot came within the link's timeout.
        autopilot: Which autopilot it is.
        armed: Motors may turn.
        airborne: True or False from EXTENDED_SYS_STATE, None when the autopilot does not say.
        landing: It is on its way to the ground.
        mode: The mode's name in the autopilot's own words, e.g. ``LAND``.
        next_mode: A mode told since that heartbeat: whose it is, and why, the next one says. Empty where none is.
        no_hover: Why it cannot be led to the ground as it flies now, in words: on its wing. Empty where it hovers.
        hidden_s: Part of the age of what it says, poses too, that its stamps may not show, s; None where nothing bounds
            that.
        touching_down: It says that it is on its way to the ground now: RTL's last part, not its way home. None when it
            does not say.
        failsafe: One of the autopilot's own failsafes is in force, or its geofence began what it does.
        failsafe_mode: The mode is the failsafe's own by the autopilot's word, whenever it came.
        fence_open: The mode came a moment ago, and is not told yet from one that the geofence began.
        heartbeat_ns: Monotonic time of its last heartbeat, which is how old `mode` is.
        pilot: What it reports of the transmitter; None where it reports nothing.
        way_down: Kind of its way to the ground; NONE until `landing.guidance.descent` has judged it.
        down_mps: Its speed towards the ground; None when it was not told lately.
        mission: The item of its mission; None where it tells of none.
        battery: What its batteries leave; None where it reports none.
    """

    link_alive: bool = False
    autopilot: Autopilot = Autopilot.UNKNOWN
    armed: bool = False
    airborne: bool | None = None
    landing: bool = False
    mode: str = ""
    touching_down: bool | None = field(default=None, compare=False)
    failsafe: bool = False
    heartbeat_ns: int | None = field(default=None, compare=False)
    pilot: PilotReport | None = field(default=None, compare=False)
    way_down: WayDown = WayDown.NONE
    down_mps: float | None = field(default=None, compare=False)
    mission: MissionItem | None = field(default=None, compare=False)
    battery: Battery | None = field(default=None, compare=False)
    fence_open: bool = field(default=False, compare=False)
    failsafe_mode: bool = field(default=False, compare=False)
    next_mode: str = field(default="", compare=False)
    hidden_s: float | None = field(default=0.0, compare=False)
    no_hover: str = ""


@dataclass(frozen=True)
class FlightModes:
    """The modes that commands of ours lead into and that lead to the ground, in the autopilot's own words.

    Attributes:
        hold: Stays where it is without the sticks and takes position targets.
        land: Lands on targets; the first one is what we ask for.
        home: Flies home first and lands then.
        mission: Flies a mission, which may end with a landing.
        by_hand: The pilot's stick decides on the height.
    """

    hold: str
    land: tuple[str, ...]
    home: tuple[str, ...]
    mission: tuple[str, ...]
    by_hand: tuple[str, ...]


FLIGHT_MODES: Mapping[Autopilot, FlightModes] = {
    # GUIDED, not LOITER or BRAKE: LOITER descends when the throttle stick lies at the bottom, as it does with nobody at
    # the sticks; BRAKE takes no position target, so that a climb would need one more mode change that can fail.
    Autopilot.ARDUPILOT: FlightModes(
        "GUIDED",
        ("LAND",),
        ("RTL", "SMART_RTL"),
        ("AUTO", "AUTO_RTL"),
        ("STABILIZE", "ACRO", "ALT_HOLD", "LOITER", "DRIFT", "SPORT", "POSHOLD", "FLOWHOLD"),
    ),
    # AUTO.PRECLAND by DO_SET_MODE: NAV_LAND is acknowledged, but forgets the targets (flown).
    Autopilot.PX4: FlightModes(
        "AUTO.LOITER",
        ("AUTO.PRECLAND", "AUTO.LAND"),
        ("AUTO.RTL",),
        ("AUTO.MISSION",),
        ("MANUAL", "STABILIZED", "ACRO", "ALTCTL", "POSCTL", "POSCTL.SLOW", "ALTITUDE_CRUISE"),
    ),
}
