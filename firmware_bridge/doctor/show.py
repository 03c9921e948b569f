"""The report for people: a table on a terminal, plain lines elsewhere or without rich."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import AbstractContextManager, nullcontext

from firmware_bridge.doctor.examination import Examination
from firmware_bridge.doctor.findings import DoctorFinding, Level
from landing.problems import with_code

WORDS = {Level.OK: "ok  ", Level.NOTE: "note", Level.WARNING: "WARN", Level.ERROR: "FAIL"}
STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def line_of(finding: DoctorFinding) -> str:
    """``FAIL PLND_TYPE: 0 (none), should be 1 (MAVLink); only type 1 listens ...``."""
    text = f"{WORDS[finding.level]} {finding.name}: {finding.value}"
    if finding.level is not Level.OK:
        if finding.expected:
            text += f", should be {finding.expected}"
        if finding.why:
            text += f"; {finding.why}"
    return with_code(text, finding.code) if finding.code else text


def closing_line(report: Examination) -> str:
    """Count the findings of each kind, and name the changes of `--fix`."""
    counts = {level: sum(f.level is level for f in report.findings) for level in Level}
    text = (
        f"{report.identity.name}: {counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings, "
        f"{counts[Level.NOTE]} notes, {counts[Level.OK]} in order"
    )
    changes = report.changes()
    return f"{text}; --fix would set {', '.join(changes)}" if changes else text


def has_rich() -> bool:
    """Return whether tables can be drawn: rich is installed and standard output is a terminal."""
    return sys.stdout.isatty() and importlib.util.find_spec("rich") is not None


def busy(what: str) -> AbstractContextManager[object]:
    """Says on a terminal that something is under way; nothing elsewhere."""
    if not has_rich():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(what)


def print_table(report: Examination) -> None:
    """A table by section."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("is", ratio=3)
    table.add_column("should be", ratio=2)
    table.add_column("why", ratio=4)
    table.add_column("explain", no_wrap=True)
    section = ""
    for finding in report.findings:
        if finding.section != section:
            section = finding.section
            table.add_section()
        style = STYLES[finding.level]
        quiet = "dim" if finding.level is Level.OK else ""
        table.add_row(
            Text(WORDS[finding.level].strip(), style=style),
            Text(finding.name),
            Text(finding.value),
            Text(finding.expected, style=quiet),
            Text(finding.why, style=quiet),
            Text(finding.code),
        )
    Console().print(table)
