"""Run lengths, as the tools write masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.types import ByteArray
from trainer.importers.canvas import BoolMask

_COCO_WORD = 5
"""Bits of a number in each character of a compressed run length."""
_LONGEST = 12
"""Characters of such a number at most: 60 bits."""


def mask_of_runs(counts: Any, width: int, height: int, origin: str, by_column: bool) -> BoolMask:
    """Return the mask (height, width) of lengths of runs, the first of them outside of the object.

    Args:
        counts: Lengths, pixels.
        width: Of the mask.
        height: Of the mask.
        origin: Names it in errors.
        by_column: Runs go down columns (COCO), not along rows (CVAT).

    Raises:
        DataError: Lengths that are no numbers, or do not fill the mask.
    """
    try:
        lengths = np.asarray(counts, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{origin}: run lengths are no list of whole numbers") from error
    # Each by itself first: a sum of huge ones may wrap around to the right one.
    fits = lengths.ndim == 1 and bool(((lengths >= 0) & (lengths <= width * height)).all())
    if not fits or int(lengths.sum()) != width * height:
        raise DataError(f"{origin}: run lengths do not fill {width}x{height} pixels")
    values = np.arange(len(lengths)) % 2 == 1
    flat = np.repeat(values, lengths)
    return flat.reshape(width, height).T if by_column else flat.reshape(height, width)


def coco_counts(text: str, origin: str) -> list[int]:
    """Return the lengths in COCO's compressed text.

    Each number is a series of characters from `0` with five bits each, lowest first, a sixth bit for "more follow", and
    a sign; from the fourth on they are differences to the last but one (cocoapi, `maskApi.c`).

    Raises:
        DataError: Other characters, or an end within a number.
    """
    counts: list[int] = []
    value = place = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or place >= _LONGEST:
            raise DataError(f"{origin}: its text of run lengths is damaged")
        value |= (code & 31) << _COCO_WORD * place
        place += 1
        if code & 32:
            continue
        if code & 16:
            value -= 1 << _COCO_WORD * place
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = place = 0
    if place:
        raise DataError(f"{origin}: its text of run lengths ends within a number")
    return counts


def brush_mask(data: bytes, width: int, height: int, origin: str) -> BoolMask:
    """Return the mask (height, width) of Label Studio's brush: the alpha of a packed RGBA picture.

    The bytes are thi.ng's `rle-pack`: 32 bits for the number of values, 5 for the bits of a value, four of 4 for the
    bits of a length; then runs: a bit for "repeated", 2 for the kind of length, the length, and one or all values.

    Raises:
        DataError: It is damaged, or of another size.
    """
    if len(data) < 8 or int.from_bytes(data[:4], "big") != 4 * width * height:
        raise DataError(f"{origin}: a brush mask has not the {width}x{height} pixels of the picture")
    values = _unpacked(data, 4 * width * height, origin)
    return values.reshape(height, width, 4)[..., 3] > 0


def _unpacked(data: bytes, total: int, origin: str) -> ByteArray:
    end, at = 8 * len(data), 32

    def bits(count: int) -> int:
        nonlocal at
        if at + count > end:
            raise DataError(f"{origin}: a brush mask ends too early")
        word = int.from_bytes(data[at >> 3 : (at + count + 7) >> 3], "big") >> (-(at + count) % 8)
        at += count
        return word & ((1 << count) - 1)

    word_bits = bits(5) + 1
    length_bits = [bits(4) + 1 for _ in range(4)]
    if word_bits != 8:
        raise DataError(f"{origin}: a brush mask has {word_bits} bits a value, expected 8")
    out = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated = bits(1)
        upto = done + 1 + bits(length_bits[bits(2)])
        if upto > total:
            raise DataError(f"{origin}: a brush mask has more values than pixels")
        if repeated:
            out[done:upto] = bits(8)
        else:
            out[done:upto] = _bytes_at(data, at, upto - done)
            at += 8 * (upto - done)
            if at > end:
                raise DataError(f"{origin}: a brush mask ends too early")
        done = upto
    return out


def _bytes_at(data: bytes, bit: int, count: int) -> npt.NDArray[np.uint8]:
    """Bytes that begin at any bit; zeros beyond the end."""
    part = np.frombuffer(data[bit >> 3 : (bit >> 3) + count + 1].ljust(count + 1, b"\0"), np.uint8).astype(np.uint16)
    shift = bit & 7
    return ((part[:-1] << shift | part[1:] >> (8 - shift)) & 255).astype(np.uint8)
