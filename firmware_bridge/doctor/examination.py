"""The whole examination in order, and the repair: the functions that other programs call."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from firmware_bridge.doctor import ardupilot, px4
from firmware_bridge.doctor.findings import EXIT_STATUS, DoctorFinding, Level, worst
from firmware_bridge.doctor.latency import Latency, latency_findings, pose_age_ms
from firmware_bridge.doctor.parameters import (
    AutopilotParameter,
    ParameterError,
    WrittenParameter,
    read_parameters,
    write_parameters,
)
from firmware_bridge.doctor.pitfalls import find_pitfalls, timesync_pitfall
from firmware_bridge.doctor.quality import Quality, measure, quality_findings
from firmware_bridge.doctor.rules import Rule, judge_all, names_of, number
from firmware_bridge.doctor.session import Session
from firmware_bridge.doctor.versions import names_version, renamed_findings, unread_findings, version_finding
from firmware_bridge.identity import Identity
from firmware_bridge.settings import LinkSettings
from landing.errors import LinkError
from landing.problems import Problem
from landing.vehicle import Autopilot

RULES: Mapping[Autopilot, tuple[Rule, ...]] = {Autopilot.ARDUPILOT: ardupilot.RULES, Autopilot.PX4: px4.RULES}
ALWAYS: Mapping[Autopilot, tuple[Rule, ...]] = {Autopilot.ARDUPILOT: ardupilot.ALWAYS, Autopilot.PX4: px4.ALWAYS}
# Beside them, where the daemon points a gimbal down
GIMBALS: Mapping[Autopilot, tuple[Rule, ...]] = {Autopilot.ARDUPILOT: ardupilot.GIMBAL, Autopilot.PX4: px4.GIMBAL}
LISTEN_S = 5.0
POSE_AGE_S = 2.0

Say = Callable[[DoctorFinding], None]  # Called with each finding as it is made


@dataclass
class Examination:
    """Result of an examination."""

    identity: Identity
    findings: list[DoctorFinding] = field(default_factory=list)  # In order
    # Every parameter asked for; None for those that it does not have
    parameters: dict[str, AutopilotParameter | None] = field(default_factory=dict)
    quality: Quality | None = None  # None when the link was not measured

    @property
    def values(self) -> dict[str, float]:
        """Value of every parameter that the autopilot has."""
        return {name: p.value for name, p in self.parameters.items() if p is not None}

    @property
    def level(self) -> Level:
        """The worst of the findings."""
        return worst(self.findings)

    @property
    def exit_status(self) -> int:
        """0 nothing worse than a note, 1 a warning, 2 an error."""
        return EXIT_STATUS[self.level]

    def changes(self) -> dict[str, float]:
        """Return the changes that `repair` would write: parameter to value."""
        proposed = [f.change for f in self.findings if f.change is not None]
        return {change.parameter: change.value for change in proposed}

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "status": self.level.name.lower(),
            "exit_status": self.exit_status,
            "autopilot": {
                **{k: v for k, v in vars(self.identity).items() if k != "autopilot"},
                "name": self.identity.name,
                "kind": self.identity.autopilot.value,
                "encoding": self.identity.encoding.value,
            },
            "parameters": {name: value if math.isfinite(value) else None for name, value in self.values.items()},
            "findings": [finding.as_dict() for finding in self.findings],
        }


def examine(
    session: Session,
    *,
    listen_s: float = LISTEN_S,
    latency: Latency | None = None,
    timeout_s: float = 10.0,
    say: Say = lambda finding: None,
) -> Examination:
    """Look at everything that decides whether a landing on a target can work.

    The link is measured for `listen_s` seconds; 0 leaves that and the latency out. `latency` is what the daemon has
    measured of itself. `say` is told of each finding at once.

    Raises:
        LinkError: The autopilot is not heard, or is neither ArduPilot nor PX4.
    """
    session.connect(timeout_s)
    identity = session.identify()
    if identity.autopilot not in RULES:
        raise LinkError(
            f"{session.settings.connection}: the autopilot is neither ArduPilot nor PX4; none else is supported",
            Problem.PITFALL,
        )
    rules = rules_for(identity, session.settings)
    report = Examination(identity)

    def found(findings: Sequence[DoctorFinding | None]) -> None:
        for finding in findings:
            if finding is not None:
                report.findings.append(finding)
                say(finding)

    found(_identity_findings(session, identity))
    if listen_s > 0:
        report.quality = measure(session, listen_s)
        found(quality_findings(report.quality, session))
    asked = names_version(identity)
    report.parameters = read_parameters(session, names_of(rules, asked))
    if not report.values:
        why = "what we send does not arrive: check the transmit line, or a router that lets us listen only"
        found([DoctorFinding("parameters", "all", Level.ERROR, "not one could be read", why=why)])
    else:
        found(judge_all(rules, report.parameters, asked))
        found(renamed_findings(identity, report.values))
        found(unread_findings(identity, ALWAYS[identity.autopilot], report.values))
    found(find_pitfalls(identity, report.values))
    if report.quality is not None:
        quality = report.quality
        asked_hz = quality.timesync_asked / quality.seconds
        found([timesync_pitfall(identity, asked_hz, quality.timesync_answered)])
        known = latency or Latency()
        if known.pose_to_send_ms is None:
            measured_ms = pose_age_ms(session, min(POSE_AGE_S, listen_s))
            known = replace(known, pose_to_send_ms=measured_ms)
        found(latency_findings(known, quality, identity.autopilot, report.values))
    return report


def rules_for(identity: Identity, settings: LinkSettings) -> tuple[Rule, ...]:
    """Return the rules of an autopilot, with those of a gimbal and of the sticks where the daemon needs them."""
    rules = RULES[identity.autopilot]
    if settings.gimbal_down:
        rules = (*rules, *GIMBALS[identity.autopilot])
    if settings.commands and identity.autopilot is Autopilot.ARDUPILOT:
        rules = (*rules, *ardupilot.sticks(settings.stick_channels))
    return rules


@dataclass(frozen=True)
class Repair:
    """Result of a repair."""

    written: tuple[WrittenParameter, ...]  # Changed and read back, in order
    reboot_needed: tuple[str, ...]  # Parameters that count only from the next boot
    # AutopilotParameter to the reason why it could not be mended
    failed: Mapping[str, str] = field(default_factory=dict)


def repair(session: Session, report: Examination) -> Repair:
    """Write each proposed value and read it back, never while armed; one refusal does not stop the others.

    Raises:
        ParameterError: The vehicle is armed; nothing was written.
        LinkError: The autopilot is not heard.
    """
    changes = {f.change.parameter: f.change for f in report.findings if f.change is not None}
    present = {name: change for name, change in changes.items() if name in report.values}
    session.connect()
    if present and session.vehicle().armed:
        raise ParameterError("nothing is written: the vehicle is armed; disarm first", Problem.ARMED)
    written: list[WrittenParameter] = []
    failed: dict[str, str] = {}
    for name, change in present.items():
        try:
            written += write_parameters(session, {name: change.value})
        except ParameterError as error:
            failed[name] = str(error)
    reboot = tuple(w.name for w in written if present[w.name].reboot)
    return Repair(tuple(written), reboot, failed)


def repair_findings(done: Repair, rebooted: bool) -> list[DoctorFinding]:
    """Tell in the report what was mended."""
    found = []
    for change in done.written:
        value = f"{number(change.before)} -> {number(change.after)}, read back"
        data = {"before": change.before, "after": change.after}
        found.append(DoctorFinding("fix", change.name, Level.OK, value, data=data))
    found += [DoctorFinding("fix", name, Level.ERROR, why) for name, why in done.failed.items()]
    if done.reboot_needed and not rebooted:
        value = f"{', '.join(done.reboot_needed)} count only from the next boot"
        why = "reboot the autopilot (--reboot does it, disarmed) and look again"
        found.append(DoctorFinding("fix", "reboot", Level.WARNING, value, why=why))
    return found


def _identity_findings(session: Session, identity: Identity) -> list[DoctorFinding]:
    known = session.telemetry.autopilot
    assert known is not None
    vehicle = session.vehicle()
    details = [identity.vehicle, f"system {known.system}"]
    details += [f"{name} {value}" for name in ("git", "board", "usb") if (value := getattr(identity, name))]
    told = identity.version is not None
    why = "" if told else "it tells no version, so every known pitfall is listed"
    level, data = Level.OK if told else Level.WARNING, {"capabilities": identity.capability_names()}
    state = f"{'armed' if vehicle.armed else 'disarmed'}, mode {vehicle.mode or 'unknown'}"
    found = [
        DoctorFinding("autopilot", "identity", level, f"{identity.name} ({', '.join(details)})", why=why, data=data),
        DoctorFinding("autopilot", "state", Level.OK, state),
    ]
    version = version_finding(identity)
    if version is not None:
        found.append(version)
    if identity.stage:
        why = "what is known of versions is of releases; parameters are asked for by their old and new names"
        found.append(DoctorFinding("autopilot", "release", Level.NOTE, f"{identity.stage}: no release", why=why))
    return found
