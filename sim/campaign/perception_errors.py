"""Perception error model: a network's output for a picture, drawn from true labels and measured errors.

Mistakes are not noise per pixel: a network errs in patches, mostly at edges and in some regions more than in others,
and it errs again at the same place in the next picture. So two Gaussian fields are mixed, one fixed to the ground and
one new with each frame, with the measured sizes and shares (see `sim.campaign.patches`); who is missed has a share of
their own that stays. A part of the ground's field is one value for each class all over the world: gravel that a
network does not know is bad wherever it lies. The field that is fixed to the ground is another one at each octave of
the height, and much alike from one octave to the next, as measured: what looks bad from 30 m often does from 15. Where
the mixed field is high the network does badly: the field's value picks a quantile of the outputs measured on ground of
that class, at that height, in that zone: inside an area, at a seam with another class of the same role, at an edge to
another role, or beside a person or a vehicle. Beside people networks put people: drawn at every edge, those would be
crowds of phantoms along each path.

`sim.campaign.measure` makes the file from a real model on rendered pictures.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.geometry import FloatArray
from landing.reading import TABLE_BYTES, read_text
from landing.taxonomy import HAZARD_ROLES, ClassInfo, Role, Taxonomy
from landing.types import ByteArray, Segmentation
from sim.campaign.error_fields import FRAME_SIDE, GROUND_SIDE, TEXELS_PER_LENGTH, Field, frame_bank, ground_tile

FORMAT = 4
DEFAULT_FILE = "measured.json"
ZONES = ("interior", "seam", "edge", "beside")
BESIDE_PX, BESIDE_M = 3.0, 1.5
"""Static ground so near to a person or a vehicle lies beside it: pixels of the label picture, for what a network blurs,
and metres, for shadows and what leans out of the outline."""

PLANES = 1 + len(HAZARD_ROLES)
SAID = PLANES
"""Place of the class that the network says, behind the planes of an output."""

LEVELS = (0.02, *(k / 20 for k in range(1, 19)), 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
"""Quantiles kept of the outputs of a class, from right to wrong; dense where it matters."""

Z_STEPS = 256
Z_SCALE = 32.0
"""A field's value z is stored as the byte z x 32 + 128: from -4 to +4."""

OCTAVES = 3
"""The field of an octave is mixed with those of so many, its own and the coarser ones."""


_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Band:
    """Errors measured at heights from `low_m` to `high_m`.

    Attributes:
        low_m, high_m: Heights.
        correlation_px: Patch size: distance at which the correlation of patches falls to 1/e, pixels of the label
            picture.
        region_share: Part of the ground field's variance that is of regions, not of patches.
        world_share: Part of the field's variance that a class has in common all over a world.
        persistence: Share of the field's variance that stays with the ground.
        mover_persistence: The same at people and vehicles.
        outputs: uint8 (zones, classes, levels, planes): landable, then the hazards.
        said: Share of each class that the network says, by true class, shape (classes, classes).
    """

    low_m: float
    high_m: float
    correlation_px: float
    region_share: float
    world_share: float
    persistence: float
    mover_persistence: float
    outputs: ByteArray
    said: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PerceptionErrorModel:
    """A measured model, ready to be sampled.

    Attributes:
        origin: The network that was measured.
        size_px: Width and height of the label pictures it was measured at.
        class_names: The rows of the bands' outputs.
        octave_persistence: Share of the ground field's variance that is there again at half the height.
        bands: From low to high.
        shifts: Probits per unit of each camera fault, by name.
    """

    origin: str
    size_px: tuple[int, int]
    class_names: tuple[str, ...]
    octave_persistence: float
    bands: tuple[Band, ...]
    shifts: dict[str, float]

    def band_number_at(self, height_m: float) -> int:
        """Return the number of the band of a height; the nearest outside of all."""
        below = (k for k, band in enumerate(self.bands) if height_m < band.high_m)
        return next(below, len(self.bands) - 1)

    def shift_of(self, faults: dict[str, float]) -> float:
        """Return how much worse than measured the network does under camera faults, probits."""
        return sum(self.shifts.get(name, 0.0) * value for name, value in faults.items())


