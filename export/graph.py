"""The graph that flies: camera picture in, class map and merged probabilities out.

Everything between is in the graph, so that no runtime can do it differently: colour order, normalisation, the network,
temperature, softmax, and the merge of classes into roles.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import nn

from landing.errors import InvalidValueError, ModelError
from landing.taxonomy import Taxonomy

INPUT_NAME = "image"
OUTPUT_NAMES = ("class_id", "landable", "hazards")
MERGE_NAME = "touchdown.merge"
"""Initializer that holds the merge, so that a finished file can be merged again without torch."""

Upsample = Literal["maps", "logits"]


class LandingGraph(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """A segmentation network wrapped for the drone.

    Input `image`: uint8 (H, W, 3), BGR. Outputs: `class_id` uint8 (h, w), `landable` uint8 (h, w) and `hazards` uint8
    (4, h, w) in `landing.types.HAZARD_ORDER`, both probability x 255; h and w are H and W over `output_stride`.

    Args:
        network: Normalised RGB (1, 3, H, W) to logits (1, K, H / n, W / n).
        taxonomy: Of the K classes.
        mean_rgb, std_rgb: Normalisation, of values 0..1.
        output_stride: Input pixels per output pixel. Above the network's own, logits are averaged over squares; below
            it, they are scaled up.
        temperature: Logits are divided by it.
        network_stride: n, input pixels per pixel of the network's logits.
        upsample: The planes that are scaled up, bilinearly, where the output is finer than the logits: the `maps` after
            the merge (classes by repetition), or the `logits` before it.

    Raises:
        InvalidValueError: A stride that is no multiple or divisor of the network's.
    """

    def __init__(
        self,
        network: Any,
        taxonomy: Taxonomy,
        mean_rgb: tuple[float, float, float],
        std_rgb: tuple[float, float, float],
        output_stride: int = 1,
        temperature: float = 1.0,
        network_stride: int = 1,
        upsample: Upsample = "maps",
    ) -> None:
        super().__init__()
        if output_stride % network_stride and network_stride % output_stride:
            raise InvalidValueError(
                f"output stride {output_stride}: the network gives logits every {network_stride} "
                "px; expected a multiple or a divisor of that"
            )
        self.network = network
        self.pool = max(1, output_stride // network_stride)
        self.enlarge = max(1, network_stride // output_stride)
        self.upsample = upsample
        self.temperature = temperature
        scale = 1.0 / (255.0 * torch.tensor(std_rgb))
        shift = -torch.tensor(mean_rgb) / torch.tensor(std_rgb)
        self.register_buffer("scale", scale.view(1, 3, 1, 1))
        self.register_buffer("shift", shift.view(1, 3, 1, 1))
        self.register_buffer("centre_bgr", 255.0 * torch.tensor(mean_rgb).flip(0).view(1, 3, 1, 1))
        self.folded = False
        merge = torch.from_numpy(taxonomy.merge_matrix.copy())
        sums = torch.cat([merge, torch.ones(1, merge.shape[1])])
        self.register_buffer("sums", sums.view(*sums.shape, 1, 1))

    def logits(self, image: Any) -> Any:
        """Logits (1, K, h, w), tempered; at output resolution unless only the maps are enlarged."""
        logits = self.network(self.planes(image))
        if self.temperature != 1.0:
            # Directly after the network, as a factor: runtimes fold it into the last convolution.
            logits = logits * (1.0 / self.temperature)
        if self.pool > 1:
            logits = nn.functional.avg_pool2d(logits, self.pool)
        if self.enlarge > 1 and self.upsample == "logits":
            logits = self._enlarged(logits)
        return logits

    def planes(self, image: Any) -> Any:
        """The network's input, float (1, 3, H, W)."""
        # Cast before the transpose: TensorRT does not transpose uint8.
        bgr = image.to(torch.float32).permute(2, 0, 1).unsqueeze(0)
        if self.folded:
            return bgr - self.centre_bgr
        rgb = torch.cat([bgr[:, 2:3], bgr[:, 1:2], bgr[:, 0:1]], dim=1)
        return rgb * self.scale + self.shift

    def forward(self, image: Any) -> tuple[Any, Any, Any]:
        """The three maps of a picture."""
        return self.maps(self.logits(image))

    def maps(self, logits: Any) -> tuple[Any, Any, Any]:
        """Class map, landable and hazards of logits.

        One 1x1 convolution gives the sums per role and, by its row of ones, the denominator of the
        softmax: ONNX Runtime's Softmax over channels transposes and is several times slower. ArgMax takes a third of
        the time spent here; maxima of masked class numbers, a convolution of the mask of maxima, and ArgMax over the
        last axis were measured and are no faster.
        """
        best = logits.argmax(dim=1, keepdim=True).to(torch.float32)
        parts = torch.exp(logits - logits.amax(dim=1, keepdim=True))
        sums = nn.functional.conv2d(parts, self.sums)
        share = sums[:, :-1] / sums[:, -1:]
        if self.enlarge > 1 and self.upsample == "maps":
            best = nn.functional.interpolate(best, scale_factor=self.enlarge, mode="nearest")
            share = self._enlarged(share)
        scaled = torch.round(share * 255.0).clamp(0.0, 255.0)
        # Cut first and cast last: TensorRT takes UINT8 for its outputs, not between. And from
        # float32: it has no cast from int64 to UINT8.
        planes = (best[0, 0], scaled[0, 0], scaled[0, 1:])
        return tuple(plane.to(torch.uint8) for plane in planes)

    def _enlarged(self, planes: Any) -> Any:
        """Scaled up as smp does it in training: the corners' centres stay the corners' centres."""
        return nn.functional.interpolate(planes, scale_factor=self.enlarge, mode="bilinear", align_corners=True)


