"""Scale of a photograph as a world: given, or from its own EXIF and XMP by the rules of `edge look`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.look.photo import read_facts
from edge.look.view import Given, UnknownViewError, view_of
from landing.errors import DataError

MOST_TILT_DEG = 10.0
"""A plane is no picture of ground that the camera saw flatter than this away from straight down."""


@dataclass(frozen=True)
class PhotoScale:
    """Scale of a photograph.

    Attributes:
        gsd_m: Ground that a pixel shows, m.
        source: Where it is known from, for people.
    """

    gsd_m: float
    source: str


def scale_of(
    path: Path,
    size_px: tuple[int, int],
    gsd_m: float | None = None,
    height_agl_m: float | None = None,
    hfov_deg: float | None = None,
) -> PhotoScale:
    """Return the scale of a photograph that looked straight down.

    Args:
        path: Of the file, for its EXIF and XMP.
        size_px: Width and height of the picture, px.
        gsd_m: Ground that a pixel shows, m; nothing else is asked then.
        height_agl_m: Height above ground, m, instead of the file's.
        hfov_deg: Horizontal field of view of the picture, degrees, instead of the file's.

    Raises:
        DataError: Neither given nor in the file, or a picture that did not look straight down.
    """
    if gsd_m is not None:
        return PhotoScale(gsd_m, "given")
    facts = read_facts(path)
    # A plane is said to be seen from straight above; a file that says another direction is believed.
    assumed = facts.pitch_deg is None and facts.oblique is None
    given = Given(height_agl_m, hfov_deg, pitch_deg=-90.0 if assumed else None)
    try:
        view = view_of(size_px, facts, given)
    except UnknownViewError as error:
        raise DataError(f"picture {path}: its scale is not known ({error}); give gsd_m, metres per pixel") from error
    if view.refused is not None:
        raise DataError(f"picture {path}: {view.refused}; or give gsd_m, metres per pixel")
    tilt_deg = abs(view.camera.mount.pitch_deg + 90.0)
    if tilt_deg > MOST_TILT_DEG:
        raise DataError(
            f"picture {path}: it looked {tilt_deg:.0f} degrees away from straight down, at most {MOST_TILT_DEG:g} are "
            "a plane; take another, or give gsd_m if its EXIF is wrong"
        )
    return PhotoScale(view.height_agl_m / view.camera.fx, view.source)
