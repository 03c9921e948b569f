"""The doctor on the real thing: a fresh autopilot is examined, mended, booted, and takes a target."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from firmware_bridge.doctor import Examination, Level, Session, examine, reboot, repair, tool_settings
from firmware_bridge.doctor.trial import try_target
from firmware_bridge.doctor.versions import version_finding
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.autopilots import make_autopilot
from sim.vehicle.sitl import SIMULATORS, MissingSimulatorError, find_simulator
from sim.vehicle.sitl.namespace import loopback_only

pytestmark = [pytest.mark.sitl, pytest.mark.timeout(600)]

RECORDS = os.environ.get("TOUCHDOWN_SITL_RECORDS", "")
"""Folder in which to keep who was examined, in `doctor.json`."""

BOOT_S = 60.0
POSITION_S = 120.0
"""Until the estimator has a position, without which no target counts; some 45 s."""


@pytest.fixture(scope="module", params=list(SIMULATORS))
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The doctor's session with a fresh autopilot. ArduPilot boots once its first port has a client: the doctor."""
    kind: str = request.param
    try:
        find_simulator(kind)
    except MissingSimulatorError as error:
        if os.environ.get(SIMULATORS[kind].variable):
            raise
        pytest.skip(str(error))
    with ExitStack() as stack:
        stack.enter_context(loopback_only())
        autopilot = make_autopilot(kind, StartConditions((0.0, 0.0), 10.0, 0.0), tmp_path_factory.mktemp(kind))
        autopilot.start(stack)
        link = autopilot.links.pilot if kind == "ardupilot" else autopilot.links.daemon
        session = stack.enter_context(Session(tool_settings(link)))
        session.connect(BOOT_S)
        yield session


@pytest.fixture(scope="module")
def fresh(session: Session) -> Examination:
    """The report of an autopilot as it comes from its makers."""
    report = examine(session, listen_s=0)
    if RECORDS:
        identity = {"name": report.identity.name, "git": report.identity.git}
        (Path(RECORDS) / "doctor.json").write_text(json.dumps(identity) + "\n", "utf-8")
    return report


@pytest.fixture(scope="module")
def mended(session: Session, fresh: Examination) -> Examination:
    """The report after what `--fix --reboot` does."""
    report = fresh
    for _ in range(2):
        if report.changes():
            done = repair(session, report)
            assert not done.failed
            if done.reboot_needed:
                reboot(session, BOOT_S)
            report = examine(session, listen_s=0)
    return report


def test_its_version_is_known_and_every_subject_is_judged(fresh: Examination) -> None:
    version = version_finding(fresh.identity)
    assert version is not None and version.level < Level.WARNING, version
    assert not [finding for finding in fresh.findings if "neither" in finding.value]


def test_what_is_mended_is_in_order_after_a_boot(mended: Examination) -> None:
    assert not mended.changes()
    assert not [f for f in mended.findings if f.section == "parameters" and f.level > Level.NOTE]


def test_a_target_is_taken(session: Session, mended: Examination) -> None:
    """The estimator's position takes its time; PX4 never says yes."""
    session.ask_streams()
    deadline_s = time.monotonic() + POSITION_S
    while True:
        [finding] = try_target(session, mended.identity, values=mended.values)
        if finding.level < Level.WARNING:
            return
        assert finding.level is Level.WARNING and time.monotonic() < deadline_s, finding
