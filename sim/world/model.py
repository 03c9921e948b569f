"""A world seen from above: a picture, its labels, its scale and who moves in it.

North is up in the rasters. The centre of the pixel in column ``origin_px[0]`` and row ``origin_px[1]`` is NED (0, 0);
the ground is the plane at down 0.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.geometry import FloatArray
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray
from sim.world.actors import ActorState, AnyActor, Sun
from sim.world.pad import GroundPad
from sim.world.photograph import UNKNOWN_GROUND, Photograph
from sim.world.raster import DeferredPicture, Painter, label_pyramid

MAX_DISTANCE_M = 1000.0
"""Reported as the distance to something that the world does not have."""

NEAR_M = 2.0
"""Reach of `World.heights_near_m`, m."""

LARGEST_ACTOR_M = 2.5
"""No outline reaches farther than this from its actor's middle."""

DEFAULT_SUN = Sun()


@dataclass(frozen=True)
class DiscTruth:
    """True content of a disc on the ground at one moment.

    Attributes:
        fraction_landable: Part of its cells that are of a landable class.
        all_landable: Every cell is landable and known.
        classes: Names of the classes in it, by id; "unknown ground" for cells without a label.
        clearance_m: From its middle to the nearest ground that is not landable (0 if it is there).
        hazard_m: From its middle to the nearest hazard role, actors included.
        person_m: From its middle to the nearest person.
    """

    fraction_landable: float
    all_landable: bool
    classes: tuple[str, ...]
    clearance_m: float
    hazard_m: float
    person_m: float


