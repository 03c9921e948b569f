"""Texts on a pilot's ground station: the meaning of each, and the next step.

A text is a beginning that tells the state, and a reason: ``Landing hold: no-height: height above ground is not known``.
Patterns hold `<...>` where a text has a number or a name. `tests/docs/test_texts.py` holds them against the sentences
in the source, both ways; `docs/fly/texts.md` is made from them.
"""

from __future__ import annotations

from edge.gimbal_reasons import GIMBAL, GIMBAL_TEXTS
from edge.guard_reasons import ENDED, GUARD, LAST_RESORT, REFUSED
from edge.picture_reasons import PICTURE
from edge.pilot_reasons import EVIDENCE, NO_SITE, PAD, WAY_DOWN, PilotText
from edge.relief_reasons import RELIEF
from landing.command.authority_io import AuthorityState
from landing.guidance.director import DirectorState

CUT = "..."
"""End of a text that was longer than four chunks."""


LANDING = {
    DirectorState.SEARCH: PilotText("Landing search", "It looks for a place.", "Wait, or fly over better ground."),
    DirectorState.CONFIRM: PilotText("Landing confirm", "It has a place and looks at it for longer.", "Hover."),
    DirectorState.TRACK: PilotText(
        "Landing track",
        "It has a place and sends it to the autopilot. The text says how much room there is.",
        "You may switch to landing when the text has stood for 3 s and the room looks right.",
    ),
    DirectorState.DESCEND: PilotText("Landing descend", "You land, and the vehicle goes to the place.", "Watch."),
    DirectorState.COMMIT: PilotText(
        "Landing commit", "The last metres. Only a person, a vehicle or an obstacle ends it now.", "Watch the ground."
    ),
    DirectorState.LANDED: PilotText("Landing landed", "The vehicle is down.", "Disarm."),
    DirectorState.HOLD: PilotText(
        "Landing hold",
        "You go down, and there is no place now. No target is sent. In LAND without guard it lands straight down.",
        "Take over while there is height to do so. Under guard: keep your hand on the stick.",
    ),
    DirectorState.ABORT: PilotText(
        "Landing abort", "There was no place for too long. This landing gets no target any more.", "Take over now."
    ),
}
"""Beginning of each text of the landing, by the director's state."""

AUTHORITY = {
    AuthorityState.READY: PilotText("Authority ready", "It waits and commands nothing."),
    AuthorityState.ANNOUNCE: PilotText(
        "Authority announce", "It will fly to the place soon.", "Switch the mode if you do not want that."
    ),
    AuthorityState.GUARD: PilotText("Authority guard", "It watches this landing and may stop it.", "Watch."),
    AuthorityState.LOOK: PilotText("Authority look", "It stops once and looks around.", "Wait."),
    AuthorityState.ASIDE: PilotText(
        "Authority aside",
        "It flies a short step to the side and back, to see whether the ground is flat.",
        "Is the way free?",
    ),
    AuthorityState.HOLD: PilotText("Authority hold", "It has stopped the landing.", "Wait, or take over."),
    AuthorityState.CLIMB: PilotText("Authority climb", "It climbs to see more.", "Look up: is the way free?"),
    AuthorityState.DESCEND: PilotText("Authority descend", "It goes down to where it can see a place.", "Watch."),
    AuthorityState.SEARCH: PilotText("Authority search", "It hovers and looks for a place.", "Mind the battery."),
    AuthorityState.MOVE: PilotText(
        "Authority move", "It flies to where it sees other ground. It does not look sideways.", "Is the way free?"
    ),
    AuthorityState.APPROACH: PilotText(
        "Authority approach",
        "It flies to the place at this height. It does not look sideways: where something may stand it climbs first.",
        "Is the way free?",
    ),
    AuthorityState.RESUME: PilotText("Authority resume", "It lands again.", "Watch."),
    AuthorityState.HAND_BACK: PilotText(
        "Authority hand-back", "It has given up and lands straight down.", "Take over if the ground is bad."
    ),
    AuthorityState.ENDED: PilotText(
        "Authority ended", "It commands nothing any more. The mode stays as it is.", "You fly. Switch the mode."
    ),
}
"""Beginning of each text of the authority, by its state; `off` is never told."""

OTHERS = (
    PilotText(
        "Too high for a site: descend to <height> m",
        "From here the network cannot tell the ground well enough.",
        "Go down to that height.",
    ),
    PilotText(
        "Site on <surface>: <caution>",
        "The place is on ground where somebody may come.",
        "Look for traffic and people.",
    ),
    PilotText("Fast enough: <number> decisions/s", "The computer keeps up again."),
    PilotText(
        "No landing targets: <alarm>",
        "Two autopilots, or two daemons, are on one link. It does not know whom to guide.",
        "Do not use it in this flight. On the ground: do what the text says.",
    ),
    PilotText(
        "Targets not sent: <why>",
        "It has a place, and the autopilot hears nothing of it: switched off by TD_ENABLE, or the link takes nothing.",
        "Take over if you land. On the ground: set TD_ENABLE to 1, or do what the text says.",
    ),
    PilotText(
        "Touchdown <ends or hangs>: the vehicle is in <mode>, take over",
        "The daemon was stopped, failed, or its network hangs, while it held the vehicle. Nobody lands it now.",
        "Take over now.",
    ),
    PilotText(
        "Touchdown <ends or hangs>: no target and no command from now on",
        "The daemon was stopped, failed, or its network hangs. The autopilot goes on without it.",
        "Take over if you land.",
    ),
    PilotText("Configuration read again: nothing is different", "The file was read. All stays as it is."),
    PilotText("Configuration taken: <number> changes", "New settings are in force.", "Check them before you take off."),
    PilotText(
        "Configuration not taken: <why>",
        "The file has a mistake, or the vehicle is armed. Nothing has changed.",
        "Change it on the ground.",
    ),
    *PAD,
    *GIMBAL_TEXTS,
    *LAST_RESORT,
)
"""Whole texts."""

REASONS: dict[str, tuple[PilotText, ...]] = {
    "The way down": WAY_DOWN,
    "Pictures, position, link, speed": EVIDENCE,
    "The gimbal, where it is pointed down": GIMBAL,
    "Why there is no place": (*NO_SITE, *PICTURE, *RELIEF),
    "Guard at work": GUARD,
    "Guard at its end": ENDED,
    "Why a request was refused": REFUSED,
}
"""Reasons by subject."""

KNOWN = sorted((text for texts in REASONS.values() for text in texts), key=lambda text: -len(text.pattern))
"""All reasons, the longest first: it says the most."""


def explain(text: str) -> list[PilotText]:
    """Return the entries that tell the meaning of a text, its beginning first; empty for a text of somebody else.

    Args:
        text: As the ground station shows it, with whatever it puts before; a long one may be cut at its end.
    """
    for other in OTHERS:
        if other.regex.search(text):
            return [other]
    for head in (*LANDING.values(), *AUTHORITY.values()):
        _, found, reason = text.strip().partition(f"{head.pattern}: ")
        if found:
            return [head, *_reasons(reason.removesuffix(CUT))]
    return []


def _reasons(reason: str) -> list[PilotText]:
    """Entries of a reason, piece by piece."""
    found: list[PilotText] = []
    while reason:
        matches = ((known, known.regex.match(reason)) for known in KNOWN)
        first = next(((known, match.end()) for known, match in matches if match), None)
        if first is None:
            break
        found.append(first[0])
        reason = reason[first[1] :].removeprefix("; ")
    return found
