"""PX4: what its parameters should be for a precision landing, as data.

What each does was flown on PX4 1.15.4 in simulation or is read in its parameter documentation.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.rules import Anything, Bits, OneOf, Rule, Values, Within

V1_14, V1_15 = (1, 14, 0), (1, 15, 0)

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
}
_NO_YES = {0: "off", 1: "on"}


def _in_use(instance: int) -> Callable[[Values], bool]:
    return lambda values: values.get(f"MAV_{instance}_CONFIG", 0) != 0


# The landing itself
PRECISION = (
    Rule(
        "PLD_BTOUT",
        Within(0.5, 10, "s", 5),
        "a target silent for so long is lost; targets come at 20 Hz",
        missing=Level.ERROR,
    ),
    Rule("PLD_HACC_RAD", Within(0.1, 2, "m", 0.2), "it descends only this near to the target's vertical"),
    Rule("PLD_FAPPR_ALT", Within(0.05, 3, "m", 0.1), "lost below this height, it lands straight down"),
    Rule(
        "PLD_SRCH_ALT",
        Within(3, 50, "m", 10),
        "without a target it climbs, or descends, to this height above home and waits",
    ),
    Rule("PLD_SRCH_TOUT", Within(0, 60, "s", 10), "it waits there for so long, then lands in place"),
    Rule("PLD_MAX_SRCH", Within(0, 10), "it goes back to search so often", Level.NOTE),
    Rule("RTL_PLD_MD", Anything(names=RTL_MODES), "what RTL does about a target; see 'pitfalls'"),
    Rule(
        "LTEST_MODE",
        Anything(names={0: "moving target", 1: "target stands still"}),
        "of landing_target_estimator, which our targets do not need",
    ),
)

# How it comes down, and who may say no
DESCENT = (
    Rule(
        "MPC_LAND_SPEED",
        Within(0.2, 1.0, "m/s"),
        "speed of the last metres; faster leaves a hazard below no time to be seen",
    ),
    Rule("MPC_LAND_CRWL", Within(0.1, 0.5, "m/s"), "speed near the ground, with a range sensor"),
    Rule("MPC_LAND_ALT1", Anything("m"), "height at which it slows down"),
    Rule("MPC_LAND_ALT2", Anything("m"), "height from which it comes at MPC_LAND_SPEED"),
    Rule(
        "MPC_LAND_RC_HELP", OneOf((1,), _NO_YES, mend=False), "1 lets the pilot's stick move it during LAND", Level.NOTE
    ),
    Rule(
        "COM_RC_OVERRIDE",
        Bits(set_bits=1, names={1: "sticks take over from auto modes", 2: "and from offboard"}),
        "the pilot's stick must take over from a landing",
    ),
)

# Where its height comes from
HEIGHT = (
    Rule(
        "EKF2_RNG_CTRL",
        OneOf((1, 2), {0: "off", 1: "when conditions fit", 2: "always"}, mend=False),
        "the range sensor, if there is one, corrects the height above ground",
        Level.NOTE,
        since=V1_14,
    ),
    Rule(
        "EKF2_HGT_REF",
        Anything(names={0: "barometer", 1: "GPS", 2: "range sensor", 3: "vision"}),
        "range as reference moves the local frame with the ground below: a target's height jumps",
    ),
)

# How it is reached
LINK = (
    Rule("MAV_SYS_ID", Within(1, 250), "system id that everybody answers to"),
    *(Rule(f"MAV_{n}_CONFIG", Anything(), "port of this link; 0 is off") for n in range(3)),
    *(
        rule
        for n in range(3)
        for rule in (
            Rule(
                f"MAV_{n}_MODE",
                Anything(names=_MAV_MODES),
                "streams it starts with; the companion's port wants 2 (onboard)",
                when=_in_use(n),
            ),
            Rule(
                f"MAV_{n}_RATE",
                Anything("B/s"),
                "most it sends; 0 is half of the port, and a full port thins every stream",
                when=_in_use(n),
            ),
            Rule(
                f"MAV_{n}_FORWARD",
                Anything(names=_NO_YES),
                "on, a ground station on another port sees the companion's texts",
                when=_in_use(n),
            ),
        )
    ),
)

RULES: tuple[Rule, ...] = (*PRECISION, *DESCENT, *HEIGHT, *LINK)
