"""A checkpoint's network: pictures to logits, and logits to class and role probabilities.

Each picture goes in as on the drone (`landing.model.spec.Letterbox`, top left, padded); the padding is cut off the
logits. Logits are compared with labels at the label map's own size: they are enlarged bilinearly before softmax and
argmax. So detail that the network is too coarse for counts as an error, and different input sizes are comparable.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from landing.errors import InvalidValueError, ModelError
from landing.model.spec import Letterbox
from landing.taxonomy import Taxonomy
from landing.types import ByteArray, Segmentation
from trainer.checkpoint import Checkpoint
from trainer.model import normalise

_STRIP_VALUES = 1 << 20
"""Logits in work at once: they stay in the processor's cache, and 24-megapixel labels fit."""


class Predictor:
    """Runs the network of a checkpoint on pictures of any size, in "float32" or "bfloat16".

    `stride` is input pixels per pixel of the network's own logits, before smp's enlargement, as in an exported model.

    Raises:
        ModelError: The logits do not have the input's size over a whole number.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: str = "float32") -> None:
        self.checkpoint = checkpoint
        self._device = device
        self._precision = precision
        network = checkpoint.network().to(device)
        self._enlarge = _take_enlargement(network)
        self._network = network.to(memory_format=torch.channels_last)
        self.stride = self._probe()

    def _probe(self) -> int:
        width, height = self.checkpoint.model.input_wh
        shape = self._forward(np.zeros((height, width, 3), np.uint8)).shape
        stride = width // shape[2] if shape[2] else 0
        if (shape[2] * stride, shape[1] * stride) != (width, height):
            raise ModelError(
                f"the network gives {shape[2]}x{shape[1]} pixels for an input of {width}x{height}; "
                "expected the input's size over a whole number"
            )
        return stride

    def _forward(self, picture: ByteArray) -> torch.Tensor:
        batch = torch.from_numpy(picture).unsqueeze(0).to(self._device)
        low = self._precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=low):
            logits: torch.Tensor = self._network(normalise(batch, self.checkpoint.model))
        return logits[0].float()

    def logits(self, image_bgr: ByteArray) -> torch.Tensor:
        """Return logits float32 (K, h, w) as trained, of the picture without padding."""
        return self.both(image_bgr)[0]

    def classes(self, image_bgr: ByteArray, size_wh: tuple[int, int]) -> ByteArray:
        """Return the most probable classes of a picture at a size, uint8 (H, W)."""
        return class_map(self.logits(image_bgr), size_wh)

    def both(self, image_bgr: ByteArray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits float32 (K, h, w) of the picture without padding: as trained, and at the flying stride."""
        height, width = image_bgr.shape[:2]
        box = Letterbox.of((width, height), self.checkpoint.model.input_wh, self.stride)
        own = self._forward(box.apply(image_bgr))
        trained = own if self._enlarge is None else self._enlarge(own[None])[0]
        factor = trained.shape[2] // own.shape[2]
        rows, columns = box.valid_wh[1] // self.stride, box.valid_wh[0] // self.stride
        return trained[:, : rows * factor, : columns * factor], own[:, :rows, :columns]


def _take_enlargement(network: nn.Module) -> nn.Module | None:
    """Takes smp's last, weightless enlargement of the logits out of a network."""
    head = getattr(network, "segmentation_head", None)
    if not isinstance(head, nn.Sequential) or len(head) < 2 or not isinstance(head[1], nn.Upsample):
        return None
    enlarge = head[1]
    if float(enlarge.scale_factor) % 1 or enlarge.scale_factor <= 1:
        return None
    head[1] = nn.Identity()
    return enlarge


def strips(logits: torch.Tensor, size_wh: tuple[int, int]) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yields logits (K, h, w) enlarged to a size, in strips of rows: the rows, and their logits (K, rows, width).

    Equal to `interpolate(mode="bilinear", align_corners=False)` of the whole, which would take 2.3 GB for 24 classes at
    6000x4000.
    """
    width, height = size_wh
    classes, rows = logits.shape[:2]
    wide = F.interpolate(logits[None], (rows, width), mode="bilinear", align_corners=False)[0]
    place = (torch.arange(height, device=logits.device) + 0.5) * (rows / height) - 0.5
    place = place.clamp_(0, rows - 1)
    above = place.floor().long()
    below = (above + 1).clamp_(max=rows - 1)
    share = (place - above).view(1, -1, 1)
    step = max(1, _STRIP_VALUES // (classes * width))
    for start in range(0, height, step):
        part = slice(start, min(start + step, height))
        yield part, torch.lerp(wide[:, above[part]], wide[:, below[part]], share[:, part])


class RoleMerger:
    """Softmax and merge by role, as in the exported graph, in torch."""

    def __init__(self, taxonomy: Taxonomy, device: torch.device) -> None:
        merge = torch.from_numpy(taxonomy.merge_matrix.copy())
        self._sums = torch.cat([merge, torch.ones(1, merge.shape[1])]).to(device)

    def merge(self, logits: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the best class (...), its probability (...), and the role probabilities (5, ...) of logits (K, ...).

        The roles are landable ground and each hazard role.
        """
        if temperature <= 0:
            raise InvalidValueError(f"temperature {temperature}: expected above 0")
        greatest, best = logits.max(0)
        parts = ((logits - greatest) * (1.0 / temperature)).exp_()
        sums = (self._sums @ parts.flatten(1)).view(-1, *logits.shape[1:])
        return best, 1.0 / sums[-1], sums[:-1] / sums[-1]

    def segmentation(self, logits: torch.Tensor, temperature: float) -> Segmentation:
        """Return the maps that the drone would get for logits (K, h, w)."""
        best, _, shares = self.merge(logits, temperature)
        planes = as_bytes(shares)
        return Segmentation(best.to(torch.uint8).cpu().numpy(), planes[0], planes[1:])


def as_bytes(shares: torch.Tensor) -> ByteArray:
    """Probabilities x 255, rounded, uint8, as the flying graph gives them."""
    scaled = (shares * 255.0).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.cpu().numpy())


def class_map(logits: torch.Tensor, size_wh: tuple[int, int]) -> ByteArray:
    """Return the most probable classes at a size, uint8 (H, W)."""
    result = np.empty((size_wh[1], size_wh[0]), np.uint8)
    for rows, part in strips(logits, size_wh):
        result[rows] = part.argmax(0).to(torch.uint8).cpu().numpy()
    return result


def choose_device(name: str) -> torch.device:
    """Return the named device; "auto" prefers CUDA.

    Raises:
        InvalidValueError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidValueError(f"device {name!r} is not usable: {reason}; use cpu") from error
    return device
