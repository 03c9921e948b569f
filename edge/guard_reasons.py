"""Reasons of the authority in texts to the pilot: the meaning of each, and the next step; for `edge.pilot_texts`."""

from __future__ import annotations

from edge.pilot_reasons import PilotText
from landing.problems import Problem

GUARD = (
    PilotText(
        "<person or vehicle> at the site",
        "Somebody is at the place, or will be in 2 s. The target has ended.",
        "Without guard: take over. With it: watch that the vehicle stops.",
        problem=Problem.INTRUDER,
    ),
    PilotText(
        "<why>; failsafe, at most <seconds> s",
        "It holds a failsafe landing for somebody, or for better ground, for as long as the battery leaves.",
        "Take over if you can.",
    ),
    PilotText(
        " at <height> m; next try from <height> m",
        "A try failed from near. The next one begins higher and looks wider.",
        "Wait, or take over.",
    ),
    PilotText("next try from <height> m", "The next try begins higher and looks wider.", "Wait, or take over."),
    PilotText("landing on the site", "The landing is watched from now on."),
    PilotText("the way home ends on the site", "The last leg of the way home is watched from now on."),
    PilotText("the mission's landing on the site", "The mission's landing is watched from now on."),
    PilotText("looks around for <seconds> s", "It stops once, to see who is on the way."),
    PilotText(
        "steps <distance> m aside to see the relief",
        "It does not know whether the ground is flat, and sees it from the side.",
        "Is the way free?",
    ),
    PilotText("back from the step", "It flies back to where it looked around."),
    PilotText("looks around for <seconds> s, back from the step", "The rest of its look around."),
    PilotText("the step aside does not end", "Wind, or a wrong position. The landing has stopped.", "Take over."),
    PilotText("the site is <distance> m away", "It goes there from higher up."),
    PilotText(
        "goes down <distance> m beside the site",
        "The autopilot does not follow the targets: a mode that takes none, or settings. It will fly to the place.",
        "Is the way free? After landing: run the doctor. On PX4 land with precision land.",
    ),
    PilotText("nobody comes: lands", "The look around is over."),
    PilotText("site confirmed: lands", "The place is good again."),
    PilotText(
        "<why> in <mode>, the mission ends",
        "It lands outside of the mission. Its other items are not flown.",
        "Fly the rest as a new mission.",
    ),
    PilotText(" at item <number>", "The item of the mission that it has left."),
    PilotText(
        "flies to the site in <seconds> s", "It will leave this spot.", "Switch the mode if you do not want that."
    ),
    PilotText("leaves the way home for the site", "It stops the way home and lands here."),
    PilotText("flies <distance> m to the site", "It flies there at this height.", "Is the way free?"),
    PilotText("climbs to <height> m", "It climbs straight up.", "Is the way free?"),
    PilotText("goes down to <height> m to see a site", "It goes straight down.", "Is the ground below free?"),
    PilotText("searches from <height> m", "It looks for a place from there."),
    PilotText("<request that came to nothing>; waits here", "In a failsafe: it holds where it is, then lands."),
    PilotText("<why>; stops here", "It gives up, and stops on its way first.", "Take over."),
    PilotText("<state> refused: <answer>; searches elsewhere", "The autopilot does not fly there: a fence, as a rule."),
    PilotText(
        "flies <distance> m to search from there",
        "From here it has found no place. It looks on from beside.",
        "Is the way free?",
    ),
    PilotText(
        "the place to search from is not reached", "Wind, or a wrong position. It holds here.", "Mind the battery."
    ),
    PilotText("searches on", "It is at the top of its climb and looks on."),
    PilotText("disarmed: armed again", "After this landing it may act again."),
    PilotText("the vehicle is flown on", "Somebody flies it somewhere: no landing is begun before it stands."),
)
"""Reasons of the authority while it acts."""

