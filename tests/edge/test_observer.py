"""Observers see everything, and one that fails does not take the daemon with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.observer import DaemonStatus
from edge.pipeline import Step
from tests.edge.test_daemon import Rig, pipe_source, wait_for


class Watcher:
    def __init__(self, fail_after: int | None = None) -> None:
        self.steps: list[Step] = []
        self.statuses: list[DaemonStatus] = []
        self.events: list[Mapping[str, Any]] = []
        self._fail_after = fail_after

    def on_step(self, step: Step) -> None:
        self.steps.append(step)
        if self._fail_after is not None and len(self.steps) >= self._fail_after:
            raise OSError(28, "No space left on device")

    def on_status(self, status: DaemonStatus) -> None:
        self.statuses.append(status)

    def on_event(self, line: Mapping[str, Any]) -> None:
        self.events.append(line)


def test_observers_see_steps_ticks_and_events(tmp_path: Path, model_path: Path) -> None:
    good, bad = Watcher(), Watcher(fail_after=3)
    rig = Rig(tmp_path, model_path, pipe_source(tmp_path), observers=(bad, good))
    with rig.running():
        wait_for(lambda: any(s.output.target is not None for s in good.statuses))
        count = len(good.steps)
        wait_for(lambda: len(good.steps) > count + 3)
    assert rig.error is None
    assert len(bad.steps) == 3  # left out after its failure
    last = good.statuses[-1]
    assert last.counters["decisions"] >= count and last.counters["targets_sent"] > 0
    assert last.link.connected and last.health.inputs and last.pose is not None
    step = good.steps[-1]
    assert step.view is not None and step.clearance_m is not None
    assert step.clearance_m.shape == step.view.free.shape
    names = [e["event"] for e in good.events]
    assert "site-chosen" in names and "target-start" in names
    assert names == [e["event"] for e in rig.all_logged()][-len(names) :]
