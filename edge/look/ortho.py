"""Sites of an orthophoto: every window of it decided on as one look straight down, and their sites on one map.

A site stays only where no window that shows its ground says otherwise. What is no data is never landable.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from edge.annotate import BLACK, FONT, WHITE
from edge.look.ortho_scale import OrthoScale
from edge.look.raster import Orthophoto, WindowReader
from edge.look.view import LEVEL, NO_COLOUR, View, has_colour
from edge.pipeline import Pipeline, Step
from edge.resolved import ResolvedDecision
from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.decider import Decider
from landing.errors import DataError
from landing.ground.view import GridOfBool, GroundView
from landing.site import LandingSite
from landing.types import ByteArray, Frame, Pose, Segmentation

MOST_WINDOWS = 200_000
LEAST_GROUND = 0.02
"""Part of a window with ground below which nothing can be said of it."""

READ_TOGETHER = 8
OVERVIEW_PX = 1600


@dataclass(frozen=True)
class OrthoSite:
    """A site of one window.

    Attributes:
        east_m, north_m: Its centre on the raster's plane.
        site: As the window's decision gave it.
        window: Row and column of the window, from 0.
    """

    east_m: float
    north_m: float
    site: LandingSite
    window: tuple[int, int]


@dataclass(frozen=True)
class OrthoWindow:
    """A window of the grid and its decision.

    Attributes:
        index: Row and column, from 0.
        middle_m: East and north of its middle on the raster's plane.
        step: Of the pipeline; None where it holds no ground.
    """

    index: tuple[int, int]
    middle_m: tuple[float, float]
    step: Step | None


@dataclass(frozen=True)
class _Judged:
    """A decided window, small enough to be kept until those around it are decided too.

    Attributes:
        window: Without its step.
        site: The site, if there is one.
        hazards, bad: Ground with a hazard, and ground that is not free, bool, rows going north, columns east.
        cell_m: Side of a cell, m.
        south_west_m: North and east of the outer corner of cell [0, 0] on the plane.
    """

    window: OrthoWindow
    site: LandingSite | None
    hazards: GridOfBool
    bad: GridOfBool
    cell_m: float
    south_west_m: tuple[float, float]

    @classmethod
    def of(cls, window: OrthoWindow, view: GroundView, site: LandingSite | None) -> _Judged:
        known = np.argwhere(view.known)
        low, high = (known.min(axis=0), known.max(axis=0) + 1) if len(known) else (np.zeros(2, int), np.zeros(2, int))
        part = (slice(low[0], high[0]), slice(low[1], high[1]))
        hazards = np.logical_or.reduce([grid[part] for grid in view.hazards.values()])
        east_m, north_m = window.middle_m
        corner = (
            north_m + view.south_west_m[0] + low[0] * view.cell_m,
            east_m + view.south_west_m[1] + low[1] * view.cell_m,
        )
        bad = (view.known & ~view.free)[part]
        return cls(replace(window, step=None), site, hazards, bad, view.cell_m, corner)

    def denies(self, east_m: float, north_m: float, vehicle_m: float, required_m: float) -> bool:
        """Tell whether it shows a hazard in the disc of a site, or ground that is not free below the vehicle."""
        return self._within(self.hazards, required_m, east_m, north_m) or self._within(
            self.bad, vehicle_m, east_m, north_m
        )

    def _within(self, cells: GridOfBool, radius_m: float, east_m: float, north_m: float) -> bool:
        rows, columns = self.hazards.shape
        row = (north_m - self.south_west_m[0]) / self.cell_m - 0.5
        column = (east_m - self.south_west_m[1]) / self.cell_m - 0.5
        reach = radius_m / self.cell_m
        if not (-reach <= row <= rows + reach and -reach <= column <= columns + reach):
            return False
        r, c = np.ogrid[:rows, :columns]
        return bool((cells & ((r - row) ** 2 + (c - column) ** 2 <= reach**2)).any())


class OrthoLook:
    """The decision over all windows of an orthophoto.

    Args:
        photo: The open raster.
        scale: At which it is read.
        runtime: The network.
        flies: The decision.
    """

    def __init__(self, photo: Orthophoto, scale: OrthoScale, runtime: Runtime, flies: ResolvedDecision) -> None:
        self.scale = scale
        self.sites: list[OrthoSite] = []
        self.contradicted = 0
        self.no_ground = 0
        self._coloured = False
        self._photo = photo
        spec = runtime.spec.input
        self.window_px = (spec.width_px, spec.height_px)
        reach_px = flies.decision.max_distance_m * math.sqrt(2.0) / scale.gsd_m
        # Half a window, so that every place is well inside one; less where sites are not looked for so far out.
        self._step = tuple(max(16, min(side // 2, int(reach_px))) for side in self.window_px)
        extent = ((photo.east_m - photo.west_m) / scale.gsd_m, (photo.north_m - photo.south_m) / scale.gsd_m)
        self.columns, self.rows = (
            1 + max(0, math.ceil((px - side) / step))
            for px, side, step in zip(extent, self.window_px, self._step, strict=True)
        )
        if self.columns * self.rows > MOST_WINDOWS:
            raise DataError(
                f"orthophoto {photo.path} makes {self.columns * self.rows} windows of "
                f"{self.window_px[0]}x{self.window_px[1]} px, at most {MOST_WINDOWS} expected: cut it into parts"
            )
        self._grid_px = (
            self.window_px[0] + (self.columns - 1) * self._step[0],
            self.window_px[1] + (self.rows - 1) * self._step[1],
        )
        shrink = min(1.0, OVERVIEW_PX / max(self._grid_px))
        self._shrink = shrink
        small = [max(1, round(side * shrink)) for side in self._grid_px]
        self._overview = np.full((small[1], small[0], 3), 127, np.uint8)
        self._runtime = _BlindToNoData(runtime)
        self.settings = flies.decision.single_look()
        self.camera = CameraModel.from_hfov(*self.window_px, scale.hfov_deg)
        self._decider = Decider(
            self.settings, flies.classes, self.camera, time.perf_counter_ns, flies.scale(self.camera)
        )
        self._pipeline = Pipeline(self._runtime, self._decider, self.camera, time.monotonic_ns, time.perf_counter_ns)
        self._corner_m = (0.0, 0.0)

    def windows(self, every: int = 1) -> Iterator[OrthoWindow]:
        """Decide on every n-th window, row by row from the north-west; `sites` is complete at the end.

        Raises:
            DataError: At the end, for an orthophoto without colour; no window is decided on before one had some.
        """
        found: list[OrthoSite] = []
        reach = math.ceil(self.window_px[1] / self._step[1]) - 1  # rows that share ground with a row
        rows: deque[list[_Judged]] = deque([[] for _ in range(reach)], maxlen=2 * reach + 1)
        with self._photo.at(self.scale.gsd_m, self._grid_px) as reader:
            self._corner_m = reader.corner_m
            for row in range(self.rows):
                judged = []
                for window in self._row(reader, row, every):
                    yield window
                    if window.step is not None and window.step.view is not None:
                        chosen = window.step.decision.selection
                        site = chosen if isinstance(chosen, LandingSite) else None
                        judged.append(_Judged.of(window, window.step.view, site))
                rows.append(judged)
                if len(rows) > 2 * reach or row >= reach:
                    found += self._agreed(rows[-1 - reach], rows)
        for row in range(max(self.rows - reach, 0), self.rows):
            found += self._agreed(rows[row - self.rows], rows)
        if not self._coloured:
            raise DataError(f"orthophoto {self._photo.path}: {NO_COLOUR}")
        self.sites = _apart(found)

    def _row(self, reader: WindowReader, row: int, every: int) -> Iterator[OrthoWindow]:
        width, height = self.window_px
        for first in range(0, self.columns, READ_TOGETHER):
            count = min(READ_TOGETHER, self.columns - first)
            left, top = first * self._step[0], row * self._step[1]
            strip, nothing = reader.read(left, top, width + (count - 1) * self._step[0], height)
            self._paste(strip, nothing, left, top)
            self._coloured = self._coloured or has_colour(strip)
            for place in range(count):
                if (row * self.columns + first + place) % every:
                    continue
                part = slice(place * self._step[0], place * self._step[0] + width)
                yield self._window((row, first + place), strip[:, part], nothing[:, part])

    def _window(self, index: tuple[int, int], image: ByteArray, nothing: ByteArray) -> OrthoWindow:
        gsd, (width, height) = self.scale.gsd_m, self.window_px
        middle = (
            self._corner_m[0] + (index[1] * self._step[0] + width / 2) * gsd,
            self._corner_m[1] - (index[0] * self._step[1] + height / 2) * gsd,
        )
        if not self._coloured or np.count_nonzero(nothing == 0) < LEAST_GROUND * nothing.size:
            self.no_ground += 1
            return OrthoWindow(index, middle, None)
        shown = np.where(nothing[..., None] > 0, np.uint8(127), image)
        self._runtime.nothing = nothing
        self._decider.reset()
        frame = Frame(np.ascontiguousarray(shown), 0, time.monotonic_ns())
        return OrthoWindow(index, middle, self._pipeline.step(frame, self._pose))

    def _pose(self, at_ns: int) -> Pose:
        return Pose(at_ns, LEVEL, (0.0, 0.0, -self.scale.height_m), self.scale.height_m)

    def _agreed(self, row: list[_Judged], around: Iterable[list[_Judged]]) -> list[OrthoSite]:
        """Sites of a row of windows that no other window denies."""
        found = []
        reach = math.ceil(self.window_px[0] / self._step[0]) - 1
        radii_m = (self.settings.vehicle_radius_m, self.settings.required_radius_m)
        others = [judged for line in around for judged in line]
        for judged in row:
            if judged.site is None:
                continue
            north_m, east_m = judged.site.position_ned_m[:2]
            place = (judged.window.middle_m[0] + east_m, judged.window.middle_m[1] + north_m)
            column = judged.window.index[1]
            near = (o for o in others if abs(o.window.index[1] - column) <= reach and o is not judged)
            if any(other.denies(*place, *radii_m) for other in near):
                self.contradicted += 1
            else:
                found.append(OrthoSite(*place, judged.site, judged.window.index))
        return found

    def _paste(self, strip: ByteArray, nothing: ByteArray, left: int, top: int) -> None:
        shown = np.where(nothing[..., None] > 0, np.uint8(127), strip)
        x, y = round(left * self._shrink), round(top * self._shrink)
        width = min(self._overview.shape[1] - x, max(1, round(strip.shape[1] * self._shrink)))
        height = min(self._overview.shape[0] - y, max(1, round(strip.shape[0] * self._shrink)))
        if width > 0 and height > 0:
            small = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA)
            self._overview[y : y + height, x : x + width] = small

    def overview(self) -> ByteArray:
        """The whole raster, at most `OVERVIEW_PX` wide, with the sites numbered as in `site_features`."""
        picture = self._overview.copy()
        px_per_m = self._shrink / self.scale.gsd_m
        for number, found in enumerate(self.sites, 1):
            x = round((found.east_m - self._corner_m[0]) * px_per_m)
            y = round((self._corner_m[1] - found.north_m) * px_per_m)
            radius = max(3, round(found.site.clearance_m * px_per_m))
            for colour, width in ((BLACK, 4), (WHITE, 2)):
                cv2.circle(picture, (x, y), radius, colour, width, cv2.LINE_AA)
                cv2.putText(picture, str(number), (x + 4, y - 4), FONT, 0.5, colour, width, cv2.LINE_AA)
        return picture

    def site_record(self, found: OrthoSite) -> dict[str, Any]:
        """A site in the raster's own terms, for JSON."""
        confidence, surface = found.site.confidence, found.site.surface
        column, row = self._photo.pixel_from_plane(found.east_m, found.north_m)
        lon_lat = self._photo.wgs84_from_plane(found.east_m, found.north_m)
        return {
            "column_px": round(column, 1),
            "row_px": round(row, 1),
            **(
                {} if lon_lat is None else {"longitude_deg": round(lon_lat[0], 8), "latitude_deg": round(lon_lat[1], 8)}
            ),
            "clearance_m": round(found.site.clearance_m, 3),
            "area_m2": round(found.site.area_m2, 2),
            "surface": None if surface is None else surface.to_mapping(),
            "score": None if confidence is None else confidence.to_mapping(),
            "window": list(found.window),
        }