def load_error_model(path: Path | None = None) -> PerceptionErrorModel:
    """Reads a measured model; the committed one when no path is given.

    Raises:
        DataError: The file is missing or is not one.
    """
    name = str(path) if path is not None else DEFAULT_FILE
    try:
        if path is not None:
            text = read_text(path, "perception errors", DataError, TABLE_BYTES)
        else:
            text = resources.files("sim.campaign").joinpath(DEFAULT_FILE).read_text("utf-8")
        data = json.loads(text)
        return _parse(data)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"perception errors {name}: {error}; make a file with `touchdown sim errors`") from error


def _parse(data: dict[str, Any]) -> PerceptionErrorModel:
    if data["format"] != FORMAT or tuple(data["levels"]) != LEVELS:
        raise ValueError(f"format {data['format']}, expected {FORMAT} with the present levels")
    names = tuple(data["classes"])
    bands = []
    for entry in data["bands"]:
        outputs = np.array([[entry["outputs"][zone][n] for n in names] for zone in ZONES], np.uint8)
        if outputs.shape != (len(ZONES), len(names), len(LEVELS), PLANES):
            raise ValueError(f"outputs of shape {outputs.shape}")
        low_m, high_m = entry["height_m"]
        bands.append(
            Band(
                low_m,
                high_m,
                entry["correlation_px"],
                entry["region_share"],
                entry["world_share"],
                entry["persistence"],
                entry["mover_persistence"],
                outputs,
                np.array([entry["confusion"][n] for n in names], np.float64).reshape(len(names), len(names)),
            )
        )
    width, height = data["size_px"]
    return PerceptionErrorModel(
        data["origin"], (width, height), names, data["octave_persistence"], tuple(bands), data["shifts"]
    )


def zones_of(labels: ByteArray, roles: ByteArray, m_per_px: float) -> ByteArray:
    """Return the zone of each pixel.

    Args:
        labels: uint8 (h, w).
        roles: uint8 (h, w): their roles' numbers, by `roles_of`.
        m_per_px: Of the label picture right below.

    Returns:
        uint8 (h, w): indices of `ZONES`.
    """
    # A pixel at an edge is at a seam, too: the sum is 0, 1 or 2.
    seam = np.asarray(cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, _NEIGHBOURS) > 0)
    edge = np.asarray(cv2.morphologyEx(roles, cv2.MORPH_GRADIENT, _NEIGHBOURS) > 0)
    zones: ByteArray = np.add(seam, edge, dtype=np.uint8)
    others = np.asarray(roles < _FIRST_MOVER, np.uint8)
    if not others.all():
        away_px = cv2.distanceTransform(others, cv2.DIST_L2, cv2.DIST_MASK_3)
        beside = np.asarray(away_px <= max(BESIDE_PX, BESIDE_M / m_per_px)) & (others > 0)
        zones[beside] = ZONES.index("beside")
    return zones


_MOVERS = (Role.PERSON, Role.VEHICLE)
_ROLE_ORDER = (*(role for role in Role if role not in _MOVERS), *_MOVERS)
_FIRST_MOVER = len(_ROLE_ORDER) - len(_MOVERS)


def roles_of(taxonomy: Taxonomy) -> ByteArray:
    """A number for the role of each label, uint8 (256,): those that move come last.

    Labels outside the taxonomy count as ignored.
    """
    numbers = np.full(256, _ROLE_ORDER.index(Role.IGNORE), np.uint8)
    for info in taxonomy.classes:
        numbers[info.id] = _ROLE_ORDER.index(info.role)
    return numbers


