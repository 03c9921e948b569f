"""Trace of one landing in simulated time, for the score, the picture and the replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.log import EventLog, plain
from landing.ground.scale import GroundScale
from sim.flight.plan import TrackPoint


class Trace(EventLog):
    """Keeps the daemon's events with simulated time instead of writing them to a disk."""

    def __init__(self) -> None:
        super().__init__(None)
        self.now_s = 0.0
        self.events: list[dict[str, Any]] = []

    def write(self, event: str, **data: Any) -> None:
        """Keeps one event."""
        line = {"t_s": round(self.now_s, 3), "event": event}
        line.update({name: plain(value) for name, value in data.items()})
        self.events.append(line)


@dataclass
class Flown:
    """Course and end of one landing.

    Attributes:
        outcome: ``landed``, ``no-site``, ``timeout`` or ``battery-empty``, which is in the air.
        reason: Of a missing landing, in words.
        seconds: Simulated time until then.
        track: Ten a second.
        events: The daemon's and the pilot's.
        manual_takeovers: Descents that the pilot stopped.
        frames, decisions: Taken by the camera, decided on.
        targets: LANDING_TARGET messages that reached the autopilot.
        reactions: Hazards that came into the site that was being sent, see `reaction`.
        refusal: Cause of a missing site, see `sim.campaign.refusal`; None after a landing and where nobody can tell.
        scale: Scale of the ground for the network through the camera; None where its range is not known.
        emergency: The failsafe and what was held up, see `sim.campaign.emergency`; None where a pilot landed.
        mistake: The mistake of set-up and those that were named, see `sim.campaign.mistakes`; None without one.
        truth_only: Classes of the world that the network does not know: the judge alone has them.
    """

    outcome: str
    reason: str
    seconds: float
    track: list[TrackPoint] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    manual_takeovers: int = 0
    frames: int = 0
    decisions: int = 0
    targets: int = 0
    reactions: list[dict[str, Any]] = field(default_factory=list)
    truth_only: tuple[str, ...] = ()
    refusal: dict[str, Any] | None = None
    scale: GroundScale | None = None
    emergency: dict[str, Any] | None = None
    mistake: dict[str, Any] | None = None
