"""A photograph as a network sees it: looked at once from each height, then flown over by the hundred landings.

A photograph does not change, so what the network says of it need not be asked in every frame. The level camera looks
at all of it from heights a third of an octave apart, down to the one below which the photograph shows nothing new, in
more than one pattern, so that the same ground is seen in several surroundings. A frame takes the answers of the
nearest height, in a pattern that changes every second. What is lost: the flicker of single frames, motion blur, and
the tilt of the view.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from edge.runtimes import Runtime
from landing.camera import CameraModel, Mount
from landing.errors import DataError
from landing.geometry import FloatArray
from landing.shown_cells import mask_camera
from landing.taxonomy import Taxonomy
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera.render import render
from sim.flight.loop import CameraSample
from sim.flight.photo_sensor import resolved_height_m
from sim.flight.sensor import MAP_PX, above_ground, actor_width_px
from sim.world import ActorState, World

STEP = 2.0 ** (1 / 3)
PATTERNS = 2
LEAST_OVERLAP = 0.4
"""Of neighbouring looks from one height, as a part of a look."""

LEVEL = (1.0, 0.0, 0.0, 0.0)
LARGEST_CELLS = 40_000_000


class _Answers(NamedTuple):
    """Answers for a photograph from one height.

    Attributes:
        planes: uint8 (5, rows, columns): landable, then the hazards.
        cell_from_ground: Affine map, shape (3, 3), from (north, east, 1) to (column, row, 1).
    """

    planes: ByteArray
    cell_from_ground: FloatArray


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
        self.resolved_m = resolved_height_m(world, camera)
        self.looks = 0
        self._world = world
        self._camera = replace(camera, mount=Mount())
        self._runtime = runtime
        self._seen: dict[tuple[int, int], _Answers] = {}

    def answer(self, camera: CameraModel, pose: Pose, pattern: int, at_ns: int) -> Segmentation:
        """Return the answer for a view; nothing is landable, and nobody, beyond the photograph.

        Args:
            camera: With its mount, at the resolution of pictures.
            pose: With attitude and position.
            pattern: Any number.
            at_ns: Capture time.
        """
        height_m = -float(camera.centre_ned_m(pose)[2])
        step = max(0, round(math.log(max(height_m, self.resolved_m) / self.resolved_m) / math.log(STEP)))
        seen = self._at(step, pattern % PATTERNS)
        rows, columns = self._shape
        view = mask_camera(camera, rows, columns).camera
        matrix = seen.cell_from_ground @ np.linalg.inv(view.pixel_from_ground_plane(pose, 0.0))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        planes = np.stack([cv2.warpPerspective(plane, matrix, (columns, rows), flags=flags) for plane in seen.planes])
        return Segmentation(np.zeros((rows, columns), np.uint8), planes[0], planes[1:], at_ns)

    def _at(self, step: int, pattern: int) -> _Answers:
        if (step, pattern) not in self._seen:
            self._seen[step, pattern] = self._look(self.resolved_m * STEP**step, pattern)
        return self._seen[step, pattern]

    def _look(self, height_m: float, pattern: int) -> _Answers:
        """Look at all of the photograph from a height; each place is told by the look whose middle is nearest."""
        south, north, west, east = self._world.known_extent_m
        camera = self._camera
        wide_m, high_m = (height_m * px / focal for px, focal in zip(*_sizes(camera), strict=True))
        places = [
            (float(n), float(e)) for n in _middles(north, high_m, pattern) for e in _middles(east, wide_m, pattern)
        ]
        answers = [self._ask(n, e, height_m) for n, e in places]
        self._shape = answers[0].shape
        view = mask_camera(camera, *self._shape).camera
        cell_m = height_m / math.sqrt(view.fx * view.fy)
        rows, columns = max(1, math.ceil((north - south) / cell_m)), max(1, math.ceil((east - west) / cell_m))
        if rows * columns > LARGEST_CELLS:
            raise DataError(f"world {self._world.name!r}: too large for a camera of {camera.hfov_deg:.0f} degrees")
        cell_from_ground = np.array(
            [[0.0, 1 / cell_m, -west / cell_m - 0.5], [-1 / cell_m, 0.0, north / cell_m - 0.5], [0.0, 0.0, 1.0]]
        )
        ground_from_cell = np.linalg.inv(cell_from_ground)
        norths = north - (np.arange(rows) + 0.5) * cell_m
        easts = west + (np.arange(columns) + 0.5) * cell_m
        # Sides of looks differ: nearest in shares of a look.
        away = [((norths - n) / high_m)[:, None] ** 2 + ((easts - e) / wide_m)[None, :] ** 2 for n, e in places]
        nearest = np.argmin(np.stack(away), axis=0)
        planes = np.zeros((5, rows, columns), np.uint8)
        for k, ((n, e), answer) in enumerate(zip(places, answers, strict=True)):
            pose = Pose(0, LEVEL, (n, e, -height_m), height_m)
            matrix = view.pixel_from_ground_plane(pose, 0.0) @ ground_from_cell
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            for plane, said in zip(planes, (answer.landable, *answer.hazards), strict=True):
                here = cv2.warpPerspective(said, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
                np.copyto(plane, here, where=nearest == k)
        return _Answers(planes, cell_from_ground)

    def _ask(self, north_m: float, east_m: float, height_m: float) -> Segmentation:
        pose = Pose(0, LEVEL, (north_m, east_m, -height_m), height_m)
        image, _ = render(self._world, self._camera, pose, 0.0, labels=False)
        self._runtime.submit(Frame(image, self.looks, self.looks + 1))
        self.looks += 1
        return self._runtime.result()


def _sizes(camera: CameraModel) -> tuple[tuple[int, int], tuple[float, float]]:
    return (camera.width_px, camera.height_px), (camera.fx, camera.fy)


def _middles(half_m: float, look_m: float, pattern: int) -> FloatArray:
    """Middles of looks along a side that reaches so far to both sides of the photograph's middle, m."""
    room_m = 2.0 * half_m - look_m
    if room_m <= 0.0:
        return np.zeros(1)
    count = 2 + math.floor(room_m / ((1.0 - LEAST_OVERLAP) * look_m)) + pattern
    return np.linspace(-room_m / 2, room_m / 2, count)


class PhotoGroundSensor:
    """A camera over a photograph whose answers are known.

    Args:
        world: With a photograph.
        camera: As it is mounted.
        ground: Answers, of the same photograph and lens.
        taxonomy: The network's.
    """

    overlaps = False

    def __init__(self, world: World, camera: CameraModel, ground: PhotoGround, taxonomy: Taxonomy) -> None:
        self.world = world
        self.taxonomy = taxonomy
        self.timings_ms: dict[str, float] = {}
        self._camera = camera
        self._ground = ground
        self._blank = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
        self._sample: CameraSample | None = None

    def width_px(self, actor: ActorState, pose: Pose) -> float:
        """Return the width of somebody in the network's maps, px; 0 out of the picture."""
        return actor_width_px(self._camera.resized(*MAP_PX), actor, pose)

    def frame(self, sample: CameraSample) -> Frame:
        """A black picture with the right stamp: nobody looks at it."""
        self._sample = sample
        return Frame(self._blank, sample.frame_id, sample.captured_at_ns)

    def submit(self, frame: Frame) -> None:
        """Takes the frame of the newest sample."""
        assert self._sample is not None and self._sample.frame_id == frame.frame_id

    def result(self) -> Segmentation:
        """Return the answer for what the camera sees."""
        sample = self._sample
        assert sample is not None
        return self._ground.answer(self._camera, above_ground(sample.pose), int(sample.t_s), sample.captured_at_ns)
