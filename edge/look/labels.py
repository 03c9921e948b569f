"""Judgement of chosen sites by label maps: hazard pixels within the disc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from edge.annotate import disc_px
from edge.look.view import SAME_SHAPE
from landing.camera import CameraModel
from landing.errors import DataError
from landing.labels.files import LabelFiles
from landing.labels.maps import Reading, decode_labels, read_mask_facts
from landing.labels.reading import decide
from landing.picture_files import as_stored, orientation_of, read_header, read_picture_bytes
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
        under_vehicle: Class that most pixels within the vehicle's radius have; empty where they have none.
    """

    hazard_px: int
    hazard_px_under_vehicle: int
    unknown_px: int
    under_vehicle: str = ""

    @property
    def certain(self) -> bool:
        """False where the disc holds unlabelled ground and no hazard: it may hold anything."""
        return self.hazard_px > 0 or self.unknown_px == 0


class LabelMaps:
    """A folder of label maps: how they are to be read is decided once, from all of them.

    Args:
        folder: Of the label maps, as `LabelFiles` takes them.
        taxonomy: Meaning of their values.
        labels_as: The user's word on how they are to be read; None to decide by their content.
        exif_turn: The user's word on pictures with an EXIF orientation: "apply" where label maps were drawn on them as
            shown, "ignore" where as stored; None to decide by sizes, where they tell.

    Raises:
        DataError: The folder cannot be read, or it is not certain how its label maps are to be read.
    """

    def __init__(
        self,
        folder: Path,
        taxonomy: Taxonomy,
        labels_as: Reading | None = None,
        exif_turn: Literal["apply", "ignore"] | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self._exif_turn = exif_turn
        self._files = LabelFiles(folder)
        self._facts = {path: read_mask_facts(path) for path in self._files.paths}
        self.reading = decide(list(self._facts.values()), taxonomy, labels_as)
        if self.reading.doubt:
            raise DataError(f"label folder {folder}: {self.reading.doubt}")

    def path_of(self, picture: Path) -> Path | None:
        """Find the label map of a picture."""
        return self._files.of(picture)

    def judge(
        self, path: Path, picture: Path, site: LandingSite, vehicle_radius_m: float, lens: CameraModel, pose: Pose
    ) -> LabelVerdict | str:
        """Count hazards within a site's disc.

        Args:
            path: Label map of the picture.
            picture: Its file.
            site: The chosen site.
            vehicle_radius_m: Radius of the inner disc.
            lens: Camera for the picture's size, as it is stored.
            pose: At the picture's time.

        Returns:
            The verdict, or why there is none.

        Raises:
            DataError: The label map cannot be read, or has another shape than the picture.
        """
        data = read_picture_bytes(path, "label map", DataError)
        labels = decode_labels(data, path, self.taxonomy, self.reading.reading, "ignore")
        orientation = _orientation(picture)
        turn = self._exif_turn or self._turn(path, orientation, labels, lens)
        if turn is None:
            return (
                f"EXIF orientation {orientation}, and nothing tells whether {path.name} was drawn on the picture as "
                "shown: say --exif-turn apply if so, or --exif-turn ignore"
            )
        if turn == "apply":
            labels = as_stored(labels, orientation)
        return _verdict(path, labels, self.taxonomy, site, vehicle_radius_m, lens, pose)

    def _turn(self, path: Path, orientation: int, labels: ByteArray, lens: CameraModel) -> str | None:
        """Return "ignore" where a label map surely lies on the rows as stored."""
        rows, columns = labels.shape
        own = self._facts[path].orientation
        if own == orientation:  # also of both that are not turned
            return "ignore"
        square = abs(lens.width_px / lens.height_px - 1.0) <= SAME_SHAPE
        on_its_side = orientation >= 5 and not square
        return "ignore" if own == 1 and on_its_side and _same_shape(columns, rows, lens) else None


def _orientation(picture: Path) -> int:
    """EXIF orientation of a picture as this project decodes it; HEIC comes upright, and video has none."""
    try:
        return orientation_of(read_header(picture, "picture", DataError))
    except DataError:
        return 1


def _same_shape(columns: int, rows: int, lens: CameraModel) -> bool:
    return abs(columns / rows / (lens.width_px / lens.height_px) - 1.0) <= SAME_SHAPE


def _verdict(
    path: Path,
    labels: ByteArray,
    taxonomy: Taxonomy,
    site: LandingSite,
    vehicle_radius_m: float,
    lens: CameraModel,
    pose: Pose,
) -> LabelVerdict:
    rows, columns = labels.shape
    if not _same_shape(columns, rows, lens):
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
    counts = np.bincount(labels[vehicle & ~unknown], minlength=1)
    most = taxonomy.classes[int(counts.argmax())].name if counts.any() else ""
    return LabelVerdict(
        int(np.count_nonzero(hazard & clear)),
        int(np.count_nonzero(hazard & vehicle)),
        int(np.count_nonzero(unknown & (clear | vehicle))),
        most,
    )
