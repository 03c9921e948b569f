"""What a training run is told: every choice that changes its result. No torch here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DataChoice(BaseModel):
    """Which pictures, and which of them train, choose and report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str
    layout: str = "auto"
    taxonomy: str = ""
    split_file: str = ""
    split_column: str = "split"
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    val_fraction: float = Field(default=0.15, gt=0, lt=0.9)
    unknown_labels: Literal["refuse", "ignore"] = "refuse"
    limit: int = Field(default=0, ge=0, description="pictures per part at most; 0 for all")


class Recipe(BaseModel):
    """A training run. The same recipe on the same data and CPU gives the same weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: DataChoice
    arch: str = "unet"
    encoder: str = "mobilenet_v2"
    encoder_depth: int = Field(default=5, ge=3, le=5)
    decoder_channels: tuple[int, ...] | None = None
    width_px: int = 512
    height_px: int = 512
    encoder_weights: str = "none"
    normalisation: Literal["auto", "imagenet", "half"] = "auto"
    epochs: int = Field(default=30, ge=1)
    batch: int = Field(default=8, ge=1)
    repeat: int = Field(default=1, ge=1)
    lr: float = Field(default=1e-3, gt=0)
    encoder_lr_factor: float = Field(default=1.0, ge=0, le=1)
    weight_decay: float = Field(default=1e-2, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    dice: float = Field(default=0.0, ge=0)
    class_weights: Literal["none", "auto"] = "none"
    zoom: tuple[float, float] = (0.8, 2.0)
    tilt_deg: float = Field(default=15.0, ge=0, le=45)
    light: float = Field(default=1.0, ge=0, le=2)
    faults: float = Field(default=0.15, ge=0, le=1)
    focus: float = Field(default=0.3, ge=0, le=1)
    markings: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def command(self) -> str:
        """The command that trains it again, with folders by their own name only."""
        given = self.model_dump(exclude_defaults=True, exclude={"data", "width_px", "height_px"})
        data = self.data.model_dump(exclude_defaults=True, exclude={"folder"})
        words = ["touchdown trainer fit", "--data", Path(self.data.folder).resolve().name]
        words += ["--input", f"{self.width_px}x{self.height_px}"]
        for name, value in {**data, **given}.items():
            if name in ("split_file", "encoder_weights", "taxonomy"):
                value = Path(str(value)).name
            if isinstance(value, (tuple, list)):
                value = ",".join(map(str, value))
            option = _OPTION_OF.get(name, name)
            words += [f"--{option.replace('_', '-')}", str(value)]
        return " ".join(words)


_OPTION_OF = {"split_file": "split"}
"""Fields whose option has another name."""


class RunLimits(BaseModel):
    """What does not change the result of a step: where it runs, and when it stops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: str
    workers: int = Field(default=1, ge=0)
    threads: int = Field(default=0, ge=0, description="0: torch's own choice")
    device: str = "auto"
    time_limit_min: float = Field(default=0.0, ge=0, description="0: none")
    stop_after: int = Field(default=0, ge=0, description="epochs; 0: none")
