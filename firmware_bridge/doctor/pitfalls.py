"""Pitfalls that no single parameter tells: of a firmware's version, and of values together.

Each was flown in simulation (ArduCopter 4.6.2, PX4 1.15.4, main of 2025-03) or is read in source, which
docs/setup/versions.md links.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.ardupilot import RANGEFINDERS, has_rangefinder, looks_down
from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.rules import Values, number
from firmware_bridge.identity import Identity, Version, version_text
from firmware_bridge.target import LOCAL_FRD_SINCE
from firmware_bridge.vehicle import WINGLESS_TYPES
from landing.vehicle import Autopilot

PX4_TRIGGERS = (
    "start it with DO_SET_MODE 1/4/9 (auto: precland), COMMAND_LONG 23, or a mission LAND item with param2 = 2"
)
_pitfall = partial(DoctorFinding, "pitfalls")


@dataclass(frozen=True)
class Pitfall:
    """A behaviour of some versions of a firmware."""

    name: str
    autopilot: Autopilot
    level: Level
    value: str  # The behaviour
    why: str  # The remedy
    since: Version = (0, 0, 0)  # First version that behaves so
    before: Version | None = None  # First version that does not any more

    def finding(self, identity: Identity) -> DoctorFinding | None:
        """Return the finding, or None where it does not hold; an unknown version may behave so."""
        version = identity.version
        known = version is not None and (version < self.since or (self.before is not None and version >= self.before))
        if identity.autopilot is not self.autopilot or known:
            return None
        return _pitfall(self.name, self.level, self.value, why=self.why)


PITFALLS: tuple[Pitfall, ...] = (
    Pitfall(
        "frame",
        Autopilot.ARDUPILOT,
        Level.NOTE,
        "takes targets in BODY_FRD only; LOCAL_FRD with a position is dropped, with angles it is read as BODY_FRD",
        "what is sent is BODY_FRD; expert.link.target_frame = 'local_frd' is refused",
        before=LOCAL_FRD_SINCE,
    ),
    Pitfall(
        "frame",
        Autopilot.ARDUPILOT,
        Level.NOTE,
        "takes targets in BODY_FRD and LOCAL_FRD; any other frame is dropped with one 'Plnd: Frame not supported', "
        "then in silence",
        "other companions on the same autopilot must follow it too",
        since=LOCAL_FRD_SINCE,
    ),
    Pitfall(
        "LOCAL_FRD",
        Autopilot.ARDUPILOT,
        Level.NOTE,
        "until December 2025 at least, 4.7 in development turned LOCAL_FRD targets by the heading's wrong sign: away "
        "from the site, but when heading north or south",
        "what is sent is BODY_FRD; expert.link.target_frame = 'local_frd' is refused on every 4.7 that is no release",
        since=LOCAL_FRD_SINCE,
        before=(4, 8, 0),
    ),
    Pitfall(
        "first seconds",
        Autopilot.ARDUPILOT,
        Level.NOTE,
        "its filter needs 2 s of targets with gaps under 0.5 s; LAND keeps descending meanwhile",
        "wait for the text 'track' for 3 s before switching to LAND",
    ),
    Pitfall(
        "commanded NAV_LAND",
        Autopilot.PX4,
        Level.WARNING,
        "COMMAND_LONG NAV_LAND (21) with param2 = 2 is acknowledged and lands without the target",
        PX4_TRIGGERS,
    ),
    Pitfall(
        "frame",
        Autopilot.PX4,
        Level.NOTE,
        "takes targets in LOCAL_NED with a position only; the angle form needs landing_target_estimator, which "
        "nothing starts",
        "what is sent is LOCAL_NED with a position",
    ),
    Pitfall(
        "lost target",
        Autopilot.PX4,
        Level.NOTE,
        "after PLD_BTOUT it climbs to PLD_SRCH_ALT, waits PLD_SRCH_TOUT, then lands where it is",
        "PLD_SRCH_TOUT = 0 lands at once; a pilot who does not want the climb takes over",
    ),
    Pitfall(
        "failsafe that lands",
        Autopilot.PX4,
        Level.NOTE,
        "NAV_RCL_ACT 3, NAV_DLL_ACT 3, GF_ACTION 5 and COM_LOW_BAT_ACT 2 or 3 land in AUTO.LAND: straight below, "
        "without the target",
        "the way home lands on the target where RTL_PLD_MD is 1 or 2, see 'RTL'",
    ),
    Pitfall(
        "registered modes",
        Autopilot.PX4,
        Level.NOTE,
        "a mode that a ROS 2 program registers may stand in for LAND, RTL or precision land; it is told as "
        "AUTO.EXTERNALn, and what it does with a target is its own affair",
        "land with PX4's own modes, or try the registered one in simulation first",
    ),
)
# RTL_PLD_MD = 2 was flown broken in 1.15.4 and working on main of 2025-03
RTL_PRECISION_SINCE: Version = (1, 16, 0)
_RTL_OWN_LANDING = (0, 5)  # RTL_TYPE: goes to home or a rally point, and lands by RTL's own rules


def find_pitfalls(identity: Identity, values: Values) -> list[DoctorFinding]:
    """Return all pitfalls of this autopilot with these parameters."""
    found = [_vehicle(identity), *(pitfall.finding(identity) for pitfall in PITFALLS)]
    if identity.autopilot is Autopilot.ARDUPILOT:
        found += [_rangefinder(values), _reach(values), _no_retry(values)]
    elif identity.autopilot is Autopilot.PX4:
        found += [_rtl(identity, values)]
    return [finding for finding in found if finding is not None]


def _vehicle(identity: Identity) -> DoctorFinding | None:
    """A vehicle that flies otherwise than those that were flown here."""
    kind = identity.vehicle_type
    if kind in WINGLESS_TYPES and kind != mavlink.MAV_TYPE_HELICOPTER:
        return None
    winged = identity.autopilot is Autopilot.ARDUPILOT and kind not in WINGLESS_TYPES
    if winged:
        value = (
            f"a {identity.vehicle}: ArduPilot's plane follows no target by itself, QLAND and QRTL land straight below"
        )
        why = "its script plane_precland.lua follows one, and was not flown here"
        return _pitfall("vehicle", Level.ERROR, value, "a multicopter", why)
    value = f"a {identity.vehicle}: only multicopters were flown here"
    why = "it is led while it hovers; fly it in simulation first"
    return _pitfall("vehicle", Level.WARNING, value, "a multicopter", why)


def _rangefinder(values: Values) -> DoctorFinding:
    if has_rangefinder(values):
        return _pitfall("rangefinder", Level.OK, "one looks down")
    lost = "PLND_STRICT and retries do nothing: a lost target is landed without"
    if values.get("PLND_ALT_MIN") == 0 and values.get("PLND_ALT_MAX") == 0:
        lost = "PLND_ALT_MIN and PLND_ALT_MAX are 0, so a lost target is still tried again"
    why = f"{lost}; the vehicle does not slow down near the ground; fit one, or set both to 0"
    return _pitfall("rangefinder", Level.WARNING, "none looks down (RNGFNDn_TYPE, RNGFNDn_ORIENT = 25)", "one", why)


def _reach(values: Values) -> DoctorFinding | None:
    """A rangefinder that ends below PLND_ALT_MAX: between the two, and above, a lost target is not tried again."""
    # Of several that look down ArduPilot reads the first
    name = next((n for n in RANGEFINDERS if looks_down(values, n)), "")
    reach_m = values.get(f"RNGFND{name}_MAX", values.get(f"RNGFND{name}_MAX_CM", math.nan) / 100.0)
    highest_m = values.get("PLND_ALT_MAX", math.nan)
    if not reach_m < highest_m:
        return None
    value = f"the rangefinder ends at {number(reach_m)} m, PLND_ALT_MAX is {number(highest_m)} m"
    why = "above the lower of the two a lost target is not tried again: the vehicle goes on down and looks no more"
    return _pitfall("reach", Level.NOTE, value, why=why)


def _no_retry(values: Values) -> DoctorFinding | None:
    if values.get("PLND_STRICT") != 2:
        return None
    value = "a landing whose target stays lost hovers and never ends by itself"
    return _pitfall("PLND_STRICT = 2", Level.WARNING, value, why="have a pilot, or a battery failsafe that lands")


def _rtl(identity: Identity, values: Values) -> DoctorFinding | None:
    mode = values.get("RTL_PLD_MD", 0)
    version = identity.version
    if mode == 0:
        return _pitfall("RTL", Level.NOTE, "RTL_PLD_MD = 0: return to launch lands without a target", why=PX4_TRIGGERS)
    if version is not None and version >= RTL_PRECISION_SINCE:
        if values.get("RTL_TYPE", 0) not in _RTL_OWN_LANDING:
            value = (
                f"RTL_PLD_MD = {mode:.0f}, but RTL_TYPE = {values['RTL_TYPE']:.0f} may land by the mission's landing"
            )
            return _pitfall(
                "RTL", Level.NOTE, value, why="there the LAND item's param2 counts: 1 or 2 follows a target"
            )
        return _pitfall("RTL", Level.OK, f"RTL_PLD_MD = {mode:.0f}: RTL lands on a target")
    told = "its version is not known" if version is None else f"this is {version_text(version)}"
    value = f"RTL_PLD_MD = {mode:.0f} is ignored by 1.15 ({told}): it lands some 5 m off"
    return _pitfall("RTL", Level.ERROR, value, why=f"do not trust RTL with a target; {PX4_TRIGGERS}")


def timesync_pitfall(identity: Identity, requests_hz: float, answers: Mapping[int, int]) -> DoctorFinding | None:
    """Return the consequence of the autopilot's TIMESYNC requests on this link.

    `answers` holds the number of answers by component id of our own system.
    """
    if identity.autopilot is not Autopilot.PX4 or requests_hz == 0:
        return None
    value = f"the autopilot asks for TIMESYNC {requests_hz:.1f} times a second"
    if not answers:
        why = "targets without an answered TIMESYNC count from their arrival"
        return _pitfall("TIMESYNC", Level.OK, f"{value}; nobody was heard to answer", why=why)
    who = ", ".join(f"component {c}" for c in sorted(answers))
    why = (
        "after some 500 answers a target's stamp must be in that clock: in its future it never expires, and its loss "
        "is never noticed"
    )
    data = {"requests_hz": requests_hz, "answers": dict(answers)}
    return _pitfall("TIMESYNC", Level.NOTE, f"{value}; {who} answers", why=why, data=data)
