"""Approach of people and vehicles to the site, from the change of the nearest one's distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from landing.settings import DecisionSettings
from landing.taxonomy import Role

APPROACH_LOOKS = 4
APPROACH_NS = (300_000_000, 900_000_000)
"""An approach is told from so many frames over at least and at most so long."""

APPROACH_JUMP_M = 1.0
"""The nearest one is not so much nearer or farther a frame later: that is somebody else."""


class Approaches:
    """Watches one site; forget everything when it becomes another one."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._seen: dict[Role, list[tuple[int, float]]] = {}

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {role.value: [list(look) for look in seen] for role, seen in self._seen.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another one's `state_dict`."""
        self._seen = {Role(role): [(int(t), float(r)) for t, r in seen] for role, seen in state.items()}

    def forget(self) -> None:
        """Begins anew."""
        self._seen.clear()

    def clearance_soon_m(self, role: Role, clearance_m: float, at_ns: int) -> float:
        """Return the clearance to people or vehicles at the site soon, if they go on as they do, m.

        How the distance of the nearest one changes is enough; nobody need be told from anybody.

        Args:
            role: Whose.
            clearance_m: What they leave now; infinite where nobody is.
            at_ns: Capture time of the frame.
        """
        seen = self._seen.setdefault(role, [])
        if not math.isfinite(clearance_m) or (seen and abs(clearance_m - seen[-1][1]) > APPROACH_JUMP_M):
            seen.clear()  # nobody, or somebody else
        if math.isfinite(clearance_m):
            seen.append((at_ns, clearance_m))
        while seen and at_ns - seen[0][0] > APPROACH_NS[1]:
            seen.pop(0)
        if len(seen) < APPROACH_LOOKS or at_ns - seen[0][0] < APPROACH_NS[0]:
            return clearance_m
        t_s = np.array([(t - at_ns) * 1e-9 for t, _ in seen])
        clearances_m = np.array([r for _, r in seen])
        mean_s, mean_m = float(t_s.mean()), float(clearances_m.mean())
        spread = float(((t_s - mean_s) ** 2).sum())
        closing_mps = -float(((t_s - mean_s) * (clearances_m - mean_m)).sum()) / spread
        if closing_mps < self._settings.approach.slowest_mps:
            return clearance_m
        return clearance_m - closing_mps * self._settings.approach.within_s
