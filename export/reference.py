"""The computation of a graph, written out in numpy: the other side of every comparison."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from export.parity import TIE, Maps
from landing.taxonomy import Taxonomy

FloatPlanes = npt.NDArray[np.float32]


def reference_maps(
    scores: FloatPlanes, taxonomy: Taxonomy, activation: str = "logits", temperature: float = 1.0, single: bool = False
) -> tuple[Maps, npt.NDArray[np.bool_]]:
    """The maps of a network's scores, and where the two best classes tie.

    Args:
        scores: Shape (K, h, w); (1, h, w) for `labels` and a single channel.
        taxonomy: Of the K classes.
        activation: Kind of scores: see `export.onnx_probe.ACTIVATIONS`.
        temperature: Logits are divided by it.
        single: One channel that stands for class 1 of two.
    """
    if activation == "labels":
        ids = np.rint(scores[0])
        p = (ids[None] == np.arange(len(taxonomy))[:, None, None]).astype(np.float32)
        return _maps(ids.astype(np.uint8), p, taxonomy), np.zeros(ids.shape, np.bool_)
    if activation == "softmax" and temperature != 1:
        scores, activation = np.log(np.maximum(scores, 1e-9)), "logits"
    if activation == "logits":
        ranked = scores / temperature
        parts = np.exp(ranked - ranked.max(0))
        p = parts / parts.sum(0)
    else:
        if activation == "sigmoid-logits":
            scores = 1 / (1 + np.exp(-scores / temperature))
        ranked = np.concatenate([1 - scores, scores]) if single else scores
        p = np.maximum(ranked, 0)
        p = p / np.maximum(p.sum(0), 1)
    first_two = np.partition(ranked, -2, axis=0)[-2:]
    return _maps(ranked.argmax(0), p, taxonomy), first_two[1] - first_two[0] < TIE


def _maps(best: npt.NDArray[np.generic], p: FloatPlanes, taxonomy: Taxonomy) -> Maps:
    merged = np.clip(np.tensordot(taxonomy.merge_matrix, p, axes=1), 0, 1) * 255
    planes = np.rint(merged).astype(np.uint8)
    return {"class_id": best.astype(np.uint8), "landable": planes[0], "hazards": planes[1:]}


def resized(planes: FloatPlanes, size_hw: tuple[int, int], *, nearest: bool) -> FloatPlanes:
    """Planes (K, h, w) at another size: bilinear or nearest, pixel centres at halves."""
    for axis, side in enumerate(size_hw, 1):
        old = planes.shape[axis]
        if side == old:
            continue
        at = (np.arange(side) + 0.5) * old / side - 0.5
        if nearest:
            planes = planes.take(np.clip(np.floor(at), 0, old - 1).astype(int), axis)
            continue
        at = np.clip(at, 0, old - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, old - 1)
        weight = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
        planes = planes.take(low, axis) * (1 - weight) + planes.take(high, axis) * weight
    return planes.astype(np.float32)
