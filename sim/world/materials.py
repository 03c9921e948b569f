"""Colours and ground textures of one procedural world: its season, soil, stone and water."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.world.texture import Color, Field, NoiseBank, axes_m, colored, colours, rgb, slabs, stripes

_GRASS = colours("5c743a 4c6630 708242 80864e 968e5c 627a4c 42582c 7a7646")
_GRASS_TINT = colours("a0965f 3c5428 8c784e 768a3c 605438")
_TREES_SUMMER = colours("3a522a 304426 4c6230 586a3a 2c3e2c 465434 606836")
_TREES_AUTUMN = colours("96682c a87c32 7c4628 6e6034 8c3c2a 565c30")
_ASPHALT = colours("565658 6c6a68 46464a 807c78")
_CONCRETE = colours("aca69a 969490 bcb6aa 9e968a")
_PAVERS = colours("a07662 8a8076 ac9e88 7c685e 968e88")
_GRAVEL = colours("a8a094 bcae94 8e8a86 9c8a78 c4beb4")
_DIRT = colours("866a4e 70563e 9c7c5a 926646 625040 ac9472")
_WATER = colours("34423e 3c4834 283642 4e543e 324a58 5c5844 222a2a 566c70")
_POOL = colours("5cbcce 46a0c8 70ccd2 3c8cb4")
_TILE_ROOF = colours("a0543e 8a4838 765c4e ac6a4c 604a42 545254 827e7a 686058 464244")
_FLAT_ROOF = colours("787674 96928a 5c5c5e a8a094 867a6c bcbab6 48484a 928070")
_METAL_ROOF = colours("a8acb0 788088 8c5442 5c7064 c4c4c0 686e80")


@dataclass(frozen=True)
class Palette:
    """Colours of one world; each tree and each building picks one of its kind. Dryness is 0 lush to 1 parched."""

    grass: Color
    grass_tint: Color
    asphalt: Color
    concrete: Color
    pavers: Color
    gravel: Color
    dirt: Color
    water: Color
    pool: Color
    trees: tuple[Color, ...]
    tile_roofs: tuple[Color, ...]
    flat_roofs: tuple[Color, ...]
    metal_roofs: tuple[Color, ...]
    dryness: float


def vary(rng: np.random.Generator, base: Color, swing: float = 0.08) -> Color:
    """The colour, a little brighter or darker and a little off in hue."""
    factor = rng.normal(1.0, swing)
    b, g, r = (float(np.clip(c * factor * rng.normal(1.0, swing * 0.35), 8, 250)) for c in base)
    return (b, g, r)


def _pick(rng: np.random.Generator, colors: tuple[Color, ...], swing: float = 0.08) -> Color:
    return vary(rng, colors[int(rng.integers(len(colors)))], swing)


def random_palette(rng: np.random.Generator) -> Palette:
    """A palette by the season and the soil of the place."""
    autumn = rng.random() < 0.25
    trees = _TREES_AUTUMN + _TREES_SUMMER[:2] if autumn else _TREES_SUMMER
    return Palette(
        grass=_pick(rng, _GRASS),
        grass_tint=_pick(rng, _GRASS_TINT),
        asphalt=_pick(rng, _ASPHALT),
        concrete=_pick(rng, _CONCRETE),
        pavers=_pick(rng, _PAVERS),
        gravel=_pick(rng, _GRAVEL),
        dirt=_pick(rng, _DIRT),
        water=_pick(rng, _WATER, 0.12),
        pool=_pick(rng, _POOL),
        trees=tuple(_pick(rng, trees) for _ in range(4)),
        tile_roofs=tuple(_pick(rng, _TILE_ROOF) for _ in range(3)),
        flat_roofs=tuple(_pick(rng, _FLAT_ROOF) for _ in range(3)),
        metal_roofs=tuple(_pick(rng, _METAL_ROOF) for _ in range(2)),
        dryness=float(rng.random()),
    )


class Materials:
    """Makes textures of the palette's materials; each call gives another piece of it.

    Attributes:
        KINDS: The ground materials, each with its class in the synthetic taxonomy.
    """

    KINDS = {  # noqa: RUF012
        "lawn": "grass",
        "mown": "grass",
        "meadow": "grass",
        "asphalt": "paved",
        "concrete": "paved",
        "slabs": "paved",
        "pavers": "paved",
        "gravel": "gravel",
        "ballast": "gravel",
        "dirt": "dirt",
        "furrows": "dirt",
        "trampled": "dirt",
        "water": "water",
        "pool": "pool",
    }

    def __init__(self, rng: np.random.Generator, noise: NoiseBank, palette: Palette) -> None:
        self.rng = rng
        self.noise = noise
        self.palette = palette
        self._base: dict[str, Color] = {}

    def texture(self, kind: str, shape: tuple[int, int], angle_rad: float | None = None) -> Field:
        """A piece of a ground material, float32 (rows, columns, 3), BGR 0 to 255 or a bit beyond.

        Args:
            kind: One of `KINDS`.
            shape: Rows and columns.
            angle_rad: Direction of stripes, slabs and furrows in the raster; random when None.
        """
        if angle_rad is None:
            angle_rad = float(self.rng.uniform(0, math.pi))
        make = getattr(self, f"_{kind}")
        result: Field = make(shape, angle_rad)
        return result

    def fields(self, shape: tuple[int, int]) -> tuple[Field, Field, Field, Field]:
        """Coarse, medium, fine and white noise of a shape, at a random place."""
        n = self.noise
        return (
            n.crop(n.coarse, self.rng, shape),
            n.crop(n.medium, self.rng, shape),
            n.crop(n.fine, self.rng, shape),
            n.crop(n.white, self.rng, shape),
        )

    def _same(self, kind: str, base: Color) -> Color:
        """A kind keeps nearly one colour within a world."""
        if kind not in self._base:
            self._base[kind] = vary(self.rng, base, 0.06)
        return vary(self.rng, self._base[kind], 0.02)

    def _grassy(self, shape: tuple[int, int], patchy: float, rough: float, lum_extra: Field | float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.05 * patchy * medium + rough * (0.05 * fine + 0.05 * white) + lum_extra
        dry = self.palette.dryness
        tint = np.clip(0.18 * dry + patchy * (0.13 * coarse + 0.08 * medium) + 0.03 * fine, 0, 0.8)
        return colored(self._same("grass", self.palette.grass), lum.astype(np.float32), tint, self.palette.grass_tint)

    def _lawn(self, shape: tuple[int, int], angle_rad: float) -> Field:
        return self._grassy(shape, float(self.rng.uniform(0.5, 1.4)), 1.0, 0.0)

    def _mown(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        bands = stripes(across, float(self.rng.uniform(1.0, 3.2))) * np.float32(self.rng.uniform(0.02, 0.07))
        return self._grassy(shape, 0.5, 0.8, bands)

    def _meadow(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, _, fine, white = self.fields(shape)
        flowers = (white > 2.7).astype(np.float32) * np.float32(self.rng.choice([0.0, 0.4, 0.7]))
        return self._grassy(shape, 1.9, 1.9, 0.05 * fine + flowers)

    def _asphalt(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.035 * coarse + 0.03 * medium + 0.02 * fine + 0.045 * white
        lum -= 0.22 * (np.abs(medium + 0.5 * coarse) < 0.012)  # cracks follow a level of the noise
        if self.rng.random() < 0.5:
            lum -= 0.1 * (coarse > 1.3)  # a mended patch
        return colored(self._same("asphalt", self.palette.asphalt), lum)

    def _concrete(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        size = float(self.rng.uniform(2.0, 5.0))
        each, joints = slabs(self.rng, along, across, size, size, 0.06, bond=False)
        lum = 0.03 * coarse + 0.03 * medium + 0.015 * fine + 0.025 * white
        lum += 0.025 * each - 0.2 * joints
        base = self._same("concrete", self.palette.concrete)
        return colored(base, lum, np.clip(0.2 * medium - 0.1, 0, 0.4), rgb(90, 84, 70))

    def _slabs(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, _, fine, white = self.fields(shape)
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        length = float(self.rng.uniform(0.4, 1.0))
        width = float(self.rng.choice([length, length * 0.5]))
        each, joints = slabs(self.rng, along, across, length, width, 0.05, self.rng.random() < 0.5)
        lum = 0.03 * coarse + 0.02 * fine + 0.03 * white + 0.05 * each
        lum -= np.float32(self.rng.uniform(0.08, 0.25)) * joints
        return colored(self._same("slabs", self.palette.concrete), lum.astype(np.float32))

    def _pavers(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, _, white = self.fields(shape)
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        each, joints = slabs(self.rng, along, across, 0.3, 0.15, 0.03, bond=True)
        lum = 0.04 * coarse + 0.02 * medium + 0.03 * white + 0.08 * each - 0.09 * joints
        return colored(self._same("pavers", self.palette.pavers), lum)

    def _gravel(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.04 * coarse + 0.03 * medium + 0.06 * fine + 0.13 * white
        tint = np.clip(0.1 * medium, 0, 0.5)
        return colored(self._same("gravel", self.palette.gravel), lum, tint, self.palette.dirt)

    def _ballast(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, _, fine, white = self.fields(shape)
        lum = 0.05 * coarse + 0.13 * fine + 0.12 * white
        return colored(self._same("ballast", self.palette.gravel), lum)

    def _dirt(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.06 * coarse + 0.06 * medium + 0.05 * fine + 0.035 * white
        tint = np.clip(0.12 * coarse - 0.03, 0, 0.35)
        return colored(self._same("dirt", self.palette.dirt), lum, tint, self.palette.grass)

    def _trampled(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.05 * medium + 0.04 * fine + 0.05 * white
        tint = np.clip(0.3 + 0.2 * coarse + 0.2 * medium, 0.0, 0.4)
        return colored(self._same("dirt", self.palette.dirt), lum, tint, self.palette.grass_tint)

    def _furrows(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        wavy = across + 0.05 * medium
        bands = stripes(wavy.astype(np.float32), float(self.rng.uniform(0.4, 0.9)), 1.3)
        lum = 0.06 * coarse + 0.05 * fine + 0.05 * white + 0.09 * bands
        return colored(self._same("furrows", self.palette.dirt), lum.astype(np.float32))

    def _water(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, _ = self.fields(shape)
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        period = float(self.rng.uniform(0.35, 1.2))
        ripple = np.sin((across + 0.12 * medium) * np.float32(2 * math.pi / period))
        ripple *= np.clip(0.5 + 0.5 * coarse, 0, 1)
        strength = float(self.rng.uniform(0.0, 0.07))
        lum = 0.06 * coarse + 0.02 * medium + strength * ripple + 0.01 * fine
        glint = float(self.rng.choice([0.0, 0.0, 0.5, 1.2]))
        lum += glint * np.clip(strength * ripple * 4 + 0.1 * fine - 0.28, 0, 1)
        tint = np.clip(0.15 + 0.15 * coarse, 0, 0.5)
        base = self._same("water", self.palette.water)
        return colored(base, lum.astype(np.float32), tint, rgb(120, 132, 140))

    def _pool(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, medium, fine, _ = self.fields(shape)
        caustic = np.clip(0.35 - np.abs(fine + 0.4 * medium), 0, 1)
        lum = 0.4 * caustic - 0.06 + 0.03 * medium
        return colored(self._same("pool", self.palette.pool), lum.astype(np.float32))
