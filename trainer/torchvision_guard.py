"""Makes `import torchvision` work where its compiled operators do not fit torch.

A torchvision wheel for CUDA beside a CPU-only torch (pip readily installs the pair) stops at "operator torchvision::nms
does not exist", although segmentation needs no such operator. timm and segmentation-models-pytorch import torchvision:
call `ensure_torchvision` before the first import of either.
"""

from __future__ import annotations

import sys
from typing import Any

_DEFINED: list[Any] = []  # torch forgets an operator schema when its Library object is collected
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def ensure_torchvision() -> None:
    """Imports torchvision, with the two missing operator schemas defined if need be.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: It does not import for another reason.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torch

        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(operator + _SCHEMA)
        _DEFINED.append(library)
        import torchvision  # noqa: F401
