"""Measure of how much worse a network gets with each fault of the camera, in probits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from edge.runtimes import Runtime
from landing.camera import CameraModel
from sim.camera.effects import Effects
from sim.campaign.eval_samples import HFOV_DEG, PICTURE_PX, look, own_plane, random_place, tilted_pose
from sim.world import World

FAULTS: dict[str, tuple[float, dict[str, Any]]] = {
    "noise_sd": (8.0, {"noise_sd": 8.0}),
    "lens_blur_px": (1.6, {"lens_blur_px": 1.6}),
    "darkness": (0.6, {"gain": 0.4}),
}
"""By name: how strong the fault is in its own unit, and the camera that has it."""


@dataclass
class FaultTally:
    """Pixels inside areas that came out wrong, and all of them, by fault; "" is without one."""

    wrong: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)

    def shifts(self) -> dict[str, float]:
        """Probits by which each fault raises the share of wrong pixels, per unit of the fault."""
        normal = NormalDist()

        def probits(name: str) -> float:
            share = self.wrong[name] / max(self.total[name], 1)
            return normal.inv_cdf(min(max(share, 1e-4), 0.9999))

        return {
            name: round(max(0.0, probits(name) - probits("")) / strength, 4) for name, (strength, _) in FAULTS.items()
        }


def look_through_faults(
    runtime: Runtime, world: World, pictures: int, seed: list[int], heights_m: tuple[float, float], tally: FaultTally
) -> None:
    """The same pictures without a fault and with each."""
    taxonomy = world.taxonomy
    own = own_plane(taxonomy)
    usual: dict[str, Any] = {"noise_sd": 2.5, "lens_blur_px": 0.6}
    cameras = {"": usual} | {name: usual | fault for name, (_, fault) in FAULTS.items()}
    for name, effects in cameras.items():
        rng = np.random.default_rng(seed)
        for _ in range(pictures):
            camera = CameraModel.from_hfov(*PICTURE_PX, float(rng.uniform(*HFOV_DEG)))
            height_m = float(rng.uniform(*heights_m))
            pose = tilted_pose(*random_place(world, 0.0, rng), height_m, 0.0, rng)
            one = look(runtime, world, camera, pose, 0.0, Effects(**effects), rng)
            right = own[one.labels]
            known = (right >= 0) & one.interior(taxonomy)
            own_said = np.take_along_axis(one.planes, right.clip(0)[None], axis=0)[0]
            tally.wrong[name] += int(np.count_nonzero(known & (own_said < 128)))
            tally.total[name] += int(np.count_nonzero(known))
