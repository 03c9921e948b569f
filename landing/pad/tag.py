"""A marked pad: its settings, and its tag in a picture. Pure; detection is OpenCV's (`cv2.aruco`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from landing.decision_groups import Frozen
from landing.types import ByteArray

FASTEST_MPS = 1.0
"""Landings on a pad that moves faster were not flown."""

WINDOW_PX = 13
"""Side of the neighbourhood that black and white are told in. One pass instead of OpenCV's three: the square's edge is
all that it must find, and that is found at any size."""

CORRECTED = 0.3
"""Share of the bits that the code could mend which is mended: less than OpenCV's 0.6, since a wrong tag costs more than
a missed one."""

LEAST_SIDE_PX, LEAST_SHARE = 10.0, 0.5
"""Shortest side of a square that is looked at, and beside a known tag that share of its side: ground is full of small
outlines, and each costs time."""

SEARCH_PX = 960
"""A picture wider than this is searched at this width; near a tag that is known it is searched as it is."""

SEARCH_EVERY = 5
"""Each so many frames the whole picture is searched, so that a second tag of the same number is seen."""

AROUND = 1.0
AROUND_PX = 48
"""Region searched around a known tag: its own size on each side, and so many pixels for the vehicle's turning."""

Dictionary = Literal[
    "none",
    "apriltag_36h11",
    "apriltag_36h10",
    "apriltag_25h9",
    "apriltag_16h5",
    "aruco_4x4_50",
    "aruco_4x4_250",
    "aruco_5x5_50",
    "aruco_5x5_250",
    "aruco_6x6_50",
    "aruco_6x6_250",
    "aruco_7x7_50",
    "aruco_7x7_250",
    "aruco_original",
]
"""Families of tags, by the names that printing tools give them."""

Corners = tuple[tuple[float, float], ...]
"""The black square's four corners, px, clockwise as somebody sees them who reads the tag."""


def tag_dictionary(name: str) -> cv2.aruco.Dictionary:
    """Return OpenCV's dictionary of a family."""
    bare = name.removeprefix("aruco_").replace("x", "X") if name != "aruco_original" else "ARUCO_ORIGINAL"
    if name.startswith("apriltag_"):
        bare = name.replace("apriltag", "APRILTAG")
    return cv2.aruco.getPredefinedDictionary(int(getattr(cv2.aruco, f"DICT_{bare}")))


class PadSettings(Frozen):
    """Pad: a tag that marks the wanted landing place."""

    dictionary: Dictionary = Field(default="none", description="family of the pad's tag; none: there is no pad")
    id: int = Field(default=0, ge=0, le=1023, description="number of the tag; no other one is looked at")
    edge_m: float | None = Field(
        default=None, ge=0.05, le=5, description="outer side of the tag's black square, measured on the print, m"
    )
    surface_m: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="radius around the tag that is the pad itself and need not look landable, m; edge_m by default",
    )
    max_speed_mps: float = Field(
        default=0.0, ge=0, le=FASTEST_MPS, description="speed that the pad may have, m/s; 0: it stands"
    )

    @model_validator(mode="after")
    def _whole(self) -> PadSettings:
        if self.dictionary == "none":
            if self.id or self.max_speed_mps or not (self.edge_m is self.surface_m is None):
                raise ValueError("dictionary is missing: without the tag's family there is no pad")
            return self
        if self.edge_m is None:
            raise ValueError("edge_m is missing: measure the outer side of the tag's black square, m")
        count = tag_dictionary(self.dictionary).bytesList.shape[0]
        if self.id >= count:
            raise ValueError(f"id {self.id} is not in {self.dictionary}, which has tags 0 to {count - 1}")
        if self.surface_m is not None and self.surface_m < 0.75 * self.edge_m:
            raise ValueError(f"surface_m {self.surface_m:g} is less than the tag itself, {0.75 * self.edge_m:g}")
        return self

    @property
    def enabled(self) -> bool:
        """True where a pad is wanted."""
        return self.dictionary != "none"

    def describe(self) -> str:
        """In words, for one line on the settings that fly."""
        if not self.enabled:
            return "no pad"
        moves = f", moving at up to {self.max_speed_mps:g} m/s" if self.max_speed_mps > 0.0 else ""
        return f"pad {self.dictionary} {self.id} of {self.side_m:g} m{moves}"

    @property
    def side_m(self) -> float:
        """Side of the black square, m; there must be a pad."""
        assert self.edge_m is not None
        return self.edge_m

    @property
    def radius_m(self) -> float:
        """Radius of the pad itself, m; there must be a pad."""
        return self.side_m if self.surface_m is None else self.surface_m


