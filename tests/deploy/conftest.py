from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.rig import Drone, Kit, without_proofs


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Keys, model, configuration and a bundle; nobody changes them."""
    return Kit.make(tmp_path_factory.mktemp("workstation"))


@pytest.fixture(scope="session")
def second(kit: Kit) -> Path:
    """The bundle of a second release."""
    return kit.pack(out=kit.folder / "second.tar.zst", sample_height_m=11.0)


@pytest.fixture(scope="session")
def third(kit: Kit) -> Path:
    """The bundle of a third release."""
    return kit.pack(out=kit.folder / "third.tar.zst", sample_height_m=10.0)


@pytest.fixture
def drone(tmp_path: Path, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> Drone:
    """An empty root; installing leaves the slow proofs out."""
    without_proofs(monkeypatch)
    return Drone(tmp_path / "opt" / "touchdown", kit)


@pytest.fixture
def flying(drone: Drone) -> Drone:
    """A drone that flies a release already."""
    drone.pretend("old-000000000000")
    return drone
