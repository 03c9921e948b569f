"""Judgement of chosen sites by label maps: hazard pixels within the disc."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from edge.annotate import disc_px
from edge.look.view import SAME_SHAPE
from landing.camera import CameraModel
from landing.errors import DataError
from landing.pictures import DAMAGED, read_picture_bytes
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Taxonomy
from landing.types import ByteArray, Pose


@dataclass(frozen=True)
class LabelVerdict:
    """Verdict of a label map on a site.

    Attributes:
        hazard_px: Hazard pixels in the clear disc.
        hazard_px_under_vehicle: Hazard pixels within the vehicle's radius.
        unknown_px: Pixels of the disc without a class.
    """

    hazard_px: int
    hazard_px_under_vehicle: int
    unknown_px: int

    @property
    def certain(self) -> bool:
        """False where the disc holds unlabelled ground and no hazard: it may hold anything."""
        return self.hazard_px > 0 or self.unknown_px == 0


def label_path(folder: Path, stem: str) -> Path | None:
    """Find the label map of a picture, its suffix in any case."""
    return next((p for p in (folder / f"{stem}.png", folder / f"{stem}.PNG") if os.path.lexists(p)), None)


def judge(
    path: Path, taxonomy: Taxonomy, site: LandingSite, vehicle_radius_m: float, lens: CameraModel, pose: Pose
) -> LabelVerdict:
    """Count hazards within a site's disc.

    Args:
        path: Label map of the picture.
        taxonomy: Meaning of its values.
        site: The chosen site.
        vehicle_radius_m: Radius of the inner disc.
        lens: Camera for the picture's size.
        pose: At the picture's time.

    Raises:
        DataError: The label map cannot be read, or has another shape than the picture.
    """
    labels = _read_labels(path)
    rows, columns = labels.shape
    if abs(columns / rows / (lens.width_px / lens.height_px) - 1.0) > SAME_SHAPE:
        raise DataError(
            f"label map {path} is {columns}x{rows} px, its picture {lens.width_px}x{lens.height_px}: another shape"
        )
    hazard = np.isin(labels, [i for role in HAZARD_ROLES for i in taxonomy.ids_of(role)])
    unknown = ~np.isin(labels, [c.id for c in taxonomy.classes])
    camera = lens.resized(columns, rows)
    discs = []
    for radius_m in (site.clearance_m, vehicle_radius_m):
        outline = disc_px(site, radius_m, camera, pose)
        disc = np.zeros(labels.shape, np.uint8)
        if outline is not None:
            cv2.fillPoly(disc, [outline], 1)
        discs.append(disc > 0)
    clear, vehicle = discs
    return LabelVerdict(
        int(np.count_nonzero(hazard & clear)),
        int(np.count_nonzero(hazard & vehicle)),
        int(np.count_nonzero(unknown & (clear | vehicle))),
    )


def _read_labels(path: Path) -> ByteArray:
    """Class ids of a label map: an 8-bit grey picture, or the indices of a palette picture, uint8 (H, W)."""
    data = read_picture_bytes(path, "label map", DataError)
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode, ids = image.mode, np.asarray(image)
    except DAMAGED as error:
        raise DataError(f"label map {path} cannot be decoded: {error}") from error
    if mode not in ("L", "P"):
        raise DataError(f"label map {path} is a {mode} picture: expected class ids, 8-bit grey or palette")
    return np.asarray(ids, np.uint8)
