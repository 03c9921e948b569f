"""Devices and processes of a run, in Lightning's terms."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from landing.errors import InvalidValueError, TouchdownError
from landing.problems import Problem
from trainer.recipe import Recipe, RunLimits

_PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


class OutOfMemoryError(TouchdownError):
    """A step needs more memory than there is."""

    problem = Problem.MEMORY


@dataclass(frozen=True)
class Hardware:
    """Devices of a run: "cpu" or "gpu", processes per node, machines, and "float32", "bfloat16" or "float16"."""

    accelerator: str
    devices: int
    nodes: int
    precision: str

    @property
    def world(self) -> int:
        """Processes of the whole run."""
        return self.devices * self.nodes

    @classmethod
    def choose(cls, recipe: Recipe, limits: RunLimits) -> Hardware:
        """Return the devices to use, within the limits.

        Raises:
            InvalidValueError: There is no such device, or not so many.
        """
        if limits.threads:
            torch.set_num_threads(limits.threads)
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        wanted = "gpu" if limits.device == "cuda" else limits.device
        if wanted not in ("auto", "cpu", "gpu"):
            raise InvalidValueError(
                f"device {limits.device!r}: expected auto, cpu or gpu; to use one GPU of several, "
                "set CUDA_VISIBLE_DEVICES"
            )
        if wanted == "gpu" and not gpus:
            raise InvalidValueError("--device gpu: torch sees no GPU here; use --device cpu")
        accelerator = "gpu" if gpus and wanted != "cpu" else "cpu"
        local = int(os.environ.get("LOCAL_WORLD_SIZE", 0))  # set by torchrun
        devices = limits.devices or local or (gpus if accelerator == "gpu" else 1)
        if accelerator == "gpu" and devices > gpus:
            raise InvalidValueError(f"--devices {devices}: this machine has {gpus} GPUs")
        return cls(accelerator, devices, limits.nodes, _precision(recipe.precision, accelerator))

    def describe(self) -> str:
        """Return devices and precision as text."""
        many = f"{self.world} x " if self.world > 1 else ""
        return f"{many}{self.accelerator}, {self.precision}"

    def trainer_options(self) -> dict[str, Any]:
        """Return arguments of `lightning.pytorch.Trainer`."""
        several = self.world > 1
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "num_nodes": self.nodes,
            "strategy": "ddp" if several else "auto",
            "precision": _PRECISION[self.precision],
            "sync_batchnorm": several and self.accelerator == "gpu",
        }


def _precision(wanted: str, accelerator: str) -> str:
    if wanted != "auto":
        if wanted == "float16" and accelerator == "cpu":
            raise InvalidValueError("--precision float16 needs a GPU; use bfloat16 on a CPU")
        return wanted
    if accelerator == "cpu":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def memory_advice(error: BaseException, recipe: Recipe) -> str | None:
    """Return advice after an out-of-memory error; None for another error."""
    text = str(error)
    known = isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError))
    if not known and "can't allocate memory" not in text and "out of memory" not in text:
        return None
    crop = recipe.crop_wh or recipe.input_wh
    half = max(1, recipe.batch // 2)
    return (
        f"out of memory in a step of {recipe.batch} pictures of {crop[0]}x{crop[1]}: try --batch "
        f"{half} --accumulate {recipe.accumulate * 2} (the same step in two parts), or a smaller "
        "--crop"
        + ("" if recipe.precision == "bfloat16" else ", or --precision bfloat16")
        + ". The checkpoints of earlier epochs are kept"
    )
