"""Ground that was seen dry from higher up, and is judged from near as such: water does not appear.

From near a plain lawn or gravel has nothing in the picture that tells it from water: `benchmarks/seen_dry.py` says how
often the demo network calls such ground wet from 3 m that it called dry from 12 m, and water dry. So a cell that was
dry in the last looks from `FROM_M` to `UP_TO_M` is asked from lower down what it is, given that it is no water. A
tide or a burst pipe is not seen.
"""

from __future__ import annotations

import cv2
import numpy as np

from landing.ground.grid import Layer
from landing.ground.shown_cells import ShownCells
from landing.ground.surface import grown, reach_cells
from landing.ground.view import GridOfBool
from landing.taxonomy import HAZARD_ROLES, Role
from landing.types import ByteArray, Segmentation

FROM_M, UP_TO_M = 12.0, 20.0
"""Heights above ground between which a look says whether a place is dry, as measured from 12 and 16 m. Lower down it is
taken for what it was; from higher up a small pond may pass for lawn."""

DISC_M = 0.8
"""Around each cell, of which a look counts the mean: single cells waver."""

LANDABLE, DRY = round(0.6 * 255), round(0.03 * 255)
"""Least probability of landable ground and largest of water, as bytes, by which a look calls a cell dry."""

NOT_LANDABLE, WET = round(0.5 * 255), round(0.08 * 255)
"""A look below the first or above the second calls a cell wet. Between these and those it says nothing."""

CALLED_WET, NOT_KNOWN, CALLED_DRY, MOST = 0, 2, 6, 10
"""State of a cell, 0 to `MOST`: looks, each `surface.period_s` after another, add 1 where they call it dry and take 2
where they call it wet. Dry from `CALLED_DRY` on, so that one look changes nothing."""

FORGOTTEN_S = 48.0
"""Each time so long a cell that was called dry loses one, so that 240 s after its last look none counts as dry."""

SURELY_WET = round(0.95 * 255)
"""Of a look that is so much water nothing is left to say what else the ground might be."""

PLACE_ERROR_M = 1.5
"""The estimator's place may have moved by so much since: what counts as dry is no nearer to what was called wet."""

WATER = HAZARD_ROLES.index(Role.WATER)
LAYER = Layer(np.uint8, NOT_KNOWN, np.minimum)


def note_dry(states: ByteArray, segmentation: Segmentation, part: ShownCells, cell_m: float) -> None:
    """Count a look from between `FROM_M` and `UP_TO_M`, in place.

    Args:
        states: The layer, shape (n, n).
        segmentation: Filtered.
        part: Of the map.
        cell_m: Side of a cell, m.
    """
    side = 2 * reach_cells(DISC_M, cell_m) + 1

    def mean(plane: ByteArray) -> ByteArray:
        sampled = cv2.remap(plane, part.u, part.v, cv2.INTER_LINEAR)
        return np.asarray(cv2.blur(sampled, (side, side), borderType=cv2.BORDER_REPLICATE), np.uint8)

    landable, water = mean(segmentation.landable), mean(segmentation.hazards[WATER])
    dry = (landable >= LANDABLE) & (water <= DRY)
    wet = (landable < NOT_LANDABLE) | (water > WET)
    window = states[part.window]
    counted = cv2.min(cv2.add(window, dry.view(np.uint8)), float(MOST))
    counted = cv2.subtract(counted, 2 * wet.view(np.uint8))  # not below 0
    cv2.copyTo(counted, part.visible.view(np.uint8), window)


def age(states: ByteArray) -> None:
    """Take one from each cell that was called dry, in place; to be called each `FORGOTTEN_S`."""
    states[states > NOT_KNOWN] -= 1


def dry_cells(states: ByteArray, part: ShownCells, cell_m: float) -> GridOfBool | None:
    """Return the cells of a part of the map that count as dry, bool, shape of `part.visible`; None where none does.

    Args:
        states: The layer, shape (n, n).
        part: Of the map.
        cell_m: Side of a cell, m.
    """
    reach = reach_cells(PLACE_ERROR_M, cell_m)
    rows, columns = (grown(s, reach, len(states)) for s in part.window)
    wet = cv2.compare(states[rows, columns], float(CALLED_WET), cv2.CMP_EQ)
    near = cv2.dilate(wet, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    inner = (slice(s.start - o.start, s.stop - o.start) for s, o in zip(part.window, (rows, columns), strict=True))
    dry = (states[part.window] >= CALLED_DRY) & (near[tuple(inner)] == 0)
    return dry if dry.any() else None


def given_dry(landable: ByteArray, water: ByteArray, dry: GridOfBool, neutral: int) -> ByteArray:
    """Return the probability of landable ground given that dry cells are no water, as bytes.

    Args:
        landable: Of each cell.
        water: Of each cell.
        dry: See `dry_cells`.
        neutral: Probability that is no evidence, where there is hardly anything but water.
    """
    given = np.asarray(cv2.divide(landable, 255 - water, scale=255.0), np.uint8)
    given[water >= SURELY_WET] = neutral
    return np.where(dry, given, landable)