def ortho_view(look: OrthoLook, photo: Orthophoto) -> View:
    """The view that every window of an orthophoto is."""
    scale, place = look.scale, photo.place
    source = (
        f"orthophoto of {photo.size_px[0]}x{photo.size_px[1]} px, {place.gsd_m:.4g} m per px from {place.source}; "
        f"decided on at {scale.gsd_m:.4g} m per px ({scale.source}), as seen from {scale.height_m:.1f} m"
    )
    notes = [] if photo.bands.note is None else [photo.bands.note]
    if place.crs is None:
        notes.append("only the scale is known: sites have pixels and no coordinates")
    return View(look.camera, scale.height_m, source, tuple(notes))


def ortho_record(look: OrthoLook, photo: Orthophoto) -> dict[str, Any]:
    """An orthophoto and its sites for JSON."""
    return {
        "path": str(photo.path),
        "name": photo.path.name,
        "viewpoint": ortho_view(look, photo).source,
        "notes": list(ortho_view(look, photo).notes),
        "windows": look.rows * look.columns,
        "windows_without_ground": look.no_ground,
        "sites_contradicted": look.contradicted,
        "sites": [look.site_record(found) for found in look.sites],
    }


def site_features(look: OrthoLook, source: str) -> dict[str, Any]:
    """Sites as GeoJSON (RFC 7946: WGS84, longitude first), the widest first."""
    features = []
    for number, found in enumerate(look.sites, 1):
        record = look.site_record(found)
        place = [record.pop("longitude_deg"), record.pop("latitude_deg")]
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": {"type": "Point", "coordinates": place},
                "properties": {**record, "source": source},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _apart(sites: list[OrthoSite]) -> list[OrthoSite]:
    """Sites without those whose centre lies in a wider one's disc, the widest first."""
    kept: list[OrthoSite] = []
    places = np.empty((len(sites), 3))
    for found in sorted(sites, key=lambda s: -s.site.clearance_m):
        near = places[: len(kept)]
        if (np.hypot(near[:, 0] - found.east_m, near[:, 1] - found.north_m) >= near[:, 2]).all():
            places[len(kept)] = found.east_m, found.north_m, found.site.clearance_m
            kept.append(found)
    return kept


class _BlindToNoData:
    """A runtime whose output says not landable where the raster has no data."""

    overlaps = False

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.nothing: ByteArray | None = None

    @property
    def timings_ms(self) -> dict[str, float]:
        return self._runtime.timings_ms

    def submit(self, frame: Frame) -> None:
        self._runtime.submit(frame)

    def result(self) -> Segmentation:
        seen = self._runtime.result()
        if self.nothing is None or not self.nothing.any():
            return seen
        rows, columns = seen.shape
        grown = cv2.dilate(self.nothing, np.ones((5, 5), np.uint8)) * np.uint8(255)
        blind = cv2.resize(grown, (columns, rows), interpolation=cv2.INTER_AREA) > 0
        landable = seen.landable.copy()
        landable[blind] = 0
        return replace(seen, landable=landable)
