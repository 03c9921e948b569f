"""Measures a network's mistakes on rendered pictures, for `sim.campaign.perception_errors`.

For each band of heights the network sees pictures of worlds it was not trained on, and its outputs are set against the
truth: which outputs it gives on ground of each class in each zone (inside an area, at its seams and edges, beside
people and vehicles); how large the patches are in which it errs; how much of an error is still there in the next
picture from another place, and in one from half the height; how much of it is the world's, at whichever place of it;
and how much worse it gets with each fault of the camera.

The truth has every class of the simulator's scenes, also those that the network has no name for (a slope): on them it
says what it says.

Pictures are taken over each class of ground and each kind of actor alike, so that pools, walls and people are seen as
often as lawns. Where a band still shows too little of a class, its neighbours' outputs are taken with its own, and the
file says so (`pooled`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.runtimes import Runtime
from landing.errors import DataError
from landing.progress import tracked
from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from sim.campaign.eval_samples import PLANE_ORDER, SIZE_PX, EvalSample, closer_sample, own_plane, sample_pair
from sim.campaign.fault_shifts import FaultTally, look_through_faults
from sim.campaign.patches import UNKNOWN, Patches, Place, Together, mover_persistence, world_share
from sim.campaign.perception_errors import FORMAT, LEVELS, PLANES, ZONES
from sim.campaign.reaction import ROLE_OF_KIND
from sim.world import World, parse_world_spec

BANDS_M = ((0.4, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, 120.0))

SAMPLES_KEPT = 60_000
"""Outputs kept of a class in a zone of a band."""

LEAST_PICTURES, LEAST_PIXELS = 12, 1_000
"""A class in a zone is known from so many pictures and pixels; else neighbouring bands help."""

FAULT_BAND = 3
"""The shifts are measured in this band."""

TRUTH = "scenes"
"""Taxonomy of the true labels."""


def _in_all_classes(world: World, taxonomy: Taxonomy) -> World:
    """A world whose labels count as those of `TRUTH`.

    Raises:
        DataError: Its classes are others.
    """
    all_classes = {(c.id, c.name, c.role) for c in taxonomy.classes}
    others = [c.name for c in world.taxonomy.classes if (c.id, c.name, c.role) not in all_classes]
    if others:
        raise DataError(
            f"{world.name}: classes {', '.join(others)} are none of {TRUTH}'s; measure on scenes, procedural"
        )
    return replace(world, taxonomy=taxonomy)


@dataclass
class _Tally:
    """Counts of one band."""

    samples: dict[tuple[int, int], list[ByteArray]] = field(default_factory=dict)
    patches: Patches = field(default_factory=Patches)
    nearer: Patches = field(default_factory=Patches)
    missed: Together = field(default_factory=Together)
    confusion: npt.NDArray[np.int64] | None = None


def measure(
    runtime: Runtime, worlds: tuple[str, ...], seeds: range, frames: int, origin: str
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Measures, a line for each band; the last item has the finished model.

    Args:
        runtime: Loaded network, of roles and classes that the worlds have.
        worlds: Specifications taken in turn.
        seeds: Of the worlds, one for each.
        frames: Pairs of pictures in each band, spread over the worlds.
        origin: Name of the network, for readers of the file.

    Raises:
        DataError: Too little was seen to measure it.
    """
    taxonomy = Taxonomy.load(TRUTH)
    tallies = [_Tally() for _ in BANDS_M]
    faulty = FaultTally()
    for number, seed in enumerate(tracked("measuring worlds", seeds, len(seeds))):
        world = _in_all_classes(parse_world_spec(worlds[seed % len(worlds)], seed), taxonomy)
        rng, rng_nearer = (np.random.default_rng([of, seed]) for of in (77, 79))
        pairs = frames * (number + 1) // len(seeds) - frames * number // len(seeds)
        for heights_m, tally in zip(BANDS_M, tallies, strict=True):
            for _ in range(pairs):
                looks = sample_pair(runtime, world, heights_m, rng)
                for one in looks:
                    _count(tally, one, taxonomy, rng)
                _compare(tally.patches, looks, taxonomy, number)
                nearer = closer_sample(runtime, world, looks[0], rng_nearer)
                if nearer is not None:
                    _compare(tally.nearer, (looks[0], nearer), taxonomy, number)
                _count_missed(tally.missed, looks, world)
        look_through_faults(runtime, world, pairs, [41, seed], BANDS_M[FAULT_BAND], faulty)
    rng = np.random.default_rng([77])
    bands = [_band(tallies, number, taxonomy, rng) for number in range(len(BANDS_M))]
    for band in bands:
        yield _words(band), None
    octaves = octave_persistence([t.nearer for t in tallies], [b["persistence"] for b in bands])
    yield f"from half the height {octaves:.0%} is there again", None
    shifts = faulty.shifts()
    yield f"camera faults: {shifts}", None
    yield (
        "done",
        {
            "format": FORMAT,
            "origin": origin,
            "size_px": list(SIZE_PX),
            "levels": list(LEVELS),
            "classes": [c.name for c in taxonomy.classes],
            "worlds": list(worlds),
            "seeds": [seeds.start, seeds.stop],
            "frames": 2 * frames,
            "shifts": shifts,
            "octave_persistence": octaves,
            "bands": bands,
        },
    )


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


