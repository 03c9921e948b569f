"""`edge look`: the same decision on a photo, a folder or a video, without an autopilot.

The camera is taken to be level and the ground flat. Every picture of a folder is decided on by itself; the frames of a
video build up one map, as in flight.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.annotate import annotate, disc_px
from edge.cameras import CameraRequest, EndOfStream, make_camera
from edge.cameras.recordings import PICTURE_SUFFIXES, VIDEO_SUFFIXES, pictures_in, read_picture
from edge.lens import camera_for_size
from edge.log import plain
from edge.photo import PhotoFacts, read_facts
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from edge.timings import Timings
from landing.camera import CameraModel, Mount
from landing.decider import Decider
from landing.errors import CameraError, DataError, TouchdownError
from landing.pictures import decode, read_picture_bytes
from landing.settings import DecisionSection
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Taxonomy
from landing.types import Frame, Pose

LEVEL = (1.0, 0.0, 0.0, 0.0)

LEAST_PITCH_DEG = -20.0
"""A photo whose camera looked closer to the horizon is taken as one that looked down."""


@dataclass(frozen=True)
class LookOptions:
    """Options of `edge look`.

    Attributes:
        model: Model file.
        runtime: How to run it.
        settings: Of the decision, as configured.
        taxonomy: To use instead of the model's own, a name or file.
        height_agl_m: Height above ground for every picture; from the file where None.
        hfov_deg: Horizontal field of view; from the calibration or the file where None.
        calibration: Camera calibration file.
        out: Folder for pictures and `results.jsonl`; None writes none.
        every: Take every n-th picture or frame.
        independent: Decide on each video frame by itself.
        labels: Folder of label maps to judge the sites by.
        label_taxonomy: What the values of those label maps mean.
    """

    model: Path
    runtime: RuntimeOptions
    settings: DecisionSection
    taxonomy: str | None = None
    height_agl_m: float | None = None
    hfov_deg: float | None = None
    calibration: Path | None = None
    out: Path | None = None
    every: int = 1
    independent: bool = False
    labels: Path | None = None
    label_taxonomy: Taxonomy | None = None


@dataclass
class Summary:
    """Result of a run."""

    looked: int = 0
    sites: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    judged: int = 0
    sites_with_hazard: int = 0
    vehicle_discs_with_hazard: int = 0
    timings: Timings = field(default_factory=Timings)
    notes: list[str] = field(default_factory=list)
    flies: ResolvedDecision | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "looked": self.looked,
            "sites": self.sites,
            "no_site": dict(self.reasons),
            "skipped": self.skipped,
            "judged": self.judged,
            "sites_with_hazard": self.sites_with_hazard,
            "vehicle_discs_with_hazard": self.vehicle_discs_with_hazard,
            "timings_ms": plain(self.timings.percentiles()),
            "flight": None if self.flies is None else self.flies.report(),
        }


@dataclass(frozen=True)
class Viewpoint:
    """Lens, height and where they are known from."""

    camera: CameraModel
    height_agl_m: float
    source: str

    def pose_at(self, at_ns: int) -> Pose:
        """Level, above the origin."""
        return Pose(at_ns, LEVEL, (0.0, 0.0, -self.height_agl_m), self.height_agl_m)


class Looker:
    """Runs the decision over files and writes what it finds.

    Args:
        options: From the command line.
        say: Takes one line for people.
        emit: Takes one JSON object per picture.
    """

    def __init__(
        self, options: LookOptions, say: Callable[[str], None], emit: Callable[[dict[str, Any]], None]
    ) -> None:
        self.options = options
        self.summary = Summary()
        self._say = say
        self._emit = emit
        self._calibrated = CameraModel.from_calibration(options.calibration) if options.calibration else None

    def run(self, paths: list[Path]) -> Summary:
        """Looks at each path in turn.

        Raises:
            TouchdownError: A path, the model, or a height or field of view that is not known.
        """
        for path in paths:
            if not path.exists():
                raise DataError(f"{path} does not exist: expected a photo, a folder or a video")
        with ExitStack() as stack:
            runtime = stack.enter_context(load_runtime(self.options.model, self.options.runtime))
            runtime.warm_up()
            flies = resolve_decision(self.options.settings, runtime.spec, self.options.taxonomy)
            self.summary.flies = flies
            self._note(f"flight {flies.describe()}")
            if self.options.out is not None:
                _make_folder(self.options.out)
                results = (self.options.out / "results.jsonl").open("w", encoding="utf-8")
                stack.enter_context(results)
                inner = self._emit

                def both(record: dict[str, Any]) -> None:
                    results.write(json.dumps(record) + "\n")
                    inner(record)

                self._emit = both
            for path in paths:
                if path.is_dir():
                    self._folder(path, runtime, flies)
                elif path.suffix.lower() in VIDEO_SUFFIXES:
                    self._video(path, runtime, flies)
                elif path.suffix.lower() in PICTURE_SUFFIXES:
                    self._pictures([path], runtime, flies)
                else:
                    raise DataError(
                        f"{path}: expected a photo ({' '.join(PICTURE_SUFFIXES)}), a folder or a "
                        f"video ({' '.join(VIDEO_SUFFIXES)})"
                    )
        if self.summary.looked == 0 and self.summary.skipped:
            raise DataError(
                f"none of {len(self.summary.skipped)} pictures can be read; the first: {self.summary.skipped[0]}"
            )
        return self.summary

    def _folder(self, folder: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        pictures = pictures_in(folder)
        videos = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES)
        if not pictures and not videos:
            raise DataError(f"{folder} holds no pictures ({' '.join(PICTURE_SUFFIXES)})")
        self._pictures(pictures, runtime, flies)
        for video in videos:
            self._video(video, runtime, flies)

    def _pictures(self, paths: list[Path], runtime: Runtime, flies: ResolvedDecision) -> None:
        settings = flies.decision.single_look()
        for path in paths[:: self.options.every]:
            try:
                image = read_picture(path)
            except CameraError as error:
                self.summary.skipped.append(str(error))
                self._say(f"{path.name}: skipped: {error}")
                continue
            frame = Frame(image, 0, time.monotonic_ns())
            view = self._viewpoint(path, frame.width_px, frame.height_px, read_facts(path))
            decider = Decider(settings, flies.classes, view.camera, time.perf_counter_ns)
            pipeline = Pipeline(runtime, decider, view.camera, time.monotonic_ns, time.perf_counter_ns)
            step = pipeline.step(frame, view.pose_at)
            record = self._record(path, path.name, view, step)
            if self.options.out is not None:
                target = self.options.out / f"{path.stem}.look.jpg"
                _write_picture(target, annotate(step, view.camera, settings))
                record["picture"] = target.name
            self._done(record, step)

    def _video(self, path: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        settings = flies.decision
        if self.options.independent:
            settings = settings.single_look()
        with ExitStack() as stack:
            camera = stack.enter_context(make_camera(CameraRequest(f"file://{path}", realtime=False)))
            info = camera.info
            view = self._viewpoint(path, info.width_px, info.height_px, PhotoFacts())
            if not self.options.independent:
                self._note(
                    "a video has no poses: its frames build one map as if the camera hovered "
                    "level; for a moving camera use --independent"
                )
            decider = Decider(settings, flies.classes, view.camera, time.perf_counter_ns)
            now_ns = 0
            pipeline = Pipeline(runtime, decider, view.camera, lambda: now_ns, time.perf_counter_ns)
            writer: Any = None
            for frame in _frames(camera.grab):
                if frame.frame_id % self.options.every:
                    continue
                now_ns = frame.captured_at_ns
                if self.options.independent:
                    decider.reset()
                step = pipeline.step(frame, view.pose_at)
                record = self._record(path, f"{path.name}#{frame.frame_id}", view, step)
                if self.options.out is not None:
                    target = self.options.out / f"{path.stem}.look.mp4"
                    if writer is None:
                        fps = (info.fps or 25.0) / self.options.every
                        writer = _video_writer(target, fps, (info.width_px, info.height_px))
                        stack.callback(writer.release)
                    writer.write(annotate(step, view.camera, settings))
                    record["picture"] = target.name
                self._done(record, step)

    def _viewpoint(self, path: Path, width_px: int, height_px: int, facts: PhotoFacts) -> Viewpoint:
        options = self.options
        height_m, height_from = options.height_agl_m, "--height-agl-m"
        if height_m is None:
            height_m, height_from = facts.height_m, facts.height_from
        if height_m is None:
            msl = (
                f" Its GPS altitude {facts.msl_m:.0f} m is above the sea, not above the ground."
                if facts.msl_m is not None
                else ""
            )
            raise DataError(
                f"{path.name}: the height above ground is not in the file; give it with --height-agl-m.{msl}"
            )
        pitch_deg = facts.pitch_deg
        if pitch_deg is None or not -180.0 <= pitch_deg <= LEAST_PITCH_DEG:
            pitch_deg = -90.0
        mount = Mount(pitch_deg=pitch_deg)
        if options.hfov_deg is not None:
            camera = CameraModel.from_hfov(width_px, height_px, options.hfov_deg, mount)
            lens_from = "--hfov-deg"
        elif self._calibrated is not None:
            camera = camera_for_size(self._calibrated, width_px, height_px)
            lens_from = "--calibration"
        elif facts.hfov_deg is not None:
            camera = CameraModel.from_hfov(width_px, height_px, facts.hfov_deg, mount)
            lens_from = facts.hfov_from
        else:
            raise DataError(
                f"{path.name}: the field of view is not in the file; give it with --hfov-deg or --calibration"
            )
        source = f"height {height_m:g} m from {height_from}, "
        source += f"horizontal field of view {camera.hfov_deg:.1f} degrees from {lens_from}"
        if pitch_deg != -90.0:
            source += f", camera pitch {pitch_deg:g} degrees from XMP"
        self._note(source)
        return Viewpoint(camera, height_m, source)

    def _record(self, path: Path, name: str, view: Viewpoint, step: Step) -> dict[str, Any]:
        selection = step.decision.selection
        record: dict[str, Any] = {
            "path": str(path),
            "name": name,
            "height_agl_m": round(view.height_agl_m, 3),
            "hfov_deg": round(view.camera.hfov_deg, 3),
            "viewpoint": view.source,
            "timings_ms": {k: round(v, 3) for k, v in step.timings_ms.items() if k != "age"},
        }
        if isinstance(selection, LandingSite):
            centre = np.array([selection.position_ned_m])
            u, v = view.camera.pixel_from_ned(centre, view.pose_at(0))[0]
            ahead_m, right_m, _ = selection.position_ned_m
            record["site"] = {
                "ahead_m": round(ahead_m, 3),
                "right_m": round(right_m, 3),
                "u_px": round(float(u), 1),
                "v_px": round(float(v), 1),
                "clearance_m": round(selection.clearance_m, 3),
                "area_m2": round(selection.area_m2, 2),
                "confidence": round(selection.confidence, 4),
            }
            record.update(self._judged(path, view, selection))
        else:
            record["no_site"] = {"reason": selection.reason.value, "detail": selection.detail}
        return record

    def _judged(self, path: Path, view: Viewpoint, site: LandingSite) -> dict[str, Any]:
        """Hazard pixels of the ground truth within the chosen disc, if there are labels."""
        options = self.options
        if options.labels is None or options.label_taxonomy is None:
            return {}
        label_path = options.labels / f"{path.stem}.png"
        if not os.path.lexists(label_path):
            self._note(f"no label map {label_path.name} for {path.name}")
            return {}
        labels = decode(read_picture_bytes(label_path, "label map", DataError), cv2.IMREAD_UNCHANGED)
        if labels is None or labels.ndim != 2:
            raise DataError(f"label map {label_path}: expected one channel of class ids")
        taxonomy = options.label_taxonomy
        ids = [i for role in HAZARD_ROLES for i in taxonomy.ids_of(role)]
        hazard = np.isin(labels, ids)
        camera = view.camera.resized(labels.shape[1], labels.shape[0])
        counts = []
        for radius_m in (site.clearance_m, options.settings.vehicle_radius_m):
            outline = disc_px(site, radius_m, camera, view.pose_at(0))
            disc = np.zeros(labels.shape, np.uint8)
            if outline is not None:
                cv2.fillPoly(disc, [outline], 1)
            counts.append(int(np.count_nonzero(hazard & (disc > 0))))
        return {"judged": True, "hazard_px": counts[0], "hazard_px_under_vehicle": counts[1]}

    def _done(self, record: dict[str, Any], step: Step) -> None:
        summary = self.summary
        summary.looked += 1
        summary.timings.add({k: v for k, v in step.timings_ms.items() if k != "age"})
        if "site" in record:
            summary.sites += 1
            site = record["site"]
            text = (
                f"site {_way(site['ahead_m'], 'ahead', 'behind')}, "
                f"{_way(site['right_m'], 'right', 'left')}, clear {site['clearance_m']:.1f} m, "
                f"area {site['area_m2']:.0f} m2, confidence {site['confidence']:.2f}"
            )
            if record.get("judged"):
                summary.judged += 1
                summary.sites_with_hazard += record["hazard_px"] > 0
                summary.vehicle_discs_with_hazard += record["hazard_px_under_vehicle"] > 0
                text += f", {record['hazard_px']} hazard px by label"
        else:
            reason = record["no_site"]
            summary.reasons[reason["reason"]] += 1
            text = f"no site: {reason['reason']}: {reason['detail']}"
        self._say(f"{record['name']}: {text}")
        self._emit(record)

    def _note(self, text: str) -> None:
        """Says something once."""
        if text not in self.summary.notes:
            self.summary.notes.append(text)
            self._say(f"({text})")


def _way(value_m: float, positive: str, negative: str) -> str:
    return f"{abs(value_m):.1f} m {positive if value_m >= 0 else negative}"


def _frames(grab: Callable[[float], Frame]) -> Iterator[Frame]:
    while True:
        try:
            yield grab(5.0)
        except EndOfStream:
            return


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TouchdownError(f"--out {folder}: {error.strerror or error}") from error


def _write_picture(path: Path, image: Any) -> None:
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 90]):
        raise TouchdownError(f"{path} cannot be written: is the disk full or the folder read-only?")


def _video_writer(path: Path, fps: float, size: tuple[int, int]) -> Any:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    if not writer.isOpened():
        raise TouchdownError(f"{path} cannot be written: OpenCV has no MPEG-4 encoder here")
    return writer


def parse_decision(pairs: tuple[str, ...]) -> DecisionSection:
    """Decision settings from ``KEY=VALUE`` texts over the defaults.

    Raises:
        ConfigError: An unknown key or a value out of range.
    """
    from pydantic import ValidationError

    from landing.errors import ConfigError
    from landing.validation import first_problem

    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--decision {pair!r}: expected KEY=VALUE, as vehicle_radius_m=0.4")
        values[key.strip()] = text.strip()
    try:
        return DecisionSection.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"--decision: {first_problem(error, DecisionSection)}") from error
