"""A photograph as a network sees it: looked at once from each height, then flown over by the hundred landings.

A photograph does not change, so what the network says of it need not be asked in every frame. The level camera looks
at all of it from heights a third of an octave apart, down to the one below which the photograph shows nothing new. A
frame takes the answers of the nearest height. What is lost: the flicker of single frames, motion blur, and the tilt of
the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from edge.runtimes import Runtime
from landing.camera import CameraModel, Mount
from landing.errors import DataError
from landing.geometry import FloatArray
from landing.ground.shown_cells import mask_camera
from landing.taxonomy import Taxonomy
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera.render import render
from sim.camera.sensor import CameraSensor
from sim.flight.photo_sensor import resolved_height_m, scale_of_runtime
from sim.flight.sensor import MAP_PX, BlackSensor, above_ground, actor_width_px
from sim.world import ActorState, World

STEP = 2.0 ** (1 / 3)
Indices = npt.NDArray[np.int64]

LEAST_OVERLAP = 0.4
"""Of neighbouring looks from one height, as a part of a look."""

LEVEL = (1.0, 0.0, 0.0, 0.0)
SMOOTH, NEAREST = (flags | cv2.WARP_INVERSE_MAP for flags in (cv2.INTER_LINEAR, cv2.INTER_NEAREST))
LARGEST_CELLS = 40_000_000


@dataclass
class _Level:
    """Answers for a photograph from one height, as far as they were asked for.

    Attributes:
        height_m: Of the looks.
        classes: Most probable class, uint8 (rows, columns).
        planes: uint8 (5, rows, columns): landable, then the hazards.
        cell_from_ground: Affine map, shape (3, 3), from (north, east, 1) to (column, row, 1).
        middles_m: North and east of the looks' middles, m; each tells of the ground that is nearest to its own.
        norths_m, easts_m: Of the cells' middles, m.
        asked: Looks that were taken, by their index in `middles_m`.
    """

    height_m: float
    classes: ByteArray
    planes: ByteArray
    cell_from_ground: FloatArray
    middles_m: tuple[FloatArray, FloatArray]
    norths_m: FloatArray
    easts_m: FloatArray
    asked: set[tuple[int, int]] = field(default_factory=set)


class PhotoGround:
    """Answers of a network for a world's photograph, by height.

    Args:
        world: With a photograph.
        camera: Lens and resolution; it looks straight down.
        runtime: The network.

    Attributes:
        resolved_m: Height below which the photograph is coarser than the camera, m.
        looks: Pictures that the network has answered.
    """

    def __init__(self, world: World, camera: CameraModel, runtime: Runtime) -> None:
        self.resolved_m = resolved_height_m(world, camera, scale_of_runtime(runtime, camera))
        self.looks = 0
        self._world = world
        self._camera = replace(camera, mount=Mount())
        self._runtime = runtime
        self._levels: dict[int, _Level] = {}

    def answer(self, camera: CameraModel, pose: Pose, at_ns: int) -> Segmentation:
        """Return the answer for a view; nothing is landable, and nobody, beyond the photograph.

        Args:
            camera: With its mount, at the resolution of pictures.
            pose: With attitude and position.
            at_ns: Capture time.
        """
        height_m = -float(camera.centre_ned_m(pose)[2])
        step = max(0, round(math.log(max(height_m, self.resolved_m) / self.resolved_m) / math.log(STEP)))
        rows, columns = self._shape
        if step not in self._levels:
            self._levels[step] = self._level(self.resolved_m * STEP**step)
        level = self._levels[step]
        view = mask_camera(camera, rows, columns).camera
        ground: FloatArray = np.asarray(np.linalg.inv(view.pixel_from_ground_plane(pose, 0.0)), np.float64)
        self._look_at(level, ground)
        matrix = level.cell_from_ground @ ground
        planes = np.stack([cv2.warpPerspective(plane, matrix, (columns, rows), flags=SMOOTH) for plane in level.planes])
        classes = cv2.warpPerspective(level.classes, matrix, (columns, rows), flags=NEAREST)
        return Segmentation(np.asarray(classes, np.uint8), planes[0], planes[1:], at_ns)

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns of the network's answers."""
        return self._ask(0.0, 0.0, self.resolved_m).shape

    @cached_property
    def _view(self) -> CameraModel:
        return mask_camera(self._camera, *self._shape).camera

    def _level(self, height_m: float) -> _Level:
        south, north, west, east = self._world.known_extent_m
        camera = self._camera
        middles_m = (
            _middles(north, height_m * camera.height_px / camera.fy),
            _middles(east, height_m * camera.width_px / camera.fx),
        )
        cell_m = height_m / math.sqrt(self._view.fx * self._view.fy)
        rows, columns = max(1, math.ceil((north - south) / cell_m)), max(1, math.ceil((east - west) / cell_m))
        if rows * columns > LARGEST_CELLS:
            raise DataError(f"world {self._world.name!r}: too large for a camera of {camera.hfov_deg:.0f} degrees")
        cell_from_ground = np.array(
            [[0.0, 1 / cell_m, -west / cell_m - 0.5], [-1 / cell_m, 0.0, north / cell_m - 0.5], [0.0, 0.0, 1.0]]
        )
        norths_m: FloatArray = np.asarray(north - (np.arange(rows) + 0.5) * cell_m, np.float64)
        easts_m: FloatArray = np.asarray(west + (np.arange(columns) + 0.5) * cell_m, np.float64)
        classes, planes = np.zeros((rows, columns), np.uint8), np.zeros((5, rows, columns), np.uint8)
        return _Level(height_m, classes, planes, cell_from_ground, middles_m, norths_m, easts_m)

    def _look_at(self, level: _Level, ground_from_pixel: FloatArray) -> None:
        """Take the looks that tell of the ground in a view, as far as they are missing."""
        right, bottom = self._shape[1] - 1, self._shape[0] - 1
        corners = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]], float)
        points = corners @ ground_from_pixel.T
        points = points[:, :2] / points[:, 2:]
        wanted = [
            _nearest(middles_m, np.array([points[:, axis].min(), points[:, axis].max()]))
            for axis, middles_m in enumerate(level.middles_m)
        ]
        (bottom_look, top_look), (left_look, right_look) = wanted
        for row in range(bottom_look, top_look + 1):
            for column in range(left_look, right_look + 1):
                if (row, column) not in level.asked:
                    level.asked.add((row, column))
                    self._look(level, (row, column))

    def _look(self, level: _Level, look: tuple[int, int]) -> None:
        """Take one look and keep its part of the level."""
        norths_m, easts_m = level.middles_m
        rows = np.flatnonzero(_nearest(norths_m, level.norths_m) == look[0])
        columns = np.flatnonzero(_nearest(easts_m, level.easts_m) == look[1])
        if not (rows.size and columns.size):
            return
        north_m, east_m = float(norths_m[look[0]]), float(easts_m[look[1]])
        answer = self._ask(north_m, east_m, level.height_m)
        pose = Pose(0, LEVEL, (north_m, east_m, -level.height_m), level.height_m)
        top, left = int(rows[0]), int(columns[0])
        part = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
        matrix = self._view.pixel_from_ground_plane(pose, 0.0) @ np.linalg.inv(level.cell_from_ground) @ part
        size, here = (columns.size, rows.size), np.s_[top : top + rows.size, left : left + columns.size]
        for plane, said in zip(level.planes, (answer.landable, *answer.hazards), strict=True):
            plane[here] = cv2.warpPerspective(said, matrix, size, flags=SMOOTH, borderMode=cv2.BORDER_REPLICATE)
        level.classes[here] = cv2.warpPerspective(
            answer.class_id, matrix, size, flags=NEAREST, borderMode=cv2.BORDER_REPLICATE
        )

    def _ask(self, north_m: float, east_m: float, height_m: float) -> Segmentation:
        pose = Pose(0, LEVEL, (north_m, east_m, -height_m), height_m)
        image, _ = render(self._world, self._camera, pose, 0.0, labels=False)
        self._runtime.submit(Frame(image, self.looks, self.looks + 1))
        self.looks += 1
        return self._runtime.result()


