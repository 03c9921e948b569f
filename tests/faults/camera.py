"""A camera command that misbehaves on order.

    python camera.py WIDTH HEIGHT FPS PICTURE ORDER LOG [COMMAND...]

It shows one picture, or what another camera command delivers. ORDER is a file with one word, read before each frame:
good, frozen, noisy (frozen, with the noise of a sensor), loop (the last two seconds over and over, with such noise),
black, half (half a frame, then silence), slow (a third of the rate), gone (ends at once, also when it is started anew),
mute (runs, says nothing). The monotonic time of every good frame is appended to LOG.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

NOISE, SENSOR_NOISE = 3, 8
"""Standard deviations, grey steps: of good pictures, and of those that are not new."""

LOOP_S = 2.0


def still(picture: Path, fps: float, order: Path) -> Iterator[bytes]:
    """One picture at a rate, with the noise of a sensor: never the same twice."""
    clean = np.load(picture)
    rng = np.random.default_rng(0)
    due = time.monotonic()
    while True:
        noise = rng.normal(0, NOISE, clean.shape)
        yield np.clip(clean + noise, 0, 255).astype(np.uint8).tobytes()
        slow = order.read_text("ascii").strip() == "slow"
        due = max(due, time.monotonic() - 1.0) + (3.0 if slow else 1.0) / fps
        time.sleep(max(0.0, due - time.monotonic()))


def following(command: list[str], size: int) -> Iterator[bytes]:
    """The frames of another camera, until it ends."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as camera:
        assert camera.stdout is not None
        while len(frame := camera.stdout.read(size)) == size:
            yield frame


def main() -> int:
    width, height, fps = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    picture, order, log = (Path(word) for word in sys.argv[4:7])
    size = width * height * 3
    frames = following(sys.argv[7:], size) if sys.argv[7:] else still(picture, fps, order)
    rng = np.random.default_rng(1)
    seen: deque[bytes] = deque(maxlen=round(LOOP_S * fps))
    last = b""
    out = sys.stdout.buffer
    with log.open("a", encoding="ascii") as stamps:
        for frame in frames:
            word = order.read_text("ascii").strip()
            if word == "gone":
                return 1
            if word in ("good", "slow"):
                stamps.write(f"{time.monotonic_ns()}\n")
                stamps.flush()
                seen.append(frame)
                last = frame
                out.write(frame)
            elif word == "frozen":
                last = last or frame
                out.write(last)
            elif word in ("noisy", "loop"):
                old = np.frombuffer(seen[-1] if word == "noisy" else seen[0], np.uint8)
                if word == "loop":
                    seen.rotate(-1)
                noise = rng.normal(0, SENSOR_NOISE, size)
                out.write(np.clip(old + noise, 0, 255).astype(np.uint8).tobytes())
            elif word == "black":
                out.write(bytes(size))
            elif word == "half":
                out.write(frame[: size // 2])
                out.flush()
                while order.read_text("ascii").strip() == "half":
                    time.sleep(0.02)
            out.flush()
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
