"""Local frames of the estimator's samples, by their stamps."""

from __future__ import annotations

from bisect import bisect_right

from landing.estimator import FIRST_FRAME, EstimatorFrame, FrameShift

KEPT = 64
ALWAYS_NS = -(2**62)


class FrameHistory:
    """The frames of the last resets. Not thread-safe."""

    def __init__(self) -> None:
        self._stamps = [ALWAYS_NS]
        self._frames = [FIRST_FRAME]
        self._torn = (0, 0)

    @property
    def newest(self) -> EstimatorFrame:
        """The frame of the newest samples."""
        return self._frames[-1]

    def begin_anew(self) -> None:
        """Forgets stamps, as after a reboot: from now on there is only another epoch."""
        self._stamps, self._frames = [ALWAYS_NS], [self.newest.moved(None)]
        self._torn = (0, 0)

    def move(self, at_ns: int | None, shift: FrameShift | None) -> None:
        """Note a reset: stamp of the first sample after it, and its size; None where either is not known."""
        from_ns = self._stamps[-1]
        at_ns = from_ns if at_ns is None else at_ns
        if at_ns < from_ns:
            # Two resets told out of order: samples in between are of neither frame.
            self._torn = (at_ns, from_ns)
        self._stamps.append(max(at_ns, from_ns))
        self._frames.append(self.newest.moved(shift))
        del self._stamps[:-KEPT], self._frames[:-KEPT]

    def at(self, at_ns: int) -> EstimatorFrame | None:
        """The frame at a stamp; None where samples of two frames are mixed, or its frame is not kept any more."""
        number = bisect_right(self._stamps, at_ns)
        if number == 0 or self._torn[0] <= at_ns < self._torn[1]:
            return None
        return self._frames[number - 1]

    def down_in_newest(self, down_m: float, at_ns: int) -> float | None:
        """A down coordinate of some moment in the newest frame, m; None where that is unknown."""
        frame = self.at(at_ns)
        if frame is self.newest:
            return down_m
        shift = None if frame is None else frame.shift_to(self.newest)
        return None if shift is None else down_m + shift.offset_ned_m[2]
