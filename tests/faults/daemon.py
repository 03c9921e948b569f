"""The ordinary `edge serve` with a fault inside, on order: `python daemon.py ORDER serve ARGS...`.

ORDER is a file with one word, read at each inference: good, memory (the network runs out of it), device (its device is
gone), hang (an inference does not come back), or clock:SECONDS (the wall clock is off by so much; the monotonic one is
not, as after a jump of NTP).
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import edge.blackbox.recorder
import edge.log
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


def offset_s() -> float:
    word = ORDER.read_text("ascii").strip()
    return float(word.removeprefix("clock:")) if word.startswith("clock:") else 0.0


class Jumping(datetime):
    """The wall clock as the daemon's modules read it."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        off = timedelta(seconds=offset_s())
        return datetime.now(tz) + off  # noqa: TID251 - it is the wall clock that is made to jump


real_time = time.time  # noqa: TID251
time.time = lambda: real_time() + offset_s()  # noqa: TID251
time.time_ns = lambda: int((real_time() + offset_s()) * 1e9)
edge.log.datetime = Jumping  # type: ignore[attr-defined]
edge.blackbox.recorder.datetime = Jumping  # type: ignore[attr-defined]
OnnxRuntime.result = faulty  # type: ignore[method-assign]
try:
    cli.main(sys.argv[2:], standalone_mode=False)
except TouchdownError as error:  # as the umbrella command does
    sys.stderr.write(f"error: {error}\n")
    raise SystemExit(error.exit_code) from None
