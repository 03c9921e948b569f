"""The drawing of QGroundControl is what its script draws, with texts and numbers from the code."""

from __future__ import annotations

from docs.make.qgroundcontrol import FILE, draw
from edge.pilot_texts import LANDING
from landing.guidance.director import DirectorState


def test_the_drawing_is_new_and_says_what_we_send() -> None:
    drawn = draw()
    assert FILE.read_text("utf-8") == drawn, "run python -m docs.make.qgroundcontrol"
    assert f"{LANDING[DirectorState.TRACK].pattern}: …" in drawn and "Component 191" in drawn
    assert f"](../pictures/{FILE.name})" in (FILE.parents[1] / "operate" / "qgroundcontrol.md").read_text("utf-8")
