"""Networks that are known to export: each is exported, run and compared with torch by a test.

Others of segmentation-models-pytorch may well export too; `export onnx` compares every one of them with torch before it
writes a file, so one that does not cannot come out wrong.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckedNetwork:
    """A decoder on an encoder, as smp names them; `tu-...` encoders are timm's.

    Attributes:
        friendly_to_int8: Convolutions, ReLU and additions alone: nothing that loses much in 8 bits.
        slow: The check takes seconds.
        width_px, height_px: Smallest input that the check uses; PAN needs more than others.
    """

    arch: str
    encoder: str
    friendly_to_int8: bool = False
    slow: bool = False
    width_px: int = 96
    height_px: int = 64

    @property
    def name(self) -> str:
        """As in a checkpoint's architecture."""
        return f"{self.arch}/{self.encoder}"


CHECKED: tuple[CheckedNetwork, ...] = (
    CheckedNetwork("unet", "mobilenet_v2"),
    CheckedNetwork("unetplusplus", "mobilenet_v2", slow=True),
    CheckedNetwork("manet", "mobilenet_v2", slow=True),
    CheckedNetwork("linknet", "mobilenet_v2"),
    CheckedNetwork("fpn", "mobilenet_v2"),
    CheckedNetwork("pspnet", "mobilenet_v2"),
    CheckedNetwork("pan", "mobilenet_v2", width_px=128, height_px=128),
    CheckedNetwork("deeplabv3", "mobilenet_v2"),
    CheckedNetwork("deeplabv3plus", "mobilenet_v2"),
    CheckedNetwork("upernet", "mobilenet_v2"),
    CheckedNetwork("segformer", "mobilenet_v2"),
    CheckedNetwork("linknet", "tu-mobilenetv4_conv_small", friendly_to_int8=True),
    CheckedNetwork("deeplabv3plus", "tu-mobilenetv4_conv_small", friendly_to_int8=True),
    CheckedNetwork("fpn", "tu-mobilenetv4_conv_small"),
    CheckedNetwork("unet", "resnet18", friendly_to_int8=True),
    CheckedNetwork("fpn", "resnet18"),
    CheckedNetwork("segformer", "mit_b0", slow=True),
    CheckedNetwork("unet", "efficientnet-b0", slow=True),
)
"""DPT is not in the list: smp builds it on a ViT alone, which is too large for what flies."""


def names() -> str:
    """All of them, for people."""
    return ", ".join(one.name for one in CHECKED)
