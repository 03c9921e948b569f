"""The depth camera of a simulated flight, and the checks of a flight whose pictures nobody looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.relief.depth import DepthLook
from landing.relief.depth_image import DepthCamera, DepthLens, DepthSettings
from landing.site import NoSite
from landing.types import Frame, Pose
from sim.camera.depth import depth_image
from sim.world import World

PERIOD_NS = 200_000_000
STAMP_SD_S = 0.008
STEREO = DepthLens(CameraModel.from_hfov(80, 60, 75.0), DepthSettings(error_share=0.025, max_m=15.0))
"""A stereo camera that looks straight down, with fewer pixels than a real one."""


class SimulatedDepth:
    """Depth images each fifth of a second, until the pipeline takes them.

    Args:
        lens: Of the sensor.
        world: In front of it.
        true_pose: The vehicle's true pose at a time.
        rng: Randomness of its errors.
    """

    def __init__(
        self, lens: DepthLens, world: World, true_pose: Callable[[int], Pose], rng: np.random.Generator
    ) -> None:
        self._camera = DepthCamera(lens.camera, lens.settings)
        self._world = world
        self._true_pose = true_pose
        self._rng = rng
        self._due_ns = 0
        self._looks: deque[DepthLook] = deque(maxlen=4)

    def step(self, now_ns: int) -> None:
        """Expose an image where one is due."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + PERIOD_NS
        image = depth_image(self._world, self._camera.camera, self._true_pose(now_ns), self._rng)
        late_ns = abs(round(1e9 * STAMP_SD_S * float(self._rng.normal())))
        self._looks.append(self._camera.look(image, now_ns + late_ns))

    def take(self, until_ns: int) -> tuple[DepthLook, ...]:
        """See `landing.relief.depth.DepthSource`."""
        taken = []
        while self._looks and self._looks[0].at_ns <= until_ns:
            taken.append(self._looks.popleft())
        return tuple(taken)


class UnseenPictureMonitor(PictureMonitor):
    """Relief by depth alone, in a flight whose pictures are black.

    Args:
        camera: Lens and mount.
        relief: Limits.
    """

    def __init__(self, camera: CameraModel, relief: ReliefSettings) -> None:
        super().__init__(PictureSettings(check_motion=False), camera, relief)

    def refusal(self, frame: Frame, pose: Pose | None) -> NoSite | None:
        """Refuse nothing; see `PictureMonitor`."""
        self._follow(pose)
        return None