@dataclass(frozen=True, repr=False)
class World:
    """A labelled plane.

    Attributes:
        name: For logs and pictures.
        ortho_bgr: uint8, shape (H, W, 3); `sim.world.raster.deferred` paints it when needed.
        labels: uint8, shape (H, W); the taxonomy's ignore index where the truth is not known.
        gsd_m: Metres per pixel.
        taxonomy: Of the labels.
        origin_px: Column and row of NED (0, 0).
        actors: They are not in the rasters.
        photograph: The real ground of a picture's world, mirrored and unknown beyond; None: all of the plane is real.
        detail_seed: Of the close-up texture of the synthetic classes; None for none.
        heights_m: Of the ground above down 0, float32 (H, W); None for a flat world.
        looks: Labels by looks, uint8 (H, W), of a world whose heights make ground an obstacle; None: as `labels`.
        pad: A marked pad on it, which is in no raster; None for none.

    Raises:
        InvalidValueError: Rasters of the wrong type or shape, or a scale that is not positive.
    """

    name: str
    if TYPE_CHECKING:
        ortho_bgr: ByteArray
    else:  # a descriptor without a default: mypy takes it for one with
        ortho_bgr: ByteArray = DeferredPicture()
    labels: ByteArray
    gsd_m: float
    taxonomy: Taxonomy
    origin_px: tuple[float, float]
    actors: tuple[AnyActor, ...] = ()
    sun: Sun = DEFAULT_SUN
    photograph: Photograph | None = None
    detail_seed: int | None = None
    heights_m: npt.NDArray[np.float32] | None = None
    looks: ByteArray | None = None
    pad: GroundPad | None = None

    def __post_init__(self) -> None:
        if not callable(self.held_picture):
            self._check_rasters(self.held_picture)
        if not (math.isfinite(self.gsd_m) and self.gsd_m > 0):
            raise InvalidValueError(f"world {self.name!r}: gsd_m {self.gsd_m} is not positive")

    def __repr__(self) -> str:
        """Name and size, without painting the picture."""
        rows, columns = self.labels.shape
        return f"World({self.name!r}, {columns}x{rows} px of {self.gsd_m:g} m)"

    @property
    def held_picture(self) -> ByteArray | Painter:
        """The picture, or the painter who makes it when it is first asked for."""
        return World.__dict__["ortho_bgr"].peek(self)  # type: ignore[no-any-return]

    def _check_rasters(self, picture: ByteArray) -> None:
        shape = picture.shape
        if len(shape) != 3 or shape[2] != 3 or self.labels.shape != shape[:2]:
            wanted, got = "a picture (H, W, 3) and labels (H, W) of one size", f"{shape} and {self.labels.shape}"
            raise InvalidValueError(f"world {self.name!r}: expected {wanted}, got {got}")
        if picture.dtype != np.uint8 or self.labels.dtype != np.uint8:
            kinds = f"{picture.dtype} and {self.labels.dtype}"
            raise InvalidValueError(f"world {self.name!r}: expected uint8 rasters, got {kinds}")

    def with_actors(self, *more: AnyActor) -> World:
        """The same world with further actors; rasters and distances are shared."""
        other = copy(self)
        other.__dict__["actors"] = (*self.actors, *more)
        other.__dict__.pop("_actor_discs", None)
        return other

    @property
    def extent_m(self) -> tuple[float, float, float, float]:
        """South, north, west and east edge: smallest and largest north, then east, metres."""
        height, width = self.labels.shape
        u0, v0 = self.origin_px
        return (
            (v0 - height + 0.5) * self.gsd_m,
            (v0 + 0.5) * self.gsd_m,
            (-0.5 - u0) * self.gsd_m,
            (width - 0.5 - u0) * self.gsd_m,
        )

    @property
    def judged(self) -> bool:
        """True where labels can tell a good landing from a bad one."""
        return self.photograph is None or self.photograph.labelled

    @property
    def known_extent_m(self) -> tuple[float, float, float, float]:
        """South, north, west and east edge of the ground that is real, metres: the photograph's, else the world's."""
        if self.photograph is None:
            return self.extent_m
        half_v_m, half_u_m = (0.5 * self.gsd_m * side for side in (self.photograph.height_px, self.photograph.width_px))
        return -half_v_m, half_v_m, -half_u_m, half_u_m

    def holds(self, north_m: float, east_m: float, radius_m: float) -> bool:
        """Tell whether all of a disc is real ground, see `known_extent_m`."""
        south, north, west, east = self.known_extent_m
        return south + radius_m <= north_m <= north - radius_m and west + radius_m <= east_m <= east - radius_m

    @cached_property
    def pixel_from_ground(self) -> FloatArray:
        """Affine map, shape (3, 3), from (north, east, 1) to (column, row, 1)."""
        u0, v0 = self.origin_px
        return np.array([[0.0, 1 / self.gsd_m, u0], [-1 / self.gsd_m, 0.0, v0], [0.0, 0.0, 1.0]])

    @cached_property
    def pyramid(self) -> tuple[ByteArray, ...]:
        """The picture, then averaged to a half, a quarter ... of its resolution."""
        levels = [np.ascontiguousarray(self.ortho_bgr)]
        while min(levels[-1].shape[:2]) >= 32:
            height, width = levels[-1].shape[:2]
            size = (width // 2, height // 2)
            levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
        return tuple(levels)

    @cached_property
    def label_pyramid(self) -> tuple[ByteArray, ...]:
        """The labels by looks, then at a half, a quarter ... of their resolution; see `sim.world.raster`."""
        return label_pyramid(self.labels if self.looks is None else self.looks, self.taxonomy)

    @cached_property
    def heights_near_m(self) -> npt.NDArray[np.float32] | None:
        """The highest ground within `NEAR_M` north, south, east and west of each cell, m; None for a flat world."""
        if self.heights_m is None:
            return None
        side = 2 * math.ceil(NEAR_M / self.gsd_m) + 3
        return np.asarray(cv2.dilate(self.heights_m, np.ones((side, side), np.uint8)), np.float32)

    @cached_property
    def actor_class_ids(self) -> dict[str, int]:
        """Label of a person and of a car in this taxonomy; the ignore index if it has none."""
        ids = {}
        for kind, role in (("person", Role.PERSON), ("car", Role.VEHICLE)):
            named = [c.id for c in self.taxonomy.classes if c.name == kind and c.role is role]
            found = named or list(self.taxonomy.ids_of(role))
            ids[kind] = found[0] if found else self.taxonomy.ignore_index
        return ids

    def height_at(self, north_m: float, east_m: float) -> float:
        """Height of the ground at a place, m; 0 in a flat world and beyond it."""
        if self.heights_m is None:
            return 0.0
        u, v, _ = self.pixel_from_ground @ [north_m, east_m, 1.0]
        rows, columns = self.heights_m.shape
        row, column = math.floor(v + 0.5), math.floor(u + 0.5)
        return float(self.heights_m[row, column]) if 0 <= row < rows and 0 <= column < columns else 0.0

    def actors_at(self, t_s: float) -> tuple[ActorState, ...]:
        """Every actor at a world time in seconds."""
        return tuple(self._on_ground(actor.at(t_s)) for actor in self.actors)

    def _on_ground(self, state: ActorState) -> ActorState:
        """The actor at the height of the ground below it."""
        return state if self.heights_m is None else replace(state, up_m=self.height_at(state.north_m, state.east_m))

    @cached_property
    def _actor_discs(self) -> FloatArray:
        """Disc that each actor never leaves: north, east and radius, metres; shape (n, 3)."""
        discs = np.empty((len(self.actors), 3))
        for row, actor in zip(discs, self.actors, strict=True):
            places = np.asarray(actor.path_ne_m, np.float64)
            row[:2] = (places.min(axis=0) + places.max(axis=0)) / 2
            row[2] = np.linalg.norm(places - row[:2], axis=1).max() + LARGEST_ACTOR_M
        return discs

    def _least_away_m(self, north_m: float, east_m: float) -> FloatArray:
        """Lower bound of each actor's distance from a point at any time; shape (n,)."""
        discs = self._actor_discs
        away = np.hypot(discs[:, 0] - north_m, discs[:, 1] - east_m)
        return np.asarray(away - discs[:, 2], np.float64)

    def actors_near(self, north_m: float, east_m: float, within_m: float, t_s: float) -> tuple[ActorState, ...]:
        """Actors at a world time that may ever come that near to a point, in the order of `actors`."""
        near = self._least_away_m(north_m, east_m) <= within_m
        return tuple(self._on_ground(self.actors[k].at(t_s)) for k in np.flatnonzero(near))

    def nearest_actor_m(self, north_m: float, east_m: float, t_s: float, kind: str | None = None) -> float:
        """From a point to the outline of the nearest actor (of one kind), 0 inside; `MAX_DISTANCE_M` without any."""
        nearest_m = MAX_DISTANCE_M
        least_m = self._least_away_m(north_m, east_m)
        for k in np.argsort(least_m):
            if least_m[k] >= nearest_m:
                break
            actor = self.actors[k]
            if kind is None or actor.kind == kind:
                state = actor.at(t_s)
                middle_m = math.hypot(state.north_m - north_m, state.east_m - east_m)
                if middle_m - LARGEST_ACTOR_M < nearest_m:  # worth measuring to the outline
                    nearest_m = min(nearest_m, state.distance_m(north_m, east_m))
        return nearest_m

    def hazard_distances_m(self, north_m: float, east_m: float, t_s: float = 0.0) -> tuple[float, float]:
        """From a point to the nearest person and to the nearest hazard of any role, metres."""
        to_person = self.nearest_actor_m(north_m, east_m, t_s, "person")
        to_actor = min(to_person, self.nearest_actor_m(north_m, east_m, t_s, "car"))
        return (
            min(to_person, self._look_up(self._to_person_m, north_m, east_m)),
            min(to_actor, self._look_up(self._to_hazard_m, north_m, east_m)),
        )

    def label_at(self, north_m: float, east_m: float, t_s: float = 0.0) -> int:
        """Label of a point; the ignore index outside of the world."""
        for state in self.actors_near(north_m, east_m, 0.0, t_s):
            if state.distance_m(north_m, east_m) <= 0.0:
                return self.actor_class_ids[state.kind]
        u, v, _ = self.pixel_from_ground @ [north_m, east_m, 1.0]
        column, row = math.floor(u + 0.5), math.floor(v + 0.5)
        height, width = self.labels.shape
        if not (0 <= column < width and 0 <= row < height):
            return self.taxonomy.ignore_index
        return int(self.labels[row, column])

    def label_window(self, left: int, top: int, shape: tuple[int, int]) -> ByteArray:
        """A part of the labels, with the ignore index beyond the raster."""
        window = np.full(shape, self.taxonomy.ignore_index, dtype=np.uint8)
        height, width = self.labels.shape
        t, b = max(top, 0), min(top + shape[0], height)
        le, r = max(left, 0), min(left + shape[1], width)
        if t < b and le < r:
            window[t - top : b - top, le - left : r - left] = self.labels[t:b, le:r]
        return window

    def labels_around(
        self, north_m: float, east_m: float, half_m: float, t_s: float = 0.0
    ) -> tuple[ByteArray, FloatArray, FloatArray]:
        """Labels of a square, actors drawn in: every cell that one touches is theirs.

        Returns:
            Labels uint8 (h, w), and north (h, 1) and east (1, w) of the cells' centres, metres.
        """
        u, v, _ = self.pixel_from_ground @ [north_m, east_m, 1.0]
        half = math.ceil(half_m / self.gsd_m) + 1
        left, top, size = round(u) - half, round(v) - half, 2 * half + 1
        window = self.label_window(left, top, (size, size))
        # The square reaches a cell beyond what was asked for, and to its corners.
        reach_m = 1.5 * (half + 1) * self.gsd_m
        for state in self.actors_near(north_m, east_m, reach_m, t_s):
            outline = state.footprint_ne_m()
            columns = outline[:, 1] / self.gsd_m + self.origin_px[0] - left
            rows = self.origin_px[1] - outline[:, 0] / self.gsd_m - top
            box = (columns.min(), rows.min(), columns.max(), rows.max())
            if box[0] < size and box[1] < size and box[2] > 0 and box[3] > 0:
                points = np.rint(np.column_stack([columns, rows]) * 16).astype(np.int32)
                label = (self.actor_class_ids[state.kind],)
                cv2.fillConvexPoly(window, points, label, cv2.LINE_8, 4)
        norths = (self.origin_px[1] - np.arange(top, top + size)) * self.gsd_m
        easts = (np.arange(left, left + size) - self.origin_px[0]) * self.gsd_m
        return window, norths[:, None], easts[None, :]

    def landable_disc(self, north_m: float, east_m: float, radius_m: float, t_s: float = 0.0) -> DiscTruth:
        """Content of a disc on the ground, actors included.

        Distances to ground are to centres of cells, within one cell; to actors, to their outline.

        Raises:
            InvalidValueError: The radius is not positive.
        """
        if not radius_m > 0:
            raise InvalidValueError(f"radius_m {radius_m}: expected more than 0")
        window, norths, easts = self.labels_around(north_m, east_m, radius_m, t_s)
        inside = (norths - north_m) ** 2 + (easts - east_m) ** 2 <= radius_m**2
        cells = window[inside]
        if not len(cells):  # a disc smaller than a cell
            cells = np.array([self.label_at(north_m, east_m, t_s)], dtype=np.uint8)
        landable = self.taxonomy.landable_lut[cells]
        names = {c.id: c.name for c in self.taxonomy.classes}
        classes = tuple(names.get(int(i), UNKNOWN_GROUND) for i in np.unique(cells))
        person_m, hazard_m = self.hazard_distances_m(north_m, east_m, t_s)
        return DiscTruth(
            fraction_landable=float(landable.mean()),
            all_landable=bool(landable.all()),
            classes=classes,
            clearance_m=min(
                self.nearest_actor_m(north_m, east_m, t_s), self._look_up(self._to_unlandable_m, north_m, east_m)
            ),
            hazard_m=hazard_m,
            person_m=person_m,
        )

    def _look_up(self, field: npt.NDArray[np.float32], north_m: float, east_m: float) -> float:
        u, v, _ = self.pixel_from_ground @ [north_m, east_m, 1.0]
        height, width = field.shape
        row, column = min(max(math.floor(v + 0.5), 0), height - 1), min(max(math.floor(u + 0.5), 0), width - 1)
        return float(field[row, column])

    def distance_to_m(self, classes: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Distance of every cell to the nearest label of some (shape (256,)), without the actors.

        Returns:
            Metres, shape (H, W); `MAX_DISTANCE_M` where there are none.
        """
        free = np.where(classes[self.labels], 0, 255).astype(np.uint8)
        if free.all():
            return np.full(free.shape, MAX_DISTANCE_M, dtype=np.float32)
        cells = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(cells * self.gsd_m, dtype=np.float32)

    def of_roles(self, *roles: Role) -> npt.NDArray[np.bool_]:
        """Shape (256,): True for the labels of some roles."""
        lut = np.zeros(256, dtype=np.bool_)
        for role in roles:
            lut[list(self.taxonomy.ids_of(role))] = True
        return lut

    @cached_property
    def _to_unlandable_m(self) -> npt.NDArray[np.float32]:
        return self.distance_to_m(~self.taxonomy.landable_lut)

    @cached_property
    def _to_hazard_m(self) -> npt.NDArray[np.float32]:
        return self.distance_to_m(self.of_roles(*HAZARD_ROLES))

    @cached_property
    def _to_person_m(self) -> npt.NDArray[np.float32]:
        return self.distance_to_m(self.of_roles(Role.PERSON))

    @cached_property
    def margin_m(self) -> npt.NDArray[np.float32]:
        """Radius of the largest vehicle that may stand on each cell, without the actors.

        Returns:
            Metres, shape (H, W): distance beyond every hazard's clearance; not positive where no vehicle may stand.
        """
        margin = self._to_unlandable_m.copy()
        for role in HAZARD_ROLES:
            away = self.distance_to_m(self.of_roles(role)) - self.taxonomy.clearance_of(role)
            np.minimum(margin, away, out=margin)
        return margin
