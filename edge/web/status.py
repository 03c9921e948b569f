"""The daemon's state in words and numbers, as the page and the health checks give it."""

from __future__ import annotations

import math
from typing import Any

from edge.observer import DaemonStatus
from edge.timings import Percentiles
from edge.web.feed import HeldGate
from firmware_bridge.messages import HealthState
from landing.choice.known_sites import SiteBook
from landing.site import LandingSite, NoSite
from landing.types import Pose

READY_STATES = (HealthState.OK, HealthState.STANDBY)
SHOWN = 5
"""Known sites on the page; `/sites.geojson` has all."""

ALIVE_WITHIN_NS = 2_000_000_000
"""The control loop ticks twenty times a second; so much later it has stopped."""


def alive(status: DaemonStatus | None, now_ns: int) -> tuple[bool, str]:
    """Tell whether the control loop runs, and say it in words."""
    if status is None:
        return False, "the control loop has not ticked yet"
    age_s = (now_ns - status.at_ns) * 1e-9
    if now_ns - status.at_ns > ALIVE_WITHIN_NS:
        return False, f"the control loop stopped {age_s:.1f} s ago"
    return True, "running"


def ready(status: DaemonStatus | None, now_ns: int) -> tuple[bool, str]:
    """Tell whether decisions are made from good inputs, and say it in words."""
    running, words = alive(status, now_ns)
    if status is None or not running:
        return False, words
    if status.counters.get("decisions", 0) == 0:
        return False, "no decision yet"
    return status.health.state in READY_STATES, status.health.text


def describe(
    status: DaemonStatus, held: tuple[HeldGate, ...], percentiles: dict[str, Percentiles], more: dict[str, Any]
) -> dict[str, Any]:
    """Everything the page shows beside the picture; ages count from the tick."""
    now_ns = status.at_ns
    vehicle, link, decision = status.vehicle, status.link, status.decision
    selection = None if decision is None else decision.selection
    return {
        "kind": "status",
        "now_ns": now_ns,
        "state": status.output.state.value,
        "reason": status.output.reason,
        "sending": status.output.target is not None and status.refusal is None,
        "refusal": status.refusal,
        "uptime_s": round((now_ns - status.started_ns) * 1e-9, 1),
        "health": {"state": status.health.state.value, "reasons": list(status.health.reasons)},
        "inputs": [
            {"name": i.name, "ok": i.ok, "rate_hz": round(i.rate_hz, 1), "detail": i.detail}
            for i in status.health.inputs
        ],
        "gates": [
            {
                "name": h.gate.name,
                "open": h.gate.is_open,
                "reason": h.gate.closed or "",
                "code": "" if h.gate.is_open or h.gate.problem is None else h.gate.problem.value,
                "for_s": round((now_ns - h.since_ns) * 1e-9, 1),
            }
            for h in held
        ],
        "site": _site(selection, now_ns),
        "site_relief": None if decision is None else decision.relief,
        "depth": status.depth,
        "known_sites": None if status.book is None else known(status.book, now_ns),
        "no_site": selection.detail if isinstance(selection, NoSite) else "",
        "vehicle": {
            "autopilot": vehicle.autopilot.value,
            "mode": vehicle.mode,
            "armed": vehicle.armed,
            "airborne": vehicle.airborne,
            "landing": vehicle.landing,
        },
        "pose": None if status.pose is None else _pose(status.pose, now_ns),
        "link": {
            "connection": link.connection,
            "alive": link.alive,
            "heartbeat_age_s": _rounded(link.heartbeat_age_s),
            "problems": list(link.problems),
        },
        "frame_age_s": None if decision is None else _age_s(now_ns, decision.evidence_at_ns),
        "latency_ms": {name: {"p50": round(p.p50_ms, 1), "p95": round(p.p95_ms, 1)} for name, p in percentiles.items()},
        "counters": dict(status.counters),
        **more,
    }


def _pose(pose: Pose, now_ns: int) -> dict[str, Any]:
    return {
        "age_s": _age_s(now_ns, pose.at_ns),
        "height_m": _rounded(pose.height_agl_m),
        "tilt_deg": None if pose.ned_from_frd is None else round(math.degrees(pose.tilt_rad), 1),
        "position_m": None if pose.position_ned_m is None else [round(v, 2) for v in pose.position_ned_m],
    }


def known(book: SiteBook, now_ns: int) -> dict[str, Any]:
    """Sites seen on the way, those that count first, the widest first."""
    sites = sorted(book.sites, key=lambda s: (not s.confirmed, bool(s.bad), -s.clearance_m))
    return {
        "confirmed": sum(site.confirmed for site in sites),
        "bad": sum(bool(site.bad) for site in sites),
        "unplaced": book.unplaced,
        "best": [site.to_mapping(now_ns) for site in sites[:SHOWN] if site.confirmed],
    }


def _site(selection: LandingSite | NoSite | None, now_ns: int) -> dict[str, Any] | None:
    if not isinstance(selection, LandingSite):
        return None
    return {
        "clearance_m": round(selection.clearance_m, 2),
        "area_m2": round(selection.area_m2, 1),
        "surface": None if selection.surface is None else selection.surface.to_mapping(),
        "confidence": None if selection.confidence is None else selection.confidence.to_mapping(),
        "seen_s": _age_s(now_ns, selection.last_seen_ns),
        "position_m": [round(v, 2) for v in selection.position_ned_m],
    }


def _age_s(now_ns: int, at_ns: int) -> float:
    return round(max(0, now_ns - at_ns) * 1e-9, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
