"""Approach of people and vehicles to the site, from the change of the nearest one's distance.

Looks come as seldom as a board decides, so nothing here counts in frames a second: what is enough follows from the
times of the looks. `benchmarks/approach.py` measures what is told ahead, and what is told wrongly, by the rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from landing.settings import DecisionSettings
from landing.taxonomy import Role

LOOKS = 3
"""Two looks may be at two people; a third on the same line is no chance."""

WINDOW_NS = 1_500_000_000
"""Looks that are older say nothing of the present speed."""

WALKERS_HZ, DRIVERS_HZ = 2.0, 5.0
"""Decisions a second from which who walks, and who drives at 10 m/s, to the site is told ahead. With fewer they are
there by the third look."""

NOISE_M, SURE_SD = 0.15, 2.0
"""Standard deviation of one look at the distance of who stands still, and standard errors by which a speed must differ
from none."""

OUTLINE_M = 0.5
"""An outline, or what the network makes of it, is so much wider or narrower in the next frame."""

FASTEST_MPS = {Role.PERSON: 4.0, Role.VEHICLE: 15.0}
"""The nearest one who is nearer or farther than this and a wavering outline explain is somebody else."""


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

        How the distance of the nearest one changes is enough; nobody need be told from anybody. A line is fitted to
        the looks; its slope counts where it is no noise.

        Args:
            role: Whose.
            clearance_m: What they leave now; infinite where nobody is.
            at_ns: Capture time of the frame.
        """
        seen = self._seen.setdefault(role, [])
        if not math.isfinite(clearance_m) or (seen and self._is_another(role, seen[-1], clearance_m, at_ns)):
            seen.clear()
        if math.isfinite(clearance_m):
            seen.append((at_ns, clearance_m))
        while seen and at_ns - seen[0][0] > WINDOW_NS:
            seen.pop(0)
        if len(seen) < LOOKS:
            return clearance_m
        t_s = np.array([(t - at_ns) * 1e-9 for t, _ in seen])
        clearances_m = np.array([r for _, r in seen])
        t_s -= t_s.mean()
        spread_s2 = float((t_s**2).sum())
        if spread_s2 <= 0.0:
            return clearance_m
        closing_mps = -float((t_s * clearances_m).sum()) / spread_s2
        if closing_mps < max(self._settings.approach.slowest_mps, SURE_SD * NOISE_M / math.sqrt(spread_s2)):
            return clearance_m
        return clearance_m - closing_mps * self._settings.approach.within_s

    @staticmethod
    def _is_another(role: Role, before: tuple[int, float], clearance_m: float, at_ns: int) -> bool:
        """Return True when nobody of this role goes from the last look to this one."""
        passed_s = (at_ns - before[0]) * 1e-9
        return abs(clearance_m - before[1]) > OUTLINE_M + FASTEST_MPS[role] * passed_s
