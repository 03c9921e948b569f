"""Paints what stands on the ground: trees, buildings, cars; and the light at the end.

Coordinates are metres north and east of the middle. Light and shadow are added once at the end, from the heights.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.actors import ActorState
from sim.world.figures import draw_actors
from sim.world.grid import Box, Spot
from sim.world.ground import GroundPainter
from sim.world.light import shadows
from sim.world.materials import vary
from sim.world.texture import Color, Field, colored, colours, rgb, slabs

_CRATES = colours("785c42 5a5e60 466050 b0a070")


class Canvas(GroundPainter):
    """A world while it is being painted."""

    def tree(self, north_m: float, east_m: float, radius_m: float, height_m: float) -> None:
        """A crown: a clumpy dome with a lit and a dark side."""
        around = self.around(north_m, east_m, radius_m, 1.35)
        if around is None:
            return
        box, r2, turn = around
        _, medium, fine, white = self.materials.fields((box[3] - box[1], box[2] - box[0]))
        lobes = int(self.rng.integers(3, 7))
        wobble = 0.14 * np.sin(lobes * turn + np.float32(self.rng.uniform(0, 6.3)))
        dome = 1.0 - r2 * (1 + wobble) + 0.2 * medium + 0.13 * fine
        conifer = self.rng.random() < 0.2
        if conifer:
            spokes = np.sin(np.float32(self.rng.integers(9, 15)) * turn + 3 * np.sqrt(r2))
            dome += 0.12 * spokes
        mask = np.clip((dome + 0.04) * 900, 0, 255).astype(np.uint8)
        texture = self.crown_texture(dome, radius_m, conifer, (medium, fine, white))
        self.blend(box, mask, texture, "tree")
        self.raise_crown(box, mask, r2, height_m)

    def crown_texture(self, dome: Field, radius_m: float, conifer: bool, noise: tuple[Field, Field, Field]) -> Field:
        """A crown's colour with its lit and its dark side; noise is medium, fine and white."""
        medium, fine, white = noise
        bumps = (np.clip(dome, 0, 1.3) * radius_m * 0.5 + 0.17 * fine + 0.06 * white).astype(np.float32)
        toward_n, toward_e = math.cos(self.sun.azimuth_rad), math.sin(self.sun.azimuth_rad)
        slope_u = cv2.Sobel(bumps, cv2.CV_32F, 1, 0, ksize=3) / np.float32(8 * self.gsd_m)
        slope_v = cv2.Sobel(bumps, cv2.CV_32F, 0, 1, ksize=3) / np.float32(8 * self.gsd_m)
        facing = slope_v * np.float32(toward_n) - slope_u * np.float32(toward_e)
        lit = np.clip(facing * np.float32(0.15 + 0.35 * self.sun.strength), -0.5, 0.55)
        lum = lit + 0.08 * medium + 0.1 * fine + 0.05 * white - 0.06
        base = self.palette.trees[int(self.rng.integers(len(self.palette.trees)))]
        base = rgb(46, 64, 48) if conifer else base
        return colored(vary(self.rng, base, 0.1), lum.astype(np.float32))

    def raise_crown(self, box: Box, mask: ByteArray, r2: Field, height_m: float) -> None:
        """Adds a crown to the heights, by the squared distance from its trunk in radii."""
        high = self.height[box[1] : box[3], box[0] : box[2]]
        crown = height_m * np.sqrt(np.clip(1 - 0.75 * r2, 0.05, 1))
        np.copyto(high, np.maximum(high, crown).astype(np.float32), where=mask > 127)

    def building(self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str) -> None:
        """A building: "gable", "hip", "flat" or "metal" roof over a rectangle."""
        drawn = self.polygon(spot.corners(length_m, width_m))
        if drawn is None:
            return
        box, mask = drawn
        shape = (mask.shape[0], mask.shape[1])
        u, v = self.pixels(np.array([[spot.north_m, spot.east_m]]))[0] - [box[0], box[1]]
        east = (np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(u)) * self.gsd_m
        north = (np.float32(v) - np.arange(shape[0], dtype=np.float32)[:, None]) * self.gsd_m
        c, s = np.float32(math.cos(spot.heading_rad)), np.float32(math.sin(spot.heading_rad))
        forward, right = north * c + east * s, east * c - north * s
        coarse, medium, fine, white = self.materials.fields(shape)
        lum = 0.03 * coarse + 0.03 * medium + 0.02 * fine + 0.03 * white
        rng, palette = self.rng, self.palette
        rise = np.zeros(shape, dtype=np.float32)
        if roof in ("gable", "hip"):
            base = vary(rng, palette.tile_roofs[int(rng.integers(3))], 0.05)
            run = np.float32(width_m / 2) - np.abs(right)
            slope_right, slope_forward = -np.sign(right), np.zeros_like(right)
            if roof == "hip":
                end = np.float32(length_m / 2) - np.abs(forward)
                on_end = end < run
                slope_right = np.where(on_end, 0, slope_right)
                slope_forward = np.where(on_end, -np.sign(forward), 0)
                run = np.minimum(run, end)
            pitch = float(rng.uniform(0.35, 0.8))
            rise = np.clip(run, 0, None) * np.float32(pitch)
            toward = self.sun.azimuth_rad - spot.heading_rad
            facing = -(slope_forward * math.cos(toward) + slope_right * math.sin(toward))
            lum += (0.16 + 0.5 * self.sun.strength) * pitch * facing
            rows = np.sin(run * np.float32(2 * math.pi / rng.uniform(0.25, 0.4)))
            each, joints = slabs(rng, forward + 500, right + 500, 0.3, 0.3, 0.05, bond=True)
            lum += 0.05 * rows + 0.035 * each - 0.03 * joints
            lum += 0.14 * (run > width_m / 2 - 0.14) - 0.12 * (run < 0.12)
        elif roof == "metal":
            base = vary(rng, palette.metal_roofs[int(rng.integers(2))], 0.05)
            ribs = np.sin(forward * np.float32(2 * math.pi / rng.uniform(0.25, 0.5)))
            lum += 0.06 * ribs - 0.05 * (np.abs(right) < 0.1) + 0.05 * np.sign(right)
        else:
            base = vary(rng, palette.flat_roofs[int(rng.integers(3))], 0.05)
            along, across = forward + 300, right + 300
            _, joints = slabs(rng, along, across, length_m, float(rng.uniform(0.9, 2)), 0.05, False)
            lum += 0.05 * coarse + 0.06 * white * rng.random() - 0.07 * joints
        edge = np.minimum(np.float32(length_m / 2) - np.abs(forward), np.float32(width_m / 2) - np.abs(right))
        if roof == "flat":
            lum += np.where(edge < 0.3, np.float32(rng.uniform(-0.3, 0.35)), 0)
            lum -= 0.2 * ((edge > 0.3) & (edge < 0.42))
        texture = colored(base, lum.astype(np.float32), np.clip(0.1 * medium, 0, 0.3), rgb(80, 84, 66))
        self.blend(box, mask, texture, "roof")
        high = self.height[box[1] : box[3], box[0] : box[2]]
        np.copyto(high, np.float32(height_m) + rise, where=mask > 127)
        self._roof_furniture(spot, length_m, width_m, height_m, roof)

    def _roof_furniture(self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(0, 4))):
            at = spot.moved(float(rng.uniform(-0.4, 0.4)) * length_m, float(rng.uniform(-0.36, 0.36)) * width_m)
            if roof == "flat":
                size, color, up = rng.uniform(0.6, 2.2, 2), rgb(170, 172, 172), 1.0
            elif rng.random() < 0.5:
                size, color, up = np.array([0.7, 0.6]), rgb(128, 80, 66), 1.8  # a chimney
            else:
                size, color, up = np.array([1.1, 0.8]), rgb(70, 84, 98), 0.1  # a skylight
            corners = at.corners(*(float(x) for x in size))
            self._plate(corners, vary(rng, color, 0.15), height_m + width_m * 0.2 + up)
        if rng.random() < 0.25:
            side = 1.0 if rng.random() < 0.5 else -1.0
            panel = vary(rng, rgb(36, 44, 66), 0.15)
            for i in range(int(min(5, length_m * 0.8 // 1.1))):
                at = spot.moved((i - 2) * 1.1, side * width_m * 0.25)
                self._plate(at.corners(1.02, min(1.7, width_m * 0.4)), panel, None)

    def _plate(self, corners: FloatArray, color: Color, height_m: float | None) -> None:
        drawn = self.polygon(corners)
        if drawn is not None:
            box, mask = drawn
            white = self.noise.crop(self.noise.white, self.rng, (mask.shape[0], mask.shape[1]))
            self.blend(box, mask, colored(color, 0.03 * white), "roof", height_m)

    def clutter(self, spot: Spot, length_m: float, width_m: float, height_m: float) -> None:
        """A bench, bin, bale or crate: an obstacle with the label of a wall."""
        drawn = self.polygon(spot.corners(length_m, width_m))
        if drawn is not None:
            box, mask = drawn
            white = self.noise.crop(self.noise.white, self.rng, (mask.shape[0], mask.shape[1]))
            color = vary(self.rng, _CRATES[int(self.rng.integers(4))], 0.12)
            self.blend(box, mask, colored(color, 0.07 * white), "wall", height_m)

    def car(self, spot: Spot) -> None:
        """A parked car."""
        box = self.box_of(spot.corners(4.7, 2.0))
        if box is None:
            return
        left, top, right, bottom = box
        style = int(self.rng.integers(1 << 30))
        state = ActorState("car", spot.north_m, spot.east_m, spot.heading_rad, 0.0, style)
        over = 4
        region = np.clip(self.bgr[top:bottom, left:right], 0, 255).astype(np.uint8)
        size = (region.shape[1] * over, region.shape[0] * over)
        large = cv2.resize(region, size, interpolation=cv2.INTER_LINEAR)
        labels = np.zeros(large.shape[:2], dtype=np.uint8)

        def project(points: FloatArray) -> FloatArray:
            local = self.pixels(points[:, :2]) - [left, top]
            return np.asarray((local + 0.5) * over - 0.5)

        draw_actors(large, labels, [state], {"car": 255}, project, self.sun, shadow_scale=0.0)
        small = cv2.resize(large, region.shape[1::-1], interpolation=cv2.INTER_AREA)
        coverage = cv2.resize(labels, region.shape[1::-1], interpolation=cv2.INTER_AREA)
        self.blend(box, np.asarray(coverage, np.uint8), small.astype(np.float32), "car", 1.3)

    def finished(self) -> ByteArray:
        """The picture in its light: shadows, colour of the light, contrast, brightness."""
        rng = self.rng
        dark = shadows(self.height, self.gsd_m, self.sun) * np.float32(self.sun.strength)
        warmth = float(rng.normal(0.0, 0.05))
        light = np.array([1 - warmth, 1.0, 1 + warmth]) * rng.uniform(0.82, 1.22)
        contrast, pivot = float(rng.uniform(0.75, 1.1)), 105.0
        planes = []
        for channel in range(3):
            sky = (1.12, 1.0, 0.9)[channel]  # a shadow is lit by the blue of the sky
            lit = 1 - dark * np.float32(1.0 - 0.12 * (sky - 1) * 8)
            plane = self.bgr[..., channel] * lit * np.float32(light[channel])
            plane = (plane - pivot) * np.float32(contrast) + np.float32(pivot)
            planes.append(cv2.convertScaleAbs(np.maximum(plane, 0)))
        return np.asarray(cv2.merge(planes), dtype=np.uint8)
