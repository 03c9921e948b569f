"""Ways to decide, side by side: Touchdown's and those of others, behind one interface.

Everything around them (poses, director, messages, autopilot, pilot) is the same for all, so a difference in the score
is a difference of the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.pipeline import Decides
from landing.camera import CameraModel
from landing.decider import Decider
from landing.errors import InvalidValueError
from landing.ground.scale import GroundScale
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from sim.campaign.baselines import Dovesei, LargestCentroid, SingleFrame, StraightDown

Make = Callable[[DecisionSettings, Taxonomy, CameraModel, GroundScale | None], Decides]


@dataclass(frozen=True)
class Policy:
    """One way to decide.

    Attributes:
        name: On the command line and in results.
        words: Description, for the report.
        make: A decider for one landing.
        confirms: The director waits until a site has held for a while. Those that keep no memory of the ground
            send what they see, as they were published; confirmed, most of them would never begin.
    """

    name: str
    words: str
    make: Make
    confirms: bool = False


def _touchdown(
    settings: DecisionSettings, taxonomy: Taxonomy, camera: CameraModel, scale: GroundScale | None
) -> Decides:
    return Decider(settings, taxonomy, camera, scale=scale)


def _baseline(kind: Callable[[DecisionSettings, Taxonomy, CameraModel], Decides]) -> Make:
    """One that knows nothing of a network's range."""
    return lambda settings, taxonomy, camera, _scale: kind(settings, taxonomy, camera)


POLICIES: dict[str, Policy] = {
    p.name: p
    for p in (
        Policy("touchdown", "landing.decider.Decider, as it flies", _touchdown, True),
        Policy(
            "single-frame", "our picker on each frame alone: no ground map, no memory of people", _baseline(SingleFrame)
        ),
        Policy(
            "dovesei",
            "largest area / (perimeter x (distance to the picture's middle + 1)), then the peak of "
            "its distance transform (DOVESEI, Bong et al. 2023)",
            _baseline(Dovesei),
        ),
        Policy(
            "largest-centroid",
            "largest connected safe area of the blurred mask, its centroid",
            _baseline(LargestCentroid),
        ),
        Policy("straight-down", "lands where it is", _baseline(StraightDown)),
    )
}


def policy_named(name: str) -> Policy:
    """Return the policy of a name; `ours` is another name of `touchdown`.

    Raises:
        TouchdownError: There is none.
    """
    name = "touchdown" if name == "ours" else name
    if name not in POLICIES:
        raise InvalidValueError(f"policy {name!r}: expected one of {', '.join(POLICIES)}")
    return POLICIES[name]
