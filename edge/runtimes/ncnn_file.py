"""A model for ncnn in one file: network, weights, decision and description.

``X.ncnn`` is an archive of four parts: manifest, ncnn's text of the network, its weights, and an ONNX graph of what
follows the logits.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.runtimes.archive import ArchiveKind, ArchiveManifest
from edge.runtimes.decision import DECISION

NETWORK, WEIGHTS = "network.param", "network.bin"


class NcnnManifest(ArchiveManifest):
    """Description of a model for ncnn, inside its file.

    Attributes:
        weights: How they are stored; they are computed with in float32 in either case.
        ncnn_version: That it was compared with ONNX Runtime by, as ``1.0.20261020``; an older one may read the text of
            the network otherwise without saying so.
        pnnx_version: Of the converter.
    """

    weights: Literal["fp32", "fp16"]
    ncnn_version: str = Field(pattern=r"^\d{1,9}(\.\d{1,9}){1,3}$")
    pnnx_version: str = ""

    @property
    def numbers(self) -> Literal["exact", "half"]:
        """Row of the gate's limits: what the weights are stored as."""
        return "half" if self.weights == "fp16" else "exact"


NCNN = ArchiveKind(".ncnn", NcnnManifest, (NETWORK, WEIGHTS, DECISION), "touchdown export ncnn", texts=(NETWORK,))
