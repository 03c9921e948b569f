"""Rockchip's toolkit as another process, in the environment that its user made for it; files go there and come back.

`rknn-toolkit2` has no licence text in its package and wants older releases of numpy and torch than ours. So it is in
none of our extras, and nothing of it is imported here.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from edge.runtimes.rknn_file import Chip, chips_of
from landing.errors import ModelError, last_lines
from landing.model.document import parse_document
from landing.problems import Problem

PACKAGE = "rknn-toolkit2"
TESTED = "2.5.0"
"""Release that the tests and the figures of docs/boards.md were made with."""

_CHILD = Path(__file__).with_name("child.py")
_TIMEOUT_S = 4 * 3600.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_REMEDY = f"Make an environment for it: `python3.11 -m venv RKNN; RKNN/bin/pip install {PACKAGE}=={TESTED}`"


@dataclass(frozen=True)
class Job:
    """Work for the toolkit.

    Attributes:
        board: Chip to build for.
        algorithm: That quantises, by the toolkit's name.
        calibration: Pictures of the input's size, to quantise by; empty for float16.
        in_float: Tensors that stay in float16.
        simulated: Pictures of the input's size, to run in the simulator.
    """

    board: Chip
    algorithm: str
    calibration: tuple[str, ...]
    in_float: tuple[str, ...]
    simulated: tuple[str, ...]


@dataclass(frozen=True)
class SimulatedNetwork:
    """A network as the toolkit compiled it, the toolkit's version, and a file of what was simulated of each picture."""

    network: bytes
    version: str
    logits: tuple[Path, ...]

    def logits_of(self, number: int) -> npt.NDArray[np.float32]:
        """Logits of a picture, float32 (1, K, h, w)."""
        values: npt.NDArray[np.float32] = np.load(self.logits[number], allow_pickle=False)
        return values


class _Result(BaseModel):
    """The child's word."""

    version: str = ""
    error: str = ""


def run_toolkit(python: Path, folder: Path, job: Job) -> SimulatedNetwork:
    """Does a job on ``folder/network.onnx``.

    Args:
        python: Interpreter of the environment that has the toolkit.
        folder: Where files go to and come from.
        job: What to do.

    Raises:
        ModelError: There is no such interpreter, its environment lacks the toolkit, or the toolkit fails.
    """
    (folder / "job.json").write_text(json.dumps(asdict(job)), "utf-8")
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    words = [str(python.absolute()), "-I", str(_CHILD), str(folder)]
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(python, str(error)[:200]) from error
    if not result.is_file():
        raise _missing(python, last_lines(_COLOUR.sub("", done.stderr)))
    told = parse_document(_Result, result.read_text("utf-8"), f"{PACKAGE}: its result", _REMEDY)
    if not told.version or "No module named" in told.error:
        raise _missing(python, told.error)
    if told.error:
        lines = _COLOUR.sub("", done.stdout + done.stderr).splitlines()
        said = [line for line in lines if re.match(r"E |\w+Error:", line)]
        reason = f"; {said[-1][:200]}" if said else ""
        raise ModelError(f"{PACKAGE} {told.version} does not build it for {job.board}: {told.error}{reason}")
    network = (folder / "network.rknn").read_bytes()
    if chips_of(network) != (job.board,):
        raise ModelError(f"{PACKAGE} {told.version} built for {chips_of(network)}, asked was {job.board}")
    return SimulatedNetwork(network, told.version, tuple(folder / f"logits-{i}.npy" for i in range(len(job.simulated))))


def _missing(python: Path, why: str) -> ModelError:
    return ModelError(
        f"--python {python}: {PACKAGE} does not run there ({why}). Its package has no licence text, so ask Rockchip "
        f"what you may do with it. {_REMEDY}",
        Problem.NOT_INSTALLED,
    )
