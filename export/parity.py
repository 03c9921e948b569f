"""Parity of the exported file with the network, before a file is handed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landing.errors import ModelError
from landing.types import ByteArray

Maps = Mapping[str, ByteArray]

TIE = 1e-3
"""Two logits nearer than this are a tie: either class may win."""


@dataclass(frozen=True)
class Parity:
    """Agreement of two implementations of one graph, over some pictures.

    Attributes:
        worst_step: Greatest difference of a probability, in steps of 1/255.
        mean_step: Mean difference of probabilities, in steps of 1/255.
        class_agreement: Share of pixels with the same class.
        class_conflicts: Pixels with another class although it was no tie.
    """

    pictures: int
    worst_step: int
    mean_step: float
    class_agreement: float
    class_conflicts: int

    def describe(self) -> str:
        """One line for people."""
        return (
            f"{self.pictures} pictures: probabilities within {self.worst_step}/255 "
            f"(mean {self.mean_step:.4f}), {100 * self.class_agreement:.4f} % of classes the same, "
            f"{self.class_conflicts} differ beyond a tie"
        )


def compare(expected: Sequence[Maps], found: Sequence[Maps], ties: Sequence[npt.NDArray[np.bool_]]) -> Parity:
    """Compares the maps of some pictures; `ties` is True (h, w) where the two best classes are a tie.

    Raises:
        ModelError: Shapes or types differ.
    """
    worst, total, values, same, pixels, conflicts = 0, 0, 0, 0, 0, 0
    for want, have, tie in zip(expected, found, ties, strict=True):
        for name, array in want.items():
            if have[name].shape != array.shape or have[name].dtype != array.dtype:
                raise ModelError(
                    f"output {name!r} is {have[name].dtype} {have[name].shape}, expected {array.dtype} {array.shape}"
                )
        for name in ("landable", "hazards"):
            steps = np.abs(want[name].astype(np.int16) - have[name].astype(np.int16))
            worst = max(worst, int(steps.max()))
            total += int(steps.sum())
            values += steps.size
        equal = want["class_id"] == have["class_id"]
        same += int(equal.sum())
        pixels += equal.size
        conflicts += int((~equal & ~tie).sum())
    return Parity(len(expected), worst, total / max(1, values), same / max(1, pixels), conflicts)


def require_exact(parity: Parity, what: str) -> None:
    """The tolerance of a file with full weights: 1/255, and classes equal but for ties.

    Raises:
        ModelError: It is exceeded.
    """
    if parity.worst_step > 1 or parity.class_conflicts:
        raise ModelError(
            f"{what} does not compute what the network computes ({parity.describe()}; allowed are "
            "1/255 and no class beyond a tie); no file was written"
        )


def require_close(parity: Parity, what: str, hint: str = "Export without --half-weights") -> None:
    """The tolerance of half floats: mean 1/255, and 99 % of classes equal.

    Half floats keep 11 bits, so each weight is off by up to 0.05 % and the logits by about 0.1 to 1 %: enough to move a
    class only where two are almost equal.

    Raises:
        ModelError: It is exceeded.
    """
    if parity.mean_step > 1.0 or parity.class_agreement < 0.99:
        raise ModelError(
            f"{what} differs too much ({parity.describe()}; allowed are a mean "
            f"of 1/255 and 1 % of classes); no file was written. {hint}"
        )
