"""The ordinary `edge serve` with a fault inside, on order: `python daemon.py ORDER serve ARGS...`.

ORDER is a file with one word, read at each inference: good, memory (the network runs out of it),
device (its device is gone), hang (an inference does not come back).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from edge.cli import cli
from edge.runtimes.onnxruntime import OnnxRuntime
from landing.errors import ModelError, TouchdownError
from landing.types import Segmentation

ORDER = Path(sys.argv[1])
result = OnnxRuntime.result


def faulty(self: OnnxRuntime) -> Segmentation:
    word = ORDER.read_text("ascii").strip()
    if word == "memory":
        raise MemoryError("cannot allocate 512 MB for an intermediate result")
    if word == "device":
        raise ModelError("model: the device is gone")
    while word == "hang":
        time.sleep(0.05)
        word = ORDER.read_text("ascii").strip()
    return result(self)


OnnxRuntime.result = faulty  # type: ignore[method-assign]
try:
    cli.main(sys.argv[2:], standalone_mode=False)
except TouchdownError as error:  # as the umbrella command does
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(error.exit_code) from None
