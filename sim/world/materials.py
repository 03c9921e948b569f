"""Colours and ground textures of one procedural world: its season, soil, stone and water."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.world.texture import Color, Field, NoiseBank, axes_m, colored, slabs, stripes


def rgb(red: float, green: float, blue: float) -> Color:
    """A colour in OpenCV's order."""
    return (blue, green, red)


_GRASS = (
    rgb(92, 116, 58),
    rgb(76, 102, 48),
    rgb(112, 130, 66),
    rgb(128, 134, 78),
    rgb(150, 142, 92),
    rgb(98, 122, 76),
    rgb(66, 88, 44),
    rgb(122, 118, 70),
)
_GRASS_TINT = (rgb(160, 150, 95), rgb(60, 84, 40), rgb(140, 120, 78), rgb(118, 138, 60), rgb(96, 84, 56))
_TREES_SUMMER = (
    rgb(58, 82, 42),
    rgb(48, 68, 38),
    rgb(76, 98, 48),
    rgb(88, 106, 58),
    rgb(44, 62, 44),
    rgb(70, 84, 52),
    rgb(96, 104, 54),
)
_TREES_AUTUMN = (
    rgb(150, 104, 44),
    rgb(168, 124, 50),
    rgb(124, 70, 40),
    rgb(110, 96, 52),
    rgb(140, 60, 42),
    rgb(86, 92, 48),
)
_ASPHALT = (rgb(86, 86, 88), rgb(108, 106, 104), rgb(70, 70, 74), rgb(128, 124, 120))
_CONCRETE = (rgb(172, 166, 154), rgb(150, 148, 144), rgb(188, 182, 170), rgb(158, 150, 138))
_PAVERS = (rgb(160, 118, 98), rgb(138, 128, 118), rgb(172, 158, 136), rgb(124, 104, 94), rgb(150, 142, 136))
_GRAVEL = (rgb(168, 160, 148), rgb(188, 174, 148), rgb(142, 138, 134), rgb(156, 138, 120), rgb(196, 190, 180))
_DIRT = (rgb(134, 106, 78), rgb(112, 86, 62), rgb(156, 124, 90), rgb(146, 102, 70), rgb(98, 80, 64), rgb(172, 148, 114))
_WATER = (
    rgb(52, 66, 62),
    rgb(60, 72, 52),
    rgb(40, 54, 66),
    rgb(78, 84, 62),
    rgb(50, 74, 88),
    rgb(92, 88, 68),
    rgb(34, 42, 42),
    rgb(86, 108, 112),
)
_POOL = (rgb(92, 188, 206), rgb(70, 160, 200), rgb(112, 204, 210), rgb(60, 140, 180))
_TILE_ROOF = (
    rgb(160, 84, 62),
    rgb(138, 72, 56),
    rgb(118, 92, 78),
    rgb(172, 106, 76),
    rgb(96, 74, 66),
    rgb(84, 82, 84),
    rgb(130, 126, 122),
    rgb(104, 96, 88),
    rgb(70, 66, 68),
)
_FLAT_ROOF = (
    rgb(120, 118, 116),
    rgb(150, 146, 138),
    rgb(92, 92, 94),
    rgb(168, 160, 148),
    rgb(134, 122, 108),
    rgb(188, 186, 182),
    rgb(72, 72, 74),
    rgb(146, 128, 112),
)
_METAL_ROOF = (
    rgb(168, 172, 176),
    rgb(120, 128, 136),
    rgb(140, 84, 66),
    rgb(92, 112, 100),
    rgb(196, 196, 192),
    rgb(104, 110, 128),
)


@dataclass(frozen=True)
class Palette:
    """What colours one world is made of.

    Attributes:
        grass, grass_tint, asphalt, concrete, pavers, gravel, dirt, water, pool: Base colours.
        trees: Colours of the crowns; each tree picks one.
        roofs: A tiled, a flat and a metal roof's colours; each building varies them.
        dryness: 0 lush to 1 parched.
    """

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
