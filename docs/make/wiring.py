"""Draw the wiring of the documentation from docs/make/wiring.toml.

python docs/make/wiring.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from docs.make.svg import BAD, INK, PANEL, PAPER, QUIET, Drawing

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "pictures"
COLOURS = {"out": "#b45309", "in": "#1d5fa8", "ground": "#1c2733"}
"""Of a wire, by what its pin at the computer does."""

PIN, ROW, TOP = 11, 46, 104


def description() -> dict[str, Any]:
    """Connectors and drawings of the file."""
    return tomllib.loads((HERE / "wiring.toml").read_text("utf-8"))


def draw(connectors: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return one drawing as SVG: the computer's side on the left, the autopilot on the right."""
    left, right = connectors[wanted["left"]], connectors[wanted["right"]]
    pins = {pin["number"]: pin for pin in left["pins"]}
    ends = {pin["number"]: pin for pin in right["pins"]}
    names = [f"pin {a} ({pins[a]['name']}) to pin {b} ({ends[b]['name']})" for a, b in wanted["wires"]]
    title = f"{left['title']} to {right['title']}: {'; '.join(names)}; no wire to any 5 V pin"
    computer = wanted.get("computer")
    paper = Drawing(760, 420, title)
    header = len(left["pins"]) > 6
    places_left = _header(paper, left) if header else _cable(paper, left, computer)
    places_right = _column(paper, 560, right)
    for lane, (a, b) in enumerate(wanted["wires"]):
        colour = COLOURS[pins[a]["kind"]]
        (x1, y1), (x2, y2) = places_left[a], places_right[b]
        turn = 404 + 26 * lane
        paper.path([(x1 + PIN, y1), (turn, y1), (turn, y2), (x2 - PIN, y2)], PANEL, 8)
        paper.path([(x1 + PIN, y1), (turn, y1), (turn, y2), (x2 - PIN, y2)], colour, 4)
    _legend(paper, wanted["device"])
    return str(paper)


def _pin(paper: Drawing, x: float, y: float, pin: dict[str, Any]) -> None:
    power = pin["kind"] == "power"
    paper.circle(x, y, PIN, BAD if power else PAPER, BAD if power else INK)
    paper.text(x, y + 4, str(pin["number"]), 11, PAPER if power else INK, anchor="middle")


def _header(paper: Drawing, connector: dict[str, Any]) -> dict[int, tuple[float, float]]:
    """The first ten pins of a 40-pin header from above, pin 1 at the top left; the even ones face the wires."""
    paper.box(24, 20, 330, 340, PANEL, "#c9d2db")
    paper.text(40, 48, connector["title"], 18, bold=True)
    paper.text(40, 70, connector["about"], 13, QUIET)
    paper.box(132, TOP - 22, 64, 5 * ROW - 2, "#3a4653")
    places = {}
    for pin in connector["pins"]:
        odd, row = pin["number"] % 2 == 1, (pin["number"] - 1) // 2
        x, y = (148.0 if odd else 180.0), TOP + ROW * row
        _pin(paper, x, y, pin)
        places[pin["number"]] = (x, y)
        colour = BAD if pin["kind"] == "power" else INK
        if odd:
            paper.text(124, y + 5, pin["name"], 13, colour, anchor="end")
        else:
            paper.text(206, y - 6 if pin["kind"] != "power" else y + 5, pin["name"], 13, colour)
    paper.text(164, TOP + 5 * ROW + 2, "pins 11 to 40 follow", 12, QUIET, anchor="middle")
    return places


def _column(paper: Drawing, x: float, connector: dict[str, Any]) -> dict[int, tuple[float, float]]:
    """Six pins below each other."""
    paper.box(x - 24, 20, 200, 340, PANEL, "#c9d2db")
    paper.text(x - 10, 48, connector["title"], 18, bold=True)
    paper.text(x - 10, 70, connector["about"], 13, QUIET)
    places = {}
    for row, pin in enumerate(connector["pins"]):
        y = TOP + ROW * row * 0.94
        _pin(paper, x, y, pin)
        places[pin["number"]] = (x, y)
        level = f", {pin['level']}" if pin["kind"] in ("in", "out") else (" 5 V" if pin["kind"] == "power" else "")
        side = {"in": " in", "out": " out"}.get(pin["kind"], "")
        colour = BAD if pin["kind"] == "power" else INK
        paper.text(x + 20, y + 5, f"{pin['name']}{side}{level}", 13, colour)
    return places


def _cable(paper: Drawing, connector: dict[str, Any], computer: str | None) -> dict[int, tuple[float, float]]:
    """A USB plug in the computer, and the six ends of its cable."""
    paper.box(24, 130, 120, 120, PANEL, "#c9d2db")
    paper.text(84, 180, computer or "", 15, anchor="middle", bold=True)
    paper.text(84, 202, "USB-A", 13, QUIET, anchor="middle")
    paper.path([(144, 190), (196, 190)], "#3a4653", 10)
    paper.box(196, 20, 186, 340, PANEL, "#c9d2db")
    paper.text(208, 48, connector["title"], 18, bold=True)
    paper.text(208, 70, connector["about"], 13, QUIET)
    places = {}
    for row, pin in enumerate(connector["pins"]):
        x, y = 360.0, TOP + ROW * row * 0.94
        _pin(paper, x, y, pin)
        places[pin["number"]] = (x, y)
        colour = BAD if pin["kind"] == "power" else INK
        side = {"in": " in", "out": " out"}.get(pin["kind"], "")
        paper.text(342, y + 5, f"{pin['name']}{side}", 13, colour, anchor="end")
    return places


def _legend(paper: Drawing, device: str) -> None:
    paper.text(40, 388, f'connection = "{device}"', 14, bold=True)
    paper.text(40, 408, "Red pins carry power: leave them free.", 13, BAD)
    x = 470.0
    for kind, words in (("out", "sends"), ("in", "hears"), ("ground", "ground")):
        paper.path([(x, 383), (x + 26, 383)], COLOURS[kind], 4)
        paper.text(x + 32, 388, words, 13)
        x += 92
    paper.text(470, 408, "as seen from the computer", 12, QUIET)


def drawings() -> dict[str, str]:
    """SVG by file name."""
    found = description()
    return {wanted["file"]: draw(found["connectors"], wanted) for wanted in found["drawings"]}


def main() -> None:
    """Write all drawings."""
    for name, text in drawings().items():
        (PICTURES / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
