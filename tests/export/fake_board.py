"""`python -m export` as on a board with a GPU: TensorRT for RTX builds for real, the GPU is told.

Run as a program it stands for the Python of another machine:
    fake_board.py -m export trt ...
"""

from __future__ import annotations

import sys
from unittest import mock

from edge.runtimes.cudart import Gpu

ORIN = Gpu("Orin", "8.7", "12.6")


def with_gpu(gpu: Gpu = ORIN) -> mock._patch[object]:
    """Makes the builder see a GPU."""
    return mock.patch("export.trt.builder.find_gpu", lambda: gpu)


if __name__ == "__main__":
    from export.cli import cli
    from touchdown.cli import run

    assert sys.argv[1:3] == ["-m", "export"], sys.argv
    with with_gpu():
        run(cli, "export", sys.argv[3:])
