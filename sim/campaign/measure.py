"""Measures a network's mistakes on rendered pictures, for `sim.campaign.confusion`.

For each band of heights the network sees pictures of worlds it was not trained on, and its outputs
are set against the truth: which outputs it gives on ground of each class, inside areas and at their
edges; how large the patches are in which it errs; how much of an error is still there in the next
picture from another place; and how much worse it gets with each fault of the camera.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.geometry import FloatArray, quaternion_from_euler
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Frame, Pose, Segmentation
from sim.camera import render
from sim.camera_effects import Effects
from sim.campaign.confusion import FORMAT, LEVELS, PLANES, ZONES
from sim.world import World, parse_world_spec
from sim.world.label_view import label_view

BANDS_M = ((2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, 120.0))
SIZE_PX = (160, 120)
"""Of the label pictures of a campaign; a network's output is reduced to it."""

PICTURE_PX = (640, 480)
HFOV_DEG = (55.0, 95.0)
TILT_DEG = 8.0
SAMPLES_KEPT = 60_000
"""Outputs kept of a class in a zone of a band."""

FAULTS: dict[str, tuple[float, dict[str, Any]]] = {
    "noise_sd": (8.0, {"noise_sd": 8.0}),
    "lens_blur_px": (1.6, {"lens_blur_px": 1.6}),
    "darkness": (0.6, {"gain": 0.4}),
}
"""By name: how strong the fault is in its own unit, and the camera that has it."""

FAULT_BAND = 2
"""The shifts are measured in this band."""


@dataclass
class _Tally:
    """What was seen in one band."""

    samples: dict[tuple[int, int], list[ByteArray]] = field(default_factory=dict)
    neighbours: list[FloatArray] = field(default_factory=list)
    persisting: list[tuple[float, int]] = field(default_factory=list)
    confusion: npt.NDArray[np.int64] | None = None


