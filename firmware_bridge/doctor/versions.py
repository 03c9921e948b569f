"""Versions of the autopilots that are known here, and how; what is said of any other.

A version counts as known by its first two numbers. Of a newer one the traps of the newest known are told, both names of
a parameter that was ever renamed are asked for, and a subject whose parameter has neither name is not judged: it is
named as not judged. The sources are linked in docs/setup/versions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from firmware_bridge.doctor.ardupilot import RANGEFINDERS, looks_down
from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.rules import Rule, Values
from firmware_bridge.identity import Identity, Version
from landing.vehicle import Autopilot

Series = tuple[int, int]  # Major and minor


@dataclass(frozen=True)
class KnownVersion:
    """A version that the doctor's rules were held against."""

    series: Series
    how: str  # The evidence: what was flown, what was read
    flown: bool = False  # Landings on it were flown in simulation


@dataclass(frozen=True)
class Renamed:
    """A subject whose parameter has another name in newer versions."""

    subject: str
    names: tuple[str, str]  # Old and new
    since: Version  # First version with the new name
    units: tuple[str, str] = ("", "")  # Of the old and the new value; empty where it has none
    of_rangefinder: bool = False  # Of each that looks down; the names are the first one's


KNOWN: Mapping[Autopilot, tuple[KnownVersion, ...]] = {
    Autopilot.ARDUPILOT: (
        KnownVersion((4, 5), "read in the source of 4.5.7"),
        KnownVersion((4, 6), "4.6.2 flown in simulation", flown=True),
        KnownVersion((4, 7), "4.7.0-dev of December 2025 flown in simulation; 4.7.0's list of new names read"),
    ),
    Autopilot.PX4: (
        KnownVersion((1, 15), "1.15.4 flown in simulation", flown=True),
        KnownVersion((1, 16), "read in its source; RTL flown on the main branch of 2025-03"),
        KnownVersion((1, 17), "1.17.0 flown in simulation", flown=True),
        KnownVersion((1, 18), "1.18.0-beta of August 2026 flown in simulation"),
    ),
}

_SI_UNITS, _PX4_STICKS = (4, 7, 0), (1, 18, 0)

RENAMED: Mapping[Autopilot, tuple[Renamed, ...]] = {
    Autopilot.ARDUPILOT: (
        Renamed(
            "nearest reading of the rangefinder",
            ("RNGFND1_MIN_CM", "RNGFND1_MIN"),
            _SI_UNITS,
            ("cm", "m"),
            of_rangefinder=True,
        ),
        Renamed(
            "farthest reading of the rangefinder",
            ("RNGFND1_MAX_CM", "RNGFND1_MAX"),
            _SI_UNITS,
            ("cm", "m"),
            of_rangefinder=True,
        ),
        Renamed("speed of the last metres", ("LAND_SPEED", "LAND_SPD_MS"), _SI_UNITS, ("cm/s", "m/s")),
        Renamed("speed above the last metres", ("LAND_SPEED_HIGH", "LAND_SPD_HIGH_MS"), _SI_UNITS, ("cm/s", "m/s")),
        Renamed("height at which it slows down", ("LAND_ALT_LOW", "LAND_ALT_LOW_M"), _SI_UNITS, ("cm", "m")),
        Renamed("system id", ("SYSID_THISMAV", "MAV_SYSID"), _SI_UNITS),
    ),
    Autopilot.PX4: (
        Renamed("sticks that take over", ("COM_RC_OVERRIDE", "MAN_OVERRIDE_SPD"), _PX4_STICKS),
        Renamed("sticks that move a landing", ("MPC_LAND_RC_HELP", "MPC_AUTO_NUDGING"), _PX4_STICKS),
    ),
}

_about = partial(DoctorFinding, "autopilot", "version")


def names_version(identity: Identity) -> Version | None:
    """Return the version whose parameter names to ask for; None asks for those of all versions.

    A development build, and a version newer than the known ones, may have either name.
    """
    version = identity.version
    if version is None or identity.stage or version[:2] > KNOWN[identity.autopilot][-1].series:
        return None
    return version


def version_finding(identity: Identity) -> DoctorFinding | None:
    """Say how the version is known; None where the autopilot tells none."""
    version = identity.version
    if version is None:
        return None
    known = KNOWN[identity.autopilot]
    oldest, newest = known[0].series, known[-1].series
    found = next((one for one in known if one.series == version[:2]), None)
    name = series_text((version[0], version[1]))
    if found is not None:
        why = "" if found.flown else "no landing on a release of it was flown here: fly it in simulation first"
        return _about(Level.OK if found.flown else Level.NOTE, f"{name}: {found.how}", why=why)
    if version[:2] > newest:
        value = f"{name} is not known here: {series_text(newest)} is the newest that is"
        why = (
            f"the traps of {series_text(newest)} are told; what {name} has changed is not: read its release notes, "
            "look for a newer touchdown, fly it in simulation first"
        )
        return _about(Level.WARNING, value, f"{series_text(oldest)} to {series_text(newest)}", why)
    value = f"{name} is not known here: {series_text(oldest)} is the oldest that is"
    why = f"what is told may not hold for it; take {series_text(oldest)} or newer"
    return _about(Level.WARNING, value, f"{series_text(oldest)} to {series_text(newest)}", why)


def renamed_findings(identity: Identity, values: Values) -> list[DoctorFinding]:
    """Name each subject that could not be judged, because its parameter has no name that is known here."""
    found = []
    why = "it is not judged: this version has another name for it, or was built without it"
    for one in RENAMED[identity.autopilot]:
        down = [n for n in RANGEFINDERS if looks_down(values, n)]
        for n in down if one.of_rangefinder else RANGEFINDERS[:1]:
            names = [name.replace(f"RNGFND{RANGEFINDERS[0]}_", f"RNGFND{n}_") for name in one.names]
            if not any(name in values for name in names):
                value = f"{one.subject}: neither {' nor '.join(names)} is there"
                found.append(DoctorFinding("parameters", names[-1], Level.WARNING, value, why=why))
    return found


def unread_findings(identity: Identity, always: Sequence[Rule], values: Values) -> list[DoctorFinding]:
    """Name the parameters of `always` that were not read: lost on the way, or under a name that is not known here.

    Of a version newer than the known ones those are expected that the newest of them has; of a development build, and
    without a version, those whose name never changed.
    """
    version, oldest = names_version(identity), KNOWN[identity.autopilot][0].series
    since = oldest if identity.version is None or identity.stage else identity.version[:2]
    renamed = {name for one in RENAMED[identity.autopilot] for name in one.names}
    unread = [
        rule.parameter
        for rule in always
        if rule.parameter not in values
        and rule.parameter not in renamed
        and rule.missing is None
        and rule.when(values)
        and (rule.belongs_to(version) if version is not None else rule.before is None and rule.since[:2] <= since)
    ]
    if not unread:
        return []
    value = f"{len(unread)} parameters were not read: {', '.join(unread)}"
    why = "they are not judged: the link lost them, or this version has other names for them; run the doctor again"
    return [DoctorFinding("parameters", "not read", Level.WARNING, value, "all read", why)]


def series_text(series: Series) -> str:
    """``4.6``."""
    return ".".join(map(str, series))
