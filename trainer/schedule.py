"""Learning rate and number of epochs: pure functions of a run's progress."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

_WARM_UP = 0.15
_START = 1 / 25
_END = 1e-3


def one_cycle(step: int, total: int) -> float:
    """Return the learning rate of a step as a share of its peak (L. N. Smith, 2018, with cosine ramps)."""
    place = min(1.0, step / max(1, total - 1))
    if place < _WARM_UP:
        return _ramp(_START, 1.0, place / _WARM_UP)
    return _ramp(1.0, _END, (place - _WARM_UP) / (1 - _WARM_UP))


def _ramp(start: float, end: float, place: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * place)) / 2


def epochs_that_fit(planned: int, done: int, elapsed_s: float, epoch_s: float, limit_s: float) -> int:
    """Return the epochs that end within a time limit (0 for none), at most those planned."""
    if limit_s <= 0:
        return planned
    more = int(max(0.0, limit_s - elapsed_s) / max(epoch_s, 1e-9))
    return min(planned, done + more)


class CurvePoint(NamedTuple):
    """Progress of a run: val mIoU over the CPU time of the first process, hours, without its loader processes."""

    epoch: int
    cpu_h: float
    miou: float


@dataclass
class EpochPlan:
    """Length of a run in epochs and steps of each process; a time limit may lower `epochs`.

    Attributes:
        done: Epochs that were trained before a resumed run began.
        curve: Progress after each epoch, of all runs of a resumed one.
    """

    epochs: int
    steps_per_epoch: int = 1
    done: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