ENDED = (
    PilotText("the pilot has it: mode <mode>, which was not ours", "You switched the mode.", "You fly."),
    PilotText(
        "the pilot has it: <name> stick moved by <share> %",
        "You moved a stick.",
        "Switch the mode: in GUIDED ArduPilot does not follow the sticks, and flies on to where it was sent.",
    ),
    PilotText(
        "the pilot has it: the sticks are no longer reported",
        "The autopilot stopped telling the sticks. In doubt it was you.",
        "You fly. Switch the mode.",
    ),
    PilotText(
        "the pilot has it: the vehicle was flown <metres> m away",
        "It left where it held, or its way: a ground station's order to go somewhere changes no mode.",
        "You fly.",
    ),
    PilotText("the vehicle does not land any more", "The landing was called off, or a mission went on.", "You fly."),
    PilotText("the autopilot's own failsafe is in force", "The autopilot has an emergency of its own.", "Follow it."),
    PilotText(
        "<state> refused: <answer>; the vehicle is in <mode>, take over", "The autopilot said no.", "Take over now."
    ),
    PilotText(
        "<state> silent: not acknowledged in <number> tries; the vehicle is in <mode>, take over",
        "The autopilot did not answer.",
        "Take over now. Check the link.",
    ),
    PilotText(
        "<state> silent: not acknowledged in <number> tries, the last answer was '<answer>'; "
        "the vehicle is in <mode>, take over",
        "The autopilot put it off until it was too late.",
        "Take over now.",
    ),
    PilotText(
        "<state> <mode> accepted, but not reported; the vehicle is in <mode>, take over",
        "The autopilot said yes and did not do it.",
        "Take over now.",
    ),
    PilotText("<state> no answer; the vehicle is in <mode>, take over", "The link is cut.", "Take over now."),
    PilotText("<seconds> s are over; holds in <mode>, take over", "Its time is up.", "Take over now."),
    PilotText("no site in <number> searches; holds in <mode>, take over", "It found no place.", "Take over now."),
    PilotText("<number> tries did not end well; holds in <mode>, take over", "It has tried enough.", "Take over now."),
    PilotText("the climb does not end; holds in <mode>, take over", "The vehicle does not climb.", "Take over now."),
    PilotText(
        "the descent does not end; holds in <mode>, take over", "The vehicle does not go down.", "Take over now."
    ),
    PilotText("the position is not known; holds in <mode>, take over", "It cannot climb without it.", "Take over now."),
    PilotText("the site is not reached; holds in <mode>, take over", "Wind, or a wrong position.", "Take over now."),
    PilotText("<why>; lands straight down", "It gives up as you set it (`when_spent`).", "Is the ground below free?"),
    PilotText(
        "failsafe, no time left: lands on the site",
        "The time that the battery leaves for holding is over. It lands on the place.",
        "Take over if somebody stands there.",
    ),
    PilotText(
        "failsafe, no time left: lands without a site",
        "The time that the battery leaves for holding is over, and there is no place.",
        "Take over: steer away from people.",
    ),
    PilotText(
        "failsafe, the daemon ends: lands on the site",
        "Touchdown is stopped while it holds a failsafe landing up, so the landing goes on. No target follows.",
        "Take over if somebody stands there.",
    ),
    PilotText(
        "failsafe, the daemon ends: lands without a site",
        "The same, and there is no place.",
        "Take over: steer away from people.",
    ),
    PilotText("lands without us", "From here it is the autopilot's plain landing.", "Watch, take over if it is bad."),
)
"""Reasons for which the authority ends."""

REFUSED = (
    PilotText("switched off by <parameter>", "Somebody switched it off.", "Set TD_ENABLE to 1."),
    PilotText(
        "no GLOBAL_POSITION_INT of the last second to fly by", "The autopilot tells no GPS position.", "Take over now."
    ),
    PilotText("position <position> is <distance> m away, at most <distance> m", "The place makes no sense."),
    PilotText("commands of autopilot '<name>' are not known", "It can command ArduPilot and PX4 only."),
)
"""Answers that stand in `... refused: <answer>`, beside the autopilot's own result."""

LAST_RESORT = (
    PilotText(
        "No site in a failsafe: lands on the least bad ground, <ground>, <who> near",
        "The autopilot must land and there is no place. Somebody is nearer than their clearance everywhere; it keeps 2 "
        "m off them, or goes as far off as it can.",
        "Take over now, or warn the people.",
    ),
    PilotText(
        "No site in a failsafe: lands on the least bad ground, <ground>",
        "The autopilot must land and there is no place. Nobody is near that ground; the vehicle may be damaged.",
        "Take over if you know better ground.",
    ),
)
"""Whole texts of a failsafe landing without a site."""
