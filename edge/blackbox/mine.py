"""Finds the recorded frames that are worth a person's labels: the road back to the workstation.

Each frame gets a score for how little the network knew, how far it contradicts the frame before it on the same ground,
and how close it was to going wrong. The best ones, some time apart, are written in the trainer's layout: `images/`,
`taxonomy.toml`, and the network's own maps in `proposals/`, at the picture's size, and as projects for CVAT and Label
Studio, for a person to correct. Proposals are never labels by themselves: training on them would teach the network its
own mistakes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.blackbox import views
from edge.blackbox.labelling import README as TOOLS_README
from edge.blackbox.labelling import LabellingProject, Proposal
from edge.blackbox.recording import Recording, picture_of
from edge.blackbox.records import StepRecord, Topic, step_from, tick_from
from edge.blackbox.replay import maps_of
from edge.exact import RecordingError
from edge.resolved import ResolvedFlight
from landing.camera import CameraModel
from landing.guidance.director import DirectorState
from landing.picture_files import size_of, write_picture
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Pose, Segmentation

NEAR_MISS_S = 1.0
"""Frames this close in time to a lost site or a hold belong to it."""

EDGE_PX = 2
"""Width of the border between classes that is left out: two frames always differ there, px."""

README = """Frames mined from {source}

images/      the frames, as recorded (JPEG)
proposals/   what the network said of them: class ids of taxonomy.toml, as large as the pictures
mined.csv    why each frame was taken
cvat/, label_studio/   the same as projects, to be corrected there

