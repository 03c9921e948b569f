"""The pictures of docs/how-it-decides.md are made from a decision, and the page shows them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from landing.choice.picker import Candidate
from landing.site import LandingSite

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("matplotlib")

from docs.make import how_it_decides  # noqa: E402


@pytest.fixture(scope="module")
def flown() -> how_it_decides.Flown:
    return how_it_decides.fly(frames=11, size_px=(480, 360))


def test_the_page_shows_every_picture_and_no_other() -> None:
    page = (ROOT / "docs" / "how-it-decides.md").read_text("utf-8")
    shown = re.findall(r"\(pictures/how-it-decides/([\w-]+)\.webp\)", page)
    committed = sorted(path.stem for path in how_it_decides.OUT.glob("*.webp"))
    assert shown == list(how_it_decides.PICTURES) == committed
    assert sum(path.stat().st_size for path in how_it_decides.OUT.iterdir()) < 400_000


def test_the_page_explains_every_gate(flown: how_it_decides.Flown) -> None:
    page = (ROOT / "docs" / "how-it-decides.md").read_text("utf-8")
    rows = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert re.findall(r"`([\w-]+)`", rows) == [gate.name for gate in how_it_decides.gate_columns(flown)["now"]]


def test_the_flight_shows_what_the_page_tells(flown: how_it_decides.Flown) -> None:
    columns = how_it_decides.gate_columns(flown)
    first, now, silent = ({gate.name: gate.closed for gate in column} for column in columns.values())
    assert first["site"] is not None and set(now.values()) == {None}
    assert [name for name, closed in silent.items() if closed] == ["decision"]
    assert isinstance(flown.last.step.decision.selection, LandingSite)
    found = how_it_decides.candidates(flown)
    assert found[0] == flown.last.snapshot.best and isinstance(found[0], Candidate)
    assert len(found) == how_it_decides.MOST_DISCS
    assert [place.score_m for place in found] == sorted((place.score_m for place in found), reverse=True)


def test_all_pictures_are_drawn(flown: how_it_decides.Flown, tmp_path: Path) -> None:
    paths = how_it_decides.write(flown, tmp_path)
    assert [path.stem for path in paths] == list(how_it_decides.PICTURES)
    for path in paths:
        with Image.open(path) as picture:
            assert 400 < picture.width <= 900
            low, high = picture.convert("L").getextrema()
            assert low < 60 and high > 150, path.name
