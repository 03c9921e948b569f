"""Draw right and wrong mountings of the camera, and the drone's parts and power.

python docs/make/mounting.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from docs.make.svg import BAD, GOOD, GROUND, INK, PANEL, PAPER, QUIET, SKY, Drawing, Point

PICTURES = Path(__file__).resolve().parent.parent / "pictures"
WIDTH, HEIGHT = 660, 330
SCENE = (40, 70, 250, 180)
"""Left, top, width, height of what is seen from above, px."""

PICTURE = (370, 70, 250, 180)
"""The same of the camera's picture."""

CAR, TREE = (-70.0, -45.0), (65.0, 35.0)
"""A car ahead on the left, a tree behind on the right, from the middle, px."""

Turn = Callable[[float, float], Point]


def _paper(name: str, good: bool, lines: Iterable[str]) -> Drawing:
    words = list(lines)
    paper = Drawing(WIDTH, HEIGHT, f"{name}: {'right' if good else 'wrong'}. {' '.join(words)}")
    paper.text(40, 36, name, 18, bold=True)
    paper.verdict(WIDTH - 104, 31, good)
    paper.lines(40, 282, words)
    return paper


def _ground(paper: Drawing, box: tuple[int, int, int, int], turn: Turn) -> None:
    """The car, the tree and the word GO on grass, turned as a camera would."""
    left, top, width, height = box
    paper.box(left, top, width, height, GROUND, "#9fb39a", radius=2)
    middle = (left + width / 2, top + height / 2)

    def at(x: float, y: float) -> Point:
        dx, dy = turn(x, y)
        return middle[0] + dx, middle[1] + dy

    car = [at(CAR[0] + x, CAR[1] + y) for x, y in ((-12, -22), (12, -22), (12, 22), (-12, 22))]
    paper.path(car, "#7a1f1a", 2, fill=BAD, closed=True)
    window = [at(CAR[0] + x, CAR[1] + y) for x, y in ((-8, -10), (8, -10), (8, -2), (-8, -2))]
    paper.path(window, PAPER, 1, fill=PAPER, closed=True)
    x, y = at(*TREE)
    paper.circle(x, y, 24, "#2f7d4f", "#1f5b38")
    paper.circle(x, y, 5, "#1f5b38")


def _from_above(paper: Drawing) -> None:
    """The drone over the ground, nose up."""
    left, top, width, height = SCENE
    _ground(paper, SCENE, lambda x, y: (x, y))
    x, y = left + width / 2, top + height / 2
    for dx, dy in ((-26, -26), (26, -26), (-26, 26), (26, 26)):
        paper.path([(x, y), (x + dx, y + dy)], INK, 4)
        paper.circle(x + dx, y + dy, 11, "#ffffff", INK)
    paper.box(x - 10, y - 14, 20, 28, INK)
    paper.arrow((x, y - 18), (x, y - 62), BAD, 4)
    paper.text(x + 8, y - 56, "nose", 13, BAD)
    paper.text(left, top - 8, "seen from above", 13, QUIET)


def _as_picture(paper: Drawing, turn: Turn) -> None:
    left, top = PICTURE[:2]
    paper.text(left, top - 8, "what the camera shows", 13, QUIET)
    _ground(paper, PICTURE, turn)
    paper.box(left, top, PICTURE[2], PICTURE[3], "none", INK, radius=2)
    paper.arrow((314, 160), (352, 160), QUIET)


def straight_down() -> str:
    """The picture as the ground lies."""
    paper = _paper(
        "Straight down, top of the picture to the nose",
        True,
        ("Walk to the nose: you go up in the picture.", "Walk to the right of the drone: you go right in the picture."),
    )
    _from_above(paper)
    _as_picture(paper, lambda x, y: (x, y))
    return str(paper)


def turned() -> str:
    """The picture half a turn off."""
    paper = _paper(
        "Half a turn off",
        False,
        (
            "The drone flies away from the place, faster and faster.",
            "Turn the camera, or say it: yaw_deg = 180 in [camera.mount].",
        ),
    )
    _from_above(paper)
    _as_picture(paper, lambda x, y: (-x, -y))
    return str(paper)


