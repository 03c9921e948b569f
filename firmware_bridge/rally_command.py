"""`touchdown bridge rally`, from options to exit status: known sites become rally points of the autopilot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.claims import leave_alone
from firmware_bridge.doctor.parameters import read_parameters
from firmware_bridge.doctor.session import TOOL_COMPONENT, Session
from firmware_bridge.rally import ACCEPTED, NO_SPACE, RallyError, RallyPoint, read_rally, refusal, without, write_rally
from firmware_bridge.rally_heights import HeightRules, home_of, moved_home, points_of
from firmware_bridge.rally_memory import RallyMemory, default_path
from firmware_bridge.settings import load_tool_config
from landing.choice.site_list import ListedSite, read_features
from landing.errors import DataError
from landing.reading import read_text
from landing.terminal import printable
from landing.vehicle import Autopilot

ABOVE_GROUND_M = {Autopilot.ARDUPILOT: 15.0}
"""Height above the site that a point is given: ArduPilot flies to it no lower, and counts from home. PX4 takes the
point's altitude for the ground."""

HOME_MOVES = (
    "the heights count from home, which is set anew where it is armed: arm it here, or set the points again there"
)
LIMIT, WITH_HOME = "RALLY_LIMIT_KM", "RALLY_INCL_HOME"
FENCE, FENCE_OF_ALTITUDE = ("FENCE_TYPE", "FENCE_ALT_MAX", "FENCE_MARGIN"), 1
Echo = Callable[[str], None]


@dataclass(frozen=True)
class RallyOptions:
    """Options of the command line; see `firmware_bridge.cli`."""

    sites: Path | None = None
    connection: str | None = None
    baud: int | None = None
    config: Path | None = None
    memory: Path | None = None
    timeout_s: float = 10.0
    most: int = 8
    above_ground_m: float | None = None
    rise_m: float | None = None
    clear: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class RallyReport:
    """Rally points of the autopilot after a run."""

    pilots: tuple[RallyPoint, ...]
    ours: tuple[RallyPoint, ...]
    written: bool
    left_out: int = 0  # Sites for which the autopilot had no room
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "written": self.written,
            "pilots": [_mapping(p) for p in self.pilots],
            "ours": [_mapping(p) for p in self.ours],
            "left_out": self.left_out,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"rally point {_text(p)}: the pilot's, left as it is" for p in self.pilots]
        lines += [f"rally point {_text(p)}: ours" for p in self.ours]
        lines += [f"({note})" for note in self.notes]
        if self.left_out:
            lines.append(f"the autopilot had no room for {self.left_out} more")
        done = "written and read back" if self.written else "nothing was written"
        return [*lines, f"{len(self.pilots)} of the pilot's and {len(self.ours)} of ours; {done}"]


def run(options: RallyOptions, echo: Echo) -> None:
    """Read, and where asked write, the autopilot's rally points.

    Raises:
        TouchdownError: No link, no sites, or the autopilot does not take them.
    """
    sites = () if options.sites is None else _sites_of(options.sites)
    settings = load_tool_config(options.config).settings(options.connection, options.baud, TOOL_COMPONENT)
    leave_alone(settings.connection, settings.baud, "rally")
    with Session(settings) as session:
        session.connect(options.timeout_s)
        report = publish(session, sites, options)
    if options.as_json:
        echo(json.dumps(report.as_dict()))
        return
    for line in report.lines():
        echo(printable(line))


def _sites_of(path: Path) -> tuple[ListedSite, ...]:
    sites = read_features(read_text(path, "list of sites", DataError), str(path))
    if not sites:
        raise DataError(f"{path} lists no site: there is nothing to publish; --clear takes ours away")
    return sites


def publish(session: Session, sites: Sequence[ListedSite], options: RallyOptions) -> RallyReport:
    """Bring the autopilot's rally points to the pilot's own and the best of some sites.

    Args:
        session: Connected.
        sites: To choose from; none leaves ours as they are, or takes them away with `clear`.
        options: Of the command.

    Raises:
        RallyError: It does not take them, or does not hold them afterwards.
    """
    who = session.identify()
    memory = _memory(session, who.uid, options)
    present = read_rally(session)
    pilots, notes = without(present, memory.ours), []
    missing = without(memory.under_way, present)
    if missing and without(pilots, memory.under_way):
        # Somebody has written the list since: what is not there may have been taken away.
        there = "; ".join(map(_text, missing))
        notes.append(
            f"an upload of ours broke off, and the list was changed since; not put back of the pilot's: {there}"
        )
        missing = []
    if missing:
        notes.append(f"an upload of ours broke off: {len(missing)} points of the pilot are put back")
        pilots += missing
    ours = [point for point in memory.ours if not without([point], present)]
    wanted = [] if options.clear else ours
    home = home_of(session) if wanted or sites else None
    if sites:
        above_m = ABOVE_GROUND_M.get(who.autopilot, 0.0) if options.above_ground_m is None else options.above_ground_m
        rules = HeightRules(above_m, options.rise_m, _ceiling_m(session, who.autopilot))
        points, more = points_of(sites, home, rules, options.most)
        wanted = [p for p in points if not any(p.same_as(own) for own in pilots)]
        memory.home_m = None if home is None else home.altitude_m
        notes += more if session.vehicle().armed else [*more, HOME_MOVES]
    elif wanted:
        notes += moved_home(memory.home_m, home)
    if not sites and not missing and not (options.clear and ours):
        return RallyReport(tuple(pilots), tuple(ours), False, notes=tuple(notes))
    if options.dry_run:
        return RallyReport(tuple(pilots), tuple(wanted), False, notes=(*notes, "--dry-run"))
    now = read_rally(session)
    if len(now) != len(present) or not all(map(RallyPoint.same_as, now, present)):
        raise RallyError("somebody else changes the rally points right now; nothing was written, run it again")
    written = _write(session, memory, pilots, wanted)
    notes += _limits(session, who.autopilot) if wanted else []
    return RallyReport(tuple(pilots), tuple(written), True, len(wanted) - len(written), tuple(notes))