class PerceptionErrorSampler:
    """Draws segmentations of one landing.

    Args:
        model: Measured.
        taxonomy: Of the labels to come; its classes are found in the model by name, else by role.
        shift: Of the whole landing, probits: the network is better or worse than measured.
        rng: Randomness of the landing.
    """

    def __init__(self, model: PerceptionErrorModel, taxonomy: Taxonomy, shift: float, rng: np.random.Generator) -> None:
        self._model = model
        self._shift = shift
        self._rng = rng
        self._tables = [_table(band, model, taxonomy) for band in model.bands]
        self._row_of_label = np.full(256, len(taxonomy), np.uint16)  # the last row is nothing at all
        self._row_of_label[: len(taxonomy)] = np.arange(len(taxonomy))
        self._row_of_zone = np.zeros(256, np.uint16)
        self._row_of_zone[: len(ZONES)] = np.arange(len(ZONES)) * (len(taxonomy) + 1)
        self._role_of_label = roles_of(taxonomy)
        self._octaves = octave_weights(model.octave_persistence)
        # Coarser octaves make the mixture coarser than what was measured at one height; finer ones to begin with make
        # up for it.
        self._finer = 2.0 ** sum(j * w**2 for j, w in enumerate(self._octaves))
        self._origin_px = rng.integers(0, GROUND_SIDE, 2)
        self._turn_rad = float(rng.uniform(0.0, 2.0 * math.pi))
        self._seed = int(rng.integers(1 << 31))
        self._of_world: dict[int, Field] = {}

    def segment(
        self,
        labels: ByteArray,
        ground_from_pixel: FloatArray,
        height_m: float,
        m_per_px: float,
        captured_at_ns: int,
        shift: float = 0.0,
    ) -> Segmentation:
        """Draw the network's output for a picture with these true labels.

        Args:
            labels: uint8 (h, w).
            ground_from_pixel: From (u, v, 1) of the label picture to north, east, 1; shape (3, 3).
            height_m: Of the camera above the ground.
            m_per_px: Of the label picture right below.
            captured_at_ns: Stamp of the frame.
            shift: Of this frame, probits, on top of the landing's.
        """
        number = self._model.band_number_at(height_m)
        band, table = self._model.bands[number], self._tables[number]
        ground = self._ground(labels, ground_from_pixel, band, m_per_px)
        fresh = self._frame(labels.shape, band.correlation_px)
        roles = np.asarray(cv2.LUT(labels, self._role_of_label))
        z = _mixed(ground, fresh, band.persistence, self._shift + shift)
        movers = roles >= _FIRST_MOVER
        if movers.any():
            z[movers] = _mixed(ground[movers], fresh[movers], band.mover_persistence, self._shift + shift).ravel()
        rows = cv2.LUT(labels, self._row_of_label)
        rows += cv2.LUT(zones_of(labels, roles, m_per_px), self._row_of_zone)
        index = np.multiply(rows, Z_STEPS, dtype=np.intp)
        index += z
        outputs = table.take(index).view(np.uint8).reshape(*labels.shape, -1)
        planes = np.empty((PLANES, *labels.shape), np.uint8)
        for k, plane in enumerate(planes):
            cv2.extractChannel(outputs, k, plane)
        said = np.asarray(cv2.extractChannel(outputs, SAID), np.uint8)
        return Segmentation(said, planes[0], planes[1:], captured_at_ns)

    def _ground(self, labels: ByteArray, ground_from_pixel: FloatArray, band: Band, m_per_px: float) -> Field:
        """The field that stays with the ground; its grain follows the height by octaves."""
        octave = round(math.log2(band.correlation_px * m_per_px))
        # Of what stays: the measured share is of everything.
        of_world = min(band.world_share / max(band.persistence, 1e-6), 1.0)
        region = max(band.region_share - of_world, 0.0) / max(1.0 - of_world, 1e-6)
        mixed, offsets = np.zeros(labels.shape, np.float32), np.zeros(256, np.float32)
        for j, weight in enumerate(self._octaves):
            field = self._octave(labels.shape, ground_from_pixel, round(region, 2), octave + j)
            mixed = cv2.scaleAdd(field, weight * math.sqrt(1.0 - of_world), mixed)
            offsets += weight * math.sqrt(of_world) * self._class_offsets(octave + j)
        mixed += cv2.LUT(labels, offsets)
        return np.asarray(mixed, np.float32)

    def _class_offsets(self, octave: int) -> Field:
        """The network's luck with each class of this world at an octave, standard normal, shape (256,)."""
        if octave not in self._of_world:
            rng = np.random.default_rng([self._seed, octave + 1000])
            self._of_world[octave] = rng.standard_normal(256).astype(np.float32)
        return self._of_world[octave]

    def _octave(self, shape: tuple[int, ...], ground_from_pixel: FloatArray, region_share: float, octave: int) -> Field:
        """The field of one octave alone: patches of about 2^octave metres."""
        scale = TEXELS_PER_LENGTH * self._finer / 2.0**octave
        c, s = scale * math.cos(self._turn_rad), scale * math.sin(self._turn_rad)
        # Octaves lie at different places of the tile.
        offset = self._origin_px + 97 * octave
        tile_from_ground = np.array([[c, -s, offset[0]], [s, c, offset[1]], [0.0, 0.0, 1.0]])
        warped = cv2.warpPerspective(
            ground_tile(region_share),
            tile_from_ground @ ground_from_pixel,
            (shape[1], shape[0]),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )
        return np.asarray(warped, np.float32)

    def _frame(self, shape: tuple[int, ...], correlation_px: float) -> Field:
        """The field that is new with each frame: a random part of a stored one."""
        bank = frame_bank(round(correlation_px, 2))
        top = int(self._rng.integers(0, FRAME_SIDE - shape[0]))
        left = int(self._rng.integers(0, FRAME_SIDE - shape[1]))
        return bank[top : top + shape[0], left : left + shape[1]]


