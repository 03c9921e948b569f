"""PX4: what its parameters should be for a precision landing, as data.

What each does was flown on PX4 1.15.4 in simulation or is read in its parameter documentation. 1.18 has given the
sticks' right to interfere other parameters, and has a second estimator of landing targets.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.rules import Rule, Values, anything, bits, one_of, within

V1_14, V1_18 = (1, 14, 0), (1, 18, 0)

RTL_MODES = {0: "no precision", 1: "if the target is seen", 2: "searches for the target"}
_MAV_MODES = {
    0: "normal",
    1: "custom",
    2: "onboard",
    3: "OSD",
    4: "magic",
    5: "config",
    7: "minimal",
    8: "external vision",
    10: "gimbal",
    11: "onboard, low bandwidth",
    13: "low bandwidth",
}
_NO_YES = {0: "off", 1: "on"}
_RTL_TYPES = {
    0: "home or rally point",
    1: "rally point or a mission's landing",
    2: "along the mission",
    3: "nearest of home, rally points and a mission's landing",
    4: "along the mission, forwards or back",
    5: "rally points only",
}


def _in_use(instance: int) -> Callable[[Values], bool]:
    return lambda values: values.get(f"MAV_{instance}_CONFIG", 0) != 0


# The landing itself
PRECISION = (
    Rule("PLD_BTOUT", within(0.5, 10, "s", 5), missing=Level.ERROR).because(
        "a target silent for so long is lost; targets come at 20 Hz"
    ),
    Rule("PLD_HACC_RAD", within(0.1, 2, "m", 0.2)).because("it descends only this near to the target's vertical"),
    Rule("PLD_FAPPR_ALT", within(0.05, 3, "m", 0.1)).because("lost below this height, it lands straight down"),
    Rule("PLD_SRCH_ALT", within(3, 50, "m", 10)).because(
        "without a target it climbs, or descends, to this height and waits: above home from 1.18 on, before that above "
        "where its estimator began"
    ),
    Rule("PLD_SRCH_TOUT", within(0, 60, "s", 10)).because("it waits there for so long, then lands in place"),
    Rule("PLD_MAX_SRCH", within(0, 10), Level.NOTE).because("it goes back to search so often"),
    Rule("RTL_PLD_MD", anything(names=RTL_MODES)).because("what RTL does about a target; see 'pitfalls'"),
    Rule("RTL_TYPE", anything(names=_RTL_TYPES)).because(
        "where RTL lands by a mission's own landing, RTL_PLD_MD does not count: the item's param2 does"
    ),
)

# Other sources of targets; not every build has them
ESTIMATORS = (
    Rule("LTEST_MODE", anything(names={0: "moving target", 1: "target stands still"})).because(
        "of landing_target_estimator, which our targets do not need"
    ),
    Rule("VTE_EN", one_of((0,), _NO_YES), Level.ERROR, reboot=True, since=V1_18).because(
        "the vision target estimator publishes a landing target too, from a mission's land point if need be: it and "
        "ours take turns"
    ),
)

# The descent, and the pilot's right to stop it
DESCENT = (
    Rule("MPC_LAND_SPEED", within(0.2, 1.0, "m/s")).because(
        "speed of the last metres; faster leaves a hazard below no time to be seen"
    ),
    Rule("MPC_LAND_CRWL", within(0.1, 0.5, "m/s")).because("speed near the ground, with a range sensor"),
    Rule("MPC_LAND_ALT1", anything("m")).because("height at which it slows down"),
    Rule("MPC_LAND_ALT2", within(3, 50, "m")).because("height from which it comes at MPC_LAND_SPEED"),
    Rule("MPC_Z_V_AUTO_DN", within(0.3, 2, "m/s")).because("speed above MPC_LAND_ALT1"),
    Rule("RTL_LAND_DELAY", within(0, 600, "s"), Level.NOTE).because(
        "RTL hovers for so long before it lands; below 0 it hovers, and lands nowhere"
    ),
    Rule("MPC_LAND_RC_HELP", one_of((1,), _NO_YES, mend=False), Level.NOTE, before=V1_18).because(
        "1 lets the pilot's stick move it during LAND"
    ),
    Rule(
        "COM_RC_OVERRIDE",
        bits(set_bits=1, names={1: "sticks take over from auto modes", 2: "and from offboard"}),
        before=V1_18,
    ).because("the pilot's stick must take over from a landing"),
    Rule("MPC_AUTO_NUDGING", anything(names={0: "off", 1: "turn", 2: "move", 3: "turn and move"}), since=V1_18).because(
        "2 lets the pilot's stick move a landing instead of taking it over; it needs MAN_OVERRIDE_SPD = -1"
    ),
    Rule("MAN_OVERRIDE_SPD", within(0.1, 5, "1/s", 1), since=V1_18).because(
        "the pilot's stick must take over from a landing: moved so fast, in travels a second, it does; below 0 never, "
        "and a large value asks for a jerk"
    ),
)

# Source of the height
HEIGHT = (
    Rule(
        "EKF2_RNG_CTRL",
        one_of((1, 2), {0: "off", 1: "when conditions fit", 2: "always"}, mend=False),
        Level.NOTE,
        since=V1_14,
    ).because("the range sensor, if there is one, corrects the height above ground"),
    Rule(
        "EKF2_HGT_REF", one_of((1, 0, 3), {0: "barometer", 1: "GPS", 2: "range sensor", 3: "vision"}, mend=False)
    ).because("range as reference moves the local frame with the ground below: a target's height jumps"),
)

# The link
LINK = (
    Rule("MAV_SYS_ID", within(1, 250)).because("system id that everybody answers to"),
    *(Rule(f"MAV_{n}_CONFIG", anything()).because("port of this link; 0 is off") for n in range(3)),
    *(
        rule
        for n in range(3)
        for rule in (
            Rule(f"MAV_{n}_MODE", anything(names=_MAV_MODES), when=_in_use(n)).because(
                "streams it starts with; the companion's port wants 2 (onboard)"
            ),
            Rule(f"MAV_{n}_RATE", anything("B/s"), when=_in_use(n)).because(
                "most it sends; 0 is half of the port, and a full port thins every stream"
            ),
            Rule(f"MAV_{n}_FORWARD", anything(names=_NO_YES), when=_in_use(n)).because(
                "on, a ground station on another port sees the companion's texts"
            ),
        )
    ),
)

RULES: tuple[Rule, ...] = (*PRECISION, *ESTIMATORS, *DESCENT, *HEIGHT, *LINK)
# In every build for multicopters; of the others a board or a build may have fewer
ALWAYS: tuple[Rule, ...] = (*PRECISION, *DESCENT)


def _on_servos(values: Values) -> bool:
    return values.get("MNT_MODE_IN", -1) != -1 and values.get("MNT_MODE_OUT") == 0


# The gimbal, where the daemon points it down
GIMBAL: tuple[Rule, ...] = (
    Rule(
        "MNT_MODE_IN",
        one_of((4, 0), {-1: "off", 0: "transmitter and MAVLink", 1: "transmitter", 4: "MAVLink"}, mend=False),
        Level.ERROR,
        reboot=True,
        missing=Level.ERROR,
    ).because("camera.gimbal_down orders the gimbal by MAVLink's gimbal protocol v2"),
    Rule("MNT_MODE_OUT", anything(names={0: "servos", 1: "MAVLink v1", 2: "MAVLink v2"})).because("kind of gimbal"),
    Rule(
        "MNT_DO_STAB",
        one_of((1,), {0: "off", 1: "all axes", 2: "yaw", 3: "pitch"}, mend=False),
        Level.ERROR,
        when=_on_servos,
    ).because("else a gimbal on servos does not turn to an angle against the horizon"),
    Rule("MNT_MIN_PITCH", within(-90, -85, "degrees"), when=_on_servos).because(
        "else the gimbal cannot look straight down"
    ),
)