def without_upsampling(network: Any) -> tuple[Any, int]:
    """The network without smp's last, parameter-free enlargement of the logits, and its factor, or 1."""
    head = getattr(network, "segmentation_head", None)
    if not isinstance(head, nn.Sequential) or len(head) < 2 or not isinstance(head[1], nn.Upsample):
        return network, 1
    factor = float(head[1].scale_factor)
    if factor != int(factor) or factor <= 1:
        return network, 1
    bare = copy.deepcopy(network)
    bare.segmentation_head[1] = nn.Identity()
    return bare, int(factor)


def stride_of(network: Any, width_px: int, height_px: int) -> int:
    """Input pixels per pixel of the logits, found by running the network once.

    Raises:
        ModelError: The logits do not cover the input by a whole number in both directions.
    """
    with torch.inference_mode():
        shape = tuple(network(torch.zeros(1, 3, height_px, width_px)).shape)
    stride = width_px // shape[3] if shape[3] else 0
    if not stride or shape[3] * stride != width_px or shape[2] * stride != height_px:
        raise ModelError(
            f"the network gives logits of {shape[3]}x{shape[2]} for an input of "
            f"{width_px}x{height_px}: expected the input's size over a whole number"
        )
    return stride


def with_folded_input(graph: LandingGraph, width_px: int, height_px: int) -> LandingGraph:
    """The same graph with scale and colour order inside the weights of the first convolution.

    Exact but for rounding: only the mean is still subtracted, so that zero padding stays what it was. Where the input
    does not go into one plain convolution alone, the graph is returned as is.
    """
    first = _only_reader(graph.network, width_px, height_px)
    if first is None:
        return graph
    folded = copy.deepcopy(graph)
    convolution = dict(folded.network.named_modules())[first]
    if convolution.groups != 1 or convolution.padding_mode != "zeros":
        return graph
    with torch.no_grad():
        convolution.weight.copy_((convolution.weight * graph.scale).flip(1))
    folded.folded = True
    with torch.inference_mode():
        picture = torch.arange(64 * 64 * 3).mul(7).remainder(256).to(torch.uint8).view(64, 64, 3)
        ours = convolution(folded.planes(picture))
        theirs = dict(graph.network.named_modules())[first](graph.planes(picture))
    return folded if torch.allclose(ours, theirs, atol=1e-3, rtol=1e-3) else graph


def _only_reader(network: Any, width_px: int, height_px: int) -> str | None:
    """Name of the convolution that alone reads the network's input, or None."""
    picture = torch.zeros(1, 3, height_px, width_px)
    readers: list[tuple[str, Any]] = []

    def noting(name: str) -> Any:
        def hook(module: Any, inputs: Any) -> None:
            if inputs and inputs[0] is picture and not isinstance(module, nn.Identity):
                readers.append((name, module))

        return hook

    leaves = [(n, m) for n, m in network.named_modules() if not list(m.children())]
    handles = [module.register_forward_pre_hook(noting(name)) for name, module in leaves]
    try:
        with torch.inference_mode():
            network(picture)
    finally:
        for handle in handles:
            handle.remove()
    if len(readers) != 1 or not isinstance(readers[0][1], nn.Conv2d):
        return None
    return readers[0][0]
