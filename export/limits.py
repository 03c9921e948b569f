"""The one table of the gate's limits: how far one artefact may be from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["exact", "half", "bf16", "quantised"]


class Limits(BaseModel):
    """Limits of a comparison of B with A; what could not be measured is not judged.

    Probabilities are 0 to 1; shares are of pixels or frames, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_difference: float = Field(description="of any probability at any pixel")
    mean_difference: float = Field(description="of probabilities, over all pixels and roles")
    class_disagreement: float = Field(description="share of pixels with another class")
    miou_drop: float = Field(description="mIoU of A less that of B over the classes in the labels, where there are any")
    hazard_recall_drop: float = Field(description="recall of the worst role, A less B, with labels")
    false_safe_flips: float = Field(description="share of pixels that only B takes for landable")
    site_differs: float = Field(description="share of frames whose site is another one")

    def failures(self, measured: Mapping[str, float | None]) -> tuple[str, ...]:
        """A line per limit that is exceeded."""
        lines = []
        for name, limit in self:
            value = measured.get(name)
            if value is not None and not value <= limit:  # NaN fails too
                lines.append(f"{name} {value:.4g} is above {limit:g}")
        return tuple(lines)


_HALF = Limits(
    max_difference=1.0,
    mean_difference=0.004,
    class_disagreement=0.01,
    miou_drop=0.005,
    hazard_recall_drop=0.005,
    false_safe_flips=0.001,
    site_differs=0.05,
)
LIMITS: Mapping[Kind, Limits] = {
    # The same numbers in another order: rounding alone.
    "exact": Limits(
        max_difference=0.02,
        mean_difference=0.0005,
        class_disagreement=0.001,
        miou_drop=0.001,
        hazard_recall_drop=0.001,
        false_safe_flips=0.0001,
        site_differs=0.02,
    ),
    # 11 bits of mantissa.
    "half": _HALF,
    # 8 bits of mantissa: as float16, but with as many flips as 8 bits may have.
    "bf16": _HALF.model_copy(update={"false_safe_flips": 0.002}),
    # 8 bits. One pixel at an edge may say anything, so the greatest difference is not limited; the number of such
    # pixels is, and their effect on the decision.
    "quantised": Limits(
        max_difference=1.0,
        mean_difference=0.02,
        class_disagreement=0.08,
        miou_drop=0.01,
        hazard_recall_drop=0.01,
        false_safe_flips=0.002,
        site_differs=0.15,
    ),
}

PAYS = 1.8
"""Times as fast as float32 in ONNX Runtime, from which 8 bits are worth what they change."""

SAME_SITE_M = 1.0
"""Two sites nearer than this are the same: half the least diameter of a vehicle with its margin."""
