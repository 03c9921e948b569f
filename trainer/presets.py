"""Networks for three needs, chosen from measurements (`benchmarks/results/presets.md`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A measured network: its purpose, and values of options of `trainer fit`; the user's options win."""

    what: str
    options: dict[str, Any] = field(default_factory=dict)


_SCALES: dict[str, Any] = {
    "input_wh": (768, 512),
    "crop_wh": (448, 448),
    "zoom": (0.6, 1.8),
    "epochs": 70,
    "ema": 0.995,
    "output_stride": 2,
}
"""Pictures in the shape of a camera's, cut to squares for training: half the work of whole ones."""

PRESETS = {
    "fast": Preset(
        "the smallest latency at useful accuracy, for a drone without a GPU",
        _SCALES | {"arch": "fpn", "encoder": "mobilenet_v2", "decoder_channels": (96, 64)},
    ),
    "balanced": Preset(
        "the most that MobileNetV2 reached here, at twice the latency of fast",
        _SCALES | {"arch": "fpn", "encoder": "mobilenet_v2"},
    ),
    "accurate": Preset(
        "for a GPU: the network with the best published figure on the Semantic Drone Dataset's "
        "random split (SegFormer-B3, mIoU .617); its cost was measured here, its accuracy was not",
        _SCALES | {"arch": "segformer", "encoder": "mit_b3", "lr": 2e-4},
    ),
}
"""The presets by name."""
