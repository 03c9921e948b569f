"""`touchdown bridge doctor`, from options to exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.claims import leave_alone
from firmware_bridge.doctor.boot import reboot
from firmware_bridge.doctor.examination import Examination, Repair, examine, repair, repair_findings
from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.latency import Latency, latency_of, run_daemon
from firmware_bridge.doctor.session import TOOL_COMPONENT, Session
from firmware_bridge.doctor.show import busy, closing_line, has_rich, line_of, print_table
from firmware_bridge.doctor.trial import try_target
from firmware_bridge.events import EventTail
from firmware_bridge.settings import ToolConfig, load_tool_config
from landing.errors import ConfigError, DataError, TouchdownError

ROUNDS = 2  # Some parameters can be seen only after the boot that others need
REBOOT_TIMEOUT_S = 90.0

Echo = Callable[[str], None]


@dataclass(frozen=True)
class DoctorOptions:
    """Options of the command line; see `firmware_bridge.cli`."""

    connection: str | None = None
    baud: int | None = None
    config: Path | None = None
    events: Path | None = None
    timeout_s: float = 10.0
    listen_s: float = 5.0
    fix: bool = False
    reboot: bool = False
    test_target: bool = False
    timed_run_s: float | None = None
    as_json: bool = False
    show_all: bool = False


def run(options: DoctorOptions, echo: Echo) -> int:
    """Examine, repair, try and print; return the exit status (0 notes at most, 1 a warning, 2 an error).

    Raises:
        TouchdownError: No link, a bad configuration, or a parameter that cannot be written; `as_json`
        prints it as well.
    """
    try:
        with busy("examining the link and the autopilot") if not options.as_json else nullcontext():
            report = _examine_and_mend(options, _teller(options, echo))
    except TouchdownError as error:
        if options.as_json:
            status = {"status": "error", "exit_status": error.exit_code, "error": str(error)}
            status["code"] = error.problem.value
            echo(json.dumps(status))
            return error.exit_code
        raise
    if options.as_json:
        echo(json.dumps(report.as_dict()))
    else:
        if has_rich():
            print_table(report)
        echo(closing_line(report))
    return report.exit_status


def _teller(options: DoctorOptions, echo: Echo) -> Callable[[DoctorFinding], None]:
    """Prints each finding as it is made, where lines are printed."""
    if options.as_json or has_rich():
        return lambda finding: None

    def tell(finding: DoctorFinding) -> None:
        if options.show_all or finding.level is not Level.OK or finding.section != "parameters":
            echo(line_of(finding))

    return tell


def _examine_and_mend(options: DoctorOptions, tell: Callable[[DoctorFinding], None]) -> Examination:
    config = load_tool_config(options.config)
    settings = config.settings(options.connection, options.baud, TOOL_COMPONENT)
    # The doctor asks, reboots and tries targets: never on the link of a daemon that runs.
    leave_alone(settings.connection, settings.baud, "the doctor")
    latency = _latency(options, config)
    with Session(settings) as session:
        report = examine(session, listen_s=options.listen_s, latency=latency, timeout_s=options.timeout_s, say=tell)
        if options.fix and report.changes():
            report = _mend(session, report, options, latency, tell)
        if options.test_target:
            session.ask_streams()
            for finding in try_target(session, report.identity, form=settings.target_frame, values=report.values):
                report.findings.append(finding)
                tell(finding)
    return report


def _latency(options: DoctorOptions, config: ToolConfig) -> Latency | None:
    events = options.events or config.log.events
    if options.timed_run_s is not None:
        if events is None or options.config is None:
            raise ConfigError(
                f"--timed-run: {options.config} has no log.events, where the latency is written; "
                'set [log] events = "events.jsonl"'
            )
        return run_daemon(options.config, events, options.timed_run_s)
    if events is None:
        return None
    try:
        return latency_of(EventTail(events).read(), str(events))
    except DataError:
        if options.events is not None:
            raise
        return None  # the log of --config was not asked for by name


def _mend(
    session: Session,
    report: Examination,
    options: DoctorOptions,
    latency: Latency | None,
    tell: Callable[[DoctorFinding], None],
) -> Examination:
    """Write, reboot where wanted, look again; the new report begins with what was done."""
    done: list[DoctorFinding] = []
    for _ in range(ROUNDS):
        change: Repair = repair(session, report)
        rebooted = bool(change.reboot_needed) and options.reboot
        made = repair_findings(change, rebooted)
        if rebooted:
            took_s = reboot(session, REBOOT_TIMEOUT_S)
            made.append(DoctorFinding("fix", "reboot", Level.OK, f"speaks again after {took_s:.0f} s"))
        done += made
        for finding in made:
            tell(finding)
        report = examine(session, listen_s=options.listen_s, latency=latency, timeout_s=options.timeout_s)
        if not report.changes() or not change.written:
            break
    for finding in report.findings:
        if finding.level >= Level.WARNING:
            tell(finding)
    report.findings[:0] = done
    return report