def mirrored() -> str:
    """The picture with its sides swapped."""
    paper = _paper(
        "Mirrored",
        False,
        (
            "Left and right are swapped: writing on the ground reads backwards.",
            "No setting helps. Switch the flip of the camera off.",
        ),
    )
    _from_above(paper)
    _as_picture(paper, lambda x, y: (-x, y))
    return str(paper)


def _side(paper: Drawing, lean_deg: float, half_deg: float, legs_in_view: bool = False) -> tuple[Point, Point]:
    """The drone from its side over the ground, with the cone of the camera; the two ends of the cone on the ground."""
    left, top, width, height = 40, 62, 270, 200
    paper.box(left, top, width, height, SKY, None, radius=2)
    paper.box(left, top + height - 30, width, 30, GROUND, None, radius=2)
    x, y, floor = left + width / 2, top + 46, top + height - 30
    ends = []
    for sign in (-1, 1):
        angle = math.radians(lean_deg + sign * half_deg)
        ends.append((x + (floor - y) * math.tan(angle), float(floor)))
    paper.path([(x, y), ends[0], ends[1]], "#c78a1b", 1.5, fill="#f5d58a", closed=True)
    paper.path([(x - 62, y - 20), (x + 62, y - 20)], INK, 5)
    for side in (-62, 62):
        paper.path([(x + side - 24, y - 30), (x + side + 24, y - 30)], QUIET, 3)
        paper.path([(x + side, y - 20), (x + side, y - 30)], INK, 3)
    paper.box(x - 24, y - 30, 48, 20, INK)
    spread, drop = (34, 44) if legs_in_view else (52, 24)
    for side in (-1, 1):
        paper.path([(x + side * 20, y - 12), (x + side * spread, y - 12 + drop)], INK, 5)
    paper.box(x - 8, y - 12, 16, 12, BAD, None, radius=2)
    paper.text(left, top - 6, "seen from the side, nose to the right", 13, QUIET)
    return ends[0], ends[1]


def _frame(paper: Drawing) -> tuple[float, float]:
    """An empty picture of grass; its middle."""
    left, top, width, height = PICTURE
    paper.text(left, top - 8, "what the camera shows", 13, QUIET)
    paper.box(left, top, width, height, GROUND, INK, radius=2)
    paper.arrow((322, 160), (360, 160), QUIET)
    return left + width / 2, top + height / 2


def tilted() -> str:
    """A camera that leans to the front."""
    off_m = 20 * math.tan(math.radians(20))
    paper = _paper(
        "Tilted by 20 degrees",
        False,
        (
            f"From 20 m the place comes out {off_m:.1f} m off, if the setting says -90.",
            "Set it straight, or measure the angle and say it: pitch_deg = -70.",
        ),
    )
    _side(paper, 20, 22)
    x, y = _frame(paper)
    paper.circle(x, y + 52, 7, BAD)
    paper.text(x + 14, y + 57, "really below", 13)
    paper.circle(x, y, 7, GOOD)
    paper.text(x + 14, y + 5, "taken for below", 13)
    return str(paper)


def gear_in_view() -> str:
    """Legs of the landing gear in the picture."""
    paper = _paper(
        "Landing gear in view",
        False,
        (
            "The legs look like obstacles, in every picture, at the same spot.",
            "Mount the camera lower, or take a longer lens.",
        ),
    )
    _side(paper, 0, 42, legs_in_view=True)
    x, y = _frame(paper)
    for side in (-1, 1):
        paper.path([(x + side * 114, y - 80), (x + side * 84, y - 20), (x + side * 84, y + 14)], INK, 15)
    return str(paper)


def gear_clear() -> str:
    """Legs outside of the picture."""
    paper = _paper(
        "Landing gear out of view",
        True,
        (
            "Lift the drone and look at the live page: nothing of the drone is in",
            "the picture, with the propellers turning too.",
        ),
    )
    _side(paper, 0, 33)
    x, y = _frame(paper)
    paper.circle(x + 60, y + 30, 24, "#2f7d4f", "#1f5b38")
    return str(paper)


