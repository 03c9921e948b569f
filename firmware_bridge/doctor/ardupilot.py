"""ArduCopter: what its parameters should be for a precision landing, as data.

What each does was flown on ArduCopter 4.6.2 in simulation or is read in its parameter documentation (AC_PrecLand).
Release 4.7 has renamed and rescaled some: centimetres became metres (`versions.RENAMED` holds the pairs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.rules import ExpectedValue, Rule, Values, anything, bits, one_of, within

V4_2, V4_5, V4_7 = (4, 2, 0), (4, 5, 0), (4, 7, 0)

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


RANGEFINDERS = "123456789A"
"""Names of the rangefinders that ArduPilot has parameters for, RNGFNDn_TYPE; all of them are read."""


def looks_down(values: Values, name: str) -> bool:
    """Return whether a rangefinder of `RANGEFINDERS` is fitted and looks down."""
    return values.get(f"RNGFND{name}_TYPE", 0) != 0 and values.get(f"RNGFND{name}_ORIENT", DOWN) == DOWN


def has_rangefinder(values: Values) -> bool:
    """Return whether a downward rangefinder is configured."""
    return any(looks_down(values, name) for name in RANGEFINDERS)


def _fitted(name: str) -> Callable[[Values], bool]:
    return lambda values: values.get(f"RNGFND{name}_TYPE", 0) != 0


def _speaks_mavlink(port: int) -> Callable[[Values], bool]:
    return lambda values: values.get(f"SERIAL{port}_PROTOCOL") in (1, 2)


def _fast() -> ExpectedValue:
    """Accept 115200 baud and more; above 2000 the number is the baud itself, not thousands of it."""
    return replace(within(115, math.inf), accepts=lambda value: value >= (115_000 if value > 2000 else 115))


_NO_FORWARDING = {1 << 10: "passes no MAVLink on"}  # Of SERIALn_OPTIONS; bit 1 of MAVn_OPTIONS from 4.7 on
_UNHEARD = "a ground station on such a port does not see the companion's texts, nor the companion's port the rest"


def _retries(values: Values) -> bool:
    return values.get("PLND_STRICT", 1) != 0


_FAILSAFE_OPTIONS = {8: "a landing goes on", 16: "the pilot goes on without a ground station"}


def _leaves(values: Values) -> bool:
    return values.get("FS_THR_ENABLE", 0) != 0 or values.get("FS_GCS_ENABLE", 0) != 0


# The landing itself
PRECISION = (
    Rule("PLND_ENABLED", one_of((1,), _NO_YES), Level.ERROR, reboot=True, missing=Level.ERROR).because(
        "off, LAND ignores every target and lands where it is"
    ),
    Rule("PLND_TYPE", one_of((1,), _PLND_TYPES), Level.ERROR, reboot=True, missing=Level.ERROR).because(
        "only type 1 listens to LANDING_TARGET; the driver is made at boot"
    ),
    Rule("PLND_ORIENT", one_of((DOWN,), _ORIENTATIONS), Level.ERROR, reboot=True, since=V4_5).because(
        "targets are sent in body axes, below the vehicle"
    ),
    Rule("PLND_EST_TYPE", one_of((1, 0), _ESTIMATORS), Level.NOTE).because(
        "the Kalman filter bridges gaps and smooths; flown with both"
    ),
    Rule("PLND_LAG", within(0.02, 0.25, "s"), Level.WARNING, reboot=True).because(
        "age of the vehicle's pose in a target when it arrives; see 'latency'"
    ),
    Rule("PLND_YAW_ALIGN", one_of((0,)), Level.ERROR).because(
        "targets are sent in body axes: a turn here leads to another place"
    ),
    *(
        Rule(f"PLND_LAND_OFS_{axis}", one_of((0,), mend=False), Level.NOTE).because(
            "cm that the vehicle lands off the site, on purpose"
        )
        for axis in "XY"
    ),
    *(
        Rule(f"PLND_CAM_POS_{axis}", one_of((0,)), Level.WARNING).because(
            "targets are sent from the body's origin, with the camera's place already taken off"
        )
        for axis in "XYZ"
    ),
    Rule("PLND_ACC_P_NSE", within(0.5, 5)).because("higher trusts the camera more, the inertia less"),
    Rule("PLND_XY_DIST_MAX", within(0.3, 5, "m", 2.5)).because(
        "farther off it holds height and flies there first; 0 descends beside the target"
    ),
    Rule("PLND_STRICT", one_of((1, 0), _STRICTNESS)).because(
        "2 hovers until the battery is empty when the target stays lost"
    ),
    Rule("PLND_RET_MAX", within(0, 10), Level.NOTE, since=V4_2, when=_retries).because(
        "0 does not climb to look again"
    ),
    Rule("PLND_RET_BEHAVE", one_of((0, 1), _RETRY_PLACES), Level.NOTE, since=V4_2, when=_retries).because(
        "where a retry climbs to"
    ),
    Rule("PLND_TIMEOUT", within(1, 10, "s", 4), since=V4_2).because(
        "it goes on descending for so long after the target is lost"
    ),
    Rule("PLND_ALT_MIN", within(0, 2, "m"), Level.WARNING, since=V4_2).because(
        "below, it lands straight down when the target is lost; needs a rangefinder"
    ),
    Rule("PLND_ALT_MAX", within(0, 50, "m"), Level.WARNING, since=V4_2).because(
        "above, it descends without a target instead of holding; needs a rangefinder"
    ),
    Rule("PLND_OPTIONS", bits(set_bits=0b100, clear_bits=0b011, names=_OPTIONS, mend=True), since=V4_2).because(
        "the site stands still; a pilot who moves the sticks must be left alone; and in the 10 to 15 s that"
        " the last two metres otherwise take, anybody walks below the vehicle from outside the picture "
        "(before 4.5 they do anyhow)"
    ),
)


def _range_of(name: str) -> tuple[Rule, ...]:
    """Rules of the range of a rangefinder that looks down."""
    near = "nearer readings count as none: no height for the last decimetres"
    far = "farther readings count as none; PLND_ALT_MAX and a slow final descent need it"
    metres = "metres from 4.7 on, not centimetres"
    down = partial(looks_down, name=name)
    return (
        Rule(f"RNGFND{name}_MIN_CM", within(0, 50, "cm"), before=V4_7, when=down).because(near),
        Rule(f"RNGFND{name}_MAX_CM", within(500, 20_000, "cm"), before=V4_7, when=down).because(far),
        Rule(f"RNGFND{name}_MIN", within(0, 0.5, "m"), since=V4_7, when=down).because(f"{near}; {metres}"),
        Rule(f"RNGFND{name}_MAX", within(5, 200, "m"), since=V4_7, when=down).because(f"{far}; {metres}"),
    )


# The sensor that looks down
RANGEFINDER = (
    *(Rule(f"RNGFND{n}_TYPE", anything()).because("0 is none") for n in RANGEFINDERS),
    *(
        Rule(f"RNGFND{n}_ORIENT", anything(names=_ORIENTATIONS), when=_fitted(n)).because("25 looks down")
        for n in RANGEFINDERS
    ),
    *(rule for n in RANGEFINDERS for rule in _range_of(n)),
)

# Source of the height; EKF3 is the only one since 4.1
_MOVES = "the local frame moves with the ground below: a target's height jumps"
HEIGHT = (
    Rule(
        "EK3_SRC1_POSZ",
        one_of((1, 3, 4, 6), {1: "barometer", 2: "rangefinder", 3: "GPS", 4: "beacon", 6: "vision"}, mend=False),
    ).because(f"with the rangefinder as source {_MOVES}"),
    Rule("EK3_RNG_USE_HGT", within(-1, 0, "%")).because(f"below this part of the rangefinder's reach {_MOVES}"),
)


def _lands_as_it_navigates(values: Values) -> bool:
    return values.get("LAND_SPEED_HIGH", values.get("LAND_SPD_HIGH_MS", 0)) == 0


_HOVERS = "the height at which RTL ends in a hover, and lands nowhere; 0 lands"

# The descent, and the pilot's right to stop it
DESCENT = (
    Rule("LAND_SPEED", within(20, 70, "cm/s"), before=V4_7).because(
        "speed of the last metres; faster leaves a hazard below no time to be seen"
    ),
    Rule("LAND_SPD_MS", within(0.2, 0.7, "m/s"), since=V4_7).because(
        "speed of the last metres; faster leaves a hazard below no time to be seen"
    ),
    Rule("LAND_SPEED_HIGH", within(0, 200, "cm/s"), before=V4_7).because(
        "speed above the last metres; 0 takes WPNAV_SPEED_DN"
    ),
    Rule("LAND_SPD_HIGH_MS", within(0, 2, "m/s"), since=V4_7).because("speed above the last metres; 0 takes WP_SPD_DN"),
    Rule("WPNAV_SPEED_DN", within(0, 200, "cm/s"), before=V4_7, when=_lands_as_it_navigates).because(
        "speed above the last metres, as LAND_SPEED_HIGH is 0"
    ),
    Rule("WP_SPD_DN", within(0, 2, "m/s"), since=V4_7, when=_lands_as_it_navigates).because(
        "speed above the last metres, as LAND_SPD_HIGH_MS is 0"
    ),
    Rule("LAND_ALT_LOW", within(300, 5000, "cm"), before=V4_7).because("height at which it slows down"),
    Rule("LAND_ALT_LOW_M", within(3, 50, "m"), since=V4_7).because("height at which it slows down"),
    Rule("RTL_ALT_FINAL", one_of((0,), mend=False), Level.NOTE, before=V4_7).because(_HOVERS),
    Rule("RTL_ALT_FINAL_M", one_of((0,), mend=False), Level.NOTE, since=V4_7).because(_HOVERS),
    Rule("LAND_REPOSITION", one_of((1,), _NO_YES)).because("the pilot's stick must be able to move it during LAND"),
)

# A lost transmitter or ground station in the middle of a landing
LOST_LINK = (
    Rule("FS_THR_ENABLE", anything(names={0: "off", 1: "RTL"})).because("what it does when the transmitter is lost"),
    Rule("FS_GCS_ENABLE", anything(names={0: "off", 1: "RTL"})).because("what it does when the ground station is lost"),
    Rule("FS_OPTIONS", bits(set_bits=0b1000, names=_FAILSAFE_OPTIONS), Level.NOTE, when=_leaves).because(
        "a landing is broken off and flown home when the link is lost; with the bit set it goes on to its site"
    ),
)

# The link
LINK = (
    Rule("SYSID_THISMAV", within(1, 250), before=V4_7).because("system id that everybody answers to"),
    Rule("MAV_SYSID", within(1, 250), since=V4_7).because("system id that everybody answers to"),
    *(
        Rule(
            f"SERIAL{n}_PROTOCOL",
            anything(names={-1: "none", 1: "MAVLink 1", 2: "MAVLink 2", 5: "GPS", 9: "rangefinder"}),
        ).because("the companion's port needs MAVLink 2")
        for n in range(1, 5)
    ),
    *(
        Rule(f"SERIAL{n}_BAUD", _fast(), Level.NOTE, when=_speaks_mavlink(n)).because(
            "slower than 115200 does not carry 50 attitudes a second"
        )
        for n in range(1, 5)
    ),
    *(
        Rule(
            f"SERIAL{n}_OPTIONS",
            bits(clear_bits=1 << 10, names=_NO_FORWARDING),
            Level.NOTE,
            before=V4_7,
            when=_speaks_mavlink(n),
        ).because(_UNHEARD)
        for n in range(1, 5)
    ),
    *(
        Rule(
            f"MAV{n}_OPTIONS", bits(clear_bits=1 << 1, names={1 << 1: "passes no MAVLink on"}), Level.NOTE, since=V4_7
        ).because(_UNHEARD)
        for n in range(1, 5)
    ),
)

RULES: tuple[Rule, ...] = (*PRECISION, *RANGEFINDER, *HEIGHT, *DESCENT, *LOST_LINK, *LINK)
# In every build of ArduCopter; of the others a board or a build may have fewer
ALWAYS: tuple[Rule, ...] = (*PRECISION, *DESCENT, *LOST_LINK)


def sticks(channels: tuple[int, int, int, int]) -> tuple[Rule, ...]:
    """Rules of the pilot's sticks, where the daemon may command; `channels` as in `LinkExpert.stick_channels`."""
    return tuple(
        Rule(f"RCMAP_{stick}", one_of((channel,), mend=False), Level.ERROR, missing=Level.WARNING).because(
            "expert.link.stick_channels says where this stick is: the pilot's hand on it is not seen, or another "
            "channel is taken for it; make both alike"
        )
        for stick, channel in zip(("ROLL", "PITCH", "THROTTLE", "YAW"), channels, strict=True)
    )


# The gimbal, where the daemon points it down
GIMBAL: tuple[Rule, ...] = (
    Rule("MNT1_TYPE", within(1, math.inf), Level.ERROR, reboot=True, missing=Level.ERROR).because(
        "0 is no gimbal: camera.gimbal_down orders it through the autopilot"
    ),
    Rule("MNT1_TYPE", within(2, math.inf), when=lambda values: values.get("MNT1_TYPE") == 1).because(
        "1 is servos, whose angles ArduPilot tells against the vehicle and calls against the horizon: no decision is "
        "made while the vehicle leans by more than 3 degrees"
    ),
    Rule("MNT1_PITCH_MIN", within(-90, -85, "degrees")).because("else the gimbal cannot look straight down"),
)
