"""A pad that a flight asks for, and good ground for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from landing.errors import DataError, InvalidValueError
from landing.pad.tag import PadSettings
from landing.validation import first_problem
from sim.world.model import World
from sim.world.pad import GroundPad
from sim.world.start import quiet_margin_m

ROOM_M = 3.0
"""Good ground beyond the pad's way, m."""

WIDEST_M, NARROWEST_M = 12.0, 4.0
"""Radius of the circle that a moving pad goes round on, m."""

BESIDE_M = 5.0
"""A flight to a pad starts no farther from it."""

EDGE_M = 10.0
"""A pad's way stays so far from the edge of the world, m."""


@dataclass(frozen=True)
class WantedPad:
    """A pad that a flight asks for: ``DICTIONARY:ID:EDGE_M[@SPEED_MPS]``.

    Attributes:
        settings: As the daemon is told of it.
        speed_mps: Of the pad; 0: it stands.
    """

    settings: PadSettings
    speed_mps: float = 0.0


def parse_pad(text: str) -> WantedPad:
    """Read ``apriltag_36h11:7:0.6`` or ``apriltag_36h11:7:0.6@0.5``.

    Raises:
        InvalidValueError: It is not of that form, or there is no such tag.
    """
    name, _, speed = text.partition("@")
    try:
        dictionary, number, edge = name.split(":")
        speed_mps, numbers = float(speed) if speed else 0.0, {"id": int(number), "edge_m": float(edge)}
    except ValueError:
        raise InvalidValueError(
            f"pad {text!r}: expected DICTIONARY:ID:EDGE_M or DICTIONARY:ID:EDGE_M@SPEED_MPS, as in "
            "apriltag_36h11:7:0.6@0.5"
        ) from None
    try:
        moves = {"max_speed_mps": 1.0 if speed_mps else 0.0}
        settings = PadSettings.model_validate({"dictionary": dictionary, **numbers, **moves})
    except ValidationError as error:
        raise InvalidValueError(f"pad {text!r}: {first_problem(error, PadSettings)}") from None
    if not settings.enabled or not 0.0 <= speed_mps <= 3.0:
        raise InvalidValueError(f"pad {text!r}: expected a family of tags, and a speed from 0 to 3 m/s")
    return WantedPad(settings, speed_mps)


def start_beside(pad: GroundPad, seed: int) -> tuple[float, float]:
    """Return a start near a pad, as a pilot flies to it who does not see it well: north and east, m."""
    rng = np.random.default_rng([seed, 29])
    turn, away_m = float(rng.uniform(0.0, 2.0 * math.pi)), float(rng.uniform(1.0, BESIDE_M))
    north_m, east_m = pad.at(0.0)
    return north_m + away_m * math.cos(turn), east_m + away_m * math.sin(turn)


def place_pad(world: World, wanted: WantedPad, seed: int) -> GroundPad:
    """Lay a pad on the widest good ground, with room for its way, and so that a camera above sees the world alone.

    Raises:
        DataError: There is no such ground.
    """
    margin, norths, easts = quiet_margin_m(world)
    south, north, west, east = world.extent_m
    inside_m = np.minimum(np.minimum(norths - south, north - norths), np.minimum(easts - west, east - easts)) - EDGE_M
    room_m = np.minimum(margin, inside_m)
    row, column = np.unravel_index(int(room_m.argmax()), room_m.shape)
    radius_m = min(float(room_m[row, column]) - ROOM_M, WIDEST_M)
    if radius_m < (NARROWEST_M if wanted.speed_mps else 0.0):
        raise DataError(f"world {world.name!r} has no room for the pad: another seed")
    tag, moves = wanted.settings, wanted.speed_mps > 0.0
    phase_rad = float(np.random.default_rng([seed, 23]).uniform(0.0, 2.0 * math.pi))
    middle = (float(norths[row, 0]), float(easts[0, column]))
    radius_m = radius_m if moves else 0.0
    return GroundPad(tag.dictionary, tag.id, tag.side_m, middle, radius_m, wanted.speed_mps, phase_rad)
