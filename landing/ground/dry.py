"""Ground that was seen dry from higher up, and is judged from near as such: water does not appear.

From near a plain lawn or gravel has nothing in the picture that tells it from water: `benchmarks/seen_dry.py` says how
often the demo network calls such ground wet from 3 m that it called dry from 12 m, and water dry. So a cell that was
dry in the last looks from `FROM_M` or higher is asked from lower down what it is, given that it is no water. A
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

FROM_M = 10.0
"""Height above ground from which a look says that a cell is dry; lower down it is taken for what it was."""

LOOKS = 4
"""Looks that must call a cell dry without one between that calls it wet, each `surface.period_s` after another."""

LANDABLE, DRY = round(0.6 * 255), round(0.03 * 255)
"""Least probability of landable ground and largest of water, as bytes, by which a look calls a cell dry."""

NOT_LANDABLE, WET = round(0.5 * 255), round(0.08 * 255)
"""One below the first or above the second ends it. Between these and those a look changes nothing."""

SURELY_WET = round(0.95 * 255)
"""Of a look that is so much water nothing is left to say what else the ground might be."""

PLACE_ERROR_M = 1.5
"""The estimator's place may have moved by so much since: a shore is no nearer than this to what counts as dry."""

WATER = HAZARD_ROLES.index(Role.WATER)
LAYER = Layer(np.uint8, 0, np.minimum)
"""Number of looks that called a cell dry since one called it wet, up to `LOOKS`."""


def note_dry(looks: ByteArray, segmentation: Segmentation, part: ShownCells) -> None:
    """Count a look from `FROM_M` or higher, in place.

    Args:
        looks: The layer, shape (n, n).
        segmentation: Filtered.
        part: Of the map.
    """
    planes = (segmentation.landable, segmentation.hazards[WATER])
    landable, water = (cv2.remap(plane, part.u, part.v, cv2.INTER_LINEAR) for plane in planes)
    dry = (landable >= LANDABLE) & (water <= DRY)
    wet = (landable < NOT_LANDABLE) | (water > WET)
    window = looks[part.window]
    counted = cv2.min(cv2.add(window, dry.view(np.uint8)), float(LOOKS))
    counted[wet] = 0
    cv2.copyTo(counted, part.visible.view(np.uint8), window)


def dry_cells(looks: ByteArray, part: ShownCells, cell_m: float) -> GridOfBool | None:
    """Return the cells of a part of the map that count as dry, bool, shape of `part.visible`; None where none does.

    Args:
        looks: The layer, shape (n, n).
        part: Of the map.
        cell_m: Side of a cell, m.
    """
    reach = reach_cells(PLACE_ERROR_M, cell_m)
    rows, columns = (grown(s, reach, len(looks)) for s in part.window)
    known = cv2.compare(looks[rows, columns], LOOKS, cv2.CMP_GE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    known = cv2.erode(known, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    inner = (slice(s.start - o.start, s.stop - o.start) for s, o in zip(part.window, (rows, columns), strict=True))
    dry = known[tuple(inner)] > 0
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
