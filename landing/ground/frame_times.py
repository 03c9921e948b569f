"""Capture times of the frames that a map's cells refer to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

NEVER_NS = -(2**62)
CLEARED_AT = 4096
"""Number of times that may be kept before those that no cell refers to are let go."""

FrameNumbers = npt.NDArray[np.int32]
Stamps = npt.NDArray[np.int64]


class FrameTimes:
    """Numbers frames in order of their capture times; number 0 means never.

    A cell keeps the number of a frame: half the memory of its time, and a limit of age is one number to compare with.

    Args:
        stamps_ns: Times to begin with.
    """

    def __init__(self, stamps_ns: Sequence[int] = ()) -> None:
        self._stamps_ns = sorted({NEVER_NS, *stamps_ns})
        self._cleared_at = CLEARED_AT

    def number(self, at_ns: int, layers: Sequence[FrameNumbers]) -> int:
        """Return the number of a frame.

        Args:
            at_ns: Its capture time.
            layers: All cells with numbers; they are renumbered in place where that is needed.
        """
        if at_ns > self._stamps_ns[-1]:
            if len(self._stamps_ns) >= self._cleared_at:
                self._clear(layers)
            self._stamps_ns.append(at_ns)
            return len(self._stamps_ns) - 1
        number = bisect_left(self._stamps_ns, at_ns)
        if self._stamps_ns[number] != at_ns:
            self._stamps_ns.insert(number, at_ns)
            for layer in layers:
                layer += layer >= number
        return number

    def since(self, at_ns: int) -> int:
        """Return the least number of a frame that is not older than a time."""
        return bisect_left(self._stamps_ns, at_ns)

    def ages_s(self, layer: FrameNumbers, now_ns: int) -> npt.NDArray[np.float32]:
        """Return the age of each cell's frame, s; infinite for never."""
        table = ((now_ns - np.array(self._stamps_ns)) * 1e-9).astype(np.float32)
        table[0] = np.inf
        return table.take(layer)

    def stamps_ns(self, layer: FrameNumbers) -> Stamps:
        """Return the capture time of each cell's frame, ns; `NEVER_NS` for never."""
        return np.array(self._stamps_ns).take(layer)

    def numbers(self, stamps_ns: Stamps) -> FrameNumbers:
        """Return the numbers of times that it knows: the inverse of `stamps_ns`."""
        return np.searchsorted(np.array(self._stamps_ns), stamps_ns).astype(np.int32)

    def _clear(self, layers: Sequence[FrameNumbers]) -> None:
        """Lets go of the times that no cell refers to."""
        used = np.zeros(len(self._stamps_ns), np.bool_)
        used[0] = True
        for layer in layers:
            used[layer] = True
        numbers = np.cumsum(used, dtype=np.int32) - 1
        for layer in layers:
            layer[...] = numbers.take(layer)
        self._stamps_ns = np.array(self._stamps_ns)[used].tolist()
        self._cleared_at = max(CLEARED_AT, 2 * len(self._stamps_ns))