{tools}"""


@dataclass(frozen=True)
class FrameScore:
    """One frame.

    Attributes:
        number: Of the decision.
        at_s: Since the recording's first decision.
        entropy: Mean entropy of landable against not, bits, 0 to 1.
        disagreement: Part of the ground seen before on which the two looks contradict, 0 to 1.
        near_miss: What went wrong within `NEAR_MISS_S`; empty for nothing.
    """

    number: int
    at_s: float
    entropy: float
    disagreement: float
    near_miss: str

    @property
    def score(self) -> float:
        """Rank of the frame. A near miss weighs more than any doubt."""
        return self.entropy + 2.0 * self.disagreement + (2.0 if self.near_miss else 0.0)

    @property
    def why(self) -> str:
        """The strongest reason, in a word."""
        if self.near_miss:
            return self.near_miss
        return "disagreement" if 2.0 * self.disagreement > self.entropy else "entropy"


def entropy_bits(segmentation: Segmentation) -> float:
    """Mean entropy of landable against not landable over the picture, bits."""
    p = np.clip(segmentation.landable.astype(np.float32) / 255.0, 1e-4, 1 - 1e-4)
    return float(np.mean(-(p * np.log2(p) + (1 - p) * np.log2(1 - p))))


def disagreement(
    now: Segmentation, pose: Pose, before: Segmentation, pose_before: Pose, camera: CameraModel, ground_down_m: float
) -> float:
    """Part of the ground in both pictures on which one look says landable and the other not.

    The earlier picture is laid over the later one through the ground plane. Borders are left out.
    """
    rows, columns = now.shape
    lens = camera.resized(columns, rows)
    u, v = np.meshgrid(np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64))
    ground = lens.ground_from_pixel(np.stack([u.ravel(), v.ravel()], 1), pose, ground_down_m)
    seen = np.isfinite(ground).all(axis=1)
    points = np.column_stack([np.nan_to_num(ground[:, :2]), np.full(len(ground), ground_down_m)])
    there = lens.pixel_from_ned(points, pose_before).astype(np.float32).reshape(rows, columns, 2)
    inside = (
        seen.reshape(rows, columns)
        & np.isfinite(there).all(axis=2)
        & (there >= 0).all(axis=2)
        & (there[..., 0] <= columns - 1)
        & (there[..., 1] <= rows - 1)
    )
    there = np.nan_to_num(there, nan=-1.0, posinf=-1.0, neginf=-1.0)
    earlier = cv2.remap(before.landable, there[..., 0], there[..., 1], cv2.INTER_NEAREST)
    a, b = now.landable >= 128, np.asarray(earlier) >= 128
    inside &= ~(_borders(a) | _borders(b))
    total = int(np.count_nonzero(inside))
    return float(np.count_nonzero((a != b) & inside) / total) if total else 0.0


def _borders(landable: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    kernel = np.ones((2 * EDGE_PX + 1,) * 2, np.uint8)
    mask = landable.astype(np.uint8)
    borders: npt.NDArray[np.bool_] = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
    return borders


def score(recording: Recording) -> list[FrameScore]:
    """Scores every recorded frame, in the order of time.

    Raises:
        RecordingError: A record cannot be read.
    """
    camera = ResolvedFlight.parse(recording.start.flight).camera
    troubles = list(_troubles(recording))
    result: list[FrameScore] = []
    before: tuple[Segmentation, Pose] | None = None
    first_ns: int | None = None
    for record, maps in _steps(recording):
        at_ns = record.decided_at_ns
        first_ns = at_ns if first_ns is None else first_ns
        pose, down_m = record.pose, record.ground_down_m
        contradiction = 0.0
        located = camera.missing_in(pose) is None
        if pose and located and before and down_m is not None and maps.shape == before[0].shape:
            contradiction = disagreement(maps, pose, *before, camera, down_m)
        near = [what for when_ns, what in troubles if abs(when_ns - at_ns) <= NEAR_MISS_S * 1e9]
        result.append(
            FrameScore(
                record.number, (at_ns - first_ns) * 1e-9, entropy_bits(maps), contradiction, near[0] if near else ""
            )
        )
        if pose and located:
            before = (maps, pose)
    return result


def choose(scored: list[FrameScore], count: int, apart_s: float) -> list[FrameScore]:
    """The best ones that are some time apart, in the order of time."""
    chosen: list[FrameScore] = []
    for frame in sorted(scored, key=lambda s: -s.score):
        if len(chosen) == count:
            break
        if all(abs(frame.at_s - other.at_s) >= apart_s for other in chosen):
            chosen.append(frame)
    return sorted(chosen, key=lambda s: s.number)


def mine(recording: Recording, out: Path, count: int, apart_s: float, source: str) -> list[FrameScore]:
    """Writes the frames worth labelling.

    Args:
        recording: To go through.
        out: Made when it is missing; a frame that is there already is written again.
        count: At most so many.
        apart_s: Least time between two of them, s.
        source: Named in the folder's README.

    Returns:
        The chosen frames.

    Raises:
        RecordingError: A record cannot be read, there is none, or the folder holds frames of another flight.
        OSError: The folder cannot be written.
    """
    scored = score(recording)
    if not scored:
        raise RecordingError(f"{source} holds no decisions, so there are no frames to take")
    boot = recording.start.boot
    if any(not path.name.startswith(f"{boot}_") for path in (out / "images").glob("[!.]*.jpg")):
        raise RecordingError(f"{out} holds frames of another flight, perhaps corrected by now; choose another --out")
    chosen = {s.number: s for s in choose(scored, count, apart_s)}
    for folder in ("images", "proposals"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    taxonomy = ResolvedFlight.parse(recording.start.flight).classes
    (out / "taxonomy.toml").write_text(taxonomy.to_toml(), "utf-8")
    project = LabellingProject(out, taxonomy, f"touchdown {taxonomy.name}")
    jpeg = b""
    with (out / "mined.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["name", "why", "score", "entropy_bits", "disagreement", "at_s"])
        for entry in recording.entries(views.PICTURE, views.MASKS, Topic.STEP.value, title="writing"):
            if entry.topic == views.PICTURE:
                jpeg = picture_of(entry)
            elif entry.topic == views.MASKS:
                png = picture_of(entry)
            else:
                record = step_from(entry.data)
                taken = chosen.get(record.number)
                if taken is None:
                    continue
                name = f"{boot}_{record.number:06d}"  # before _: one flight, one group
                (out / "images" / f"{name}.jpg").write_bytes(jpeg)
                ids = np.asarray(
                    cv2.resize(maps_of(png).class_id, size_of(jpeg), interpolation=cv2.INTER_NEAREST_EXACT)
                )
                write_picture(out / "proposals" / f"{name}.png", ids)
                project.add(Proposal(f"{name}.jpg", ids))
                numbers = (taken.score, taken.entropy, taken.disagreement, taken.at_s)
                table.writerow([name, taken.why, *(f"{n:.4f}" for n in numbers)])
    project.close()
    (out / "README.txt").write_text(README.format(source=source, tools=TOOLS_README), "utf-8")
    return [chosen[number] for number in sorted(chosen)]


def _steps(recording: Recording) -> Iterator[tuple[StepRecord, Segmentation]]:
    maps: Segmentation | None = None
    for entry in recording.entries(views.MASKS, Topic.STEP.value, title="judging frames"):
        if entry.topic == views.MASKS:
            maps = maps_of(picture_of(entry))
        elif maps is not None:
            yield step_from(entry.data), maps


def _troubles(recording: Recording) -> Iterator[tuple[int, str]]:
    """Yield the monotonic time and the name of each near miss."""
    had_site = False
    for entry in recording.entries(Topic.STEP.value, Topic.TICK.value, title="looking for near misses"):
        if entry.topic == Topic.TICK.value:
            tick = tick_from(entry.data)
            for change in tick.output.transitions:
                if change.to_state in (DirectorState.HOLD, DirectorState.ABORT):
                    yield tick.at_ns, change.to_state.value
            continue
        record = step_from(entry.data)
        selection = record.decision.selection
        lost = isinstance(selection, NoSite) and selection.reason is NoSiteReason.SITE_LOST
        if lost and had_site:
            yield record.decided_at_ns, "site-lost"
        had_site = isinstance(selection, LandingSite)