def octave_weights(persistence: float) -> tuple[float, ...]:
    """Weights of an octave's own field and of the coarser ones', with squares that add up to 1.

    Each octave is the next coarser one times r and something of its own; cut off after `OCTAVES`. Two fields one octave
    apart so correlate by a little less than `persistence`, two octaves apart by about its square.
    """
    own = math.sqrt(1.0 - persistence**2)
    return (*(own * persistence**j for j in range(OCTAVES - 1)), persistence ** (OCTAVES - 1))


def _mixed(ground: Field, fresh: Field, persistence: float, shift: float) -> ByteArray:
    """Field values as bytes: mixed, shifted, scaled and cut off in one pass."""
    mixed = cv2.addWeighted(
        ground,
        Z_SCALE * math.sqrt(persistence),
        fresh,
        Z_SCALE * math.sqrt(1.0 - persistence),
        128.0 + Z_SCALE * shift,
        dtype=cv2.CV_8U,
    )
    return np.asarray(mixed, np.uint8)


def _table(band: Band, model: PerceptionErrorModel, taxonomy: Taxonomy) -> npt.NDArray[np.uint64]:
    """Outputs by zone, class and field value, shape (zones x rows x steps,): one byte of each number is a plane.

    So one look-up per pixel finds all planes.
    """
    normal = NormalDist()
    quantile = [normal.cdf((step + 0.5 - 128.0) / Z_SCALE) for step in range(Z_STEPS)]
    level = np.searchsorted(LEVELS, quantile).clip(0, len(LEVELS) - 1)
    table = np.zeros((len(ZONES), len(taxonomy) + 1, Z_STEPS, 8), np.uint8)
    measured = {info.name: info.role for info in Taxonomy.load("scenes").classes}
    for info in taxonomy.classes:
        row = _row_of(info, measured, model.class_names)
        if row is not None:
            table[:, info.id, :, :PLANES] = band.outputs[:, row][:, level]
            table[:, info.id, :, SAID] = _said(info, band.said[row], model.class_names, taxonomy)[level]
    return table.view(np.uint64).ravel()


def _said(true: ClassInfo, shares: npt.NDArray[np.float64], names: tuple[str, ...], taxonomy: Taxonomy) -> ByteArray:
    """Class that the network says at each level: true, of the true role, of others; landable last at hazards."""
    share_of = dict(zip(names, shares.tolist(), strict=True))
    known = [c for c in taxonomy.classes if c.name in share_of]
    known.sort(key=lambda c: (c is not true, c.role is not true.role, c.role is Role.LANDABLE))
    ends = np.cumsum([share_of[c.name] for c in known])
    if ends[-1] <= 0.0:  # never seen
        return np.full(len(LEVELS), true.id, np.uint8)
    place = np.searchsorted(ends / ends[-1], LEVELS).clip(0, len(known) - 1)
    return np.asarray(np.array([c.id for c in known], np.uint8)[place], np.uint8)


_STANDS_FOR = {
    Role.LANDABLE: "grass",
    Role.OBSTACLE: "tree",
    Role.WATER: "water",
    Role.PERSON: "person",
    Role.VEHICLE: "car",
}


def _row_of(info: ClassInfo, measured: dict[str, Role], names: tuple[str, ...]) -> int | None:
    same = info.name in names and measured.get(info.name) is info.role  # a road to land on is another one
    name = info.name if same else _STANDS_FOR.get(info.role, "")
    return names.index(name) if name in names else None
