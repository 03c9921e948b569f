"""ArduCopter: what its parameters should be for a precision landing, as data.

What each does was flown on ArduCopter 4.6.2 in simulation or is read in its parameter documentation (AC_PrecLand).
Release 4.7 has renamed and rescaled some.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.rules import Anything, Bits, OneOf, Rule, Values, Within

V4_1, V4_2, V4_5, V4_7 = (4, 1, 0), (4, 2, 0), (4, 5, 0), (4, 7, 0)

DOWN = 25  # ROTATION_PITCH_270 of MAV_SENSOR_ORIENTATION: a sensor that looks down
_NO_YES = {0: "off", 1: "on"}
_PLND_TYPES = {0: "none", 1: "MAVLink", 2: "IRLock", 3: "SITL Gazebo", 4: "SITL"}
_ORIENTATIONS = {0: "forward", 4: "back", 24: "up", DOWN: "down"}
_ESTIMATORS = {0: "raw sensor", 1: "Kalman filter"}
_STRICTNESS = {0: "lands straight down", 1: "tries again, then straight down", 2: "never lands"}
_RETRY_PLACES = {0: "where it last saw the target", 1: "where the target last was"}
_OPTIONS = {
    1: "moving target",
    2: "precision landing goes on after the pilot repositions",
    4: "high speed in final descent",
}


def has_rangefinder(values: Values) -> bool:
    """Whether a rangefinder is configured that looks down."""
    return any(
        values.get(f"RNGFND{n}_TYPE", 0) != 0 and values.get(f"RNGFND{n}_ORIENT", DOWN) == DOWN for n in range(1, 5)
    )


def _fitted(number: int) -> Callable[[Values], bool]:
    return lambda values: values.get(f"RNGFND{number}_TYPE", 0) != 0


def _speaks_mavlink(port: int) -> Callable[[Values], bool]:
    return lambda values: values.get(f"SERIAL{port}_PROTOCOL") in (1, 2)


def _retries(values: Values) -> bool:
    return values.get("PLND_STRICT", 1) != 0


# The landing itself
PRECISION = (
    Rule(
        "PLND_ENABLED",
        OneOf((1,), _NO_YES),
        "off, LAND ignores every target and lands where it is",
        Level.ERROR,
        reboot=True,
        missing=Level.ERROR,
    ),
    Rule(
        "PLND_TYPE",
        OneOf((1,), _PLND_TYPES),
        "only type 1 listens to LANDING_TARGET; the driver is made at boot",
        Level.ERROR,
        reboot=True,
        missing=Level.ERROR,
    ),
    Rule(
        "PLND_ORIENT",
        OneOf((DOWN,), _ORIENTATIONS),
        "targets are sent in body axes, below the vehicle",
        Level.ERROR,
        reboot=True,
        since=V4_5,
    ),
    Rule(
        "PLND_EST_TYPE",
        OneOf((1, 0), _ESTIMATORS),
        "the Kalman filter bridges gaps and smooths; flown with both",
        Level.NOTE,
    ),
    Rule(
        "PLND_LAG",
        Within(0.02, 0.25, "s"),
        "age of the vehicle's pose in a target when it arrives; see 'latency'",
        Level.WARNING,
        reboot=True,
    ),
    Rule(
        "PLND_YAW_ALIGN", OneOf((0,)), "targets are sent in body axes: a turn here leads to another place", Level.ERROR
    ),
    *(
        Rule(
            f"PLND_LAND_OFS_{axis}",
            OneOf((0,), mend=False),
            "cm that the vehicle lands off the site, on purpose",
            Level.NOTE,
        )
        for axis in "XY"
    ),
    *(
        Rule(
            f"PLND_CAM_POS_{axis}",
            OneOf((0,)),
            "targets are sent from the body's origin, with the camera's place already taken off",
            Level.WARNING,
        )
        for axis in "XYZ"
    ),
    Rule("PLND_ACC_P_NSE", Within(0.5, 5), "higher trusts the camera more, the inertia less"),
    Rule(
        "PLND_XY_DIST_MAX",
        Within(0.3, 5, "m", 2.5),
        "farther off it holds height and flies there first; 0 descends beside the target",
    ),
    Rule("PLND_STRICT", OneOf((1, 0), _STRICTNESS), "2 hovers until the battery is empty when the target stays lost"),
    Rule("PLND_RET_MAX", Within(0, 10), "0 does not climb to look again", Level.NOTE, since=V4_2, when=_retries),
    Rule(
        "PLND_RET_BEHAVE",
        OneOf((0, 1), _RETRY_PLACES),
        "where a retry climbs to",
        Level.NOTE,
        since=V4_2,
        when=_retries,
    ),
    Rule(
        "PLND_TIMEOUT", Within(1, 10, "s", 4), "it goes on descending for so long after the target is lost", since=V4_2
    ),
    Rule(
        "PLND_ALT_MIN",
        Within(0, 2, "m"),
        "below, it lands straight down when the target is lost; needs a rangefinder",
        Level.WARNING,
        since=V4_2,
    ),
    Rule(
        "PLND_ALT_MAX",
        Within(0, 50, "m"),
        "above, it descends without a target instead of holding; needs a rangefinder",
        Level.WARNING,
        since=V4_2,
    ),
    Rule(
        "PLND_OPTIONS",
        Bits(set_bits=0b100, clear_bits=0b011, names=_OPTIONS, mend=True),
        "the site stands still; a pilot who moves the sticks must be left alone; and in the 10 to "
        "15 s that the last two metres otherwise take, anybody walks below the vehicle from "
        "outside the picture (before 4.5 they do anyhow)",
        since=V4_2,
    ),
)

# The sensor that looks down
RANGEFINDER = (
    *(Rule(f"RNGFND{n}_TYPE", Anything(), "0 is none") for n in range(1, 3)),
    *(Rule(f"RNGFND{n}_ORIENT", Anything(names=_ORIENTATIONS), "25 looks down", when=_fitted(n)) for n in range(1, 3)),
    Rule(
        "RNGFND1_MIN_CM",
        Within(0, 50, "cm"),
        "nearer readings count as none: no height for the last decimetres",
        before=V4_7,
        when=_fitted(1),
    ),
    Rule(
        "RNGFND1_MAX_CM",
        Within(500, 20_000, "cm"),
        "farther readings count as none; PLND_ALT_MAX and a slow final descent need it",
        before=V4_7,
        when=_fitted(1),
    ),
    Rule(
        "RNGFND1_MIN",
        Within(0, 0.5, "m"),
        "nearer readings count as none: no height for the last decimetres",
        since=V4_7,
        when=_fitted(1),
    ),
    Rule(
        "RNGFND1_MAX",
        Within(5, 200, "m"),
        "farther readings count as none; PLND_ALT_MAX and a slow final descent need it",
        since=V4_7,
        when=_fitted(1),
    ),
)

# How it comes down, and who may say no
DESCENT = (
    Rule(
        "LAND_SPEED",
        Within(20, 70, "cm/s"),
        "speed of the last metres; faster leaves a hazard below no time to be seen",
        before=V4_7,
    ),
    Rule(
        "LAND_SPD_MS",
        Within(0.2, 0.7, "m/s"),
        "speed of the last metres; faster leaves a hazard below no time to be seen",
        since=V4_7,
    ),
    Rule("LAND_SPEED_HIGH", Within(0, 200, "cm/s"), "speed above the last metres; 0 takes WPNAV_SPEED_DN", before=V4_7),
    Rule("LAND_SPD_HIGH_MS", Within(0, 2, "m/s"), "speed above the last metres; 0 takes WP_SPD_DN", since=V4_7),
    Rule("LAND_ALT_LOW", Within(300, 5000, "cm"), "height at which it slows down", before=V4_7),
    Rule("LAND_ALT_LOW_M", Within(3, 50, "m"), "height at which it slows down", since=V4_7),
    Rule("LAND_REPOSITION", OneOf((1,), _NO_YES), "the pilot's stick must be able to move it during LAND"),
)

# How it is reached
LINK = (
    Rule("SYSID_THISMAV", Within(1, 250), "system id that everybody answers to", before=V4_7),
    Rule("MAV_SYSID", Within(1, 250), "system id that everybody answers to", since=V4_7),
    *(
        Rule(
            f"SERIAL{n}_PROTOCOL",
            Anything(names={-1: "none", 1: "MAVLink 1", 2: "MAVLink 2", 5: "GPS", 9: "rangefinder"}),
            "the companion's port needs MAVLink 2",
        )
        for n in range(1, 5)
    ),
    *(
        Rule(
            f"SERIAL{n}_BAUD",
            Within(115, math.inf),
            "slower than 115200 does not carry 50 attitudes a second",
            Level.NOTE,
            when=_speaks_mavlink(n),
        )
        for n in range(1, 5)
    ),
)

RULES: tuple[Rule, ...] = (*PRECISION, *RANGEFINDER, *DESCENT, *LINK)