def measure(
    runtime: Runtime, worlds: tuple[str, ...], seeds: range, frames: int, origin: str
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Measures, saying how far it is; the last item has the finished model.

    Args:
        runtime: Loaded network, of the taxonomy of the worlds.
        worlds: Specifications taken in turn.
        seeds: Of the worlds, one for each.
        frames: Pairs of pictures in each band.
        origin: What the network is, for whoever reads the file.
    """
    taxonomy = runtime.spec.taxonomy
    made = [parse_world_spec(worlds[s % len(worlds)], s) for s in seeds]
    rng = np.random.default_rng([77, seeds.start])
    bands, tallies = [], []
    for number, (low_m, high_m) in enumerate(BANDS_M):
        tally = _Tally()
        for k in range(frames):
            height_m = float(rng.uniform(low_m, high_m))
            _look_twice(runtime, made[k % len(made)], height_m, rng, tally)
        tallies.append(tally)
        bands.append(_band(tally, (low_m, high_m), taxonomy, rng))
        yield f"{low_m:g} to {high_m:g} m: {_words(bands[-1])}", None
        if number == FAULT_BAND:
            shifts = _shifts(runtime, made, frames, (low_m, high_m), rng)
            yield f"camera faults: {shifts}", None
    yield "done", {
        "format": FORMAT, "origin": origin, "size_px": list(SIZE_PX), "levels": list(LEVELS),
        "classes": [c.name for c in taxonomy.classes], "worlds": list(worlds),
        "seeds": [seeds.start, seeds.stop], "frames": 2 * frames, "shifts": shifts, "bands": bands,
    }  # fmt: skip


def write_measured(data: dict[str, Any], path: Path) -> None:
    """Writes a measured model, a line for each class of each zone."""
    path.write_text(_compact(data) + "\n", "utf-8")


def _compact(value: Any, depth: int = 0) -> str:
    pad = " " * (depth + 1)
    if isinstance(value, dict) and depth < 5:
        rows = (f"{pad}{json.dumps(k)}: {_compact(v, depth + 1)}" for k, v in value.items())
        return "{\n" + ",\n".join(rows) + "\n" + pad[:-1] + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        rows = (pad + _compact(v, depth + 1) for v in value)
        return "[\n" + ",\n".join(rows) + "\n" + pad[:-1] + "]"
    return json.dumps(value, separators=(",", ":"))


def _look_twice(
    runtime: Runtime, world: World, height_m: float, rng: np.random.Generator, tally: _Tally
) -> None:
    """Two pictures of one place, the second from a little further, as in flight."""
    camera = CameraModel.from_hfov(*PICTURE_PX, float(rng.uniform(*HFOV_DEG)))
    south, north, west, east = world.extent_m
    north_m = float(rng.uniform(south * 0.6, north * 0.6))
    east_m = float(rng.uniform(west * 0.6, east * 0.6))
    yaw_rad, t_s = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0, 60))
    fields = []
    for step in range(2):
        pose = _pose(north_m, east_m, height_m * (1 - 0.02 * step), yaw_rad, rng)
        effects = _usual_effects(rng)
        labels, said = _look(runtime, world, camera, pose, t_s + 0.3 * step, effects, rng)
        _count(tally, labels, said, runtime.spec.taxonomy, rng)
        fields.append((_wrongness(labels, said, runtime.spec.taxonomy), labels, pose))
        north_m += 0.04 * height_m * float(rng.standard_normal())
        east_m += 0.04 * height_m * float(rng.standard_normal())
    _correlate(tally, fields, camera.resized(*SIZE_PX))


def _pose(
    north_m: float, east_m: float, height_m: float, yaw_rad: float, rng: np.random.Generator
) -> Pose:
    roll, pitch = np.radians(rng.normal(0.0, TILT_DEG / 2, 2))
    attitude = quaternion_from_euler(float(roll), float(pitch), yaw_rad)
    return Pose(0, attitude, (north_m, east_m, -height_m), height_m)


def _usual_effects(rng: np.random.Generator) -> Effects:
    return Effects(
        seed=int(rng.integers(1 << 30)), noise_sd=2.5, lens_blur_px=0.6, vignetting=0.15,
        gain=float(rng.uniform(0.85, 1.1)),
    )  # fmt: skip


def _look(
    runtime: Runtime, world: World, camera: CameraModel, pose: Pose, t_s: float, effects: Effects,
    rng: np.random.Generator,
) -> tuple[ByteArray, Segmentation]:  # fmt: skip
    """True labels and what the network says, both at the size of a campaign's label pictures."""
    picture, _ = render(world, camera, pose, t_s, effects, rng, labels=False)
    said = runtime.segment(Frame(picture, 0, 0))
    return label_view(world, camera, pose, t_s, SIZE_PX), reduced(said, SIZE_PX)


def reduced(said: Segmentation, size_px: tuple[int, int]) -> Segmentation:
    """A segmentation at a smaller size: means of landable, maxima of hazards."""
    _rows, columns = said.shape
    side = max(1, round(columns / size_px[0]))
    kernel = np.ones((side, side), np.uint8)

    def shrink(plane: ByteArray, interpolation: int) -> ByteArray:
        return np.asarray(cv2.resize(plane, size_px, interpolation=interpolation), np.uint8)

    hazards = np.stack(
        [shrink(np.asarray(cv2.dilate(p, kernel)), cv2.INTER_NEAREST) for p in said.hazards]
    )
    return Segmentation(
        shrink(said.class_id, cv2.INTER_NEAREST), shrink(said.landable, cv2.INTER_AREA), hazards,
        said.captured_at_ns,
    )  # fmt: skip


def _planes(said: Segmentation) -> ByteArray:
    return np.concatenate([said.landable[None], said.hazards])


def _own_plane(taxonomy: Taxonomy) -> npt.NDArray[np.int64]:
    """Plane that is right for each label value; -1 for ignored ones."""
    own = np.full(256, -1)
    order = (Role.LANDABLE, *HAZARD_ROLES)
    for info in taxonomy.classes:
        if info.role in order:
            own[info.id] = order.index(info.role)
    return own


def _wrong_of(outputs: ByteArray, plane: int) -> npt.NDArray[np.float32]:
    """How wrong outputs (n, planes) are for ground whose right plane is `plane`; 0 is right."""
    own = outputs[:, plane].astype(np.float32)
    others = np.delete(outputs, plane, axis=1)
    # On landable ground a phantom hazard counts; at a hazard, that it looks landable.
    worst = others.max(axis=1) if plane == 0 else outputs[:, 0]
    wrong = np.maximum(255.0 - own, worst.astype(np.float32)) + (255.0 - own) / 512.0
    return np.asarray(wrong, np.float32)


def _edges(labels: ByteArray) -> npt.NDArray[np.bool_]:
    return np.asarray(cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0)


def _count(
    tally: _Tally, labels: ByteArray, said: Segmentation, taxonomy: Taxonomy,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    planes, edge = _planes(said), _edges(labels)
    for info in taxonomy.classes:
        for zone in range(len(ZONES)):
            inside = (labels == info.id) & (edge if zone else ~edge)
            if inside.any():
                outputs = planes[:, inside].T
                if len(outputs) > 4000:
                    outputs = outputs[rng.integers(0, len(outputs), 4000)]
                tally.samples.setdefault((zone, info.id), []).append(outputs)
    n = len(taxonomy)
    if tally.confusion is None:
        tally.confusion = np.zeros((n, n), np.int64)
    known = (labels < n) & (said.class_id < n)
    pairs = labels[known].astype(np.int64) * n + said.class_id[known]
    tally.confusion += np.bincount(pairs, minlength=n * n).reshape(n, n)


def _wrongness(
    labels: ByteArray, said: Segmentation, taxonomy: Taxonomy
) -> npt.NDArray[np.float32]:
    """Normal scores of the wrongness among the pixels of a class inside areas; NaN elsewhere."""
    planes, own = _planes(said), _own_plane(taxonomy)
    scores = np.full(labels.shape, np.nan, np.float32)
    interior = ~_edges(labels)
    normal = NormalDist()
    table = np.array([normal.inv_cdf((i + 0.5) / 512) for i in range(512)], np.float32)
    for value in np.unique(labels):
        inside = (labels == value) & interior
        count = int(np.count_nonzero(inside))
        if own[value] < 0 or count < 200:
            continue
        wrong = _wrong_of(planes[:, inside].T, int(own[value]))
        # Ties (many outputs are exactly right) are split at random, or they would count as alike.
        jitter = np.random.default_rng(5).random(count).astype(np.float32) * 1e-3
        rank = np.argsort(np.argsort(wrong + jitter))
        scores[inside] = table[(rank * 512) // count]
    return scores


def _correlate(
    tally: _Tally, fields: list[tuple[npt.NDArray[np.float32], ByteArray, Pose]],
    camera: CameraModel,
) -> None:  # fmt: skip
    (first, _labels, pose), (second, _, later) = fields
    lags = []
    for lag in range(1, 13):
        pairs = np.concatenate([
            (first[:, :-lag] * first[:, lag:]).ravel(), (first[:-lag] * first[lag:]).ravel(),
        ])  # fmt: skip
        known = pairs[~np.isnan(pairs)]
        lags.append(float(known.mean()) if len(known) > 500 else math.nan)
    tally.neighbours.append(np.array(lags))
    to_second = camera.pixel_from_ground_plane(later, 0.0) @ np.linalg.inv(
        camera.pixel_from_ground_plane(pose, 0.0)
    )
    warped = cv2.warpPerspective(
        second, to_second, SIZE_PX, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT, borderValue=math.nan,
    )  # fmt: skip
    both = first * np.asarray(warped)
    known = both[~np.isnan(both)]
    if len(known) > 1000:
        tally.persisting.append((float(known.mean()), len(known)))


def _band(
    tally: _Tally, heights_m: tuple[float, float], taxonomy: Taxonomy, rng: np.random.Generator
) -> dict[str, Any]:
    own = _own_plane(taxonomy)
    outputs: dict[str, dict[str, Any]] = {zone: {} for zone in ZONES}
    for zone, zone_name in enumerate(ZONES):
        for info in taxonomy.classes:
            plane = int(own[info.id])
            found = tally.samples.get((zone, info.id)) or tally.samples.get((1 - zone, info.id))
            outputs[zone_name][info.name] = _quantiles(found, plane, rng)
    lags = np.nanmean(np.array(tally.neighbours), axis=0)
    weights = sum(n for _, n in tally.persisting)
    kept = sum(c * n for c, n in tally.persisting) / max(weights, 1)
    assert tally.confusion is not None
    shares = tally.confusion / np.maximum(tally.confusion.sum(axis=1, keepdims=True), 1)
    return {
        "height_m": list(heights_m),
        "correlation_px": round(_length_px(lags), 2),
        "persistence": round(min(max(kept, 0.0), 0.98), 3),
        "confusion": {c.name: [round(float(s), 4) for s in shares[c.id]] for c in taxonomy.classes},
        "outputs": outputs,
    }


def _quantiles(
    found: list[ByteArray] | None, plane: int, rng: np.random.Generator
) -> list[list[int]]:
    """One measured output for each level, from right to wrong; zeros where nothing was seen."""
    if not found or plane < 0:
        return [[0] * PLANES for _ in LEVELS]
    outputs = np.concatenate(found)
    if len(outputs) > SAMPLES_KEPT:
        outputs = outputs[rng.permutation(len(outputs))[:SAMPLES_KEPT]]
    order = np.argsort(_wrong_of(outputs, plane), kind="stable")
    edges = (0.0, *LEVELS)
    rows = []
    for low, high in zip(edges, LEVELS, strict=False):
        at = min(int((low + high) / 2 * len(order)), len(order) - 1)
        rows.append([int(v) for v in outputs[order[at]]])
    return rows


def _length_px(lags: FloatArray) -> float:
    """Where the correlation over 1, 2, 3 ... pixels falls to 1/e."""
    values = np.concatenate([[1.0], lags])
    limit = math.exp(-1.0)
    for k in range(1, len(values)):
        if values[k] <= limit:
            return float(k - 1 + (values[k - 1] - limit) / (values[k - 1] - values[k]))
    return float(len(values) - 1)


def _shifts(
    runtime: Runtime, worlds: list[World], frames: int, heights_m: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Probits by which each fault raises the share of wrong pixels, per unit of the fault."""
    normal = NormalDist()
    own = _own_plane(runtime.spec.taxonomy)

    def wrong_share(effects: dict[str, Any]) -> float:
        local = np.random.default_rng(41)
        wrong = total = 0
        for k in range(frames):
            camera = CameraModel.from_hfov(*PICTURE_PX, float(local.uniform(*HFOV_DEG)))
            height_m = float(local.uniform(*heights_m))
            north_m, east_m = local.uniform(-15, 15, 2).tolist()
            pose = _pose(north_m, east_m, height_m, 0.0, local)
            usual = {"noise_sd": 2.5, "lens_blur_px": 0.6, **effects}
            labels, said = _look(
                runtime, worlds[k % len(worlds)], camera, pose, 0.0, Effects(**usual), local
            )
            right = own[labels]
            known = (right >= 0) & ~_edges(labels)
            own_said = np.take_along_axis(_planes(said), right.clip(0)[None], axis=0)[0]
            wrong += int(np.count_nonzero(known & (own_said < 128)))
            total += int(np.count_nonzero(known))
        return min(max(wrong / max(total, 1), 1e-4), 0.9999)

    usual = wrong_share({})
    shifts = {}
    for name, (strength, effects) in FAULTS.items():
        probits = normal.inv_cdf(wrong_share(effects)) - normal.inv_cdf(usual)
        shifts[name] = round(max(0.0, probits) / strength, 4)
    return shifts


def _words(band: dict[str, Any]) -> str:
    return f"patches of {band['correlation_px']} px, {band['persistence']:.0%} stays"
