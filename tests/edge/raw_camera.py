"""A camera command for tests: writes raw BGR frames to its standard output.

python raw_camera.py WIDTH HEIGHT FPS [--frames N] [--exit CODE] [--say TEXT] [--stall-after N]
                     [--picture FILE] [--child] [--deaf]

The frame's number stands in its first two pixels, so that a test can tell frames apart.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("width", type=int)
    parser.add_argument("height", type=int)
    parser.add_argument("fps", type=float)
    parser.add_argument("--frames", type=int, default=10**9)
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--say", default="")
    parser.add_argument("--stall-after", type=int, default=10**9)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--child", action="store_true", help="write its child's pid to stderr")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM")
    options = parser.parse_args()
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, file=sys.stderr, flush=True)
    image = np.full((options.height, options.width, 3), 90, np.uint8)
    if options.picture is not None:
        image = np.load(options.picture)
    start = time.monotonic()
    for number in range(options.frames):
        if number >= options.stall_after:
            time.sleep(60)
        image[0, 0] = number % 256
        image[0, 1] = number // 256 % 256
        sys.stdout.buffer.write(image.tobytes())
        sys.stdout.buffer.flush()
        time.sleep(max(0.0, start + (number + 1) / options.fps - time.monotonic()))
    if options.say:
        print("starting up", file=sys.stderr)
        print(options.say, file=sys.stderr)
    return int(options.exit)


if __name__ == "__main__":
    raise SystemExit(main())
