"""How the learning rate goes and how many epochs fit: pure functions of where a run is."""

from __future__ import annotations

import math
from dataclasses import dataclass

_WARM_UP = 0.15
_START = 1 / 25
_END = 1e-3


def one_cycle(step: int, total: int) -> float:
    """Learning rate as a share of its peak (L. N. Smith, 2018, with cosine ramps).

    Args:
        step: Steps already taken.
        total: Planned steps.
    """
    place = min(1.0, step / max(1, total - 1))
    if place < _WARM_UP:
        return _ramp(_START, 1.0, place / _WARM_UP)
    return _ramp(1.0, _END, (place - _WARM_UP) / (1 - _WARM_UP))


def _ramp(start: float, end: float, place: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * place)) / 2


def epochs_that_fit(planned: int, done: int, elapsed_s: float, epoch_s: float, limit_s: float) -> int:
    """Epochs to plan so that the run ends within its limit; never more than were planned.

    Args:
        planned: Epochs planned so far.
        done: Epochs trained.
        elapsed_s: Time spent in this run.
        epoch_s: Time the slowest recent epoch took.
        limit_s: The limit; 0 for none.
    """
    if limit_s <= 0:
        return planned
    more = int(max(0.0, limit_s - elapsed_s) / max(epoch_s, 1e-9))
    return min(planned, done + more)


@dataclass
class EpochPlan:
    """How far a run goes; a time limit may lower `epochs` while it runs.

    Attributes:
        epochs: To train.
        steps_per_epoch: Of each process.
        done: Epochs trained before this run began, when it was resumed.
    """

    epochs: int
    steps_per_epoch: int = 1
    done: int = 0
