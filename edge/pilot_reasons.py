"""Reasons of the landing in texts to the pilot: the meaning of each, and the next step; for `edge.pilot_texts`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from landing.problems import Problem
from landing.site import NoSiteReason

_REASON_NAMES = frozenset(reason.value for reason in NoSiteReason)


@dataclass(frozen=True)
class PilotText:
    """One pattern.

    Attributes:
        pattern: Of the text.
        meaning: In words for a pilot.
        action: The next step; empty where there is none.
        problem: The code of its trouble, where its gate has one; that of a reason for no site is known by its name.
    """

    pattern: str
    meaning: str
    action: str = ""
    problem: Problem | None = None

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Matches the beginning of a text; no place reaches beyond a semicolon."""
        return re.compile("".join("[^;]+" if part.startswith("<") else re.escape(part) for part in self.parts))

    @property
    def code(self) -> Problem | None:
        """The code under which the troubleshooting pages say what to do; None where nothing is wrong."""
        reason = self.pattern.partition(": ")[0]
        return NoSiteReason(reason).problem if reason in _REASON_NAMES else self.problem

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Fixed words and `<...>` places, in order."""
        return tuple(filter(None, re.split(r"(<[^<>]+>)", self.pattern)))


WAY_DOWN = (
    PilotText("site found, confirming", "A place is in view, not yet for long enough.", "Hover."),
    PilotText("another site, confirming", "The place has changed.", "Hover. Wait for track."),
    PilotText(
        "site <radius> m clear, <area> m2",
        "Free ground of that radius around its middle, which may lie anywhere in that area: 0 in a gap that just fits.",
        "Does the room look right to you?",
    ),
    PilotText(", on <surface>", "What the place lies on, and why somebody may come there."),
    PilotText(", on pad <number>", "The place is the marked pad.", "Is it the right one?"),
    PilotText("<height> m above the site", "The last metres.", "Watch the ground."),
    PilotText("airborne again", "You have taken off again. It starts anew."),
    PilotText("mode <mode>", "You left the landing. It looks for a place again."),
    PilotText("on the ground", "The vehicle is down."),
    PilotText("disarmed", "The motors are off."),
    PilotText("no site for <seconds> s while landing", "It has given up on this landing.", "Take over now."),
)
"""Reasons on the way to a site."""

EVIDENCE = (
    PilotText("no frame yet", "No picture has come.", "Wait. If it stays: check the camera.", problem=Problem.NO_FRAME),
    PilotText(
        "no decision on a frame of the last <seconds> s",
        "Pictures stopped, or the computer hangs.",
        "Take over if you land. On the ground: `touchdown edge check`.",
        problem=Problem.NO_FRAME,
    ),
    PilotText(
        "decisions come again, for less than <time> s",
        "Decisions had come too late. They must come in time for a moment before a target is sent again.",
        "Wait. Take over if it comes again and again.",
    ),
    PilotText(
        "too slow: camera gives <number> frames/s, needs <number>",
        "The camera is too slow to land by.",
        "Do not land by it. Raise the frame rate, or add light.",
        problem=Problem.SLOW,
    ),
    PilotText(
        "too slow: <number> decisions/s, needs <number>; inference <time> ms on <number of threads>",
        "The computer is too slow to land by.",
        "Do not land by it. Check heat and power, take a faster model.",
        problem=Problem.SLOW,
    ),
    PilotText(
        "too slow: <number> decisions/s, needs <number>; frame to decision <time> ms",
        "The computer is too slow to land by.",
        "Do not land by it. Check heat and power, take a faster model.",
        problem=Problem.SLOW,
    ),
    PilotText(
        "no heartbeat from the autopilot",
        "The link to the autopilot is cut.",
        "You fly. Check the cable.",
        problem=Problem.LINK_SILENT,
    ),
    PilotText("the vehicle flies on its wing", "No target and no command before it hovers.", "You fly."),
    PilotText("the vehicle goes over to its wing", "As above.", "You fly."),
    PilotText("the vehicle goes over to a hover", "Targets come once it hovers.", "Wait."),
    PilotText(
        "the vehicle does not tell whether it hovers",
        "A plane or a VTOL whose EXTENDED_SYS_STATE does not come.",
        "Fly it by hand. Check the link.",
    ),
    PilotText(
        "pose is not known",
        "The autopilot tells no position or attitude.",
        "Wait for GPS. Else fly by hand.",
        problem=Problem.NO_POSE,
    ),
    PilotText(
        "pose is older than <seconds> s",
        "The position stopped coming.",
        "Take over if you land.",
        problem=Problem.NO_POSE,
    ),
    PilotText(
        "the pose's age is not known: TIMESYNC is not answered",
        "The position may be old: nothing tells how late the link is.",
        "Take over if you land. Connect to the autopilot itself.",
        problem=Problem.LATENCY,
    ),
    PilotText(
        "the link is late: poses may be <seconds> s old, more than <seconds> s",
        "The position may be older than a landing allows.",
        "Take over if you land. Use a wire or a faster line.",
        problem=Problem.LATENCY,
    ),
    PilotText(
        "the estimator's frame has moved by an unknown step",
        "The autopilot has moved its position at once. The map starts anew.",
        "Hover. If it comes back: check GPS and compass.",
        problem=Problem.FRAME_MOVED,
    ),
    PilotText(
        "the local frame has moved by an unknown step",
        "As above, while it was flying to a place.",
        "Hover, or take over.",
    ),
    PilotText(
        "the vehicle is <height> m below the site",
        "Height or map is wrong.",
        "Take over. Check the rangefinder.",
        problem=Problem.HEIGHT,
    ),
    PilotText(
        "site not seen for more than <seconds> s",
        "The place left the picture.",
        "Hover above it.",
        problem=Problem.SITE_LOST,
    ),
)
"""Reasons of pictures, pose, link and speed."""

PAD = (
    PilotText(
        "Pad followed: it moves at <speed> m/s",
        "The marked pad is the place, and it moves. The vehicle is led to where it will be.",
        "Watch. Nobody looks around over a pad that moves.",
    ),
    PilotText("Pad followed", "The marked pad is the place from now on.", "Watch that it is the right one."),
    PilotText(
        "Pad lost: looks for ground",
        "The tag is out of sight, and there is height to look for another place.",
        "Fly over the pad, or let it land on ground.",
    ),
    PilotText(
        "Pad lost: lands where it was seen",
        "The tag is out of sight close to the ground. A pad that stands is where it was.",
        "Watch. Take over if the vehicle is not above the pad.",
    ),
    PilotText(
        "Pad lost: no site, not seen for too long",
        "The tag was out of sight for too long close to the ground. No target is sent.",
        "Take over, or let guard climb.",
    ),
    PilotText(
        "Pad not used: several tags of its number are in the picture: <number>",
        "Two tags with the pad's number are in view. One of them is wrong.",
        "Take one of them away. Meanwhile it looks for ground.",
    ),
    PilotText(
        "Pad not used: its tag does not lie flat: <number> px off a square",
        "The tag stands, is bent, or is on somebody's shirt.",
        "Lay the tag flat. If it lies flat: check the lens and the mount.",
    ),
    PilotText(
        "Pad not used: its tag has the wrong size: <size> m by the height",
        "By the height the tag is bigger or smaller than the configuration says.",
        "Measure the black square, and write it as edge_m. Check the height.",
    ),
    PilotText("Pad not used: its tag is mirrored", "The print is mirrored.", "Print it anew."),
    PilotText("Pad not used: its tag is not below the camera", "The tag is near the horizon.", "Fly above it."),
    PilotText(
        "Pad not used: its tag lies where the lens is not known",
        "The tag is so far from the middle of the picture that the calibration of the lens does not hold.",
        "Fly above it.",
    ),
    PilotText("Pad not used: its tag has no size", "The tag's corners are one point.", "Fly nearer."),
    PilotText(
        "Pad not used: it moves too fast: <speed> m/s, at most <speed> m/s",
        "The pad moves, or moves faster than the configuration allows.",
        "Let it stand, or raise max_speed_mps, at most 1 m/s.",
    ),
)
"""Whole texts on the marked pad."""

NO_SITE = (
    PilotText(
        "no-pose: <what> at capture time is not known",
        "It does not know where the camera was (pose, attitude, position or gimbal).",
        "Wait for GPS. With a gimbal: does it send its attitude?",
    ),
    PilotText(
        "no-pose: position <position> is farther than <distance> m from the origin",
        "The position makes no sense.",
        "Do not land by it. Check the GPS.",
    ),
    PilotText(
        "no-height: height above ground is not known",
        "No rangefinder answers, and no other height is known.",
        "Go lower, into the range of the rangefinder. Check its cable and its settings.",
    ),
    PilotText(
        "no-height: height above ground comes again and is another one: not believed yet",
        "A height that was lost has come back, and does not fit what was seen before.",
        "Wait a few seconds. If it stays, check the rangefinder.",
    ),
    PilotText(
        "height-out-of-range: height <height> m, frames are used from <lowest> to <highest> m",
        "Too high, or too low, for the camera.",
        "Fly at a height in between.",
    ),
    PilotText(
        "too-high: descend to <height> m first: a pixel shows <size> mm of ground, the model was trained for <range>",
        "From here the network cannot tell the ground well enough.",
        "Go down to that height.",
    ),
    PilotText(
        "tilt-too-large: tilt <angle> degrees, at most <angle>", "The vehicle leans too much.", "Fly more gently."
    ),
    PilotText(
        "ground-not-in-view: no ground seen recently", "No picture of the ground of late.", "Hover for a second."
    ),
    PilotText(
        "ground-not-in-view: the camera does not see the ground",
        "The camera looks past the ground.",
        "Level out. If it stays: check mount or gimbal.",
    ),
    PilotText(
        "nothing-landable: no landable ground in view: <hazard> <share> %",
        "All that it sees is bad. The shares say what it takes it for.",
        "Fly on, to open ground.",
    ),
    PilotText("nothing-landable: no landable ground in view", "All that it sees is bad.", "Fly on, to open ground."),
    PilotText(
        "too-small: widest clean disc has <radius> m radius, <radius> m needed for a new site",
        "There is good ground, but too little room to start with.",
        "Look for a wider place.",
    ),
    PilotText(
        "too-small: widest clean disc has <radius> m radius, <radius> m needed",
        "There is good ground, but too little room.",
        "Look for a wider place.",
    ),
    PilotText(
        "too-small: widest clean disc has <radius> m radius but is farther than <distance> m",
        "There is a place, but too far away from here.",
        "Fly nearer to it.",
    ),
    PilotText(
        "site-lost: hazard at the site; <why no other>",
        "Something came, or came to light, at the place.",
        "Take over if low.",
    ),
    PilotText(
        "site-lost: obstacle at the site; <why no other>", "Something stands where you would land.", "Take over."
    ),
    PilotText(
        "site-lost: clean radius at the site fell to <radius> m; <why no other>",
        "From nearer the room is smaller than it looked.",
        "Look for a wider place.",
    ),
    PilotText(
        "site-lost: site is outside the map; <why no other>",
        "You have flown away from the place.",
        "Fly back, or go on.",
    ),
    PilotText(
        "site-lost: site not seen for <seconds> s; <why no other>",
        "The place left the picture.",
        "Take over if you land.",
    ),
    PilotText(
        "site-lost: pad <number>: <what is there>",
        "The marked pad is in view and not clear: somebody or something is on it, or too close.",
        "Wait until it is clear. Take over if low.",
    ),
    PilotText(
        "site-lost: pad <number> not seen for <seconds> s",
        "The marked pad was out of sight for too long close to the ground.",
        "Take over, or let guard climb.",
    ),
)
"""Reasons for which there is no site: `landing.site.NoSiteReason`, then the detail."""
