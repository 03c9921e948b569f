"""Paints the picture of a sketch: its strokes in order, then weather, light and shadow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.canvas import Canvas
from sim.world.classes import scene_taxonomy
from sim.world.crowns import crown, ragged
from sim.world.daylight import Daylight
from sim.world.grid import Spot
from sim.world.layout import offset
from sim.world.light import shadows
from sim.world.sketch import Glow, Sketch, Stroke, stroke_rng
from sim.world.surfaces import SceneMaterials
from sim.world.texture import Field, colored, fractal, rgb

_SNOW = rgb(232, 236, 242)
_SNOW_ON = {
    "grass": 0.97,
    "dirt": 0.93,
    "gravel": 0.92,
    "paved": 0.5,
    "road": 0.15,
    "roof": 0.92,
    "tree": 0.42,
    "wall": 0.85,
    "car": 0.5,
    "slope": 0.66,
    "crop": 0.45,
}
"""Part of each class that lies under snow."""

_KERB, _WORN = rgb(176, 172, 164), rgb(58, 58, 60)

_LAMP_BGR = (0.55, 0.82, 1.0)


@dataclass(frozen=True)
class Painting:
    """The picture of a sketch in some light, not yet painted; calling it paints."""

    sketch: Sketch
    light: Daylight

    def __call__(self) -> ByteArray:
        """The picture, uint8 (H, W, 3)."""
        return self.with_heights()[0]

    def with_heights(self) -> tuple[ByteArray, Field]:
        """The picture, and the heights of what was drawn on the ground, m, float32 (H, W)."""
        canvas = _SceneCanvas(self.sketch, self.light)
        for stroke in self.sketch.strokes:
            canvas.replay(stroke)
        return canvas.finished(), canvas.height


class _SceneCanvas(Canvas):
    """A canvas whose rough outlines are those of the sketch."""

    def __init__(self, sketch: Sketch, light: Daylight) -> None:
        rng = np.random.default_rng([sketch.seed, 105])
        super().__init__(rng, sketch.size_m, sketch.gsd_m, scene_taxonomy())
        self.sketch = sketch
        self.light = light
        self.sun = light.sun
        self.palette = sketch.palette
        self.materials = SceneMaterials(rng, self.noise, sketch.palette)
        self._outline = rng

    def replay(self, stroke: Stroke) -> None:
        """Draws a stroke with the outline it has in the labels."""
        self._outline = stroke_rng(stroke)
        self.rng = self.materials.rng = np.random.default_rng([*stroke.seed, 1])
        getattr(self, stroke.name)(*stroke.arguments)

    def ragged(self, mask: ByteArray, width_m: float) -> ByteArray:
        """The mask with the edge it has in the labels."""
        return ragged(mask, width_m, self.gsd_m, self._outline)

    def ribbon(
        self,
        path_ne_m: FloatArray,
        width_m: float | FloatArray,
        kind: str,
        ragged_m: float = 0.0,
        heading_rad: float | None = None,
    ) -> None:
        """A path, stream or road; a carriageway has kerbs and wheel tracks, a railway track its sleepers."""
        super().ribbon(path_ne_m, width_m, kind, ragged_m, heading_rad)
        wide_m = float(np.max(width_m))
        if kind == "road":
            self._wheel_tracks(path_ne_m, wide_m)
            for side in (-1, 1):
                self.marking(offset(path_ne_m, side * (wide_m / 2 - 0.1)), 0.2, _KERB, 0.9)
        elif kind == "track":
            self._sleepers(path_ne_m)

    def _wheel_tracks(self, path_ne_m: FloatArray, width_m: float) -> None:
        """Darker, smooth bands where the wheels of each of two lanes run."""
        for lane in (-1, 1):
            for wheel in (-0.8, 0.8):
                self.marking(offset(path_ne_m, lane * width_m / 4 + wheel), 0.55, _WORN, 0.4)

    def _sleepers(self, path_ne_m: FloatArray) -> None:
        """Sleepers of a railway track, 2.5 m long, every 0.65 m."""
        steps = np.linalg.norm(np.diff(path_ne_m, axis=0), axis=1)
        way = np.concatenate([[0.0], np.cumsum(steps)])
        at = np.arange(0.0, way[-1], 0.65)
        ends = [
            [np.interp(at, way, side[:, axis]) for axis in (0, 1)]
            for side in (offset(path_ne_m, 1.25), offset(path_ne_m, -1.25))
        ]
        lines = np.rint(np.stack([self.pixels(np.column_stack(end)) for end in ends], axis=1) * 16).astype(np.int32)
        mask = np.zeros(self.shape, np.uint8)
        cv2.polylines(mask, list(lines), False, (255,), max(1, round(0.25 / self.gsd_m)), cv2.LINE_AA, 4)
        dark = cv2.LUT(mask, np.linspace(1.0, 0.62, 256, dtype=np.float32))
        self.bgr *= dark[..., None]

    def tree(self, north_m: float, east_m: float, radius_m: float, height_m: float) -> None:
        """A crown: a clumpy dome with a lit and a dark side; bare in the snow."""
        shape = crown(self, north_m, east_m, radius_m, self._outline)
        if shape is None:
            return
        size = (shape.dome.shape[0], shape.dome.shape[1])
        _, medium, fine, white = self.materials.fields(size)
        conifer = self.rng.random() < 0.25
        dome = shape.dome + 0.12 * medium + 0.12 * fine
        if conifer:
            spokes = int(self.rng.integers(9, 15))
            dome = dome + 0.12 * np.sin(spokes * shape.turn + 3 * np.sqrt(shape.r2))
        texture = self.crown_texture(dome, radius_m, conifer, (medium, fine, white))
        mask = shape.mask
        if self.sketch.season == "snow" and not conifer:  # the ground shows between bare twigs
            seen = np.clip(0.55 + 0.35 * fine + 0.25 * white, 0.1, 1.0)
            left, top, right, bottom = shape.box
            under = self.bgr[top:bottom, left:right]
            texture = (under + seen[..., None] * (texture - under)).astype(np.float32)
        self.blend(shape.box, mask, texture, "tree")
        self.raise_crown(shape.box, mask, shape.r2, height_m)

    def building(self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str) -> None:
        """A building; a "green" roof is planted and looks like a meadow."""
        if roof != "green":
            super().building(spot, length_m, width_m, height_m, roof)
            return
        drawn = self.polygon(spot.corners(length_m, width_m))
        if drawn is not None:
            box, mask = drawn
            size = (mask.shape[0], mask.shape[1])
            self.blend(box, mask, self.materials.texture("meadow", size), "roof", height_m)

    def finished(self) -> ByteArray:
        """The picture in its weather and light."""
        rng = np.random.default_rng([self.sketch.seed, 106])
        gsd = self.gsd_m
        octaves = [(max(2.0, m / gsd), weight) for m, weight in ((45.0, 1.0), (14.0, 0.6))]
        self.bgr *= (1.0 + 0.045 * fractal(rng, self.shape, octaves))[..., None]
        if self.sketch.season == "snow":
            self._snow()
        dark = shadows(self.height, self.gsd_m, self.sun)[..., None]
        lit = np.array(self.light.sunlit_bgr, dtype=np.float32)
        shaded = np.array(self.light.shaded_bgr, dtype=np.float32)
        gain = lit + dark * (shaded - lit)
        if self.light.lamps > 0:
            gain = gain + self._lamplight()[..., None] * np.array(_LAMP_BGR, dtype=np.float32)
        middle_grey = 105.0 * float(np.mean(self.light.sunlit_bgr))
        contrast = self.light.contrast
        image = self.bgr * gain * contrast + middle_grey * (1 - contrast)
        return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)

    def _snow(self) -> None:
        """Lays snow on what is not vertical, swept or wet."""
        share = np.zeros(256, dtype=np.float32)
        for name, part in _SNOW_ON.items():
            share[self.ids[name]] = part
        if self.sketch.frozen:
            share[[self.ids["water"], self.ids["pool"]]] = 0.93
        cover = share[self.labels]
        coarse, medium, fine, white = self.materials.fields(self.shape)
        patchy = 4 * cover * (1 - cover)
        cover = cover + patchy * (0.16 * medium + 0.12 * fine + 0.12 * coarse)
        cover = np.clip(cover, 0, 1) * (cover > 0)
        lum = 0.025 * coarse + 0.03 * medium + 0.015 * fine + 0.01 * white
        snow = colored(_SNOW, lum.astype(np.float32))
        self.bgr += cover[..., None] * (snow - self.bgr)

    def _lamplight(self) -> Field:
        """Gain from the street lamps."""
        glow = np.zeros(self.shape, dtype=np.float32)
        for lamp in self.sketch.lamps:
            _add_lamp(self, glow, lamp)
        return np.asarray(np.minimum(glow, 0.85) * np.float32(self.light.lamps))


def _add_lamp(canvas: Canvas, glow: Field, lamp: Glow) -> None:
    centre = np.array([[lamp.north_m, lamp.east_m]])
    box = canvas.box_of(centre, 3 * lamp.radius_m)
    if box is None:
        return
    left, top, right, bottom = box
    u, v = canvas.pixels(centre)[0]
    du = (np.arange(left, right, dtype=np.float32) - np.float32(u)) * canvas.gsd_m
    dv = (np.arange(top, bottom, dtype=np.float32) - np.float32(v)) * canvas.gsd_m
    r2 = (du[None, :] ** 2 + dv[:, None] ** 2) / np.float32(lamp.radius_m**2)
    glow[top:bottom, left:right] += 0.5 / (1 + 3 * r2) ** 2
