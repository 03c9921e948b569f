"""Ground textures of the scenes: crops, courts, sand, sea, carriageways, slopes; and colours by season."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from sim.world.materials import Materials, Palette, random_palette, vary
from sim.world.texture import Color, Field, axes_m, colored, colours, rgb, slabs, stripes

Season = Literal["summer", "autumn", "dry", "snow"]
SEASONS: tuple[Season, ...] = get_args(Season)

_SUMMER_TREES = colours("3a522a 304426 4c6230 586a3a 465434")
_AUTUMN_TREES = colours("96682c a87c32 7c4628 6e6034 565c30")
_DRY_TREES = colours("5c603e 6c6846 505438 78704c")
_BARE_TREES = colours("5c5248 6c6258 384234 787066")
_COURTS = colours("9c543e 3e7056 3e5c8c 784a42 62825a")


def scene_palette(rng: np.random.Generator, season: Season) -> Palette:
    """Colours of a place in a season."""
    palette = random_palette(rng)
    crowns = {"summer": _SUMMER_TREES, "autumn": _AUTUMN_TREES, "dry": _DRY_TREES, "snow": _BARE_TREES}[season]
    trees = tuple(vary(rng, crowns[int(rng.integers(len(crowns)))]) for _ in range(4))
    if season == "dry":
        straw = vary(rng, rgb(164, 146, 98))
        return replace(palette, trees=trees, grass=straw, dryness=1.0)
    if season == "snow":
        return replace(palette, trees=trees, grass=vary(rng, rgb(112, 108, 76)), dryness=0.8)
    if season == "summer":
        fresh = (rgb(92, 116, 58), rgb(76, 102, 48), rgb(112, 130, 66), rgb(66, 88, 44))
        grass = vary(rng, fresh[int(rng.integers(len(fresh)))])
        return replace(palette, trees=trees, grass=grass)
    return replace(palette, trees=trees)


class SceneMaterials(Materials):
    """The older materials and the ones that scenes add.

    Attributes:
        KINDS: The ground materials, each with its class in the scene taxonomy.
    """

    KINDS = Materials.KINDS | {
        "turf": "grass",
        "sand": "dirt",
        "stubble": "dirt",
        "mud": "dirt",
        "cobbles": "paved",
        "court": "paved",
        "deck": "paved",
        "wheat": "crop",
        "maize": "crop",
        "rapeseed": "crop",
        "road": "road",
        "track": "road",
        "slope": "slope",
        "scree": "slope",
        "sea": "water",
        "river": "water",
        "greypool": "pool",
    }

    def _turf(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        bands = stripes(across, float(self.rng.choice([5.0, 5.5, 10.0])))
        lum = 0.05 * bands + 0.03 * coarse + 0.03 * medium + 0.03 * fine + 0.03 * white
        worn = np.clip(0.12 * coarse + 0.1 * medium - 0.1, 0, 0.5)
        base = self._same("turf", rgb(74, 116, 54))
        return colored(base, lum.astype(np.float32), worn.astype(np.float32), self.palette.dirt)

    def _sand(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        ripple = np.sin((across + 0.3 * medium) * np.float32(2 * math.pi / 0.6))
        lum = 0.05 * coarse + 0.05 * medium + 0.04 * fine + 0.04 * white + 0.012 * ripple
        return colored(self._same("sand", rgb(206, 188, 150)), lum.astype(np.float32))

    def _stubble(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        rows = stripes((across + 0.04 * medium).astype(np.float32), 0.35, 1.2)
        swaths = stripes(across, 6.0, 6.0)
        lum = 0.05 * coarse + 0.05 * fine + 0.07 * white + 0.05 * rows + 0.03 * swaths
        base = self._same("stubble", rgb(186, 164, 112))
        return colored(base, lum.astype(np.float32), np.clip(0.12 * coarse, 0, 0.4), self.palette.dirt)

    def _mud(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        wet = np.clip(0.5 * medium + 0.6 * coarse, 0, 1)
        lum = 0.07 * coarse + 0.1 * medium + 0.06 * fine + 0.03 * white - 0.25 * wet
        return colored(self._same("mud", self.palette.dirt), lum.astype(np.float32))

    def _cobbles(self, shape: tuple[int, int], angle_rad: float) -> Field:
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, _, white = self.fields(shape)
        each, joints = slabs(self.rng, along, across, 0.18, 0.14, 0.04, bond=True)
        lum = 0.05 * coarse + 0.04 * medium + 0.05 * white + 0.09 * each - 0.1 * joints
        return colored(self._same("cobbles", rgb(128, 122, 114)), lum.astype(np.float32))

    def _court(self, shape: tuple[int, int], angle_rad: float) -> Field:
        coarse, medium, fine, white = self.fields(shape)
        lum = 0.03 * coarse + 0.03 * medium + 0.02 * fine + 0.02 * white
        base = vary(self.rng, _COURTS[int(self.rng.integers(len(_COURTS)))], 0.06)
        return colored(base, lum.astype(np.float32))

    def _deck(self, shape: tuple[int, int], angle_rad: float) -> Field:
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, _, fine, white = self.fields(shape)
        each, joints = slabs(self.rng, across, along, 4.0, 0.16, 0.03, bond=True)
        lum = 0.04 * coarse + 0.03 * fine + 0.02 * white + 0.08 * each - 0.2 * joints
        return colored(self._same("deck", rgb(138, 120, 98)), lum.astype(np.float32))

    def _crop(self, shape: tuple[int, int], angle_rad: float, base: Color, row_m: float, relief: float) -> Field:
        """Standing crop in rows, a gap beside each pass of the drill of 3 m, the sprayer's tramlines every 12 m."""
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        rows = stripes((across + 0.05 * medium).astype(np.float32), row_m, 1.5)
        in_lane = np.abs(across % np.float32(12.0) - 1.0)
        wheels = (np.abs(in_lane - 0.8) < 0.22).astype(np.float32)
        gaps = (np.abs(across % np.float32(3.0) - 1.5) > 1.38).astype(np.float32)
        lum = relief * rows + 0.06 * coarse + 0.05 * medium + 0.07 * fine + 0.09 * white
        lum -= 0.3 * np.maximum(wheels, 0.6 * gaps)
        tint = np.clip(0.08 * coarse + 0.6 * wheels + 0.25 * gaps, 0, 0.7)
        return colored(base, lum.astype(np.float32), tint.astype(np.float32), self.palette.dirt)

    def _wheat(self, shape: tuple[int, int], angle_rad: float) -> Field:
        return self._crop(shape, angle_rad, self._same("wheat", rgb(190, 164, 92)), 0.3, 0.09)

    def _maize(self, shape: tuple[int, int], angle_rad: float) -> Field:
        return self._crop(shape, angle_rad, self._same("maize", rgb(78, 112, 46)), 0.75, 0.2)

    def _rapeseed(self, shape: tuple[int, int], angle_rad: float) -> Field:
        return self._crop(shape, angle_rad, self._same("rapeseed", rgb(204, 190, 52)), 0.3, 0.08)

    def _road(self, shape: tuple[int, int], angle_rad: float) -> Field:
        """Asphalt with the tarred seams of its lanes and the covers of drains."""
        texture = self._asphalt(shape, angle_rad)
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        _, medium, _, _ = self.fields(shape)
        seams = np.abs((across + 0.04 * medium) % np.float32(3.5) - 1.75) < 0.07
        to_cover = np.hypot(along % np.float32(17.0) - 8.5, across % np.float32(7.0) - 3.5)
        dark = np.where(seams | (np.abs(to_cover - 0.3) < 0.08), np.float32(0.66), np.float32(0.9))
        return np.asarray(texture * dark[..., None], dtype=np.float32)

    def _track(self, shape: tuple[int, int], angle_rad: float) -> Field:
        texture = self._ballast(shape, angle_rad)
        return np.asarray(texture * np.float32(0.72), dtype=np.float32)

    def _slope(self, shape: tuple[int, int], angle_rad: float) -> Field:
        """A grassy bank: the side of it in the sun or out of it, trodden along its contours."""
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        paths = np.clip(np.sin((across + 0.35 * medium) * 2 * math.pi / 1.4) - 0.45, 0, 1)
        rills = np.clip(np.sin((along + 1.2 * coarse) * 2 * math.pi / 5.3) - 0.8, 0, 1)
        shade = float(self.rng.choice([-0.3, -0.2, 0.2]))
        lum = shade + 0.07 * coarse + 0.07 * medium + 0.08 * fine + 0.06 * white - 0.4 * rills
        tint = np.clip(0.12 + 0.12 * coarse + 0.9 * paths, 0, 0.75)
        return colored(
            self._same("grass", self.palette.grass), lum.astype(np.float32), tint.astype(np.float32), self.palette.dirt
        )

    def _scree(self, shape: tuple[int, int], angle_rad: float) -> Field:
        along, _ = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        streams = np.sin((along + 2.0 * coarse) * np.float32(2 * math.pi / 7.0))
        lum = -0.1 + 0.08 * streams + 0.12 * medium + 0.16 * fine + 0.16 * white
        return colored(self._same("scree", rgb(138, 130, 120)), lum.astype(np.float32))

    def _water(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, _ = self.fields(shape)
        period_m = float(self.rng.uniform(0.5, 1.4))
        ripple = np.sin((across + 0.2 * medium) * np.float32(2 * math.pi / period_m))
        ripple *= np.clip(0.4 + 0.4 * coarse, 0, 1)
        strength = float(self.rng.uniform(0.01, 0.08))
        lum = 0.04 * coarse + 0.02 * medium + strength * ripple + 0.015 * fine
        glint = np.clip(float(self.rng.choice([0.0, 0.6])) * (strength * ripple * 4 - 0.2), 0, 1)
        tint = np.clip(0.12 + 0.05 * coarse + glint, 0, 0.7)
        base = self._same("water", self.palette.water)
        return colored(base, lum.astype(np.float32), tint.astype(np.float32), rgb(128, 140, 148))

    def _sea(self, shape: tuple[int, int], angle_rad: float) -> Field:
        _, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, white = self.fields(shape)
        swell = np.sin((across + 1.6 * coarse + 0.4 * medium) * np.float32(2 * math.pi / 7.5))
        foam = np.clip(swell + 0.35 * medium + 0.2 * fine - 1.35, 0, 0.7)
        lum = 0.06 * coarse + 0.05 * swell + 0.03 * fine + 0.015 * white
        base = self._same("sea", rgb(44, 84, 96))
        return colored(base, lum.astype(np.float32), foam.astype(np.float32), rgb(226, 230, 228))

    def _river(self, shape: tuple[int, int], angle_rad: float) -> Field:
        along, across = axes_m(shape, self.noise.gsd_m, angle_rad)
        coarse, medium, fine, _ = self.fields(shape)
        flow = np.sin((across + 0.25 * coarse + 0.1 * medium + 0.05 * np.sin(along)) * 5.0)
        lum = 0.03 * coarse + 0.04 * flow + 0.025 * fine
        tint = np.clip(0.2 + 0.06 * coarse + 0.03 * medium, 0, 0.5)
        base = self._same("river", self.palette.water)
        return colored(base, lum.astype(np.float32), tint, rgb(112, 118, 104))

    def _greypool(self, shape: tuple[int, int], angle_rad: float) -> Field:
        """A pool lined with grey slabs under still water: hardly to be told from the terrace."""
        texture = self._slabs(shape, angle_rad)
        _, medium, _, _ = self.fields(shape)
        calm = 0.9 + 0.015 * medium[..., None]
        return np.asarray(texture * calm * np.array([1.04, 1.0, 0.96]), dtype=np.float32)