def _wrong_of(outputs: ByteArray, plane: int) -> npt.NDArray[np.float32]:
    """Error of outputs (n, planes) on ground whose right plane is `plane`; 0 is right."""
    own = outputs[:, plane].astype(np.float32)
    others = np.delete(outputs, plane, axis=1)
    # On landable ground a phantom hazard counts; at a hazard, that it looks landable.
    worst = others.max(axis=1) if plane == 0 else outputs[:, 0]
    wrong = np.maximum(255.0 - own, worst.astype(np.float32)) + (255.0 - own) / 512.0
    return np.asarray(wrong, np.float32)


def _count(tally: _Tally, one: EvalSample, taxonomy: Taxonomy, rng: np.random.Generator) -> None:
    labels, planes, zones = one.labels, one.planes, one.zones(taxonomy)
    for info in taxonomy.classes:
        for zone in range(len(ZONES)):
            inside = (labels == info.id) & (zones == zone)
            if inside.any():
                outputs = planes[:, inside].T
                if len(outputs) > 4000:
                    outputs = outputs[rng.integers(0, len(outputs), 4000)]
                tally.samples.setdefault((zone, info.id), []).append(outputs)
    n = len(taxonomy)
    if tally.confusion is None:
        tally.confusion = np.zeros((n, n), np.int64)
    known = (labels < n) & (one.said.class_id < n)
    pairs = labels[known].astype(np.int64) * n + one.said.class_id[known]
    tally.confusion += np.bincount(pairs, minlength=n * n).reshape(n, n)


def _compare(patches: Patches, looks: tuple[EvalSample, EvalSample], taxonomy: Taxonomy, world: int) -> None:
    """Error of each pixel inside an area, in both pictures, the second seen from the first."""
    from_ground, to_second = (one.camera.pixel_from_ground_plane(one.pose, 0.0) for one in looks)
    to_second = to_second @ np.linalg.inv(from_ground)

    def from_first(plane: ByteArray, beyond: int) -> ByteArray:
        warped = cv2.warpPerspective(
            plane,
            to_second,
            SIZE_PX,
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=beyond,
        )
        return np.asarray(warped, np.uint8)

    (wrong, labels), (wrong_then, labels_then) = (_wrongness(one, taxonomy) for one in looks)
    north_m, east_m = (float(x) for x in looks[0].camera.centre_ned_m(looks[0].pose)[:2])
    place = Place(world, north_m, east_m, looks[0].view_m)
    patches.add(wrong, labels, from_first(wrong_then, 0), from_first(labels_then, UNKNOWN), place)


def _wrongness(one: EvalSample, taxonomy: Taxonomy) -> tuple[ByteArray, ByteArray]:
    """Error of each pixel, and the class of those that lie inside static areas."""
    planes = one.planes
    labels = np.where(one.interior(taxonomy), one.labels, np.uint8(UNKNOWN))
    static = {
        c.id: PLANE_ORDER.index(c.role)
        for c in taxonomy.classes
        if c.role in (Role.LANDABLE, Role.OBSTACLE, Role.WATER)
    }
    wrong = np.zeros(labels.shape, np.uint8)
    for value in np.unique(labels):
        inside = labels == value
        if value in static:
            wrong[inside] = _wrong_of(planes[:, inside].T, static[value]).clip(0, 255)
        else:
            labels[inside] = UNKNOWN
    return wrong, labels


def octave_persistence(nearer: list[Patches], persistences: list[float]) -> float:
    """Return the share of the ground's own field that is there again from half the height.

    A picture's errors are partly its own: what two pictures of one height share (the persistence) is what two of
    different heights could at most.

    Args:
        nearer: Of each band: pictures, and those from half their height.
        persistences: Of each band.

    Raises:
        DataError: Too little was seen to measure it.
    """
    shares = [
        (min(kept / stays, 1.0), pairs)
        for (kept, pairs), stays in zip((n.kept() for n in nearer), persistences, strict=True)
        if stays > 0.0 and not math.isnan(kept)
    ]
    if not shares:
        raise DataError("too few mistakes seen from half the height; take more --frames")
    total = sum(pairs for _, pairs in shares)
    return _share(sum(share * pairs for share, pairs in shares) / total)


