"""Relief in the ground map: ground that is not flat is not landable, and what is not known is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

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
        report: What parallax and depth have shown.
        codes: Of each cell, uint8 of the map's shape: see `landing.relief.report`.
        asked: Ground whose relief is not known is refused too.
    """

    before: GroundView
    report: ReliefReport
    codes: ByteArray
    asked: bool

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
        return cls(view, report, codes, height_m < settings.known_below_m)

    @cached_property
    def refused(self) -> GridOfBool:
        """Cells that are not flat, or not known where that is asked for, bool of the map's shape."""
        return self._refused(self.codes)

    def _refused(self, codes: ByteArray) -> GridOfBool:
        refused: GridOfBool = codes >= STEEP
        return refused | (codes == UNKNOWN) if self.asked else refused

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
        codes = self._disc(cell, radius_m)
        if not self._refused(codes).any():
            return None
        return words(codes) if (codes >= STEEP).any() else "no parallax yet"

    def text(self, cell: tuple[int, int], radius_m: float) -> str:
        """Say what is known of a disc around a cell."""
        codes = self._disc(cell, radius_m)
        if (codes >= STEEP).any():
            return words(codes)
        return "flat" if (codes == FLAT).all() else NOT_KNOWN

    def no_site(self, cell: tuple[int, int], radius_m: float) -> NoSite:
        """Return the refusal of a place that would be a site without this."""
        codes = self._disc(cell, radius_m)
        if not self._refused(codes).any():  # it is what lies around that leaves too little room
            codes = self.codes[self.before.free & self.refused]
        if (codes >= STEEP).any():
            return NoSite(NoSiteReason.NOT_FLAT, words(codes))
        return NoSite(NoSiteReason.RELIEF_NOT_KNOWN, "no parallax yet, fly to the side")

    def _disc(self, cell: tuple[int, int], radius_m: float) -> ByteArray:
        """Codes of the cells whose middles lie in a disc, beyond the map's edge too."""
        cell_m, zero_m = self.before.cell_m, self.before.south_west_m
        reach = int(np.ceil(radius_m / cell_m))
        south_west_m = (zero_m[0] + (cell[0] - reach) * cell_m, zero_m[1] + (cell[1] - reach) * cell_m)
        codes = self.report.on_grid(south_west_m, cell_m, (2 * reach + 1, 2 * reach + 1))
        rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
        return np.asarray(codes[np.hypot(rows, columns) * cell_m <= radius_m])
