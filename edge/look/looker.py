"""`edge look`: the same decision on a photo, a folder or a video, without an autopilot.

`view` says where the camera was and where it looked, or refuses; the ground is taken to be flat. Every picture of
a folder is decided on by itself; the frames of a video build up one map, as in flight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edge.annotate import annotate
from edge.cameras import CameraRequest, EndOfStream, make_camera
from edge.cameras.bag import SUFFIXES as BAG_SUFFIXES
from edge.cameras.bag import is_bag
from edge.cameras.recordings import PHOTO_SUFFIXES, pictures_in, read_picture, unread_in
from edge.look.bag import BagTelemetry
from edge.look.findings import LookFindings, Summary
from edge.look.georeference import is_orthophoto
from edge.look.options import LookOptions
from edge.look.ortho import OrthoLook, OrthoWindow, ortho_record, ortho_view, site_features
from edge.look.ortho_scale import scale_for
from edge.look.output import LookOutput
from edge.look.photo import PhotoFacts, read_facts
from edge.look.raster import Orthophoto, open_orthophoto
from edge.look.sky import sky_where_assumed
from edge.look.video_telemetry import TelemetryEntry, VideoTelemetry, telemetry_beside
from edge.look.view import UnknownViewError, View, in_colour, view_of
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, load_runtime
from landing.camera import Mount
from landing.errors import CameraError, DataError, PictureError
from landing.ground.scale import UNKNOWN_RANGE
from landing.picture.monitor import StillMonitor
from landing.picture_files import TIFF_SUFFIXES, VIDEO_SUFFIXES, files_of
from landing.progress import tracked
from landing.reading import absence
from landing.terminal import quiet_decoders
from landing.types import ByteArray, Frame, Pose

Telemetry = VideoTelemetry | BagTelemetry

ZOOM_CHANGE = 0.02
"""Frames whose zoom differs by more from the first frame's are not decided on."""


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
        self.findings = LookFindings(options, say, emit)

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
            self.findings.summary.flies = flies
            self.findings.note(f"flight {flies.describe()}")
            if self.options.labels is not None:
                self.findings.note(str(self.options.labels.reading))
            if flies.ground_range is None:
                self.findings.note(f"{self.options.model.name} {UNKNOWN_RANGE}")
            if self.options.out is not None:
                self.findings.output = stack.enter_context(LookOutput(self.options.out, self.options.report))
            for path in paths:
                if is_bag(path):
                    self._video(path, runtime, flies)
                elif path.is_dir():
                    self._folder(path, runtime, flies)
                elif path.suffix.lower() in VIDEO_SUFFIXES:
                    self._video(path, runtime, flies)
                elif path.suffix.lower() in PHOTO_SUFFIXES:
                    self._pictures([path], runtime, flies)
                else:
                    raise DataError(
                        f"{path}: expected a photo ({' '.join(PHOTO_SUFFIXES)}), a folder, a "
                        f"video ({' '.join(VIDEO_SUFFIXES)}) or a ROS 2 bag ({' '.join(BAG_SUFFIXES)})"
                    )
            if self.findings.output is not None:
                self.findings.output.close(self.findings.summary.skipped)
        summary = self.findings.summary
        if summary.looked == 0 and summary.skipped:
            raise DataError(
                f"none of {len(summary.skipped)} pictures can be decided on; the first: {summary.skipped[0]}"
            )
        return summary

    def _folder(self, folder: Path, runtime: Runtime, flies: ResolvedDecision) -> None:
        pictures = pictures_in(folder)
        for path, why in unread_in(folder):
            self.findings.skip(path, why)
        videos = files_of(folder, VIDEO_SUFFIXES)
        if not pictures and not videos:
            raise DataError(f"{folder} holds no pictures ({' '.join(PHOTO_SUFFIXES)})")
        self._pictures(pictures, runtime, flies)
        for video in videos:
            try:
                self._video(video, runtime, flies)
            except PictureError as error:
                self.findings.skip(video, str(error))

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
                self.findings.skip(path, f"{error}; if it is an orthophoto give --gsd-m" if tiff else str(error))
                continue
            frame = Frame(image, 0, time.monotonic_ns())
            facts = read_facts(path)
            view = self._view(path, (frame.width_px, frame.height_px), facts, image)
            if view is None:
                continue
            view = in_colour(view, image)
            if view.refused is not None:
                self.findings.refuse(path, path.name, view, frame.image_bgr)
                continue
            decider = flies.decider(view.camera, time.perf_counter_ns, settings)
            clocks = (time.monotonic_ns, time.perf_counter_ns)
            pipeline = Pipeline(runtime, decider, view.camera, *clocks, StillMonitor(view.camera))
            step = pipeline.step(frame, view.pose_at)
            record = self.findings.record(path, path.name, view, view.camera, step)
            if self.findings.output is not None:
                record["picture"] = self.findings.output.picture(
                    path, annotate(step, view.camera, settings, tuple(record["notes"]))
                )
            self.findings.done(record, step)

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
                    self.findings.note(note)
                windows = -(-look.rows * look.columns // options.every)
                for window in tracked(f"looking at {path.name}", look.windows(options.every), windows):
                    if window.step is not None:
                        self._ortho_window(path, view, look, window, window.step)
                self._ortho_sites(path, look, photo)
        except DataError as error:
            self.findings.skip(path, str(error))

    def _ortho_window(self, path: Path, view: View, look: OrthoLook, window: OrthoWindow, step: Step) -> None:
        place = "r{}-c{}".format(*window.index)
        record = self.findings.record(path, f"{path.name}#{place}", view, view.camera, step, labelled=False)
        record["window"] = list(window.index)
        if "site" in record and self.findings.output is not None:
            name = path.with_name(f"{path.stem}-{place}{path.suffix}")
            record["picture"] = self.findings.output.picture(name, annotate(step, view.camera, look.settings))
        self.findings.done(record, step)

    def _ortho_sites(self, path: Path, look: OrthoLook, photo: Orthophoto) -> None:
        """Say the sites of a whole orthophoto and write them with its overview."""
        output, record = self.findings.output, ortho_record(look, photo)
        self.findings.say(
            f"{path.name}: {len(look.sites)} sites on {record['windows']} windows; {look.contradicted} more "
            f"contradicted by a window beside, {look.no_ground} windows without ground"
        )
        if output is not None:
            record["picture"] = output.picture(path, look.overview())
            if photo.place.crs is not None:
                record["geojson"] = output.document(path, ".sites.geojson", site_features(look, str(path)))
        self.findings.emit(record)

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
                self.findings.note(
                    "a video without positions and headings: its frames build one map as if the camera hovered "
                    "level; for a moving camera use --independent"
                )
            carried = telemetry is not None and telemetry.on_gimbal
            lens = replace(view.camera, mount=Mount.on_gimbal()) if carried else view.camera
            decider = flies.decider(lens, time.perf_counter_ns, settings)
            now_ns = 0
            clocks = (lambda: now_ns, time.perf_counter_ns)
            pipeline = Pipeline(runtime, decider, lens, *clocks, StillMonitor(lens))
            fps = (camera.info.fps or 25.0) / self.options.every
            written = None if self.findings.output is None else self.findings.output.video(path, fps, size_px)
            started_ns: int | None = None
            for frame in tracked(f"looking at {path.name}", _frames(camera.grab), camera.info.frames or 0):
                started_ns = frame.captured_at_ns if started_ns is None else started_ns
                if frame.frame_id % self.options.every:
                    continue
                name = f"{path.name}#{frame.frame_id}"
                now_ns = frame.captured_at_ns
                if telemetry is None:
                    sky = sky_where_assumed(frame.image_bgr, facts, self.options.given)
                    view = view_of(size_px, facts, self.options.given, sky)
                    pose = view.pose_at(now_ns)
                else:
                    placed = self._frame_view(telemetry, (now_ns - started_ns) * 1e-9, size_px, first)
                    if isinstance(placed, str):
                        self.findings.skip(path, f"{name}: {placed}")
                        continue
                    view, entry = placed
                    mount = view.camera.mount
                    pose = telemetry.pose(entry, now_ns, view.height_agl_m, mount.pitch_deg, mount.roll_deg)
                view = in_colour(view, frame.image_bgr)
                if view.refused is not None:
                    self.findings.refuse(path, name, view)
                    continue
                if self.options.independent:
                    decider.reset()
                step = pipeline.step(frame, partial(_same, pose))
                record = self.findings.record(path, name, view, lens, step)
                if written is not None:
                    record["picture"], writer = written
                    writer.write(annotate(step, lens, settings, tuple(record["notes"])))
                self.findings.done(record, step)

    def _frame_view(
        self, telemetry: Telemetry, at_s: float, size_px: tuple[int, int], first: TelemetryEntry | None
    ) -> tuple[View, TelemetryEntry] | str:
        """View and telemetry of a frame, or why there is none."""
        entry = telemetry.at(at_s)
        if entry is None:
            return f"{telemetry.source} says nothing at {at_s:.1f} s"
        if not self.options.independent and not telemetry.places(entry):
            return f"{telemetry.source} says no position or no heading at {at_s:.1f} s"
        if first is not None and abs(entry.zoom / first.zoom - 1.0) > ZOOM_CHANGE:
            return f"the zoom changed from {first.zoom:g} to {entry.zoom:g} ({telemetry.source})"
        try:
            return view_of(size_px, telemetry.facts(entry, size_px), self.options.given), entry
        except UnknownViewError as error:
            return str(error)

    def _view(
        self, path: Path, size_px: tuple[int, int], facts: PhotoFacts, image_bgr: ByteArray | None = None
    ) -> View | None:
        """The view of a picture; None, and a line that says why, where nothing places its camera."""
        given = self.options.given
        sky = 0.0 if image_bgr is None else sky_where_assumed(image_bgr, facts, given)
        try:
            view = view_of(size_px, facts, given, sky)
        except CameraError as error:
            hint = "; if it is an orthophoto give --gsd-m" if path.suffix.lower() in TIFF_SUFFIXES else ""
            self.findings.skip(path, f"{path.name}: {error}{hint}")
            return None
        self.findings.note(view.source)
        for note in view.notes:
            self.findings.note(note)
        return view


def _same(pose: Pose, _at_ns: int) -> Pose:
    return pose


def _frames(grab: Callable[[float], Frame]) -> Iterator[Frame]:
    while True:
        try:
            yield grab(5.0)
        except EndOfStream:
            return
