"""A model for a Rockchip NPU in one file: network, decision and description.

``X.rknn`` is an archive of three parts: manifest, the network as Rockchip's toolkit wrote it, and an ONNX graph of what
follows the logits.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from edge.runtimes.archive import ArchiveKind, ArchiveManifest
from edge.runtimes.decision import DECISION

NETWORK = "network.rknn"
SIMULATOR = "rknn-toolkit2"
"""First word of the runtime in a gate's report that the toolkit's simulator gave, not an NPU."""

Chip = Literal["rk3588", "rk3576", "rk3566"]
CHIPS: tuple[Chip, ...] = ("rk3588", "rk3576", "rk3566")

_MAGIC = b"RKNN"


class RknnManifest(ArchiveManifest):
    """Description of a model for a Rockchip NPU, inside its file.

    Attributes:
        board: Chip that the network was compiled for; no other one runs it.
        precision: ``fp16``, or ``int8`` for 8 bits with the layers of `in_float` in float16.
        in_float: Tensors that stayed in float16.
        toolkit_version: Of rknn-toolkit2 that compiled it; an older runtime does not read it.
    """

    board: Chip
    precision: Literal["fp16", "int8"]
    in_float: tuple[str, ...] = ()
    toolkit_version: str = Field(pattern=r"^\d{1,9}(\.\d{1,9}){1,3}$")

    @property
    def numbers(self) -> Literal["half", "quantised"]:
        """Row of the gate's limits: that of the coarser layers."""
        return "half" if self.precision == "fp16" else "quantised"

    @property
    def npu(self) -> str:
        """Chip that it was compiled for."""
        return self.board


RKNN = ArchiveKind(
    ".rknn",
    RknnManifest,
    (NETWORK, DECISION),
    "touchdown export rknn",
    foreign=_MAGIC,
    foreign_words="Rockchip's own form, which says nothing of classes and gate. Make ours of the ONNX file with "
    "`touchdown export rknn MODEL.onnx`",
)


def chips_of(network: bytes) -> tuple[str, ...]:
    """Chips that Rockchip's form of a network names in the JSON at its end; empty where it names none."""
    at = network.rfind(b'"target_platform":[')
    if not network.startswith(_MAGIC) or at < 0:
        return ()
    try:
        names, _ = json.JSONDecoder().raw_decode(network[at + 18 : at + 400].decode("ascii", "replace"))
    except ValueError:
        return ()
    return tuple(str(name).lower() for name in names)
