"""Drawings and tables of Hardware, Set up and Fly are what their scripts make from the code and from looked-up pins."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.make import card, mounting, wiring, written
from landing.model.spec import GroundRange

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
DRAWN = {**wiring.drawings(), **{name: draw() for name, draw in mounting.DRAWINGS.items()}, card.FILE.name: card.draw()}
NUMBER = re.compile(r"-?[\d.]+")
PAGES = {path: path.read_text("utf-8") for path in written.pages()}


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_what_its_script_draws_and_is_used(name: str) -> None:
    assert (PICTURES / name).read_text("utf-8") == DRAWN[name], "run python -m docs.make.wiring, mounting and card"
    root = ElementTree.fromstring(DRAWN[name])
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and title.text
    assert any(f"pictures/{name})" in text for text in PAGES.values())


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_of_a_drawing_lies_outside_of_its_paper(name: str) -> None:
    root = ElementTree.fromstring(DRAWN[name])
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for shape in root.iter():
        tag, at = shape.tag.rpartition("}")[2], {k: float(v) for k, v in shape.attrib.items() if NUMBER.fullmatch(v)}
        if tag == "rect":
            assert at["x"] >= 0 and at["x"] + at["width"] <= width and at["y"] + at["height"] <= height
        elif tag == "text":
            long = len(shape.text or "") * at["font-size"] * (0.62 if "font-weight" in shape.attrib else 0.55)
            left = at["x"] - {"middle": long / 2, "end": long}.get(shape.attrib["text-anchor"], 0)
            assert left >= 0 and left + long <= width and at["y"] <= height, shape.text
        elif tag == "path":
            points = [tuple(map(float, p)) for p in re.findall(r"([-\d.]+) ([-\d.]+)", shape.attrib["d"])]
            assert all(0 <= x <= width and 0 <= y <= height for x, y in points), shape.attrib["d"]


@pytest.mark.parametrize("drawing", wiring.description()["drawings"], ids=lambda drawing: drawing["file"])
def test_wires_join_what_sends_with_what_hears_and_no_power(drawing: dict) -> None:
    connectors = wiring.description()["connectors"]
    left, right = connectors[drawing["left"]], connectors[drawing["right"]]
    assert left["source"].startswith("https://") and right["source"].startswith("https://")
    pins = {pin["number"]: pin for pin in left["pins"]}
    ends = {pin["number"]: pin for pin in right["pins"]}
    joined = sorted((pins[a]["kind"], ends[b]["kind"]) for a, b in drawing["wires"])
    assert joined == [("ground", "ground"), ("in", "out"), ("out", "in")]
    assert all(pins[a]["level"] == ends[b]["level"] for a, b in drawing["wires"])


def test_a_page_says_where_the_pins_were_looked_up() -> None:
    text = "\n".join(PAGES.values())
    for name, connector in wiring.description()["connectors"].items():
        assert connector["source"] in text, name


def test_parts_from_the_code_are_as_the_code_gives_them() -> None:
    names = {found[2] for text in PAGES.values() for found in written.MARK.finditer(text)}
    assert names == {*written.PARTS, *written.DOCTOR}
    for path, text in PAGES.items():
        assert written.rewritten(text, written.PARTS) == text, f"{path.name}: run python -m docs.make.written"


def test_the_table_marks_what_the_model_knows() -> None:
    known = written.spec_of(written.MODELS[0]).ground_range
    assert isinstance(known, GroundRange)
    cells = re.findall(r"(\*\*)?([\d.]+) m, ([\d.]+) mm(\*\*)?( \(too high\))?", written.field_of_view())
    assert len(cells) == len(written.HEIGHTS_M) * len(written.ANGLES_DEG)
    for bold, across_m, pixel_mm, _, too_high in cells:
        assert float(pixel_mm) == pytest.approx(1000 * float(across_m) / 768, rel=0.02)
        assert bool(bold) == (known.finest_mm <= float(pixel_mm) <= known.coarsest_mm)
        assert bool(too_high) == (float(pixel_mm) > known.coarsest_mm)


@pytest.mark.parametrize("name", written.DOCTOR)
def test_the_doctor_prints_what_the_page_shows(name: str) -> None:
    [shown] = [m[3] for text in PAGES.values() for m in written.MARK.finditer(text) if m[2] == name]
    said = written.output(written.DOCTOR[name]("--listen", "0"))
    assert written.constant(said) == written.constant(shown)
