"""Relief in the ground map: ground that is not flat is not landable, and what is not known is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from landing.decision_groups import ReliefSettings
from landing.ground.view import GridOfBool, GroundView
from landing.relief.report import FLAT, STEEP, UNKNOWN, ReliefReport, words
from landing.site import NoSite, NoSiteReason
from landing.types import ByteArray

NOT_KNOWN = "not known"
"""Word for ground whose relief nothing has shown."""


@dataclass(frozen=True)
class ReliefGround:
    """Relief on the cells of a ground map.

    Attributes:
        before: The map without it.
        codes: Of each cell, uint8 of the map's shape: see `landing.relief.report`.
        refused: bool of that shape: not flat, or not known where that is refused.
    """

    before: GroundView
    codes: ByteArray
    refused: GridOfBool

    @classmethod
    def on(
        cls, view: GroundView | None, report: ReliefReport | None, settings: ReliefSettings, height_m: float
    ) -> ReliefGround | None:
        """Return the relief on a map; None where there is no map, or no relief is measured.

        Args:
            view: The map.
            report: What parallax and depth have shown.
            settings: Limits.
            height_m: Of the vehicle above the ground.
        """
        if view is None or report is None or not settings.enabled:
            return None
        codes = report.on_grid(view.south_west_m, view.cell_m, (view.free.shape[0], view.free.shape[1]))
        refused: GridOfBool = codes >= STEEP
        if height_m < settings.known_below_m:
            refused |= codes == UNKNOWN
        return cls(view, codes, refused)

    @property
    def view(self) -> GroundView:
        """The map without the refused ground."""
        return replace(self.before, free=self.before.free & ~self.refused)

    @property
    def costs(self) -> bool:
        """True where ground would be free without this."""
        return bool((self.before.free & self.refused).any())

    def problem(self, cell: tuple[int, int], radius_m: float) -> str | None:
        """Return what is against a disc around a cell, in words with numbers; None where nothing is."""
        codes, refused = self._disc(self.codes, cell, radius_m), self._disc(self.refused, cell, radius_m)
        if not refused.any():
            return None
        return words(codes) if (codes >= STEEP).any() else "no parallax yet"

    def text(self, cell: tuple[int, int], radius_m: float) -> str:
        """Say what is known of a disc around a cell."""
        codes = self._disc(self.codes, cell, radius_m)
        if (codes >= STEEP).any():
            return words(codes)
        return "flat" if (codes == FLAT).all() else NOT_KNOWN

    def no_site(self, cell: tuple[int, int], radius_m: float) -> NoSite:
        """Return the refusal of a place that would be a site without this."""
        codes = self._disc(self.codes, cell, radius_m)
        if not self._disc(self.refused, cell, radius_m).any():  # it is what lies around that leaves too little room
            codes = self.codes[self.before.free & self.refused]
        if (codes >= STEEP).any():
            return NoSite(NoSiteReason.NOT_FLAT, words(codes))
        return NoSite(NoSiteReason.RELIEF_NOT_KNOWN, "no parallax yet, fly to the side")

    def _disc(self, grid: ByteArray | GridOfBool, cell: tuple[int, int], radius_m: float) -> ByteArray:
        """Values of the cells whose middles lie in a disc."""
        cell_m, (row, column) = self.before.cell_m, cell
        reach = int(np.ceil(radius_m / cell_m))
        top, left = max(0, row - reach), max(0, column - reach)
        part = grid[top : row + reach + 1, left : column + reach + 1]
        r, c = np.ogrid[: part.shape[0], : part.shape[1]]
        inside = np.hypot(r + top - row, c + left - column) * cell_m <= radius_m
        return np.asarray(part[inside])
