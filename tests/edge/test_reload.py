"""SIGHUP: a good file is taken, on the ground; a bad one changes nothing and is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.config import load_config
from edge.daemon import Daemon
from edge.ending import Ending
from edge.log import EventLog
from edge.reload import Reloader, differences, in_force
from edge.resolved import resolve_flight
from edge.serve import _run_until_done
from firmware_bridge.claims import Claims
from landing.errors import ModelError
from landing.vehicle import Autopilot, VehicleStatus
from tests.edge.test_cli import events_of, write_config
from tests.edge.test_daemon import wait_for
from tests.edge.test_resolved import CAREFUL, write_calibration

GROUND = VehicleStatus(True, Autopilot.ARDUPILOT, False)
AIR = VehicleStatus(True, Autopilot.ARDUPILOT, True, True)


@pytest.fixture
def file(tmp_path: Path, model_path: Path) -> Path:
    return write_config(tmp_path, model_path)


def reloader(file: Path, tmp_path: Path) -> Reloader:
    return Reloader(file, load_config(file), EventLog(tmp_path / "events.jsonl"))


def add(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def logged(tmp_path: Path) -> list[dict[str, Any]]:
    whole = (tmp_path / "events.jsonl").read_text().rpartition("\n")[0]  # the daemon may be in the middle of a line
    return [json.loads(line) for line in whole.splitlines()]


def test_nothing_is_done_unasked_and_nothing_for_the_same_file(file: Path, tmp_path: Path) -> None:
    keeper = reloader(file, tmp_path)
    add(file, "[decision]\nvehicle_radius_m = 2.0\n")
    assert keeper.poll(GROUND) is None
    file.write_text(file.read_text().partition("[decision]")[0])
    keeper.ask()
    verdict = keeper.poll(GROUND)
    assert verdict is not None and not verdict.restart and "nothing is different" in verdict.text
    assert keeper.poll(GROUND) is None


def test_what_flies_is_compared_not_what_is_written(file: Path, tmp_path: Path) -> None:
    """The model's 0.1 written down is no change; a laxer number, or another calibration, is one."""
    text = file.read_text().replace("hfov_deg = 70", 'calibration = "lens.yaml"')
    kept = tmp_path / "kept.json"
    file.write_text(text.replace("[log]", '[expert.link]\nparameters = "kept.json"\n[log]'))
    lens = write_calibration(tmp_path / "lens.yaml", 150.0)
    keeper = reloader(file, tmp_path)
    keeper.flies(resolve_flight(keeper.config, CAREFUL, {}), CAREFUL)

    def changes() -> list[str]:
        keeper.ask()
        verdict = keeper.poll(AIR)
        assert verdict is not None and not verdict.restart
        return [] if "nothing is different" in verdict.text else [verdict.text]

    add(file, "[expert.decision]\nperson_probability = 0.1\nmargin_m = 0.5\n[camera.mount]\npitch_deg = -90\n")
    assert changes() == []
    kept.write_text('{"TD_PERSON_P": 0.15}')  # laxer than what flies
    assert changes() == []
    kept.write_text('{"TD_MARGIN_M": 0.75}')
    assert "decision.margin_m" in changes()[0]
    kept.unlink()
    write_calibration(lens, 155.0)
    assert "camera.fx" in changes()[0]
    write_calibration(lens, 150.0)
    file.write_text(file.read_text().replace("person_probability = 0.1", "max_distance_m = 30.0"))
    assert changes() == []
    add(file, "[expert.director]\nconfirm_s = 2.0\n")
    assert "director.confirm_s" in changes()[0]


def test_a_change_begins_a_new_run_on_the_ground_only(file: Path, tmp_path: Path) -> None:
    keeper = reloader(file, tmp_path)
    add(file, "[decision]\nvehicle_radius_m = 2.0\n")
    keeper.ask()
    verdict = keeper.poll(AIR)
    assert verdict is not None and not verdict.restart
    assert "armed" in verdict.text and "vehicle_radius_m" in verdict.text
    assert keeper.config.decision.vehicle_radius_m != 2.0 and not keeper.begin_again()
    keeper.ask()
    verdict = keeper.poll(GROUND)
    assert verdict is not None and verdict.restart and keeper.begin_again()
    assert keeper.config.decision.vehicle_radius_m == 2.0
    change = next(e for e in logged(tmp_path) if e["event"] == "config-changed")
    assert change["key"] == "decision.vehicle_radius_m" and change["after"] == 2.0


