"""A lens given for one picture size, used at another."""

from __future__ import annotations

from landing.camera import CameraModel
from landing.errors import CameraError
from landing.problems import Problem


def camera_for_size(camera: CameraModel, width_px: int, height_px: int) -> CameraModel:
    """The same camera delivering pictures of another size but the same shape.

    Raises:
        CameraError: The shape differs, so the picture was cropped and the numbers do not hold.
    """
    if (camera.width_px, camera.height_px) == (width_px, height_px):
        return camera
    ratio = (camera.width_px / camera.height_px) / (width_px / height_px)
    if abs(ratio - 1.0) > 0.02:
        raise CameraError(
            f"the lens is given for {camera.width_px}x{camera.height_px} px, the pictures are "
            f"{width_px}x{height_px}: another shape, so the field of view is not known. Calibrate "
            "at this size, or give its hfov_deg.",
            Problem.CAMERA_OTHER,
        )
    return camera.resized(width_px, height_px)
