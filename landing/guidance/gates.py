"""Gates before a target is given: one for each kind of evidence, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from landing.decision import Decision
from landing.problems import Problem
from landing.settings import DirectorSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Pose
from landing.vehicle import VehicleStatus

BELOW_SITE_M = 1.0
"""This far below its site the vehicle cannot be: the height or the map is wrong."""


@dataclass(frozen=True)
class Gate:
    """One condition.

    Attributes:
        name: Short and stable: `link armed airborne hover pose gimbal speed decision frame picture-motion intruder
            site height evidence confirmed`.
        closed: Why it keeps the target back, in words; None while it is open.
        problem: The code under which the troubleshooting pages say what to do; None where nothing is wrong, as on the
            ground.
    """

    name: str
    closed: str | None = None
    problem: Problem | None = None

    @property
    def is_open(self) -> bool:
        """True when it lets a target through."""
        return self.closed is None


def height_above_m(pose: Pose, site: LandingSite) -> float:
    """Height of the body origin above a site; the pose must have a position."""
    assert pose.position_ned_m is not None
    return site.position_ned_m[2] - pose.position_ned_m[2]


def gates(
    now_ns: int,
    decision: Decision | None,
    pose: Pose | None,
    vehicle: VehicleStatus,
    settings: DirectorSettings,
    slow: str | None = None,
    gimbal: str | None = None,
) -> tuple[Gate, ...]:
    """All gates in the order in which they are asked; later ones may rest on earlier ones.

    A gate that cannot be judged, because what it looks at is missing, is left out: the one that says what is missing is
    closed. `gimbal` and `hover` are there while closed alone: few cameras are pointed, few vehicles have a wing.
    """
    return (
        Gate("link", None if vehicle.link_alive else "no heartbeat from the autopilot", Problem.LINK_SILENT),
        Gate("armed", None if vehicle.armed else "disarmed"),
        Gate("airborne", "on the ground" if vehicle.airborne is False else None),
        *([Gate("hover", vehicle.no_hover)] if vehicle.no_hover else []),
        *evidence_gates(now_ns, decision, pose, settings, slow, gimbal, vehicle.hidden_s),
    )


def evidence_gates(
    now_ns: int,
    decision: Decision | None,
    pose: Pose | None,
    settings: DirectorSettings,
    slow: str | None = None,
    gimbal: str | None = None,
    hidden_s: float | None = 0.0,
) -> Iterator[Gate]:
    """The gates that ask for evidence of ground and place, in their order.

    Args:
        now_ns: Monotonic time.
        decision: The newest.
        pose: The newest.
        settings: Of the director.
        slow: Why decisions are too slow to rest a landing on (`landing.guidance.speed`); None if not.
        gimbal: Why the camera cannot be landed by (`landing.command.pointing`); None where it can.
        hidden_s: Age of the pose beyond what its stamp says, at most, s; None where it is not known.
    """
    where = _pose(now_ns, pose, settings, hidden_s)
    yield where
    if gimbal is not None:
        yield Gate("gimbal", gimbal, Problem.GIMBAL)
    yield Gate("speed", slow, Problem.SLOW)
    decided = _decision(now_ns, decision, settings)
    yield decided
    if decision is None:
        return
    here = decision if pose is None else decision.in_frame(pose.frame)
    if here is None:
        yield Gate("frame", "the estimator's frame has moved by an unknown step", Problem.FRAME_MOVED)
        return
    yield Gate("frame")
    site = here.selection
    misled = site.detail if isinstance(site, NoSite) and site.reason is NoSiteReason.PICTURE_MOTION else None
    yield Gate("picture-motion", misled, Problem.PICTURE_MOTION)
    yield Gate("intruder", None if decision.intruder is None else decision.intruder.text, Problem.INTRUDER)
    if isinstance(site, NoSite):
        yield Gate("site", f"{site.reason.value}: {site.detail}", site.reason.problem)
        return
    yield Gate("site")
    if pose is None or pose.position_ned_m is None:
        return
    height_m = height_above_m(pose, site)
    too_low = height_m < -BELOW_SITE_M
    yield Gate("height", f"the vehicle is {-height_m:.1f} m below the site" if too_low else None, Problem.HEIGHT)
    low = height_m <= settings.commit_height_m
    limit_s = settings.commit_max_age_s if low else settings.max_evidence_age_s
    unseen = (now_ns - site.last_seen_ns) * 1e-9 > limit_s
    yield Gate("evidence", f"site not seen for more than {limit_s:g} s" if unseen else None, Problem.SITE_LOST)
    known_s = (site.last_seen_ns - site.first_seen_ns) * 1e-9
    unsure = known_s < settings.confirm_s
    yield Gate("confirmed", f"seen for less than {settings.confirm_s:g} s" if unsure else None, Problem.SITE_LOST)


def _pose(now_ns: int, pose: Pose | None, settings: DirectorSettings, hidden_s: float | None) -> Gate:
    if pose is None or pose.ned_from_frd is None or pose.position_ned_m is None:
        return Gate("pose", "pose is not known", Problem.NO_POSE)
    limit_s, age_s = settings.max_pose_age_s, (now_ns - pose.at_ns) * 1e-9
    if age_s > limit_s:
        return Gate("pose", f"pose is older than {limit_s:g} s", Problem.NO_POSE)
    if hidden_s is None:
        return Gate("pose", "the pose's age is not known: TIMESYNC is not answered", Problem.LATENCY)
    if age_s + hidden_s > limit_s:
        words = f"the link is late: poses may be {age_s + hidden_s:.2f} s old, more than {limit_s:g} s"
        return Gate("pose", words, Problem.LATENCY)
    return Gate("pose")


def _decision(now_ns: int, decision: Decision | None, settings: DirectorSettings) -> Gate:
    if decision is None:
        return Gate("decision", "no frame yet", Problem.NO_FRAME)
    if (now_ns - decision.evidence_at_ns) * 1e-9 > settings.max_decision_age_s:
        return Gate(
            "decision", f"no decision on a frame of the last {settings.max_decision_age_s:g} s", Problem.NO_FRAME
        )
    return Gate("decision")
