"""The graph that flies: camera picture in, class map and merged probabilities out.

Everything between is in the graph, so that no runtime can do it differently: colour order,
normalisation, the network, softmax, and the merge of classes into roles.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from landing.taxonomy import Taxonomy

INPUT_NAME = "image"
OUTPUT_NAMES = ("class_id", "landable", "hazards")


class LandingGraph(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """A segmentation network wrapped for the drone.

    Input `image`: uint8 (H, W, 3), BGR. Outputs: `class_id` uint8 (h, w), `landable` uint8 (h, w)
    and `hazards` uint8 (4, h, w) in `landing.types.HAZARD_ORDER`, both probability x 255; h and w
    are H and W over `output_stride`.

    Args:
        network: Normalised RGB (1, 3, H, W) to logits (1, K, H, W).
        taxonomy: Of the K classes.
        mean_rgb, std_rgb: Normalisation, of values 0..1.
        output_stride: Logits are averaged over squares of so many pixels before the softmax.
        temperature: Logits are divided by it.
    """

    def __init__(
        self,
        network: Any,
        taxonomy: Taxonomy,
        mean_rgb: tuple[float, float, float],
        std_rgb: tuple[float, float, float],
        output_stride: int = 1,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.output_stride = output_stride
        self.temperature = temperature
        scale = 1.0 / (255.0 * torch.tensor(std_rgb))
        shift = -torch.tensor(mean_rgb) / torch.tensor(std_rgb)
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", shift.view(1, 3, 1, 1))
        merge = torch.from_numpy(taxonomy.merge_matrix.copy())
        sums = torch.cat([merge, torch.ones(1, merge.shape[1])])
        self.register_buffer("sums", sums.view(*sums.shape, 1, 1))

    def logits(self, image: Any) -> Any:
        """Logits (1, K, h, w) at output resolution, tempered."""
        # Cast before the transpose: TensorRT does not transpose uint8.
        bgr = image.to(torch.float32).permute(2, 0, 1).unsqueeze(0)
        rgb = torch.cat([bgr[:, 2:3], bgr[:, 1:2], bgr[:, 0:1]], dim=1)
        logits = self.network(rgb * self.scale + self.shift)
        if self.output_stride > 1:
            logits = nn.functional.avg_pool2d(logits, self.output_stride)
        if self.temperature != 1.0:
            logits = logits / self.temperature
        return logits

    def forward(self, image: Any) -> tuple[Any, Any, Any]:
        """The three maps of a picture."""
        return self.maps(self.logits(image))

    def maps(self, logits: Any) -> tuple[Any, Any, Any]:
        """Class map, landable and hazards of logits.

        One 1x1 convolution gives the sums per role and, by its row of ones, the denominator of the
        softmax: ONNX Runtime's Softmax over channels transposes and is several times slower.
        """
        best = logits.argmax(dim=1).to(torch.float32).to(torch.uint8)
        parts = torch.exp(logits - logits.amax(dim=1, keepdim=True))
        sums = nn.functional.conv2d(parts, self.sums)
        share = sums[:, :-1] / sums[:, -1:]
        scaled = torch.round(share * 255.0).clamp(0.0, 255.0).to(torch.uint8)
        return best[0], scaled[0, 0], scaled[0, 1:]