def _count_missed(missed: Together, looks: tuple[EvalSample, EvalSample], world: World) -> None:
    """Count people and vehicles that were missed in one picture, and in the next."""
    for actors in zip(*(world.actors_at(one.t_s) for one in looks), strict=True):
        plane = PLANE_ORDER.index(ROLE_OF_KIND[actors[0].kind])
        said = [one.said_of(actor, plane) for one, actor in zip(looks, actors, strict=True)]
        values = [value for value in said if value is not None]
        if len(values) == len(looks):
            first, second = (np.array([value < 128]) for value in values)
            missed.add(first, second)


def _band(tallies: list[_Tally], number: int, taxonomy: Taxonomy, rng: np.random.Generator) -> dict[str, Any]:
    tally, own = tallies[number], own_plane(taxonomy)
    outputs: dict[str, dict[str, Any]] = {zone: {} for zone in ZONES}
    pooled: dict[str, dict[str, list[float]]] = {zone: {} for zone in ZONES}
    for zone, zone_name in enumerate(ZONES):
        for info in taxonomy.classes:
            plane = int(own[info.id])
            key = (_nearest_zone(tallies, zone, info.id), info.id)
            found, heights_m = _enough(tallies, number, key)
            outputs[zone_name][info.name] = _quantiles(found, plane, rng)
            if plane >= 0 and heights_m != BANDS_M[number]:
                pooled[zone_name][info.name] = list(heights_m)
    length_px, region, kept = tally.patches.measure()
    kept_movers = mover_persistence([t.missed for t in tallies], number)
    of_world = world_share([t.patches for t in tallies], number)
    if any(map(math.isnan, (length_px, region, kept, kept_movers, of_world))):
        low_m, high_m = BANDS_M[number]
        raise DataError(
            f"{low_m:g} to {high_m:g} m: too few mistakes seen to tell how they hang together; "
            "take more --frames, or more --seeds"
        )
    assert tally.confusion is not None
    shares = tally.confusion / np.maximum(tally.confusion.sum(axis=1, keepdims=True), 1)
    return {
        "height_m": list(BANDS_M[number]),
        "correlation_px": length_px,
        "region_share": round(region, 3),
        "world_share": _share(of_world),
        "persistence": _share(kept),
        "mover_persistence": _share(kept_movers),
        "movers": {"seen": tally.missed.pairs, "missed": tally.missed.first},
        "confusion": {c.name: [round(float(s), 4) for s in shares[c.id]] for c in taxonomy.classes},
        "pooled": pooled,
        "outputs": outputs,
    }


def _nearest_zone(tallies: list[_Tally], zone: int, class_id: int) -> int:
    """The zone most like this one in which a class was seen at all."""
    seen = {z for tally in tallies for z, seen_id in tally.samples if seen_id == class_id}
    return min(seen, key=lambda z: abs(z - zone), default=zone)


def _enough(tallies: list[_Tally], number: int, key: tuple[int, int]) -> tuple[list[ByteArray], tuple[float, float]]:
    """Outputs of a class in a zone, of one band or of as many around it as it takes.

    Returns:
        The outputs, by picture, and the heights they are from.
    """
    found: list[ByteArray] = []
    low = high = number
    for reach in range(len(tallies)):
        low, high = max(0, number - reach), min(len(tallies) - 1, number + reach)
        found = [o for tally in tallies[low : high + 1] for o in tally.samples.get(key, ())]
        if len(found) >= LEAST_PICTURES and sum(map(len, found)) >= LEAST_PIXELS:
            break
    return found, (BANDS_M[low][0], BANDS_M[high][1])


def _quantiles(found: list[ByteArray] | None, plane: int, rng: np.random.Generator) -> list[list[int]]:
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


def _share(correlation: float) -> float:
    return round(min(max(correlation, 0.0), 0.98), 3)


def _words(band: dict[str, Any]) -> str:
    low_m, high_m = band["height_m"]
    helped = sorted({name for names in band["pooled"].values() for name in names})
    return (
        f"{low_m:g} to {high_m:g} m: patches of {band['correlation_px']} px, regions "
        f"{band['region_share']:.0%}, {band['persistence']:.0%} stays, {band['world_share']:.0%} all over a world, "
        f"of who is missed "
        f"{band['mover_persistence']:.0%} ({band['movers']['missed']}/{band['movers']['seen']})"
        + (f"; too little seen of {', '.join(helped)}: neighbours helped" if helped else "")
    )
