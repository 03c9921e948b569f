"""A camera command that misbehaves on order: `python camera.py WIDTH HEIGHT FPS PICTURE ORDER LOG`.

ORDER is a file with one word, read before each frame: good, frozen, black, half (half a frame, then
silence), slow (a third of the rate), gone (ends at once, also when it is started anew), mute (runs,
says nothing). The monotonic time of every good frame is appended to LOG.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np


def main() -> int:
    width, height, fps = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    picture = np.load(sys.argv[4])
    order, log = Path(sys.argv[5]), Path(sys.argv[6])
    rng = np.random.default_rng(0)
    # Noise of a few frames, so that no picture is the very same as the one before.
    good = [
        np.clip(picture + rng.normal(0, 3, (height, width, 3)), 0, 255).astype(np.uint8).tobytes()
        for _ in range(7)
    ]
    black = bytes(len(good[0]))
    out = sys.stdout.buffer
    number, due = 0, time.monotonic()
    with log.open("a", encoding="ascii") as stamps:
        while True:
            word = order.read_text("ascii").strip()
            if word == "gone":
                return 1
            if word == "good":
                number += 1
                stamps.write(f"{time.monotonic_ns()}\n")
                stamps.flush()
            if word in ("good", "slow", "frozen"):
                out.write(good[number % len(good)])
                number += word == "slow"
                if word == "slow":
                    stamps.write(f"{time.monotonic_ns()}\n")
                    stamps.flush()
            elif word == "black":
                out.write(black)
            elif word == "half":
                out.write(good[0][: len(good[0]) // 2])
                out.flush()
                while order.read_text("ascii").strip() == "half":
                    time.sleep(0.02)
            out.flush()
            due = max(due, time.monotonic() - 1.0) + (3.0 if word == "slow" else 1.0) / fps
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    raise SystemExit(main())
