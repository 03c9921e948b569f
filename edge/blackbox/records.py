"""Records of the black box: plain JSON that reads back to the same numbers.

Python writes a float as the shortest text that reads back to the same bits, so a decision made again from a record is
the same to the last digit, or it is another decision.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from edge.exact import RecordingError, exact
from landing.decision import Decision
from landing.globe import GlobalFix
from landing.guidance.director import DirectorOutput
from landing.pad.tag import PadSighting
from landing.relief.report import ReliefReport
from landing.site import NoSite
from landing.types import Pose, Segmentation
from landing.vehicle import VehicleStatus

Record = TypeVar("Record")

FORMAT = 6
"""Version of the records; a reader refuses another one."""

MOST_MEMORY_BYTES = 256 << 20
"""Of a decider, unpacked."""


class Topic(str, Enum):
    """The channels that a reader of ours uses; those of `edge.blackbox.views` are for people."""

    START = "touchdown/start"
    STEP = "touchdown/step"
    MEMORY = "touchdown/memory"
    TICK = "touchdown/tick"
    EVENT = "touchdown/event"
    RECEIVED = "mavlink/received"
    SENT = "mavlink/sent"


@dataclasses.dataclass(frozen=True)
class Start:
    """Opens every file: what is needed to decide again.

    Attributes:
        format: `FORMAT` of the writer.
        touchdown_version: Of the daemon.
        boot: Random name of the daemon's run: files of one run belong together.
        started_ns: Monotonic time of the run's start.
        utc_offset_ns: Added to a monotonic time it gives the time of the wall clock at the start.
        config: The whole configuration.
        model: Path, digest, runtime and gate of the network.
        model_spec: What the network says of itself.
        flight: What flew, as `edge.resolved.ResolvedFlight` gives it.
        flight_sha256: Its digest.
    """

    format: int
    touchdown_version: str
    boot: str
    started_ns: int
    utc_offset_ns: int
    config: dict[str, Any]
    model: dict[str, Any]
    model_spec: dict[str, Any]
    flight: dict[str, Any]
    flight_sha256: str


@dataclasses.dataclass(frozen=True)
class StepRecord:
    """One decision.

    Attributes:
        number: Counts decisions of a run; a gap was not recorded.
        frame_id: Of the camera.
        captured_at_ns: Monotonic time.
        pose: At capture time.
        problem: Why the picture was not decided on; None when it was.
        motion: How the picture moved against what was to be expected, in words; None where that was not checked.
        decision: What was decided.
        ground_down_m: Plane of the ground map; None where the decision was made without.
        timings_ms: Parts of the time it took.
        sighting: Tags of the wanted pad in the picture; None without any.
        relief: What parallax and depth had shown up to the picture; None where relief was not measured.
        depth: Looks of depth sensors since the picture before, each in words with what became of it.
    """

    number: int
    frame_id: int
    captured_at_ns: int
    pose: Pose | None
    problem: NoSite | None
    motion: str | None
    decision: Decision
    ground_down_m: float | None
    timings_ms: dict[str, float]
    sighting: PadSighting | None = None
    relief: ReliefReport | None = None
    depth: tuple[str, ...] = ()

    @property
    def decided_at_ns(self) -> int:
        """Monotonic time of the decision, which is also its name."""
        return self.decision.decided_at_ns


@dataclasses.dataclass(frozen=True)
class TickRecord:
    """One step of the control loop: what the director was given, and what it gave.

    Attributes:
        at_ns: Monotonic time.
        decided_at_ns: Which decision it acted on; None before the first.
        pose: The newest.
        vehicle: As the autopilot described it.
        output: State, reason, target and transitions.
        memory: All that the director's next step builds on.
        refusal: Why the link did not take the target.
        health: Overall state and what is wrong, one line.
        counters: Of the daemon.
        slow: Why decisions were too slow, in words; None when they were not.
        fix: The vehicle's newest place on the globe; None where it was not known, or not recorded.
        gimbal: Why the camera could not be landed by, in words; None when it could.
    """

    at_ns: int
    decided_at_ns: int | None
    pose: Pose | None
    vehicle: VehicleStatus
    output: DirectorOutput
    memory: dict[str, Any]
    refusal: str | None
    health: str
    counters: dict[str, int]
    slow: str | None = None
    fix: GlobalFix | None = None
    gimbal: str | None = None


def to_json(value: Any) -> bytes:
    """The bytes of a record."""
    return json.dumps(exact(value), separators=(",", ":")).encode()


def start_from(data: bytes, origin: str) -> Start:
    """Reads a `Start`.

    Raises:
        RecordingError: It is of another format, or not a start at all.
    """
    try:
        values = json.loads(data)
        written = int(values["format"])
        if written != FORMAT:
            raise RecordingError(
                f"{origin} is of format {written}, this version reads format {FORMAT}: replay it with the version "
                f"that wrote it, touchdown {values['touchdown_version']}"
            )
        return Start(**values)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RecordingError(f"{origin}: its first record cannot be read: {error}") from error


_STEP = TypeAdapter(StepRecord)
_TICK = TypeAdapter(TickRecord)


def step_from(data: bytes) -> StepRecord:
    """Reads a step. Fields of a later version are left out.

    Raises:
        RecordingError: It is none.
    """
    return _read(_STEP, data)


def tick_from(data: bytes) -> TickRecord:
    """Reads a tick. Fields of a later version are left out.

    Raises:
        RecordingError: It is none.
    """
    return _read(_TICK, data)


def _read(kind: TypeAdapter[Record], data: bytes) -> Record:
    try:
        return kind.validate_python(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"a record cannot be read: {error}") from error


def memory_to_bytes(memory: Mapping[str, Any]) -> bytes:
    """A decider's memory: arrays as they are, the rest as JSON, in NumPy's zip format."""
    arrays = {k: v for k, v in memory.items() if isinstance(v, np.ndarray)}
    plain = {k: exact(v) for k, v in memory.items() if k not in arrays}
    text = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, plain=text, **{f"array.{k}": v for k, v in arrays.items()})
    return stream.getvalue()


def memory_from_bytes(data: bytes) -> dict[str, Any]:
    """The memory back again.

    Raises:
        RecordingError: It is none, or has more than `MOST_MEMORY_BYTES`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > MOST_MEMORY_BYTES:
            raise RecordingError(f"a memory has {size} bytes, at most {MOST_MEMORY_BYTES} expected")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            loaded = {name: stored[name] for name in stored.files}
        if not all(isinstance(part, np.ndarray) for part in loaded.values()):
            raise ValueError("a part is no array")
        memory: dict[str, Any] = json.loads(loaded.pop("plain").tobytes())
        memory.update({name.removeprefix("array."): part for name, part in loaded.items()})
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, MemoryError, RecursionError) as error:
        raise RecordingError(f"a memory cannot be read: {error}") from error
    return memory


def masks_to_picture(segmentation: Segmentation) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """All maps of a segmentation below each other, uint8 (6 h, w), for a lossless picture."""
    return np.concatenate([segmentation.class_id, segmentation.landable, *segmentation.hazards], axis=0)


def masks_from_picture(picture: np.ndarray[Any, np.dtype[np.uint8]], captured_at_ns: int) -> Segmentation:
    """The segmentation back again."""
    class_id, landable, *hazards = np.split(picture, 6, axis=0)
    return Segmentation(
        np.ascontiguousarray(class_id),
        np.ascontiguousarray(landable),
        np.ascontiguousarray(np.stack(hazards)),
        captured_at_ns,
    )
