"""Decides a recorded flight again, and says what is different.

With the build and the settings that flew, every decision and every step of the director comes out the same to the last
digit: the recorded maps, poses and times go in. With another configuration the recorded maps are decided on by other
rules; with another model the recorded pictures are segmented anew (JPEG pictures, so even the same model may differ in
a pixel).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from edge.blackbox import views
from edge.blackbox.recording import Recording, picture_of
from edge.blackbox.records import (
    StepRecord,
    TickRecord,
    Topic,
    masks_from_picture,
    memory_from_bytes,
    step_from,
    tick_from,
)
from edge.config import EdgeConfig
from edge.exact import RecordingError, exact
from edge.parameters import read_kept
from edge.resolved import ResolvedFlight, resolve_decision, resolve_flight
from edge.runtimes import Runtime
from landing.choice.known_sites import SiteBook, SiteLook
from landing.decision import Decision
from landing.globe import GlobalFix
from landing.guidance.director import Director, DirectorInput
from landing.model.spec import ModelSpec
from landing.picture_files import decode
from landing.settings import DecisionSection
from landing.site import LandingSite, NoSite, Selection
from landing.types import Frame, Pose, Segmentation

MOVED_M = 0.5
"""Sites further apart than this are different sites to a person."""

SHOWN = 20
"""Differences that are kept with their words; all are counted."""


@dataclass(frozen=True)
class Difference:
    """One decision or tick that came out otherwise.

    Attributes:
        kind: `decision`, `director`.
        number: Of the decision; of the tick for the director.
        at_s: Since the recording's first message.
        recorded, replayed: In words.
    """

    kind: str
    number: int
    at_s: float
    recorded: str
    replayed: str


@dataclass
class ReplayReport:
    """Result of a replay.

    Attributes:
        decisions, identical: How many were made again, and how many came out the same to the bit.
        ticks, identical_ticks: The same of the director.
        skipped: Decisions before the first memory, or in a gap, that cannot be made again.
        site_kept, site_moved, site_gained, site_lost: Decisions by what became of their site.
        moved_m: Distances of moved sites, m.
        differences: The first ones in words.
        reasons: Of refusals that the replay has and the record has not.
    """

    decisions: int = 0
    identical: int = 0
    ticks: int = 0
    identical_ticks: int = 0
    skipped: int = 0
    site_kept: int = 0
    site_moved: int = 0
    site_gained: int = 0
    site_lost: int = 0
    moved_m: list[float] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def same(self) -> bool:
        """True when at least one decision was compared and all are identical."""
        return self.decisions > 0 and self.identical == self.decisions and self.identical_ticks == self.ticks

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values: dict[str, Any] = exact(self)
        moved = values.pop("moved_m")
        values["greatest_move_m"] = max(moved, default=0.0)
        return {**values, "same": self.same}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.identical} of {self.decisions} decisions identical to the last digit"
        yield f"{self.identical_ticks} of {self.ticks} steps of the director identical"
        if self.skipped:
            yield f"{self.skipped} decisions before the first memory or after a gap left out"
        if self.identical < self.decisions:
            moved = f", by up to {max(self.moved_m):.1f} m" if self.moved_m else ""
            yield (
                f"sites: {self.site_kept} kept, {self.site_moved} moved{moved}, "
                f"{self.site_gained} gained, {self.site_lost} lost"
            )
            for reason, count in self.reasons.most_common():
                yield f"  newly refused, {reason}: {count}"
        for d in self.differences:
            yield f"  {d.at_s:8.2f} s  {d.kind} {d.number}: {d.recorded}  ->  {d.replayed}"


@dataclass(frozen=True)
class Replacement:
    """Network or configuration to decide with instead of the recorded one.

    Attributes:
        runtime: Another network, loaded.
        config: Another configuration: its decision, director, camera and taxonomy.
    """

    runtime: Runtime | None = None
    config: EdgeConfig | None = None


class Replay:
    """Makes the decisions of a flight again.

    Args:
        recording: To go through.
        replacement: What is to be different.
        book: Keeps the sites that are seen, placed by the recorded places on the globe; None keeps none.

    Attributes:
        flies: What it decides with.

    Raises:
        RecordingError: The recording's settings do not make sense to this version.
        ConfigError: The other configuration does not fit the network.
    """

    def __init__(
        self, recording: Recording, replacement: Replacement | None = None, book: SiteBook | None = None
    ) -> None:
        self._recording = recording
        instead = replacement if replacement is not None else Replacement()
        self._runtime = instead.runtime
        start = recording.start
        self.flies = ResolvedFlight.parse(start.flight)
        if instead.config is not None:
            self.flies = resolve_flight(
                instead.config, _spec_of(recording, self._runtime), read_kept(instead.config.expert.link.parameters)
            )
        elif self._runtime is not None:
            decision = resolve_decision(DecisionSection.model_validate(start.config["decision"]), self._runtime.spec)
            sources = {**self.flies.sources, **decision.sources}
            self.flies = replace(self.flies, **{**vars(decision), "sources": sources})
        # Another network or lens makes other maps: the recorded memory is not what it would know.
        self._other_evidence = instead.runtime is not None or instead.config is not None
        self._decider = self.flies.decider(self.flies.camera)
        self._director = Director(self.flies.director)
        self._result = ReplayReport()
        self._replayed: dict[int, Decision] = {}
        self._expected = 0  # number of the next decision that follows without a gap
        self._first_ns: int | None = None
        self._segmentation: Segmentation | None = None
        self._jpeg: bytes | None = None
        self._following = False
        self._book = book
        self._fix: GlobalFix | None = None
        self._director_memory: dict[str, Any] | None = None

    def run(self, progress: Callable[[StepRecord, Decision], None] | None = None) -> ReplayReport:
        """Goes through the whole recording.

        Args:
            progress: Called with every decision and what came of it now.

        Raises:
            RecordingError: A record cannot be read.
            ModelError: The other network does not run.
        """
        for entry in self._recording.entries(
            Topic.STEP.value, Topic.MEMORY.value, Topic.TICK.value, views.MASKS, views.PICTURE, title="replaying"
        ):
            if self._first_ns is None:
                self._first_ns = entry.at_ns
            if entry.topic == views.PICTURE:
                self._jpeg = picture_of(entry)
            elif entry.topic == views.MASKS:
                self._segmentation = maps_of(picture_of(entry))
            elif entry.topic == Topic.STEP.value:
                self._step(step_from(entry.data), progress)
            elif entry.topic == Topic.MEMORY.value:
                self._remember(entry.data)
            else:
                self._tick(tick_from(entry.data))
        return self._result

    def _step(self, record: StepRecord, progress: Callable[[StepRecord, Decision], None] | None) -> None:
        if record.number != self._expected and not self._other_evidence:
            self._following = record.number == 1  # a gap: wait for the next memory
        self._expected = record.number + 1
        if self._other_evidence:
            self._following = True
        if not self._following:
            self._result.skipped += 1
            return
        if record.problem is None:
            segmentation, at_ns = self._segment(record), record.decided_at_ns
            decision = self._decider.observe(segmentation, record.pose, at_ns, record.sighting, record.relief)
            self._keep_sites(segmentation, record.pose)
        else:
            decision = self._decider.refuse(record.problem, record.pose, record.captured_at_ns, record.decided_at_ns)
        self._replayed[record.decided_at_ns] = decision
        while len(self._replayed) > 4:  # a tick acts on the newest, or on the one before
            self._replayed.pop(next(iter(self._replayed)))
        self._compare(record, replace(decision, timings_ms={}))
        if progress is not None:
            progress(record, decision)

    def _keep_sites(self, segmentation: Segmentation, pose: Pose | None) -> None:
        view, clearance_m = self._decider.last_view, self._decider.last_clearance_m
        if self._book is not None and view is not None and clearance_m is not None:
            assert pose is not None  # the frame went into the map
            self._book.look(SiteLook(segmentation, pose, view, clearance_m), self._fix)

    def _segment(self, record: StepRecord) -> Segmentation:
        if self._runtime is None:
            maps = self._segmentation
            if maps is None:
                raise RecordingError(f"decision {record.number} was recorded without its maps")
            return Segmentation(maps.class_id, maps.landable, maps.hazards, record.captured_at_ns)
        image = None if self._jpeg is None else decode(self._jpeg, cv2.IMREAD_COLOR)
        if image is None:
            raise RecordingError(f"the picture of decision {record.number} cannot be read")
        frame = Frame(np.asarray(image, np.uint8), record.frame_id, record.captured_at_ns)
        self._runtime.submit(frame)
        return self._runtime.result()

    def _remember(self, data: bytes) -> None:
        if self._following or self._other_evidence:
            return  # it knows already
        self._decider.load_state_dict(memory_from_bytes(data))
        self._following = True

    def _compare(self, record: StepRecord, decision: Decision) -> None:
        result, recorded, replayed = self._result, record.decision.selection, decision.selection
        result.decisions += 1
        if exact(record.decision) == exact(decision):
            result.identical += 1
        else:
            self._differ("decision", record.number, record.decided_at_ns, _words(recorded), _words(replayed))
        if isinstance(recorded, LandingSite) and isinstance(replayed, LandingSite):
            moved_m = math.dist(recorded.position_ned_m[:2], replayed.position_ned_m[:2])
            if moved_m > MOVED_M:
                result.site_moved += 1
                result.moved_m.append(moved_m)
            else:
                result.site_kept += 1
        elif isinstance(replayed, LandingSite):
            result.site_gained += 1
        elif isinstance(recorded, LandingSite):
            assert isinstance(replayed, NoSite)
            result.site_lost += 1
            result.reasons[replayed.reason.value] += 1

    def _tick(self, record: TickRecord) -> None:
        """Steps the director from where the tick before left it."""
        self._fix = record.fix
        before, self._director_memory = self._director_memory, record.memory
        if before is None:
            self._director.load_state_dict(record.memory)
            return
        decision: Decision | None = None
        if record.decided_at_ns is not None:
            decision = self._replayed.get(record.decided_at_ns)
            if decision is None:  # it was not made again
                self._director.load_state_dict(record.memory)
                return
        if not self._other_evidence:
            self._director.load_state_dict(before)  # so that one difference does not become many
        self._result.ticks += 1
        told = record.vehicle, record.slow, record.gimbal
        output = self._director.step(DirectorInput(record.at_ns, decision, record.pose, *told))
        if exact(output) == exact(record.output):
            self._result.identical_ticks += 1
        else:
            self._differ(
                "director",
                self._result.ticks,
                record.at_ns,
                f"{record.output.state.value}: {record.output.reason}",
                f"{output.state.value}: {output.reason}",
            )

    def _differ(self, kind: str, number: int, at_ns: int, recorded: str, replayed: str) -> None:
        if len(self._result.differences) < SHOWN:
            at_s = (at_ns - (self._first_ns or at_ns)) * 1e-9
            self._result.differences.append(Difference(kind, number, at_s, recorded, replayed))


def _spec_of(recording: Recording, runtime: Runtime | None) -> ModelSpec:
    """Of the other network, or of the one that flew."""
    if runtime is not None:
        return runtime.spec
    return ModelSpec.from_json(json.dumps(recording.start.model_spec), "the recording")


def _words(selection: Selection) -> str:
    if isinstance(selection, NoSite):
        return f"{selection.reason.value}: {selection.detail}"
    north_m, east_m, _ = selection.position_ned_m
    on = selection.on_words
    return (
        f"site {north_m:.2f} m N {east_m:.2f} m E, {selection.clearance_m:.2f} m clear, {selection.area_m2:.1f} m2{on}"
    )


def maps_of(png: bytes) -> Segmentation:
    """The segmentation in a picture of stacked maps; its capture time is in the step.

    Raises:
        RecordingError: It is damaged.
    """
    picture = decode(png, cv2.IMREAD_GRAYSCALE)
    if picture is None or picture.shape[0] % 6:
        raise RecordingError("the maps of a decision cannot be read")
    return masks_from_picture(np.asarray(picture, np.uint8), 0)
