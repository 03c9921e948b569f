"""The monitor's rows: the same for the live view and for plain lines."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.show import STYLES
from firmware_bridge.monitor_state import LogLine, MonitorState, age_s
from firmware_bridge.streams import SUBSTITUTES
from landing.geometry import euler_from_quaternion

LATE_TARGET_S = 0.5
LATE_POSE_S = 0.5
LATE_HEARTBEAT_S = 3.0
LOSS = 0.01
SEEN_HZ = 0.3


class MonitorRow(NamedTuple):
    """One row: name, value in words, and level."""

    name: str
    value: str
    level: Level = Level.OK


def _warn(bad: bool) -> Level:
    return Level.WARNING if bad else Level.OK


Block = tuple[str, list[MonitorRow]]  # Title and rows


def blocks(state: MonitorState, now_ns: int) -> list[Block]:
    """Return all blocks of the view."""
    found: list[Block] = []
    if state.session is not None:
        found.append(("link", _link(state, now_ns)))
        if state.session.telemetry.autopilot is not None:
            found.append(("vehicle", _vehicle(state, now_ns)))
            found.append(("target on the wire", _target(state, now_ns)))
    if state.daemon is not None:
        found.append(("daemon", _daemon(state)))
    return found


def line(state: MonitorState, now_ns: int) -> str:
    """Return the same in one line, for logs."""
    parts = (f"{title}: " + ", ".join(f"{r.name} {r.value}" for r in rows) for title, rows in blocks(state, now_ns))
    return " | ".join(parts) or "nothing heard yet"


def _link(state: MonitorState, now_ns: int) -> list[MonitorRow]:
    assert state.session is not None
    telemetry, rows = state.session.telemetry, []
    heartbeat = telemetry.vehicle.heartbeat_age_ns(now_ns)
    if heartbeat is None:
        problem = telemetry.problems(True, now_ns)[0] if not telemetry.last_error else ""
        return [MonitorRow("autopilot", telemetry.last_error or problem, Level.ERROR)]
    silent_s = heartbeat / 1e9
    level = Level.ERROR if silent_s > LATE_HEARTBEAT_S else Level.OK
    rows.append(MonitorRow("autopilot", f"{telemetry.vehicle.autopilot.value}, heartbeat {silent_s:.1f} s ago", level))
    rates = telemetry.streams.rates_hz(now_ns)
    wanted = state.session.settings.asked_rates_hz()
    known = {*wanted, *(SUBSTITUTES[name] for name in wanted if name in SUBSTITUTES)}
    shown = [
        f"{_short(name)} {rate:.0f} Hz"
        for name, rate in rates.items()
        if rate > SEEN_HZ and (name in known or name == "HEARTBEAT")
    ]
    more = sum(rate > SEEN_HZ for rate in rates.values()) - len(shown)
    shown += [f"{more} other messages"] if more else []
    rows.append(MonitorRow("rates", ", ".join(shown) or "none", _warn(not shown)))
    loss = f"{100 * state.loss:.1f} %, {telemetry.peers.bytes_bad} bad bytes"
    rows.append(MonitorRow("loss", loss, _warn(state.loss > LOSS)))
    rows.append(_clock(telemetry))
    others = [
        f"{system}/{component} {station.state} {age_s(station.at_ns, now_ns):.0f} s ago"
        for (system, component), station in sorted(state.stations.items())
        if telemetry.autopilot is None
        or (system, component) != (telemetry.autopilot.system, telemetry.autopilot.component)
    ]
    rows.append(MonitorRow("others", ", ".join(others) or "nobody"))
    return rows


def _clock(telemetry: Any) -> MonitorRow:
    offset_ns, uncertainty_ns = telemetry.clock.offset_ns, telemetry.clock.uncertainty_ns
    if offset_ns is None:
        return MonitorRow("clock", "not known", Level.NOTE)
    sure = f" within {uncertainty_ns / 1e6:.1f} ms" if uncertainty_ns is not None else " at most, by arrival"
    return MonitorRow("clock", f"autopilot's boot {offset_ns / 1e9:+.3f} s on ours{sure}")


def _vehicle(state: MonitorState, now_ns: int) -> list[MonitorRow]:
    assert state.session is not None
    vehicle = state.vehicle(now_ns)
    assert vehicle is not None
    flying = {True: "in the air", False: "on the ground", None: "unknown"}[vehicle.airborne]
    rows = [
        MonitorRow("mode", f"{vehicle.mode or 'unknown'}{', landing' if vehicle.landing else ''}"),
        MonitorRow("state", f"{'armed' if vehicle.armed else 'disarmed'}, {flying}"),
    ]
    pose = state.session.telemetry.history.latest(now_ns)
    old_s = None if pose is None else age_s(pose.at_ns, now_ns)
    if pose is None or old_s is None:
        return [*rows, MonitorRow("pose", "not known", Level.WARNING)]
    parts = [f"{1000 * old_s:.0f} ms old"]
    if pose.ned_from_frd is not None:
        roll, pitch, yaw = map(math.degrees, euler_from_quaternion(pose.ned_from_frd))
        parts.append(f"roll {roll:+.0f} pitch {pitch:+.0f} yaw {yaw % 360:.0f}")
    if pose.position_ned_m is not None:
        north, east, down = pose.position_ned_m
        parts.append(f"NED {north:.1f} {east:.1f} {down:.1f} m")
    height = "unknown" if pose.height_agl_m is None else f"{pose.height_agl_m:.1f} m"
    rows.append(MonitorRow("pose", ", ".join(parts), _warn(old_s > LATE_POSE_S)))
    rows.append(MonitorRow("height", height, Level.OK if pose.height_agl_m is not None else Level.NOTE))
    return rows


def _target(state: MonitorState, now_ns: int) -> list[MonitorRow]:
    target = state.target
    if target is None:
        return [MonitorRow("target", "none seen", Level.NOTE)]
    old_s = age_s(target.at_ns, now_ns)
    assert old_s is not None
    rate_hz = state.target_rate_hz(now_ns)
    where = (
        "angles {:+.1f} {:+.1f} deg".format(*map(math.degrees, target.angles_rad))
        if target.position_m is None
        else "{:.2f} {:.2f} {:.2f} m".format(*target.position_m)
    )
    return [
        MonitorRow("from", f"{target.system}/{target.component}, {rate_hz:.1f} Hz"),
        MonitorRow("where", f"{target.frame} {where}, distance {target.distance_m:.2f} m"),
        MonitorRow("age", f"{old_s:.1f} s", _warn(old_s > LATE_TARGET_S)),
    ]


def _daemon(state: MonitorState) -> list[MonitorRow]:
    daemon = state.daemon
    assert daemon is not None
    reason = f": {daemon.reason}" if daemon.reason else ""
    targets = "go out" if daemon.sending else f"do not go out: {daemon.not_sent or 'no site yet'}"
    rows = [
        MonitorRow("state", f"{daemon.state or 'unknown'}{reason}", _warn(daemon.state in ("hold", "abort"))),
        MonitorRow("targets", targets, Level.OK if daemon.sending else Level.NOTE),
    ]
    if daemon.site:
        rows.append(MonitorRow("site", daemon.site))
    if daemon.health:
        rows.append(MonitorRow("health", daemon.health, _warn(daemon.health.startswith(("degraded", "failed")))))
    labels = {"age": "frame to decision", "frame_to_send": "frame to send", "pose_to_send": "pose to send"}
    shown = [
        f"{label} {entry['p50_ms']:.0f}/{entry['p95_ms']:.0f} ms"
        for name, label in labels.items()
        if isinstance(entry := daemon.timings_ms.get(name), dict)
    ]
    if shown:
        rows.append(MonitorRow("latency", ", ".join(shown) + " (p50/p95)"))
    return rows


def _short(name: str) -> str:
    return name.lower().replace("_", " ")


def told_as_text(said: LogLine, started_ns: int) -> str:
    """Return a text or event as a line."""
    mark = "WARN" if said.bad else "said"
    return f"{(said.at_ns - started_ns) / 1e9:8.2f} {mark} {said.who}: {said.text}"


def told_as_json(said: LogLine, started_ns: int) -> str:
    """Return the same as one JSON object."""
    at_s = round((said.at_ns - started_ns) / 1e9, 3)
    return json.dumps({"kind": "said", "at_s": at_s, "who": said.who, "text": said.text, "bad": said.bad})


def status_as_text(state: MonitorState, now_ns: int, started_ns: int) -> str:
    """Return all blocks as a line, for logs."""
    return f"{(now_ns - started_ns) / 1e9:8.2f} {line(state, now_ns)}"


def status_as_json(state: MonitorState, now_ns: int, started_ns: int) -> str:
    """Return all blocks as one JSON object: each row's words and level, by block and name."""
    rows = {
        title: {row.name: {"value": row.value, "level": row.level.name.lower()} for row in block}
        for title, block in blocks(state, now_ns)
    }
    return json.dumps({"kind": "status", "at_s": round((now_ns - started_ns) / 1e9, 3), **rows})


def picture(state: MonitorState, now_ns: int) -> Any:
    """The live view, for rich."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    panels: list[Any] = []
    for title, rows in blocks(state, now_ns):
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style="bold", no_wrap=True, width=10)
        table.add_column(ratio=1)
        for row in rows:
            style = "" if row.level is Level.OK else STYLES[row.level]
            table.add_row(row.name, Text(row.value, style=style))
        panels.append(Panel(table, title=title, title_align="left", border_style="dim"))
    for title, lines in (("rejected, and why", state.rejections), ("said", state.said)):
        text = Text("\n").join(
            Text(f"{age_s(said.at_ns, now_ns):6.1f} s ago  {said.who}: {said.text}", style="yellow" if said.bad else "")
            for said in reversed(lines)
        )
        panels.append(
            Panel(text if lines else Text("nothing", style="dim"), title=title, title_align="left", border_style="dim")
        )
    return Group(*panels)