def _memory(session: Session, uid: str, options: RallyOptions) -> RallyMemory:
    """Return what is remembered of this vehicle.

    Raises:
        RallyError: The autopilot tells no serial number, and no file is named that is this vehicle's alone.
        DataError: The file is damaged.
    """
    system = session.connect().system
    memory = RallyMemory.load(options.memory or default_path(), f"{system}:{uid or 'unknown'}")
    if not uid and (options.memory is None or memory.remembers_others):
        raise RallyError(
            f"the autopilot of system {system} tells no serial number (AUTOPILOT_VERSION uid), so its rally points "
            "could be mixed up with another vehicle's: run it again, or name a file for it alone with --memory"
        )
    return memory


def _write(
    session: Session, memory: RallyMemory, pilots: Sequence[RallyPoint], wanted: Sequence[RallyPoint]
) -> list[RallyPoint]:
    """Upload the pilot's points and as many of ours as there is room for; read back; return ours."""
    known = memory.ours
    for count in range(len(wanted), -1, -1):
        fitting = list(wanted[:count])
        # Remembered before they are sent: a run that is cut off leaves no point that nobody knows to be ours.
        memory.save([*known, *fitting], pilots)
        result = write_rally(session, [*pilots, *fitting])
        if result != NO_SPACE:
            break
    held = read_rally(session)
    lost = without(pilots, held)
    if lost:
        cause = "" if result == ACCEPTED else f": {refusal(result, len(pilots) + count)}"
        raise RallyError(
            f"{len(lost)} of the pilot's rally points are not there after the upload{cause}; they are remembered, and "
            "the next run puts them back"
        )
    # What somebody else added meanwhile is the pilot's.
    ours = [point for point in held if not without([point], fitting if result == ACCEPTED else [*known, *fitting])]
    memory.save(ours)
    if result != ACCEPTED:
        raise refusal(result, len(pilots) + count)
    if len(ours) < len(fitting):
        raise RallyError(f"the autopilot holds {len(ours)} of our {len(fitting)} rally points; run it again")
    return ours


def _ceiling_m(session: Session, autopilot: Autopilot) -> float:
    """Return how high above home RTL flies at most by an altitude fence, on or not: it may be switched on in flight.

    Raises:
        RallyError: A parameter of the fence is no number, so nobody knows.
    """
    if autopilot is not Autopilot.ARDUPILOT:
        return math.inf
    found = read_parameters(session, FENCE)
    for name, parameter in found.items():
        if parameter is not None and not math.isfinite(parameter.value):
            raise RallyError(f"{name} is no number, so nothing tells how high RTL may fly: set it; nothing was written")
    kinds, highest, margin = found.values()
    if kinds is None or highest is None or not int(kinds.value) & FENCE_OF_ALTITUDE:
        return math.inf
    return highest.value - (0.0 if margin is None else margin.value)


def _limits(session: Session, autopilot: Autopilot) -> list[str]:
    """Say what keeps the autopilot from flying to rally points."""
    if autopilot is Autopilot.PX4:
        kind = read_parameters(session, ["RTL_TYPE"])["RTL_TYPE"]
        if kind is not None and kind.value in (2, 4):
            return [f"RTL_TYPE is {kind.value:g}: PX4 returns by its mission; 0 or 3 lets it take a rally point"]
        return []
    found = read_parameters(session, [LIMIT, WITH_HOME])
    limit, home = found[LIMIT], found[WITH_HOME]
    notes = []
    if limit is not None and limit.value > 0:
        notes.append(f"{LIMIT} is {limit.value:g}: where none is so near, km, RTL goes home")
    if home is not None and home.value:
        notes.append(f"{WITH_HOME} is {home.value:g}: RTL takes home where that is nearer")
    return notes


def _mapping(point: RallyPoint) -> dict[str, Any]:
    return {
        "latitude_deg": point.latitude_e7 * 1e-7,
        "longitude_deg": point.longitude_e7 * 1e-7,
        "altitude_m": point.altitude_m if math.isfinite(point.altitude_m) else None,
        "frame": point.frame,
    }


def _text(point: RallyPoint) -> str:
    return f"{point.latitude_e7 * 1e-7:.7f} {point.longitude_e7 * 1e-7:.7f}, {point.altitude_m:g} m"
