"""Networks for three needs, chosen from measurements (`benchmarks/results/presets.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A network that was measured.

    Attributes:
        what: For people.
        options: Values for options of `trainer fit`; what the user gives wins.
    """

    what: str
    options: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "fast": Preset(
        "smallest latency at useful accuracy: a drone without a GPU",
        {
            "arch": "fpn",
            "encoder": "mobilenet_v2",
            "decoder_channels": (96, 64),
            "output_stride": 2,
            "input_wh": (768, 512),
            "crop_wh": (448, 448),
            "zoom": (0.6, 1.8),
            "epochs": 70,
            "ema": 0.995,
        },
    ),
}
"""By name."""