def test_the_status_line_changes_at_once_even_in_the_air(file: Path, tmp_path: Path) -> None:
    keeper = reloader(file, tmp_path)
    before = in_force(keeper.config, resolve_flight(keeper.config, None, {}))
    file.write_text(file.read_text().replace("[log]", "[expert.log]\nstatus_period_s = 7.0\n[log]"))
    wanted = load_config(file)
    after = in_force(wanted, resolve_flight(wanted, None, {}))
    assert [c.key for c in differences(before, after)] == ["log.status_period_s"]
    keeper.ask()
    verdict = keeper.poll(AIR)
    assert verdict is not None and not verdict.restart
    assert verdict.config.log.status_period_s == 7.0


@pytest.mark.parametrize("text", ["[decision]\nvehicle_radius_m = -1.0\n", "[nonsense]\na = 1\n", "["])
def test_a_bad_file_changes_nothing_and_is_said(file: Path, tmp_path: Path, text: str) -> None:
    keeper = reloader(file, tmp_path)
    before = keeper.config
    add(file, text)
    keeper.ask()
    verdict = keeper.poll(GROUND)
    assert verdict is not None and not verdict.restart and "not taken" in verdict.text
    assert keeper.config is before and not keeper.begin_again()
    assert logged(tmp_path)[-1]["taken"] is False


def test_what_cannot_be_had_is_taken_back(file: Path, tmp_path: Path) -> None:
    keeper = reloader(file, tmp_path)
    before = keeper.config
    assert not keeper.revert(ModelError("the first run never began"))
    file.write_text(file.read_text().replace("nearest-colour", "missing"))
    keeper.ask()
    verdict = keeper.poll(GROUND)
    assert verdict is not None and verdict.restart and keeper.config is not before
    assert keeper.begin_again()
    assert keeper.revert(ModelError("no such model")) and keeper.config is before
    assert not keeper.revert(ModelError("again"))
    keeper.ask()
    assert keeper.poll(GROUND) is not None
    assert not keeper.revert(ModelError("what fails while it ends is the earlier configuration"))


def test_a_run_that_fails_in_the_air_does_not_bring_the_old_configuration_back(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, flown, events = reloader(file, tmp_path), [], EventLog(None)

    def run(daemon: Daemon, _max_seconds: float | None) -> None:
        flown.append(daemon._config.decision.vehicle_radius_m)
        if len(flown) == 2:
            raise ModelError("an inference fails after an hour")
        add(file, "[decision]\nvehicle_radius_m = 2.0\n")
        keeper.ask()
        verdict = keeper.poll(GROUND)
        assert verdict is not None and verdict.restart

    monkeypatch.setattr(Daemon, "run", run)
    with Claims() as claims, pytest.raises(ModelError, match="after an hour"):
        _run_until_done(file, events, keeper, claims, Ending(), None, False)
    assert flown[1:] == [2.0] and keeper.config.decision.vehicle_radius_m == 2.0


def test_a_running_daemon_takes_it(file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        try:

            def count(event: str) -> int:
                return sum(e["event"] == event for e in events_of(tmp_path))

            wait_for(lambda: count("ready") == 1, 60)
            add(file, "[decision]\nvehicle_radius_m = 1.25\n")
            os.kill(daemon.pid, signal.SIGHUP)
            wait_for(lambda: count("ready") == 2, 60)
            good = file.read_text()
            add(file, "[nonsense]\n")
            os.kill(daemon.pid, signal.SIGHUP)
            wait_for(lambda: count("reload") == 2, 60)
            file.write_text(good.replace("nearest-colour", "missing"))
            os.kill(daemon.pid, signal.SIGHUP)  # valid, but cannot be had: back to what was
            wait_for(lambda: count("ready") == 3, 60)
            assert daemon.poll() is None
            daemon.terminate()
            assert daemon.wait(20) == 0
        finally:
            if daemon.poll() is None:
                daemon.kill()
        assert daemon.stderr is not None
        said = daemon.stderr.read()
    assert "configuration not taken, nothing has changed" in said and "missing" in said
    taken = [e["taken"] for e in events_of(tmp_path) if e["event"] == "reload"]
    assert taken == [True, False, True, False]
