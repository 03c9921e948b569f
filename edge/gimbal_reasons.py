"""Texts about a gimbal that is pointed down: the meaning of each, and the next step; for `edge.pilot_texts`."""

from __future__ import annotations

from edge.pilot_reasons import PilotText
from landing.problems import Problem


def _not_down(why: str, meaning: str, action: str) -> PilotText:
    return PilotText(f"camera is not looking down: {why}", meaning, action, problem=Problem.GIMBAL)


GIMBAL = (
    PilotText(
        "the gimbal turns the camera down",
        "The camera turns. Its pictures count some seconds later.",
        "Wait.",
        problem=Problem.GIMBAL,
    ),
    _not_down(
        "<system>/<component> controls the gimbal",
        "Somebody else has it, mostly the ground station. It is not taken away.",
        "Release it in the ground station, or point it straight down yourself.",
    ),
    _not_down(
        "somebody moved the gimbal",
        "A knob or a ground station turned it away. It is not turned back in this landing.",
        "Point it straight down, or land by hand.",
    ),
    _not_down("no gimbal manager answers", "The autopilot manages no gimbal.", "Point it down by hand."),
    _not_down(
        "<number> gimbal(s), none known to carry the camera", "The autopilot manages several.", "Point it down by hand."
    ),
    _not_down(
        "the gimbal does not tell where it looks", "Its attitude does not come any more.", "Take over. Check its cable."
    ),
    _not_down(
        "the gimbal does not get there in <seconds> s",
        "It was told to look down and does not.",
        "Take over. Is something in its way? Can it reach straight down?",
    ),
    _not_down(
        "the gimbal does not turn: <refused or silent>, <answer>", "The autopilot said no.", "Point it down by hand."
    ),
    _not_down(
        "the gimbal manager gives no control: <refused or silent>, <answer>",
        "The autopilot said no. It is asked again after 10 s.",
        "Point it down by hand.",
    ),
    _not_down(
        "the gimbal manager gives no control, though it said yes",
        "The autopilot says yes, and somebody else keeps control.",
        "Point it down by hand.",
    ),
)
"""Reasons of the gate `gimbal`."""

GIMBAL_TEXTS = (
    PilotText(
        "Gimbal: camera looks down, but <why>",
        "The camera can be landed by. It is not ours: it may be turned away.",
        "Leave the gimbal alone until you are down.",
    ),
    PilotText("Gimbal: camera looks down", "The gimbal has come to look straight down for the landing."),
    PilotText(
        "Gimbal: camera is not looking down: <why>",
        "You land, and the camera does not see the ground below. No target is sent.",
        "Do what the reason says, or land by hand.",
    ),
    PilotText("Gimbal: released", "The landing is over. The gimbal is yours again; it still looks down."),
    PilotText(
        "Gimbal: not released: <refused or silent>, <answer>",
        "The autopilot still calls us in control. It is asked again after 10 s.",
        "Take control in the ground station.",
    ),
    PilotText(
        "Gimbal: not released, its manager says",
        "The autopilot still calls us in control. It is asked again after 10 s.",
        "Take control in the ground station.",
    ),
)
"""Whole texts."""
