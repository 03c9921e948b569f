"""View of the camera: height, heading, tilt and aim, as one homography of the picture.

Points are continuous here, with the first pixel's middle at (0.5, 0.5), so that scaling by any factor needs no
correction; OpenCV's warps, which have it at (0, 0), get a shifted matrix.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from landing.types import ByteArray
from trainer.data.samples import IGNORE
from trainer.recipe import Variation

PAD_GREY = 127
"""Value of padding, as in `landing.model.spec.Letterbox`."""

Matrix = npt.NDArray[np.float64]

_HFOV_DEG = 70.0
"""Field of view of a typical drone camera along its longer side; data sets rarely state theirs."""

_OFF_CENTRE = 0.6
"""Middle share of the output over which a chosen centre wanders."""

_MARGIN = 0.08
"""Share of the output along its borders where a chosen centre is never put."""

_LEAST_SLACK = 0.25
"""Share of the source over which the aim wanders even where the view is larger than it."""


def random_view(
    source_wh: tuple[int, int],
    output_wh: tuple[int, int],
    scale_wh: tuple[int, int],
    variation: Variation,
    rng: np.random.Generator,
    centre: tuple[float, float] | None,
) -> Matrix:
    """Return a homography (3, 3) from points of the source to points of the output."""
    size, output = np.array(source_wh, np.float64), np.array(output_wh, np.float64)
    low, high = variation.zoom
    fit = min(scale_wh[0] / source_wh[0], scale_wh[1] / source_wh[1])
    scale = fit * math.exp(rng.uniform(math.log(low), math.log(high)))
    turn = int(rng.integers(4)) * 90.0 + rng.uniform(-1, 1) * variation.turn_deg
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = math.cos(math.radians(turn)) * scale, math.sin(math.radians(turn)) * scale
    linear = np.array([[cos * flip, -sin], [sin * flip, cos]])
    tilt = tilted_camera(source_wh, rng.uniform(0, variation.perspective_deg), rng.uniform(0, 360))

    # Middles of the view for which it stays inside the source, as far as there are such.
    place = rng.random(2) - 0.5
    back = np.linalg.inv(linear)
    slack = np.maximum(size - np.abs(back) @ output, _LEAST_SLACK * size)
    if centre is None:
        aim, target = size / 2 + place * slack, output / 2
    else:
        # Off the middle by chance, and as far as needed to show little beyond the source's border.
        aim = np.array(centre, np.float64) + 0.5
        middle = aim - back @ (place * output * _OFF_CENTRE)
        middle = np.clip(middle, (size - slack) / 2, (size + slack) / 2)
        margin = _MARGIN * output
        target = np.clip(output / 2 + linear @ (aim - middle), margin, output - margin)

    seen = tilt @ np.array([*aim, 1.0])
    # A turned camera enlarges what it moves away from its axis, by 1 / depth**3 in area: undone at the aim, so that
    # zoom alone says how large things are.
    linear = linear * seen[2] ** 1.5
    to_output = np.eye(3)
    to_output[:2, :2] = linear
    to_output[:2, 2] = target - linear @ (seen[:2] / seen[2])
    return np.asarray(to_output @ tilt)


def tilted_camera(source_wh: tuple[int, int], tilt_deg: float, axis_deg: float) -> Matrix:
    """Return the homography of turning a pinhole camera: K R K^-1, for any scene, flat or not.

    Up to 40 degrees, with this field of view, the whole source stays in front of the turned camera, and no point behind
    it falls back into the source. The axis of the turn lies in the picture plane.
    """
    axis = np.array([math.cos(math.radians(axis_deg)), math.sin(math.radians(axis_deg)), 0.0])
    rotation = np.asarray(cv2.Rodrigues(axis * math.radians(tilt_deg))[0], dtype=np.float64)
    focal = max(source_wh) / 2 / math.tan(math.radians(_HFOV_DEG / 2))
    intrinsics = np.array([[focal, 0.0, source_wh[0] / 2], [0.0, focal, source_wh[1] / 2], [0.0, 0.0, 1.0]])
    return np.asarray(intrinsics @ rotation @ np.linalg.inv(intrinsics))


def seen_from(
    image: ByteArray, labels: ByteArray, view: Matrix, output_wh: tuple[int, int]
) -> tuple[ByteArray, ByteArray]:
    """Return picture and labels under a homography; labels keep their values, no mixtures."""
    height, width = labels.shape
    # Linear interpolation skips pixels when it shrinks to less than half: average them before.
    shrink = int(1 / max(_scale_in_middle(view, output_wh), 1e-3))
    image_view = view
    if shrink >= 2:
        small_wh = max(1, width // shrink), max(1, height // shrink)
        image = np.asarray(cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
        image_view = view @ np.diag([width / small_wh[0], height / small_wh[1], 1.0])
    image = cv2.warpPerspective(
        image,
        _for_pixels(image_view),
        output_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD_GREY,) * 3,
    )
    labels = cv2.warpPerspective(
        labels,
        _for_pixels(view),
        output_wh,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(IGNORE,),
    )
    return np.asarray(image, dtype=np.uint8), np.asarray(labels, dtype=np.uint8)


def source_mask(source_wh: tuple[int, int], view: Matrix, output_wh: tuple[int, int]) -> ByteArray:
    """Return 255 where the output shows the source, 0 where it is padding; uint8 (H, W)."""
    width, height = source_wh
    corners = np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    seen = view @ corners
    fraction_bits = 4
    points = (seen[:2] / seen[2] - 0.5).T * (1 << fraction_bits)
    mask = np.zeros(output_wh[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 255, cv2.LINE_8, fraction_bits)
    return mask


def _scale_in_middle(view: Matrix, output_wh: tuple[int, int]) -> float:
    """Output pixels per source pixel, at the middle of the output."""
    back = np.linalg.inv(view)
    depth = float(back[2] @ np.array([output_wh[0] / 2, output_wh[1] / 2, 1.0]))
    return float(math.sqrt(abs(depth**3 / np.linalg.det(back))))


def _for_pixels(view: Matrix) -> Matrix:
    to_points, to_pixels = np.eye(3), np.eye(3)
    to_points[:2, 2], to_pixels[:2, 2] = 0.5, -0.5
    return to_pixels @ view @ to_points
