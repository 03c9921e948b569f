"""`edge look`: the same decision on a photo, a folder or a video, without an autopilot.

`edge.view` says where the camera was and where it looked, or refuses; the ground is taken to be flat. Every picture of
a folder is decided on by itself; the frames of a video build up one map, as in flight.
"""

from __future__ import annotations

import io
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
from PIL import Image

from edge.annotate import annotate, annotate_refusal, disc_px
from edge.cameras import CameraRequest, EndOfStream, make_camera
from edge.cameras.recordings import PICTURE_SUFFIXES, VIDEO_SUFFIXES, pictures_in, read_picture
from edge.log import plain
from edge.photo import PhotoFacts, read_facts
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from edge.timings import Timings
from edge.view import SAME_SHAPE, Given, UnknownViewError, View, view_of
from landing.decider import Decider
from landing.errors import CameraError, DataError, TouchdownError
from landing.pictures import DAMAGED, read_picture_bytes
from landing.settings import DecisionSection
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Taxonomy
from landing.types import ByteArray, Frame


@dataclass(frozen=True)
class LookOptions:
    """Options of `edge look`.

    Attributes:
        model: Model file.
        runtime: How to run it.
        settings: Of the decision, as configured.
        taxonomy: To use instead of the model's own, a name or file.
        given: What the user says of the views.
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
    given: Given = field(default_factory=Given)
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
    refused_views: int = 0
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
            "refused_views": self.refused_views,
            "skipped": self.skipped,
            "judged": self.judged,
            "sites_with_hazard": self.sites_with_hazard,
            "vehicle_discs_with_hazard": self.vehicle_discs_with_hazard,
            "timings_ms": plain(self.timings.percentiles()),
            "flight": None if self.flies is None else self.flies.report(),
        }


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
        self._names: set[str] = set()

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
                f"none of {len(self.summary.skipped)} pictures can be decided on; the first: {self.summary.skipped[0]}"
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
                self._skip(path, str(error))
                continue
            frame = Frame(image, 0, time.monotonic_ns())
            view = self._view(path, (frame.width_px, frame.height_px), read_facts(path))
            if view is None:
                continue
            if view.refused is not None:
                self._refuse(path, view, frame.image_bgr)
                continue
            decider = Decider(settings, flies.classes, view.camera, time.perf_counter_ns)
            pipeline = Pipeline(runtime, decider, view.camera, time.monotonic_ns, time.perf_counter_ns)
            step = pipeline.step(frame, view.pose_at)
            record = self._record(path, path.name, view, step)
            if self.options.out is not None:
                target = self._target(path, ".look.jpg")
                _write_picture(target, annotate(step, view.camera, settings, view.notes))
                record["picture"] = target.name
            self._done(record, step)

    def _video(self, path: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        settings = flies.decision
        if self.options.independent:
            settings = settings.single_look()
        with ExitStack() as stack:
            camera = stack.enter_context(make_camera(CameraRequest(f"file://{path}", realtime=False)))
            info = camera.info
            view = self._view(path, (info.width_px, info.height_px), PhotoFacts())
            if view is None:
                return
            if view.refused is not None:
                self._refuse(path, view)
                return
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
                    if writer is None:
                        target = self._target(path, ".look.mp4")
                        fps = (info.fps or 25.0) / self.options.every
                        writer = _video_writer(target, fps, (info.width_px, info.height_px))
                        stack.callback(writer.release)
                    writer.write(annotate(step, view.camera, settings, view.notes))
                    record["picture"] = target.name
                self._done(record, step)

    def _view(self, path: Path, size_px: tuple[int, int], facts: PhotoFacts) -> View | None:
        """The view of a picture; None, and a line that says why, where nothing places its camera."""
        try:
            view = view_of(size_px, facts, self.options.given)
        except UnknownViewError as error:
            self._skip(path, f"{path.name}: {error}")
            return None
        self._note(view.source)
        for note in view.notes:
            self._note(note)
        return view

    def _skip(self, path: Path, why: str) -> None:
        self.summary.skipped.append(why)
        self._say(f"{path.name}: skipped: {why}")

    def _target(self, path: Path, ending: str) -> Path:
        """A file of the output folder that no other input has: with its folder's name where its own is taken."""
        assert self.options.out is not None
        names = [path.stem, f"{path.parent.name}-{path.stem}", f"{path.parent.name}-{path.name}"]
        names += [f"{names[-1]}-{number}" for number in range(2, len(self._names) + 3)]
        name = next(n for n in names if n + ending not in self._names)
        self._names.add(name + ending)
        return self.options.out / (name + ending)

    def _refuse(self, path: Path, view: View, image_bgr: ByteArray | None = None) -> None:
        """Say that a view is not decided on, and why; on its picture too."""
        self.summary.looked += 1
        self.summary.refused_views += 1
        self.summary.reasons["view"] += 1
        record = {**_view_record(path, path.name, view), "no_site": {"reason": "view", "detail": view.refused}}
        if image_bgr is not None and self.options.out is not None:
            target = self._target(path, ".look.jpg")
            _write_picture(target, annotate_refusal(image_bgr, view.refused or ""))
            record["picture"] = target.name
        self._say(f"{path.name}: no site: view: {view.refused}")
        self._emit(record)

    def _record(self, path: Path, name: str, view: View, step: Step) -> dict[str, Any]:
        selection = step.decision.selection
        record = _view_record(path, name, view)
        record["timings_ms"] = {k: round(v, 3) for k, v in step.timings_ms.items() if k != "age"}
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

    def _judged(self, path: Path, view: View, site: LandingSite) -> dict[str, Any]:
        """Hazard pixels of the ground truth within the chosen disc, if there are labels."""
        options = self.options
        if options.labels is None or options.label_taxonomy is None:
            return {}
        label_path = _label_path(options.labels, path.stem)
        if label_path is None:
            self._note(f"no label map {path.stem}.png for {path.name}")
            return {}
        labels = _read_labels(label_path)
        taxonomy = options.label_taxonomy
        shape = view.camera.width_px / view.camera.height_px
        if abs(labels.shape[1] / labels.shape[0] / shape - 1.0) > SAME_SHAPE:
            raise DataError(
                f"label map {label_path} is {labels.shape[1]}x{labels.shape[0]} px, its picture "
                f"{view.camera.width_px}x{view.camera.height_px}: another shape"
            )
        ids = [i for role in HAZARD_ROLES for i in taxonomy.ids_of(role)]
        hazard = np.isin(labels, ids)
        camera = view.camera.resized(labels.shape[1], labels.shape[0])
        known = np.isin(labels, [c.id for c in taxonomy.classes])
        counts, unknown_px = [], 0
        for radius_m in (site.clearance_m, options.settings.vehicle_radius_m):
            outline = disc_px(site, radius_m, camera, view.pose_at(0))
            disc = np.zeros(labels.shape, np.uint8)
            if outline is not None:
                cv2.fillPoly(disc, [outline], 1)
            counts.append(int(np.count_nonzero(hazard & (disc > 0))))
            unknown_px = max(unknown_px, int(np.count_nonzero(~known & (disc > 0))))
        if unknown_px and not counts[0]:
            self._note(
                f"{label_path.name}: {unknown_px} px of the disc have no class of {taxonomy.name}: site not judged"
            )
            return {"judged": False, "unlabelled_px": unknown_px}
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


def _view_record(path: Path, name: str, view: View) -> dict[str, Any]:
    return {
        "path": str(path),
        "name": name,
        "height_agl_m": round(view.height_agl_m, 3),
        "hfov_deg": round(view.camera.hfov_deg, 3),
        "pitch_deg": view.camera.mount.pitch_deg,
        "viewpoint": view.source,
        "notes": list(view.notes),
    }


def _label_path(folder: Path, stem: str) -> Path | None:
    """Label map of a picture, its suffix in any case."""
    return next((p for p in (folder / f"{stem}.png", folder / f"{stem}.PNG") if os.path.lexists(p)), None)


def _read_labels(path: Path) -> ByteArray:
    """Class ids of a label map: an 8-bit grey picture, or the indices of a palette picture, uint8 (H, W).

    Raises:
        DataError: It is another kind of picture, or damaged.
    """
    data = read_picture_bytes(path, "label map", DataError)
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, ids = image.mode, np.asarray(image)
    except DAMAGED as error:
        raise DataError(f"label map {path} cannot be decoded: {error}") from error
    if mode not in ("L", "P"):
        raise DataError(f"label map {path} is a {mode} picture: expected class ids, 8-bit grey or palette")
    return np.asarray(ids, np.uint8)


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
