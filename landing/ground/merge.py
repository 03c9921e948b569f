"""From class probabilities to what the decision needs: landable ground and hazards by role."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from landing.decision_groups import Evidence
from landing.ground.view import any_set
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import Segmentation

NEAR_SHARE = 16
"""The side of what is taken out as noise is never more than this part of the picture's."""


def segmentation_from_labels(labels: npt.NDArray[np.uint8], taxonomy: Taxonomy) -> Segmentation:
    """Return the segmentation of a perfect network for a picture with these labels; unknown ids are ignored."""
    lut = np.zeros((1 + 4, 256), dtype=np.uint8)
    lut[:, : len(taxonomy)] = taxonomy.merge_matrix.astype(np.uint8) * 255
    planes = lut[:, labels]
    return Segmentation(labels.copy(), planes[0], np.ascontiguousarray(planes[1:]))


def filtered(segmentation: Segmentation, px_per_m: float, evidence: Evidence) -> Segmentation:
    """Takes out what is noise in a frame: people and vehicles too small to be any, and single pixels.

    Args:
        segmentation: Of the frame.
        px_per_m: Pixels of its maps that show a metre of ground.
        evidence: Sizes of the filters.
    """
    smallest_px = math.floor(min(evidence.smallest_person_m * px_per_m, 1e3))
    # Who is so near fills more of the picture than this, even cut by its edge and seen in part.
    smallest_px = min(smallest_px, min(segmentation.shape) // NEAR_SHARE)
    return smoothed(remove_small_objects(segmentation, smallest_px), evidence.smoothing_px)


def smoothed(segmentation: Segmentation, side_px: int) -> Segmentation:
    """The noise filter: a box mean over the *probabilities*; labels stay as they are.

    Labels are never smoothed: a vote among labels would erase a person who is a few pixels wide, while a mean leaves a
    person's probability well above the threshold that counts.
    """
    if side_px <= 1:
        return segmentation
    side_px = min(side_px, *segmentation.shape)
    size = (side_px, side_px)
    hazards = np.empty_like(segmentation.hazards)
    for plane, out in zip(segmentation.hazards, hazards, strict=True):
        if any_set(plane):
            cv2.blur(plane, size, dst=out, borderType=cv2.BORDER_REPLICATE)
        else:
            out[:] = 0
    landable = cv2.blur(segmentation.landable, size, borderType=cv2.BORDER_REPLICATE)
    return Segmentation(
        segmentation.class_id, np.asarray(landable, dtype=np.uint8), hazards, segmentation.captured_at_ns
    )


def remove_small_objects(segmentation: Segmentation, side_px: int) -> Segmentation:
    """Takes out people and vehicles that are smaller than `side_px` in either direction.

    A grey-scale opening: what remains keeps its shape and its probability. Nobody is that small, so the side must be
    given in metres by the caller, from the height at which the picture was taken.
    """
    side_px = min(side_px, *segmentation.shape)
    if side_px <= 1:
        return segmentation
    kernel = np.ones((side_px, side_px), np.uint8)
    hazards = segmentation.hazards.copy()
    for k, role in enumerate(HAZARD_ROLES):
        if role in (Role.PERSON, Role.VEHICLE) and any_set(hazards[k]):
            hazards[k] = cv2.morphologyEx(hazards[k], cv2.MORPH_OPEN, kernel)
    return replace(segmentation, hazards=hazards)
