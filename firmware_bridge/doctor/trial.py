"""A test target: does the autopilot take our LANDING_TARGET, or drop it? Disarmed only."""

from __future__ import annotations

import math
import re
import time
from functools import partial

from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.rules import Values
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.identity import Identity
from firmware_bridge.target import TargetForm, landing_target_message
from firmware_bridge.texts import StatusText
from landing.errors import LinkError
from landing.problems import Problem
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot

RATE_HZ = 20.0
BELOW_M = 5.0  # The target is this far straight below: led there, a vehicle would not move sideways
_ACCEPTED = re.compile(r"PrecLand: (Target Found|Init Complete)")
_REJECTED = re.compile(r"Plnd: Frame not supported|landing.?target.*(not supported|unsupported|invalid)", re.IGNORECASE)


def try_target(
    session: Session,
    identity: Identity,
    seconds: float = 4.0,
    form: TargetForm = TargetForm.AUTO,
    values: Values | None = None,
) -> list[DoctorFinding]:
    """Send a target straight below and return the autopilot's answer. Its filter needs 2 s of targets.

    `values` are the parameters read, which tell the cause of a silence.

    Raises:
        LinkError: The vehicle is armed, or gets armed meanwhile.
        InvalidValueError: The autopilot does not take the form.
    """
    session.connect()
    period_ns = round(NS_PER_S / RATE_HZ)
    started_ns = next_ns = time.monotonic_ns()
    deadline_ns = started_ns + round(seconds * NS_PER_S)
    sent = 0
    while (now_ns := time.monotonic_ns()) < deadline_ns:
        if session.vehicle().armed:
            raise LinkError("no test target is sent: the vehicle is armed and may follow it; disarm", Problem.ARMED)
        if now_ns >= next_ns:
            next_ns = max(next_ns + period_ns, now_ns)
            pose = session.telemetry.history.latest(now_ns)
            message = landing_target_message(
                _straight_below(pose, now_ns),
                identity.autopilot,
                form=form,
                version=identity.version,
                stage=identity.stage,
                ned_from_frd=None if pose is None else pose.ned_from_frd,
            )
            sent += session.send(message)
        session.listen(min(0.01, period_ns / NS_PER_S))
    heard = [text for text in session.texts if text.at_ns >= started_ns]
    pose = session.telemetry.history.latest(time.monotonic_ns())
    has_position = pose is not None and pose.position_ned_m is not None
    return [_judge(heard, identity, sent, seconds, values or {}, has_position)]


def _straight_below(pose: Pose | None, now_ns: int) -> LandingTarget:
    """A target on the vertical through the vehicle, in whatever attitude it stands."""
    offset_frd_m = (0.0, 0.0, BELOW_M)
    position_ned_m = (0.0, 0.0, BELOW_M)
    if pose is not None and pose.ned_from_frd is not None:
        if pose.tilt_rad < math.radians(80.0):
            down_of_body = pose.rotation_ned_from_frd[2]
            forward, right, down = (float(BELOW_M * c) for c in down_of_body)
            offset_frd_m = (forward, right, down)
        if pose.position_ned_m is not None:
            north_m, east_m, down_m = pose.position_ned_m
            position_ned_m = (north_m, east_m, down_m + BELOW_M)
    at_ns = now_ns if pose is None else pose.at_ns
    return LandingTarget(offset_frd_m, position_ned_m, at_ns, at_ns)


def _judge(
    texts: list[StatusText], identity: Identity, sent: int, seconds: float, values: Values, has_position: bool
) -> DoctorFinding:
    said = [text.text for text in texts]
    rejected = [text for text in said if _REJECTED.search(text)]
    accepted = [text for text in said if _ACCEPTED.search(text)]
    finding = partial(DoctorFinding, "target", "test target", data={"sent": sent, "texts": said})
    if rejected:
        why = "another companion may send a wrong frame too; stop it and try again"
        return finding(Level.ERROR, f"rejected: '{rejected[0]}'", "accepted", why)
    if accepted:
        return finding(Level.OK, f"accepted: '{accepted[-1]}'")
    if sent == 0:
        return finding(Level.ERROR, "could not be sent: the way out is full")
    if identity.autopilot is Autopilot.PX4:
        return finding(Level.NOTE, f"{sent} sent in {seconds:g} s, none rejected; PX4 never confirms one")
    why = _cause_of_silence(values, has_position)
    return finding(Level.WARNING, f"{sent} sent in {seconds:g} s, without an answer", "'PrecLand: Target Found'", why)


def _cause_of_silence(values: Values, has_position: bool) -> str:
    """Return why ArduPilot says nothing of a target, by what was read of it; no boot is blamed that is done."""
    if values.get("PLND_ENABLED", 1) == 0 or values.get("PLND_TYPE", 1) != 1:
        return "PLND_ENABLED = 1 and PLND_TYPE = 1 are needed, and count from the next boot: --fix --reboot"
    if values.get("PLND_EST_TYPE") == 0 and not has_position:
        return "PLND_EST_TYPE = 0 takes no target before the estimator has a position, some 45 s after boot: wait"
    if not has_position:
        return "the estimator has no position yet (some 45 s after boot): wait, and try again"
    return (
        "it tells of a target once, until 2 s pass without any: stop what else sends targets, and try again; values "
        "that were set since the last boot count from the next one"
    )
