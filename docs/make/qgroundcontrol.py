"""Draw where QGroundControl shows which of our messages. A drawing, not a screenshot: nobody has run it here.

python -m docs.make.qgroundcontrol
"""

from __future__ import annotations

from pathlib import Path

from docs.make.svg import GROUND, INK, PANEL, PAPER, QUIET, SKY, Drawing
from edge.pilot_texts import LANDING
from firmware_bridge.settings import LinkExpert
from landing.guidance.director import DirectorState

FILE = Path(__file__).resolve().parents[1] / "pictures" / "qgroundcontrol.svg"
STATES = DirectorState.DESCEND, DirectorState.TRACK, DirectorState.CONFIRM, DirectorState.SEARCH
"""Newest first, as the list of messages has them."""


def draw() -> str:
    """Return the drawing as SVG."""
    title = "Drawing of QGroundControl: messages in the tool bar, video below, parameters and the inspector beside it"
    picture = Drawing(760, 460, title)
    picture.box(20, 20, 440, 40, PANEL)
    picture.text(36, 45, "Fly View", bold=True)
    picture.text(140, 45, "mode")
    picture.box(196, 27, 110, 26, SKY)
    picture.text(206, 45, "1  messages")
    picture.box(20, 66, 440, 374, GROUND)
    picture.text(36, 420, "map", fill=QUIET)
    picture.box(196, 76, 250, 120, PAPER, QUIET)
    picture.lines(208, 98, [f"{LANDING[state].pattern}: …" for state in STATES])
    picture.text(208, 184, "newest first", 12, QUIET)
    picture.box(36, 300, 170, 100, INK)
    picture.text(52, 355, "2  video, if announced", 13, PAPER)
    picture.box(480, 20, 260, 200, PANEL)
    picture.text(496, 46, "Vehicle Setup, Parameters", bold=True)
    component = LinkExpert.model_fields["component_id"].default
    picture.lines(496, 78, [f"3  Component {component}", "TD_ENABLE", "TD_AUTHORITY", "TD_RADIUS_M …"])
    picture.box(480, 236, 260, 204, PANEL)
    picture.text(496, 262, "Analyze, MAVLink Inspector", bold=True)
    rows = [f"4  Component {component}", "HEARTBEAT  1 Hz", "ONBOARD_COMPUTER_STATUS", "STATUSTEXT"]
    picture.lines(496, 294, rows)
    return str(picture)


def main() -> None:
    """Write the drawing."""
    FILE.write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
