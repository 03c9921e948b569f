"""Faults of a real camera: light, blur, noise and missing frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.types import ByteArray

_NOISE_SIDE_PX = 256


@dataclass(frozen=True)
class Effects:
    """Faults of a camera; the default has none.

    Attributes:
        seed: Of everything random here.
        noise_sd: Sensor noise, standard deviation in grey steps.
        exposure_s: Time the shutter is open: blur from motion.
        gain: Brightness times this.
        exposure_wobble: Automatic exposure wanders by up to this fraction, over seconds.
        white_balance: Gains of red, green and blue.
        vignetting: Fraction of the light that the corners lose.
        lens_blur_px: Standard deviation of a blur of the whole picture.
        dropped: Fraction of the frames that never arrive.

    Raises:
        InvalidValueError: A value out of its range.
    """

    seed: int = 0
    noise_sd: float = 0.0
    exposure_s: float = 0.0
    gain: float = 1.0
    exposure_wobble: float = 0.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignetting: float = 0.0
    lens_blur_px: float = 0.0
    dropped: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "noise_sd": (0, 100),
            "exposure_s": (0, 1),
            "gain": (0.01, 100),
            "exposure_wobble": (0, 0.9),
            "vignetting": (0, 1),
            "lens_blur_px": (0, 50),
            "dropped": (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidValueError(f"effect {name}={value}: expected {low} to {high}")
        if self.seed < 0:
            raise InvalidValueError(f"effect seed={self.seed}: expected 0 or more")

    def generator(self, t_s: float) -> np.random.Generator:
        """Randomness of one frame: the same for the same seed and world time."""
        return np.random.default_rng([self.seed, 5, round(abs(t_s) * 1e6)])

    def drops(self, frame: int) -> bool:
        """True if the frame of this number is lost."""
        if self.dropped <= 0:
            return False
        return bool(np.random.default_rng([self.seed, 6, frame]).random() < self.dropped)

    def brightness(self, t_s: float) -> float:
        """Gain with the wander of the automatic exposure at a world time."""
        phase = self.seed * 1.7
        slow = math.sin(0.9 * t_s + phase) * 0.6 + math.sin(2.3 * t_s + 2 * phase) * 0.4
        return self.gain * (1 + self.exposure_wobble * slow)

    def apply(
        self, image: ByteArray, t_s: float, motion_px: tuple[float, float], rng: np.random.Generator | None = None
    ) -> ByteArray:
        """The picture, uint8 (H, W, 3), as the camera would deliver it.

        Args:
            image: Without faults.
            t_s: World time.
            motion_px: Movement of the picture (right, down) while the shutter is open.
            rng: Randomness of this frame; by seed and time when None.
        """
        if math.hypot(*motion_px) > 0.5:
            image = np.asarray(cv2.filter2D(image, -1, _streak(*motion_px)))
        if self.lens_blur_px > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.lens_blur_px))
        level = self.brightness(t_s)
        if abs(level - 1) > 1e-3 or self.white_balance != (1.0, 1.0, 1.0):
            steps = np.arange(256, dtype=np.float32)[:, None]
            gains = np.array(self.white_balance[::-1], dtype=np.float32) * np.float32(level)
            table = np.clip(np.rint(steps * gains), 0, 255).astype(np.uint8)
            image = np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)))
        if self.vignetting > 0:
            falloff = _falloff(image.shape[1], image.shape[0], self.vignetting)
            image = np.asarray(cv2.multiply(image, falloff, scale=1 / 255))
        if self.noise_sd > 0:
            image = self._noisy(image, rng if rng is not None else self.generator(t_s))
        return image

    def _noisy(self, image: ByteArray, rng: np.random.Generator) -> ByteArray:
        """Adds tiles of one stored noise field, each from a random place of it."""
        bank = _noise_bank(self.noise_sd)
        noise = np.empty(image.shape, dtype=np.int16)
        side = _NOISE_SIDE_PX
        for top in range(0, image.shape[0], side):
            for left in range(0, image.shape[1], side):
                v, u = rng.integers(0, side, 2)
                part = noise[top : top + side, left : left + side]
                part[:] = bank[v : v + part.shape[0], u : u + part.shape[1]]
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U))


@lru_cache(maxsize=8)
def _noise_bank(sd: float) -> npt.NDArray[np.int16]:
    rng = np.random.default_rng(20)
    side = 2 * _NOISE_SIDE_PX
    return np.rint(rng.normal(0, sd, (side, side, 3))).astype(np.int16)


@lru_cache(maxsize=8)
def _falloff(width: int, height: int, loss: float) -> ByteArray:
    u = (np.arange(width) - (width - 1) / 2)[None, :]
    v = (np.arange(height) - (height - 1) / 2)[:, None]
    r2 = (u**2 + v**2) / ((width / 2) ** 2 + (height / 2) ** 2)
    plane = np.rint(255 * (1 - loss * r2)).astype(np.uint8)
    return np.asarray(cv2.merge([plane] * 3))


def _streak(right_px: float, down_px: float) -> npt.NDArray[np.float32]:
    """A line of the motion's length and direction with sum 1."""
    limit = 61.0 / max(1.0, math.hypot(right_px, down_px))
    half_u, half_v = (x * min(1.0, limit) / 2 for x in (right_px, down_px))
    reach = math.ceil(max(abs(half_u), abs(half_v))) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    for f in np.linspace(-1, 1, 8 * reach + 1):
        u, v = reach + f * half_u, reach + f * half_v
        u0, v0 = math.floor(u), math.floor(v)
        for du in (0, 1):
            for dv in (0, 1):
                kernel[v0 + dv, u0 + du] += (1 - abs(u - u0 - du)) * (1 - abs(v - v0 - dv))
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
