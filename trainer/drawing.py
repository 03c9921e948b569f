"""Classes drawn over pictures, and their legend."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.samples import IGNORE

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PALE_INK, _PAPER = (30, 30, 30), (160, 160, 160), (245, 245, 245)


def blend(image_bgr: ByteArray, classes: ByteArray, taxonomy: Taxonomy, opacity: float) -> ByteArray:
    """Return a picture uint8 (H, W, 3) with the colours of its classes over it; bare where unlabelled."""
    mixed = np.asarray(
        cv2.addWeighted(image_bgr, 1 - opacity, taxonomy.palette_bgr[classes], opacity, 0), dtype=np.uint8
    )
    mixed[classes == IGNORE] = image_bgr[classes == IGNORE]
    return mixed


def legend(taxonomy: Taxonomy, height: int, counts: npt.NDArray[np.int64]) -> ByteArray:
    """Return a column of all classes: those with pixels dark and with their share, the others pale."""
    row = max(9, min(34, height // (len(taxonomy) + 1)))
    size = row / 42
    total = max(1, int(counts.sum()))
    widest = max(cv2.getTextSize(f"{c.name} 100%", _FONT, size, 1)[0][0] for c in taxonomy.classes)
    panel = np.full((height, 2 * row + widest, 3), _PAPER, np.uint8)
    for c in taxonomy.classes:
        top = c.id * row + row // 2
        if top + row > height:
            break
        inset = max(1, row // 6)
        corner, far = (row // 3, top + inset), (row // 3 + row - 2 * inset, top + row - inset)
        cv2.rectangle(panel, corner, far, c.color_rgb[::-1], -1)
        cv2.rectangle(panel, corner, far, _INK, 1)
        share = counts[c.id] / total
        text = f"{c.name} {f'{100 * share:.0f}%' if share >= 0.005 else '<1%'}" if counts[c.id] else c.name
        place = (row // 2 + row, top + row - 2 * inset)
        cv2.putText(panel, text, place, _FONT, size, _INK if counts[c.id] else _PALE_INK, 1, cv2.LINE_AA)
    return panel
