"""`edge look`: the same decision on a photo, a folder or a video, without an autopilot.

`view` says where the camera was and where it looked, or refuses; the ground is taken to be flat. Every picture of
a folder is decided on by itself; the frames of a video build up one map, as in flight.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.annotate import annotate, annotate_refusal, way_to
from edge.cameras import CameraRequest, EndOfStream, make_camera
from edge.cameras.bag import SUFFIXES as BAG_SUFFIXES
from edge.cameras.bag import is_bag
from edge.cameras.recordings import PICTURE_SUFFIXES, RAW_SUFFIXES, VIDEO_SUFFIXES, files_of, pictures_in, read_picture
from edge.log import plain
from edge.look.bag import BagTelemetry
from edge.look.georeference import is_orthophoto
from edge.look.labels import LabelMaps
from edge.look.ortho import OrthoLook, OrthoWindow, ortho_record, ortho_view, site_features
from edge.look.ortho_scale import scale_for
from edge.look.output import LookOutput
from edge.look.photo import PhotoFacts, read_facts
from edge.look.raster import Orthophoto, open_orthophoto
from edge.look.records import gap_record, gap_words, view_record
from edge.look.sky import sky_fraction
from edge.look.video_telemetry import TelemetryEntry, VideoTelemetry, telemetry_beside
from edge.look.view import Given, UnknownViewError, View, in_colour, view_of
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from edge.timings import Timings
from landing.camera import CameraModel, Mount
from landing.choice.obstruction import Gap, largest_gap
from landing.errors import CameraError, DataError, PictureError
from landing.ground.scale import UNKNOWN_RANGE, axis_down
from landing.picture_files import TIFF_SUFFIXES
from landing.progress import tracked
from landing.reading import absence
from landing.settings import DecisionSection
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.terminal import printable, quiet_decoders
from landing.types import ByteArray, Frame, Pose

Telemetry = VideoTelemetry | BagTelemetry

ZOOM_CHANGE = 0.02
"""Frames whose zoom differs by more from the first frame's are not decided on."""


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
        report: Also write `report.html` into `out`.
        every: Take every n-th picture or frame.
        independent: Decide on each video frame by itself.
        labels: Label maps to judge the sites by.
        gsd_m: Metres per pixel of TIFFs that are orthophotos and do not say it.
        crs: Coordinate system of orthophotos that do not say it.
    """

    model: Path
    runtime: RuntimeOptions
    settings: DecisionSection
    taxonomy: str | None = None
    given: Given = field(default_factory=Given)
    out: Path | None = None
    report: bool = False
    every: int = 1
    independent: bool = False
    labels: LabelMaps | None = None
    gsd_m: float | None = None
    crs: str | None = None


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
    surfaces: Counter[str] = field(default_factory=Counter)
    labels_under_vehicle: Counter[str] = field(default_factory=Counter)
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
            "surfaces": dict(self.surfaces),
            "labels_under_vehicle": dict(self.labels_under_vehicle),
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
        self._say_line = say
        self._emit_line = emit
        self._output: LookOutput | None = None

    def run(self, paths: list[Path]) -> Summary:
        """Looks at each path in turn.

        Raises:
            TouchdownError: A path, the model, or a height or field of view that is not known.
        """
        for path in paths:
            if not path.exists():
                raise DataError(f"{path} {absence(path)}: expected a photo, a folder or a video")
        with ExitStack() as stack:
            runtime = stack.enter_context(load_runtime(self.options.model, self.options.runtime))
            runtime.warm_up()
            flies = resolve_decision(self.options.settings, runtime.spec, self.options.taxonomy)
            self.summary.flies = flies
            self._note(f"flight {flies.describe()}")
            if self.options.labels is not None:
                self._note(str(self.options.labels.reading))
            if flies.ground_range is None:
                self._note(f"{self.options.model.name} {UNKNOWN_RANGE}")
            if self.options.out is not None:
                self._output = stack.enter_context(LookOutput(self.options.out, self.options.report))
            for path in paths:
                if is_bag(path):
                    self._video(path, runtime, flies)
                elif path.is_dir():
                    self._folder(path, runtime, flies)
                elif path.suffix.lower() in VIDEO_SUFFIXES:
                    self._video(path, runtime, flies)
                elif path.suffix.lower() in PICTURE_SUFFIXES:
                    self._pictures([path], runtime, flies)
                else:
                    raise DataError(
                        f"{path}: expected a photo ({' '.join(PICTURE_SUFFIXES)}), a folder, a "
                        f"video ({' '.join(VIDEO_SUFFIXES)}) or a ROS 2 bag ({' '.join(BAG_SUFFIXES)})"
                    )
            if self._output is not None:
                self._output.close(self.summary.skipped)
        if self.summary.looked == 0 and self.summary.skipped:
            raise DataError(
                f"none of {len(self.summary.skipped)} pictures can be decided on; the first: {self.summary.skipped[0]}"
            )
        return self.summary

    def _folder(self, folder: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        pictures = pictures_in(folder)
        for path in files_of(folder, RAW_SUFFIXES):
            self._skip(path, "undeveloped (raw): develop it to JPEG, or take the JPEG beside it")
        videos = files_of(folder, VIDEO_SUFFIXES)
        if not pictures and not videos:
            raise DataError(f"{folder} holds no pictures ({' '.join(PICTURE_SUFFIXES)})")
        self._pictures(pictures, runtime, flies)
        for video in videos:
            try:
                self._video(video, runtime, flies)
            except PictureError as error:
                self._skip(video, str(error))

    def _pictures(self, paths: list[Path], runtime: Runtime, flies: ResolvedDecision) -> None:
        settings = flies.decision.single_look()
        paths = paths[:: self.options.every]
        for path in tracked("looking", paths, len(paths)):
            tiff = path.suffix.lower() in TIFF_SUFFIXES
            if tiff and (self.options.gsd_m is not None or is_orthophoto(path)):
                self._orthophoto(path, runtime, flies)
                continue
            try:
                with quiet_decoders():
                    image = read_picture(path)
            except CameraError as error:
                self._skip(path, f"{error}; if it is an orthophoto give --gsd-m" if tiff else str(error))
                continue
            frame = Frame(image, 0, time.monotonic_ns())
            facts = read_facts(path)
            view = self._view(path, (frame.width_px, frame.height_px), facts, self._sky(facts, image))
            if view is None:
                continue
            view = in_colour(view, image)
            if view.refused is not None:
                self._refuse(path, path.name, view, frame.image_bgr)
                continue
            decider = flies.decider(view.camera, time.perf_counter_ns, settings)
            pipeline = Pipeline(runtime, decider, view.camera, time.monotonic_ns, time.perf_counter_ns)
            step = pipeline.step(frame, view.pose_at)
            record = self._record(path, path.name, view, view.camera, step)
            if self._output is not None:
                record["picture"] = self._output.picture(
                    path, annotate(step, view.camera, settings, tuple(record["notes"]))
                )
            self._done(record, step)

    @quiet_decoders()
    def _orthophoto(self, path: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        options = self.options
        try:
            with open_orthophoto(path, options.gsd_m, options.crs) as photo:
                given = options.given
                scale = scale_for(runtime.spec, photo.place.gsd_m, path, given.height_agl_m, given.hfov_deg)
                look = OrthoLook(photo, scale, runtime, flies)
                view = ortho_view(look, photo)
                for note in (view.source, *view.notes):
                    self._note(note)
                windows = -(-look.rows * look.columns // options.every)
                for window in tracked(f"looking at {path.name}", look.windows(options.every), windows):
                    if window.step is not None:
                        self._ortho_window(path, view, look, window, window.step)
                self._ortho_sites(path, look, photo)
        except DataError as error:
            self._skip(path, str(error))

    def _ortho_window(self, path: Path, view: View, look: OrthoLook, window: OrthoWindow, step: Step) -> None:
        place = "r{}-c{}".format(*window.index)
        record = self._record(path, f"{path.name}#{place}", view, view.camera, step, labelled=False)
        record["window"] = list(window.index)
        if "site" in record and self._output is not None:
            name = path.with_name(f"{path.stem}-{place}{path.suffix}")
            record["picture"] = self._output.picture(name, annotate(step, view.camera, look.settings))
        self._done(record, step)

    def _ortho_sites(self, path: Path, look: OrthoLook, photo: Orthophoto) -> None:
        """Say the sites of a whole orthophoto and write them with its overview."""
        record = ortho_record(look, photo)
        self._say(
            f"{path.name}: {len(look.sites)} sites on {record['windows']} windows; {look.contradicted} more "
            f"contradicted by a window beside, {look.no_ground} windows without ground"
        )
        if self._output is not None:
            record["picture"] = self._output.picture(path, look.overview())
            if photo.place.crs is not None:
                record["geojson"] = self._output.document(path, ".sites.geojson", site_features(look, str(path)))
        self._emit(record)

    @quiet_decoders()
    def _video(self, path: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        settings = flies.decision.single_look() if self.options.independent else flies.decision
        bag = is_bag(path)
        telemetry: Telemetry | None = BagTelemetry(path) if bag else telemetry_beside(path)
        with make_camera(CameraRequest(f"{'bag' if bag else 'file'}://{path}", realtime=False)) as camera:
            size_px = (camera.info.width_px, camera.info.height_px)
            first = None if telemetry is None else telemetry.at(0.0)
            facts = PhotoFacts() if telemetry is None or first is None else telemetry.facts(first, size_px)
            view = self._view(path, size_px, facts)
            if view is None:
                return
            if not self.options.independent and (telemetry is None or not telemetry.has_positions):
                self._note(
                    "a video without positions: its frames build one map as if the camera hovered "
                    "level; for a moving camera use --independent"
                )
            carried = telemetry is not None and telemetry.on_gimbal
            lens = replace(view.camera, mount=Mount.on_gimbal()) if carried else view.camera
            decider = flies.decider(lens, time.perf_counter_ns, settings)
            now_ns = 0
            pipeline = Pipeline(runtime, decider, lens, lambda: now_ns, time.perf_counter_ns)
            fps = (camera.info.fps or 25.0) / self.options.every
            written = None if self._output is None else self._output.video(path, fps, size_px)
            started_ns: int | None = None
            for frame in tracked(f"looking at {path.name}", _frames(camera.grab), camera.info.frames or 0):
                started_ns = frame.captured_at_ns if started_ns is None else started_ns
                if frame.frame_id % self.options.every:
                    continue
                name = f"{path.name}#{frame.frame_id}"
                now_ns = frame.captured_at_ns
                if telemetry is None:
                    view = view_of(size_px, facts, self.options.given, self._sky(facts, frame.image_bgr))
                    pose = view.pose_at(now_ns)
                else:
                    placed = self._frame_view(telemetry, (now_ns - started_ns) * 1e-9, size_px, first)
                    if isinstance(placed, str):
                        self._skip(path, f"{name}: {placed}")
                        continue
                    view, entry = placed
                    mount = view.camera.mount
                    pose = telemetry.pose(entry, now_ns, view.height_agl_m, mount.pitch_deg, mount.roll_deg)
                view = in_colour(view, frame.image_bgr)
                if view.refused is not None:
                    self._refuse(path, name, view)
                    continue
                if self.options.independent:
                    decider.reset()
                step = pipeline.step(frame, partial(_same, pose))
                record = self._record(path, name, view, lens, step)
                if written is not None:
                    record["picture"], writer = written
                    writer.write(annotate(step, lens, settings, tuple(record["notes"])))
                self._done(record, step)

    def _frame_view(
        self, telemetry: Telemetry, at_s: float, size_px: tuple[int, int], first: TelemetryEntry | None
    ) -> tuple[View, TelemetryEntry] | str:
        """View and telemetry of a frame, or why there is none."""
        entry = telemetry.at(at_s)
        if entry is None:
            return f"{telemetry.source} says nothing at {at_s:.1f} s"
        if first is not None and abs(entry.zoom / first.zoom - 1.0) > ZOOM_CHANGE:
            return f"the zoom changed from {first.zoom:g} to {entry.zoom:g} ({telemetry.source})"
        try:
            return view_of(size_px, telemetry.facts(entry, size_px), self.options.given), entry
        except UnknownViewError as error:
            return str(error)

    def _sky(self, facts: PhotoFacts, image_bgr: ByteArray) -> float:
        """Part of the picture that is sky, looked for only where the pitch would be assumed."""
        given = self.options.given
        assumed = given.assume_nadir and given.pitch_deg is None and facts.pitch_deg is None
        return sky_fraction(image_bgr, facts.turn_deg) if assumed else 0.0

    def _view(self, path: Path, size_px: tuple[int, int], facts: PhotoFacts, sky: float = 0.0) -> View | None:
        """The view of a picture; None, and a line that says why, where nothing places its camera."""
        try:
            view = view_of(size_px, facts, self.options.given, sky)
        except CameraError as error:
            hint = "; if it is an orthophoto give --gsd-m" if path.suffix.lower() in TIFF_SUFFIXES else ""
            self._skip(path, f"{path.name}: {error}{hint}")
            return None
        self._note(view.source)
        for note in view.notes:
            self._note(note)
        return view

    def _say(self, line: str) -> None:
        self._say_line(printable(line))

    def _skip(self, path: Path, why: str) -> None:
        self.summary.skipped.append(why)
        self._say(f"{path.name}: skipped: {why}")

    def _refuse(self, path: Path, name: str, view: View, image_bgr: ByteArray | None = None) -> None:
        """Say that a view is not decided on, and why; on its picture too."""
        self.summary.looked += 1
        self.summary.refused_views += 1
        self.summary.reasons["view"] += 1
        record = {**view_record(path, name, view), "no_site": {"reason": "view", "detail": view.refused}}
        if image_bgr is not None and self._output is not None:
            record["picture"] = self._output.picture(path, annotate_refusal(image_bgr, view.refused or ""))
        self._say(f"{name}: no site: view: {view.refused}")
        self._emit(record)

    def _record(
        self, path: Path, name: str, view: View, lens: CameraModel, step: Step, labelled: bool = True
    ) -> dict[str, Any]:
        selection = step.decision.selection
        record = view_record(path, name, view)
        record["timings_ms"] = {k: round(v, 3) for k, v in step.timings_ms.items() if k != "age"}
        scale = None if self.summary.flies is None else self.summary.flies.scale(lens)
        if scale is not None and step.pose is not None:
            down = axis_down(lens, step.pose)
            record["pixel_mm"] = round(scale.pixel_mm(view.height_agl_m / down), 2)
            record["notes"] += [note for note in (scale.too_fine(view.height_agl_m, down),) if note is not None]
        if isinstance(selection, LandingSite):
            assert step.pose is not None  # a site was found from it
            centre = np.array([selection.position_ned_m])
            u, v = lens.pixel_from_ned(centre, step.pose)[0]
            ahead_m, right_m = way_to(*selection.position_ned_m[:2], step.pose)
            record["site"] = {
                "ahead_m": round(ahead_m, 3),
                "right_m": round(right_m, 3),
                "u_px": round(float(u), 1),
                "v_px": round(float(v), 1),
                "clearance_m": round(selection.clearance_m, 3),
                "area_m2": round(selection.area_m2, 2),
            }
            if selection.surface is not None:
                record["site"]["surface"] = selection.surface.to_mapping()
            if selection.confidence is not None:
                record["site"]["confidence"] = selection.confidence.to_mapping()
            if labelled:
                record.update(self._judged(path, lens, step.pose, selection))
        else:
            code = selection.reason.problem.value
            record["no_site"] = {"reason": selection.reason.value, "detail": selection.detail, "code": code}
            if selection.descend_to_m is not None:
                record["no_site"]["descend_to_m"] = round(selection.descend_to_m, 2)
            gap = self._gap(selection, step)
            if gap is not None and step.pose is not None:
                record["no_site"]["gap"] = gap_record(gap, step.pose)
                record["notes"].append(gap_words(gap, step.pose))
        return record

    def _gap(self, selection: NoSite, step: Step) -> Gap | None:
        """The largest gap and what bounds it, where no disc was wide enough."""
        flies, view, clearance_m = self.summary.flies, step.view, step.clearance_m
        if selection.reason is not NoSiteReason.TOO_SMALL or view is None or clearance_m is None or flies is None:
            return None
        return largest_gap(view, clearance_m, flies.classes, flies.decision.required_radius_m)

    def _judged(self, path: Path, lens: CameraModel, pose: Pose, site: LandingSite) -> dict[str, Any]:
        """Hazard pixels of the ground truth within the chosen disc, if there are labels."""
        labels = self.options.labels
        if labels is None:
            return {}
        found = labels.path_of(path)
        if found is None:
            self._note(f"no label map {path.stem}.png for {path.name}")
            return {}
        verdict = labels.judge(found, path, site, self.options.settings.vehicle_radius_m, lens, pose)
        if isinstance(verdict, str):
            self._note(f"{path.name}: site not judged: {verdict}")
            return {"judged": False}
        if not verdict.certain:
            self._note(f"{found.name}: {verdict.unknown_px} px of the disc have no class: site not judged")
            return {"judged": False, "unlabelled_px": verdict.unknown_px}
        return {
            "judged": True,
            "hazard_px": verdict.hazard_px,
            "hazard_px_under_vehicle": verdict.hazard_px_under_vehicle,
            "label_under_vehicle": verdict.under_vehicle,
        }

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
                f"area {site['area_m2']:.0f} m2"
            )
            if "surface" in site:
                summary.surfaces[site["surface"]["name"]] += 1
                text += f", on {site['surface']['text']}"
            if "confidence" in site:
                text += f", {site['confidence']['text']}"
            if record.get("judged"):
                summary.judged += 1
                summary.sites_with_hazard += record["hazard_px"] > 0
                summary.labels_under_vehicle[record["label_under_vehicle"]] += 1
                summary.vehicle_discs_with_hazard += record["hazard_px_under_vehicle"] > 0
                text += f", {record['hazard_px']} hazard px by label"
        else:
            reason = record["no_site"]
            summary.reasons[reason["reason"]] += 1
            text = f"no site: {reason['reason']}: {reason['detail']}"
            if "gap" in reason:
                text += f"; {record['notes'][-1]}"
        self._say(f"{record['name']}: {text}")
        self._emit(record)

    def _emit(self, record: dict[str, Any]) -> None:
        if self._output is not None:
            self._output.record(record)
        self._emit_line(record)

    def _note(self, text: str) -> None:
        """Says something once."""
        if text not in self.summary.notes:
            self.summary.notes.append(text)
            self._say(f"({text})")


def _same(pose: Pose, _at_ns: int) -> Pose:
    return pose


def _way(value_m: float, positive: str, negative: str) -> str:
    return f"{abs(value_m):.1f} m {positive if value_m >= 0 else negative}"


def _frames(grab: Callable[[float], Frame]) -> Iterator[Frame]:
    while True:
        try:
            yield grab(5.0)
        except EndOfStream:
            return


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