def _nearest(middles_m: FloatArray, places_m: FloatArray) -> Indices:
    """Index of the nearest of some equally spaced middles, which ascend, for each place."""
    if len(middles_m) == 1:
        return np.zeros(places_m.shape, np.int64)
    spacing_m = float(middles_m[1] - middles_m[0])
    nearest = np.rint((places_m - middles_m[0]) / spacing_m)
    return np.asarray(nearest.clip(0, len(middles_m) - 1), np.int64)


def _middles(half_m: float, look_m: float) -> FloatArray:
    """Middles of looks along a side that reaches so far to both sides of the photograph's middle, m."""
    room_m = 2.0 * half_m - look_m
    if room_m <= 0.0:
        return np.zeros(1)
    count = 2 + math.floor(room_m / ((1.0 - LEAST_OVERLAP) * look_m))
    return np.linspace(-room_m / 2, room_m / 2, count)


class PhotoGroundSensor(BlackSensor):
    """A camera over a photograph whose answers are known.

    Args:
        world: With a photograph.
        camera: As it is mounted.
        ground: Answers, of the same photograph and lens.
        taxonomy: The network's.
        shutter: See `BlackSensor`.
    """

    def __init__(
        self,
        world: World,
        camera: CameraModel,
        ground: PhotoGround,
        taxonomy: Taxonomy,
        shutter: CameraSensor | None = None,
    ) -> None:
        super().__init__(world, camera, shutter)
        self.taxonomy = taxonomy
        self._ground = ground
        self._least_m = math.inf if shutter is None else resolved_height_m(world, shutter.camera, None)

    @property
    def resolves(self) -> bool:
        """See `SensorModel`: lower down the photograph is coarser than the shutter's pictures."""
        return -float(self._camera.centre_ned_m(self.newest().pose)[2]) >= self._least_m

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """Return the width of somebody in the network's maps, px; 0 out of the picture."""
        return actor_width_px(self._camera.resized(*MAP_PX), actor, pose)

    def result(self) -> Segmentation:
        """Return the answer for what the camera sees."""
        sample = self.newest()
        return self._ground.answer(self._camera, above_ground(sample.pose), sample.captured_at_ns)
