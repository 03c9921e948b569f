"""The brush: paints areas, buildings, trees, cars and walls on picture, labels and heights.

Coordinates are metres north and east of the middle. Light and shadow are added once at the end,
from the heights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from sim.world.actors import ActorState, Sun, draw_actors
from sim.world.materials import Materials, random_palette, rgb, vary
from sim.world.texture import Color, Field, NoiseBank, colored, slabs

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom not included."""


@dataclass(frozen=True)
class Spot:
    """A place, turned: a rectangle's or car's middle and heading.

    Attributes:
        north_m, east_m: Middle.
        heading_rad: Direction of its length, clockwise from north.
    """

    north_m: float
    east_m: float
    heading_rad: float = 0.0

    def corners(self, length_m: float, width_m: float) -> FloatArray:
        """Corners of a rectangle, shape (4, 2), north and east."""
        half_l, half_w = length_m / 2, width_m / 2
        local = np.array(
            [[half_l, half_w], [half_l, -half_w], [-half_l, -half_w], [-half_l, half_w]]
        )
        return self.place(local)

    def place(self, forward_right_m: FloatArray) -> FloatArray:
        """From forward and right of the spot, shape (n, 2), to north and east."""
        c, s = math.cos(self.heading_rad), math.sin(self.heading_rad)
        turned = forward_right_m @ np.array([[c, s], [-s, c]])
        return np.asarray(turned + np.array([self.north_m, self.east_m]))

    def moved(self, forward_m: float, right_m: float, turn_rad: float = 0.0) -> Spot:
        """A spot beside this one."""
        n, e = self.place(np.array([[forward_m, right_m]]))[0]
        return Spot(float(n), float(e), self.heading_rad + turn_rad)


