"""Recorded flights: decisions and pictures of the black box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.blackbox import views
from edge.blackbox.recording import Recording, picture_of
from edge.blackbox.records import Topic, step_from
from landing.errors import InvalidValueError
from landing.site import LandingSite, NoSite
from landing.types import Pose
from landing.values import path_of
from touchdown.selected import WithSelection


@dataclass(frozen=True)
class RecordedDecision(WithSelection):
    """One decision of a recorded flight.

    Attributes:
        at_s: Time since the start of the daemon, s.
        frame_id: Of the picture it was made from.
        captured_at_ns: Monotonic time of that picture.
        pose: Of the vehicle at that time; None when it was not known.
        selection: The site, or the reason why there was none.
    """

    at_s: float
    frame_id: int
    captured_at_ns: int
    pose: Pose | None
    selection: LandingSite | NoSite


class FlightRecording:
    """A recorded flight. `read_recording` opens one."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def files(self) -> tuple[Path, ...]:
        """Files in the order of time."""
        return self._recording.files

    @property
    def model(self) -> str:
        """Name of the model that flew."""
        return str(self._recording.start.model_spec["name"])

    @property
    def touchdown_version(self) -> str:
        """Version of the daemon that wrote it."""
        return self._recording.start.touchdown_version

    @property
    def cut(self) -> tuple[str, ...]:
        """Words on each file that was not read to its end, complete when `decisions` or `pictures` ends."""
        return tuple(self._recording.cut.values())

    def decisions(self) -> Iterator[RecordedDecision]:
        """Give the decisions in the order of time.

        Raises:
            TouchdownError: A record cannot be read.
        """
        started_ns = self._recording.start.started_ns
        for entry in self._recording.entries(Topic.STEP.value):
            step = step_from(entry.data)
            at_s = (entry.at_ns - started_ns) * 1e-9
            yield RecordedDecision(at_s, step.frame_id, step.captured_at_ns, step.pose, step.decision.selection)

    def pictures(self) -> Iterator[tuple[float, bytes]]:
        """Give time since the daemon's start, s, and the JPEG file of each recorded picture."""
        started_ns = self._recording.start.started_ns
        for entry in self._recording.entries(views.PICTURE):
            yield (entry.at_ns - started_ns) * 1e-9, picture_of(entry)


def read_recording(*paths: str | Path) -> FlightRecording:
    """Open a recorded flight: `.mcap` files of the black box, or the folder of a flight.

    Raises:
        TouchdownError: There is nothing to read, it is of another kind, or of another version of the format.
    """
    if not paths:
        raise InvalidValueError("no recording is named: expected .mcap files, or the folder of a flight")
    return FlightRecording(Recording(*map(path_of, paths)))