@dataclass(frozen=True)
class PadSighting:
    """Tags of the wanted number in one picture.

    Attributes:
        tags: Corners of each, px of the whole picture; one for a good picture, several where somebody copied it.
    """

    tags: tuple[Corners, ...]


class PadFinder:
    """Looks for the tag in pictures: the whole picture, or the part where it was last. One owner.

    Args:
        settings: Of a pad; enabled.
    """

    def __init__(self, settings: PadSettings) -> None:
        self._parameters = cv2.aruco.DetectorParameters()
        self._parameters.adaptiveThreshWinSizeMin = self._parameters.adaptiveThreshWinSizeMax = WINDOW_PX
        self._parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        self._parameters.errorCorrectionRate = CORRECTED
        family = tag_dictionary(settings.dictionary)
        # The one tag alone: each outline is compared with it, and not with hundreds.
        wanted = family.bytesList[settings.id : settings.id + 1]
        alone = cv2.aruco.Dictionary(wanted, family.markerSize, family.maxCorrectionBits)
        self._detector = cv2.aruco.ArucoDetector(alone, self._parameters)
        self._region: tuple[slice, slice] | None = None
        self._side_px = 0.0
        self._shape: tuple[int, ...] = ()
        self._since_search = 0

    def look(self, image_bgr: ByteArray) -> PadSighting | None:
        """Return the tags of the wanted number in a picture, uint8 (H, W, 3); None without any."""
        tags: tuple[Corners, ...] = ()
        self._since_search += 1
        if image_bgr.shape != self._shape:
            self._shape, self._region = image_bgr.shape, None
        if self._region is not None and self._since_search < SEARCH_EVERY:
            tags = self._look_at(image_bgr, self._region, LEAST_SHARE * self._side_px)
        if not tags:
            self._since_search = 0
            tags = self._search(image_bgr)
        self._region = None
        if len(tags) == 1:
            self._region, self._side_px = _around(tags[0], image_bgr.shape), side_px(tags[0])
        return PadSighting(tags) if tags else None

    def _search(self, image_bgr: ByteArray) -> tuple[Corners, ...]:
        """Look at the whole picture; a big one is shrunk, and each find looked at again as it is."""
        rows, columns = image_bgr.shape[:2]
        if max(rows, columns) <= SEARCH_PX:
            return self._look_at(image_bgr, (slice(0, rows), slice(0, columns)))
        factor = max(rows, columns) / SEARCH_PX
        small = cv2.resize(image_bgr, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        coarse = self._look_at(np.asarray(small, np.uint8), (slice(None), slice(None)))
        found: list[Corners] = []
        for tag in coarse:
            scaled = tuple(((u + 0.5) * factor - 0.5, (v + 0.5) * factor - 0.5) for u, v in tag)
            fine = self._look_at(image_bgr, _around(scaled, image_bgr.shape))
            found += fine if len(fine) == 1 else [scaled]
        return tuple(found)

    def _look_at(
        self, image_bgr: ByteArray, part: tuple[slice, slice], least_px: float = LEAST_SIDE_PX
    ) -> tuple[Corners, ...]:
        grey = cv2.cvtColor(np.ascontiguousarray(image_bgr[part]), cv2.COLOR_BGR2GRAY)
        self._parameters.minMarkerPerimeterRate = 4 * max(least_px, LEAST_SIDE_PX) / max(grey.shape)
        self._detector.setDetectorParameters(self._parameters)
        quads, ids, _ = self._detector.detectMarkers(grey)
        if ids is None:
            return ()
        shift = np.array([part[1].start or 0, part[0].start or 0], np.float64)
        return tuple(_corners(np.reshape(quad, (4, 2)) + shift) for quad in quads)


def _corners(quad: npt.NDArray[np.float64]) -> Corners:
    return tuple((float(u), float(v)) for u, v in quad)


def side_px(tag: Corners) -> float:
    """Return the mean side of a tag, px."""
    points = np.asarray(tag, np.float64)
    return float(np.linalg.norm(points - np.roll(points, -1, axis=0), axis=1).mean())


def _around(tag: Corners, shape: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns around a tag, for the next frame."""
    us, vs = [u for u, _ in tag], [v for _, v in tag]
    beyond = AROUND * max(max(us) - min(us), max(vs) - min(vs)) + AROUND_PX
    top, left = max(0, int(min(vs) - beyond)), max(0, int(min(us) - beyond))
    return (
        slice(top, max(top + 1, min(shape[0], int(max(vs) + beyond) + 1))),
        slice(left, max(left + 1, min(shape[1], int(max(us) + beyond) + 1))),
    )