def shaking() -> str:
    """A camera on a soft arm."""
    paper = _paper(
        "On a long or loose arm",
        False,
        (
            "The picture bends and blurs with the motors (rolling shutter).",
            "Screw it to the frame with thin rubber. Take short exposures.",
        ),
    )
    _side(paper, 0, 28)
    paper.path([(175, 96), (165, 100), (185, 104), (165, 108), (185, 112)], BAD, 3)
    x, y = _frame(paper)
    for row in range(-80, 85, 8):
        shift = 9 * math.sin(row / 9)
        paper.path([(x - 60 + shift, y + row), (x - 36 + shift, y + row)], BAD, 7)
        paper.path([(x + 44 + shift, y + row), (x + 50 + shift, y + row)], QUIET, 7)
    return str(paper)


def _part(paper: Drawing, x: float, y: float, name: str, about: str, width: float = 168) -> None:
    paper.box(x, y, width, 58, PANEL, "#9fb0c0")
    paper.text(x + width / 2, y + 25, name, 15, anchor="middle", bold=True)
    paper.text(x + width / 2, y + 45, about, 12, QUIET, anchor="middle")


def parts() -> str:
    """All parts and their lines."""
    paper = Drawing(
        720,
        330,
        "Camera and autopilot are wired to the computer; rangefinder, GPS, receiver and radio to the autopilot",
    )
    _part(paper, 30, 40, "Camera", "looks straight down")
    _part(paper, 276, 40, "Computer", "Jetson, Raspberry Pi")
    _part(paper, 276, 200, "Autopilot", "ArduPilot or PX4")
    _part(paper, 30, 160, "Rangefinder", "looks straight down")
    _part(paper, 30, 240, "GPS and compass", "or optical flow")
    _part(paper, 522, 160, "Receiver", "the pilot's sticks")
    _part(paper, 522, 240, "Telemetry radio", "to the ground station")
    _part(paper, 522, 40, "Laptop or phone", "live page, on the ground")
    for start, end, words, at in (
        ((198, 69), (274, 69), "pictures", (204, 60)),
        ((344, 100), (344, 198), "TELEM2", (288, 144)),
        ((376, 198), (376, 100), "MAVLink", (384, 154)),
        ((198, 189), (274, 220), "", (0, 0)),
        ((198, 269), (274, 240), "", (0, 0)),
        ((522, 189), (446, 220), "", (0, 0)),
        ((446, 240), (520, 269), "", (0, 0)),
        ((446, 69), (520, 69), "Wi-Fi", (464, 60)),
    ):
        paper.arrow(start, end)
        if words:
            paper.text(*at, words, 13)
    return str(paper)


def power() -> str:
    """Battery to two supplies with one ground."""
    paper = Drawing(
        720, 300, "The battery feeds a power module for the autopilot and a converter of its own for the computer"
    )
    _part(paper, 24, 116, "Battery", "3S to 6S", 120)
    _part(paper, 214, 40, "Power module", "of the autopilot")
    _part(paper, 214, 192, "Converter (BEC)", "for the computer alone")
    _part(paper, 500, 40, "Autopilot", "port POWER")
    _part(paper, 500, 192, "Computer", "its own power plug")
    for start, end in (
        ((144, 132), (212, 80)),
        ((144, 158), (212, 212)),
        ((382, 69), (498, 69)),
        ((382, 221), (498, 221)),
    ):
        paper.arrow(start, end, BAD)
    paper.path([(584, 98), (584, 192)], INK, 3)
    paper.text(594, 140, "GND of the serial", 13)
    paper.text(594, 158, "wires, no 5 V", 13)
    paper.text(396, 60, "5 V", 13, BAD)
    paper.text(388, 212, "see the table", 13, BAD)
    return str(paper)


DRAWINGS: dict[str, Callable[[], str]] = {
    "camera-straight-down.svg": straight_down,
    "camera-turned.svg": turned,
    "camera-mirrored.svg": mirrored,
    "camera-tilted.svg": tilted,
    "camera-gear-in-view.svg": gear_in_view,
    "camera-gear-clear.svg": gear_clear,
    "camera-shaking.svg": shaking,
    "parts.svg": parts,
    "power.svg": power,
}


def main() -> None:
    """Write all drawings."""
    for name, draw in DRAWINGS.items():
        (PICTURES / name).write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