class Canvas:
    """A world while it is being painted."""

    def __init__(
        self, rng: np.random.Generator, size_m: float, gsd_m: float, taxonomy: Taxonomy
    ) -> None:
        self.rng = rng
        self.gsd_m = gsd_m
        side = max(32, round(size_m / gsd_m))
        self.half_m = side * gsd_m / 2
        self.shape = (side, side)
        self.origin_px = ((side - 1) / 2, (side - 1) / 2)
        self.bgr = np.zeros((side, side, 3), dtype=np.float32)
        self.labels: ByteArray = np.zeros((side, side), dtype=np.uint8)
        self.height: Field = np.zeros((side, side), dtype=np.float32)
        self.ids = {c.name: c.id for c in taxonomy.classes}
        self.noise = NoiseBank(rng, self.shape, gsd_m)
        self.palette = random_palette(rng)
        self.materials = Materials(rng, self.noise, self.palette)
        self.sun = Sun(
            float(rng.uniform(0, 2 * math.pi)),
            float(rng.uniform(math.radians(28), math.radians(68))),
            float(rng.choice([0.06, 0.2, 0.4, 0.5, 0.6])),
        )
        self._car_look = 0

    # --- masks ---------------------------------------------------------------------------------

    def pixels(self, points_ne_m: FloatArray) -> FloatArray:
        """Column and row of points, shape (n, 2)."""
        points = np.atleast_2d(points_ne_m)
        return np.column_stack(
            [self.origin_px[0] + points[:, 1] / self.gsd_m,
             self.origin_px[1] - points[:, 0] / self.gsd_m]
        )  # fmt: skip

    def box_of(self, points_ne_m: FloatArray, margin_m: float = 0.3) -> Box | None:
        """The part of the raster around points; None when they are all outside."""
        pixels = self.pixels(points_ne_m)
        margin = margin_m / self.gsd_m + 2
        left, top = np.floor(pixels.min(axis=0) - margin).astype(int)
        right, bottom = np.ceil(pixels.max(axis=0) + margin).astype(int)
        rows, columns = self.shape
        box = (max(left, 0), max(top, 0), min(right, columns), min(bottom, rows))
        return box if box[0] < box[2] and box[1] < box[3] else None

    def polygon_mask(self, points_ne_m: FloatArray, box: Box) -> ByteArray:
        """Coverage 0 to 255 of a polygon within a box."""
        mask: ByteArray = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
        local = (self.pixels(points_ne_m) - [box[0], box[1]]) * 16
        cv2.fillPoly(mask, [np.rint(local).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        return mask

    def ribbon_mask(self, path_ne_m: FloatArray, width_m: FloatArray, box: Box) -> ByteArray:
        """Coverage of a band along a path with a width at each of its points."""
        mask: ByteArray = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
        pixels = (self.pixels(path_ne_m) - [box[0], box[1]]) * 16
        radius = width_m / 2 / self.gsd_m * 16
        for i in range(len(pixels)):
            centre = (round(float(pixels[i, 0])), round(float(pixels[i, 1])))
            cv2.circle(mask, centre, max(1, round(float(radius[i]))), (255,), -1, cv2.LINE_AA, 4)
            if i + 1 < len(pixels):
                step = pixels[i + 1] - pixels[i]
                length = float(np.hypot(*step))
                if length < 1e-6:
                    continue
                side = np.array([-step[1], step[0]]) / length
                quad = np.array(
                    [pixels[i] + side * radius[i], pixels[i + 1] + side * radius[i + 1],
                     pixels[i + 1] - side * radius[i + 1], pixels[i] - side * radius[i]]
                )  # fmt: skip
                cv2.fillConvexPoly(mask, np.rint(quad).astype(np.int32), (255,), cv2.LINE_AA, 4)
        return mask

    def ragged(self, mask: ByteArray, width_m: float) -> ByteArray:
        """The mask with an edge that wanders as grass grows over it."""
        soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, width_m / self.gsd_m))
        shape = (mask.shape[0], mask.shape[1])
        medium = self.noise.crop(self.noise.medium, self.rng, shape)
        fine = self.noise.crop(self.noise.fine, self.rng, shape)
        edge = (soft.astype(np.float32) - 128) * 2.2 + 40 * medium + 26 * fine
        return np.asarray(np.clip(edge + 128, 0, 255), dtype=np.uint8)

    # --- areas ---------------------------------------------------------------------------------

    def blend(
        self, box: Box, mask: ByteArray, texture: Field, label: str, height_m: float | None = None
    ) -> None:
        """Lays a texture over a box where the mask covers it, and labels what it covers."""
        left, top, right, bottom = box
        region = self.bgr[top:bottom, left:right]
        alpha = mask.astype(np.float32) * np.float32(1 / 255)
        region[:] = cv2.blendLinear(texture, np.ascontiguousarray(region), alpha, 1 - alpha)
        covered = mask > 127
        self.labels[top:bottom, left:right][covered] = self.ids[label]
        if height_m is not None:
            self.height[top:bottom, left:right][covered] = height_m

    def fill(self, kind: str, angle_rad: float | None = None) -> None:
        """Covers everything with a ground material."""
        self.bgr[:] = self.materials.texture(kind, self.shape, angle_rad)
        self.labels[:] = self.ids[Materials.KINDS[kind]]

    def area(
        self, points_ne_m: FloatArray, kind: str, ragged_m: float = 0.0,
        heading_rad: float | None = None,
    ) -> None:  # fmt: skip
        """A polygon of a ground material."""
        box = self.box_of(points_ne_m, ragged_m + 0.3)
        if box is not None:
            mask = self.polygon_mask(points_ne_m, box)
            self._lay(box, mask, kind, ragged_m, heading_rad)

    def ribbon(
        self, path_ne_m: FloatArray, width_m: float | FloatArray, kind: str, ragged_m: float = 0.0,
        heading_rad: float | None = None,
    ) -> None:  # fmt: skip
        """A path, road or stream of a ground material."""
        widths = np.broadcast_to(np.asarray(width_m, dtype=np.float64), (len(path_ne_m),))
        box = self.box_of(path_ne_m, float(widths.max()) / 2 + ragged_m + 0.3)
        if box is not None:
            mask = self.ribbon_mask(path_ne_m, np.asarray(widths), box)
            self._lay(box, mask, kind, ragged_m, heading_rad)

    def _lay(
        self, box: Box, mask: ByteArray, kind: str, ragged_m: float, heading_rad: float | None
    ) -> None:
        if ragged_m > 0:
            mask = self.ragged(mask, ragged_m)
        angle = None if heading_rad is None else heading_rad - math.pi / 2
        texture = self.materials.texture(kind, (mask.shape[0], mask.shape[1]), angle)
        if kind == "water":  # shallow and silty at the bank
            deep = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
            bank = np.exp(-deep * np.float32(self.gsd_m / 0.7))[..., None]
            texture = texture + bank * (np.array(self.palette.dirt, np.float32) * 0.8 - texture)
        self.blend(box, mask, np.ascontiguousarray(texture, dtype=np.float32),
                   Materials.KINDS[kind])  # fmt: skip
        self.height[box[1] : box[3], box[0] : box[2]][mask > 127] = 0.0

    def marking(
        self, path_ne_m: FloatArray, width_m: float, color: Color, strength: float = 0.8
    ) -> None:
        """A line of paint or wear: changes the picture, not the labels."""
        box = self.box_of(path_ne_m, width_m)
        if box is None:
            return
        mask = self.ribbon_mask(path_ne_m, np.full(len(path_ne_m), width_m), box)
        shape = (mask.shape[0], mask.shape[1])
        worn = np.clip(0.9 + 0.25 * self.noise.crop(self.noise.fine, self.rng, shape), 0, 1)
        alpha = mask.astype(np.float32)[..., None] / 255 * strength * worn[..., None]
        region = self.bgr[box[1] : box[3], box[0] : box[2]]
        region += alpha * (np.array(color, dtype=np.float32) - region)

    # --- things that stand on it ---------------------------------------------------------------

    def wall(
        self, path_ne_m: FloatArray, width_m: float, height_m: float, color: Color, label: str
    ) -> None:
        """A wall, fence or hedge along a path."""
        box = self.box_of(path_ne_m, width_m)
        if box is None:
            return
        mask = self.ribbon_mask(path_ne_m, np.full(len(path_ne_m), max(width_m, 0.15)), box)
        shape = (mask.shape[0], mask.shape[1])
        _, medium, fine, white = self.materials.fields(shape)
        if label == "tree":
            mask = self.ragged(mask, 0.12)
            lum = 0.12 * medium + 0.2 * fine + 0.1 * white
        else:
            lum = 0.04 * medium + 0.04 * white
        self.blend(box, mask, colored(color, lum.astype(np.float32)), label, height_m)

    def tree(self, north_m: float, east_m: float, radius_m: float, height_m: float) -> None:
        """A crown: a clumpy dome with a lit and a dark side."""
        centre = np.array([[north_m, east_m]])
        box = self.box_of(centre, radius_m * 1.35)
        if box is None:
            return
        shape = (box[3] - box[1], box[2] - box[0])
        u, v = self.pixels(centre)[0]
        du = (np.arange(box[0], box[2], dtype=np.float32) - np.float32(u)) * self.gsd_m / radius_m
        dv = (np.arange(box[1], box[3], dtype=np.float32) - np.float32(v)) * self.gsd_m / radius_m
        r2 = du[None, :] ** 2 + dv[:, None] ** 2
        _, medium, fine, white = self.materials.fields(shape)
        lobes = int(self.rng.integers(3, 7))
        turn = np.arctan2(dv[:, None], du[None, :])
        wobble = 0.14 * np.sin(lobes * turn + np.float32(self.rng.uniform(0, 6.3)))
        dome = 1.0 - r2 * (1 + wobble) + 0.2 * medium + 0.13 * fine
        conifer = self.rng.random() < 0.2
        if conifer:
            spokes = np.sin(np.float32(self.rng.integers(9, 15)) * turn + 3 * np.sqrt(r2))
            dome += 0.12 * spokes
        mask = np.clip((dome + 0.04) * 900, 0, 255).astype(np.uint8)
        bumps = np.clip(dome, 0, 1.3) * radius_m * 0.5 + 0.17 * fine + 0.06 * white
        toward_n, toward_e = math.cos(self.sun.azimuth_rad), math.sin(self.sun.azimuth_rad)
        slope_u = cv2.Sobel(bumps, cv2.CV_32F, 1, 0, ksize=3) / np.float32(8 * self.gsd_m)
        slope_v = cv2.Sobel(bumps, cv2.CV_32F, 0, 1, ksize=3) / np.float32(8 * self.gsd_m)
        facing = -(slope_u * np.float32(toward_e) - slope_v * np.float32(toward_n))
        lit = np.clip(facing * np.float32(0.15 + 0.35 * self.sun.strength), -0.5, 0.55)
        lum = lit + 0.08 * medium + 0.1 * fine + 0.05 * white - 0.06
        base = self.palette.trees[int(self.rng.integers(len(self.palette.trees)))]
        if conifer:
            base = rgb(46, 64, 48)
        texture = colored(vary(self.rng, base, 0.1), lum.astype(np.float32))
        self.blend(box, mask, texture, "tree")
        high = self.height[box[1] : box[3], box[0] : box[2]]
        crown = height_m * np.sqrt(np.clip(1 - 0.75 * r2, 0.05, 1))
        np.copyto(high, np.maximum(high, crown).astype(np.float32), where=mask > 127)

    def building(
        self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str
    ) -> None:
        """A building: "gable", "hip", "flat" or "metal" roof over a rectangle."""
        corners = spot.corners(length_m, width_m)
        box = self.box_of(corners)
        if box is None:
            return
        mask = self.polygon_mask(corners, box)
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
        edge = np.minimum(np.float32(length_m / 2) - np.abs(forward),
                          np.float32(width_m / 2) - np.abs(right))  # fmt: skip
        if roof == "flat":
            lum += np.where(edge < 0.3, np.float32(rng.uniform(-0.3, 0.35)), 0)
            lum -= 0.2 * ((edge > 0.3) & (edge < 0.42))
        texture = colored(base, lum.astype(np.float32), np.clip(0.1 * medium, 0, 0.3),
                          rgb(80, 84, 66))  # fmt: skip
        self.blend(box, mask, texture, "roof")
        high = self.height[box[1] : box[3], box[0] : box[2]]
        np.copyto(high, np.float32(height_m) + rise, where=mask > 127)
        self._roof_furniture(spot, length_m, width_m, height_m, roof)

    def _roof_furniture(
        self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str
    ) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(0, 4))):
            at = spot.moved(
                float(rng.uniform(-0.4, 0.4)) * length_m, float(rng.uniform(-0.36, 0.36)) * width_m
            )
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
        box = self.box_of(corners)
        if box is None:
            return
        mask = self.polygon_mask(corners, box)
        white = self.noise.crop(self.noise.white, self.rng, (mask.shape[0], mask.shape[1]))
        self.blend(box, mask, colored(color, 0.03 * white), "roof", height_m)

    def clutter(self, spot: Spot, length_m: float, width_m: float, height_m: float) -> None:
        """A bench, bin, bale or crate: an obstacle with the label of a wall."""
        corners = spot.corners(length_m, width_m)
        box = self.box_of(corners)
        if box is None:
            return
        mask = self.polygon_mask(corners, box)
        white = self.noise.crop(self.noise.white, self.rng, (mask.shape[0], mask.shape[1]))
        choices = (rgb(120, 92, 66), rgb(90, 94, 96), rgb(70, 96, 80), rgb(176, 160, 112))
        color = vary(self.rng, choices[int(self.rng.integers(4))], 0.12)
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

    # --- light ---------------------------------------------------------------------------------

    def shadows(self) -> Field:
        """Where the sun does not reach, 0 to 1, shape of the raster, by marching the heights."""
        dn, de = self.sun.shadow_ne
        half = cv2.resize(self.height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
        gsd = self.gsd_m * self.shape[1] / half.shape[1]
        top = float(half.max())
        reach_m = top * math.hypot(dn, de)
        steps = max(1, min(96, math.ceil(reach_m / max(0.2, gsd))))
        roof = np.zeros_like(half)
        for i in range(1, steps + 1):
            drop = top * i / steps  # how far the ray has come down
            du, dv = round(de * drop / gsd), round(-dn * drop / gsd)
            _maximum_shifted(roof, half - np.float32(drop), du, dv)
        shade = (roof > half + 0.12).astype(np.float32)
        shade = cv2.resize(shade, self.shape[::-1], interpolation=cv2.INTER_LINEAR)
        soft: Field = cv2.GaussianBlur(shade, (0, 0), max(0.8, 0.07 / self.gsd_m))
        return soft

    def finished(self) -> ByteArray:
        """The picture in its light: shadows, colour of the light, contrast, brightness."""
        rng = self.rng
        dark = self.shadows() * np.float32(self.sun.strength)
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


def _maximum_shifted(target: Field, source: Field, du: int, dv: int) -> None:
    rows, columns = target.shape
    if abs(du) >= columns or abs(dv) >= rows:
        return
    to = target[max(dv, 0) : rows + min(dv, 0), max(du, 0) : columns + min(du, 0)]
    fro = source[max(-dv, 0) : rows + min(-dv, 0), max(-du, 0) : columns + min(-du, 0)]
    np.maximum(to, fro, out=to)


def smooth_path(corners_ne_m: Sequence[Sequence[float]], per_leg: int = 14) -> FloatArray:
    """A Catmull-Rom curve through points, shape (n, 2)."""
    points: npt.NDArray[np.float64] = np.asarray(corners_ne_m, dtype=np.float64)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    out = []
    for i in range(1, len(padded) - 2):
        a, b, c, d = padded[i - 1 : i + 3]
        t = np.linspace(0, 1, per_leg, endpoint=False)[:, None]
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                          + (3 * b - a - 3 * c + d) * t**3))  # fmt: skip
    return np.vstack([*out, points[-1:]])


def blob(
    rng: np.random.Generator, north_m: float, east_m: float, radius_m: float, wild: float = 0.3
) -> FloatArray:
    """A closed rounded outline, shape (n, 2)."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones_like(turn)
    for lobes in (1, 2, 3, 4, 5):
        radius += wild / lobes * rng.normal() * np.cos(lobes * turn + rng.uniform(0, 6.3))
    radius = radius_m * np.clip(radius, 0.35, 1.8)
    stretch = rng.uniform(0.6, 1.0)
    return np.column_stack(
        [north_m + radius * np.cos(turn) * stretch, east_m + radius * np.sin(turn)]
    )
