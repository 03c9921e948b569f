"""Recipe of a training run: every choice that changes its result. No torch here.

Each field is an option of `trainer fit` (see `trainer.options.model_options`): its description is the option's help.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
MOST_STEPS = 1_000_000
"""More epochs or minutes than any run has; a longer plan is a slip of the keyboard."""

MOST_SIDE_PX = 8192
_Channels = Annotated[int, Field(ge=1, le=8192)]
_Side = Annotated[int, Field(ge=32, le=MOST_SIDE_PX)]
_Zoom = Annotated[float, Field(gt=0.001, lt=1000.0)]
_GroundMm = Annotated[float, Field(gt=0.01, lt=100_000.0)]

Choice = Literal["miou", "person_recall", "safety"]
"""Ways to choose the best epoch."""


class DataChoice(BaseModel):
    """Pictures, and their split into train, val and test."""

    model_config = _STRICT

    folders: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    images: str = ""
    labels: str = ""
    layout: str = "auto"
    taxonomy: str = ""
    split_files: tuple[str, ...] = ()
    split_column: str = "split"
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    val_fraction: float = Field(default=0.15, gt=0, lt=0.9)
    labels_as: Literal["auto", "index", "palette", "rgb", "binary"] = "auto"
    exif_turn: Literal["auto", "apply", "ignore"] = "auto"
    unknown_labels: Literal["refuse", "ignore"] = "refuse"
    absent_classes: Literal["refuse", "allow"] = "refuse"
    limit: int = Field(default=0, ge=0, le=100 * MOST_STEPS, description="pictures per part at most; 0 for all")
    ground_width_m: tuple[float, ...] | None = None


class NetworkChoice(BaseModel):
    """The network and its starting weights."""

    model_config = _STRICT

    arch: str = Field(default="fpn", description="Decoder of segmentation-models-pytorch.")
    encoder: str = Field(
        default="mobilenet_v2", description="Encoder of segmentation-models-pytorch; tu-NAME for timm's."
    )
    encoder_depth: int = Field(default=5, ge=3, le=5, description="Encoder stages; 4 is lighter and sees less context.")
    decoder_channels: tuple[_Channels, ...] | None = Field(
        default=None, description="Width of the decoder; default: the architecture's own."
    )
    output_stride: int = Field(
        default=0, ge=0, le=32, description="Input pixels per pixel of the network's own output; 0: the architecture's."
    )
    encoder_weights: str = Field(
        default="none",
        description="Start of the encoder: imagenet (downloaded), none, or a file with torchvision's names.",
    )
    init: str = Field(default="", description="Start from all weights of this checkpoint that fit (fine-tuning).")
    normalisation: Literal["auto", "imagenet", "half"] = Field(
        default="auto", description="Normalisation of the input; auto: that of the encoder weights."
    )


class Variation(BaseModel):
    """Range of the variation of training pictures: the effects of a flying camera."""

    model_config = _STRICT

    zoom: tuple[_Zoom, _Zoom] = Field(
        default=(0.7, 2.0), description="Least and greatest scale of training pictures against a full fit: altitude."
    )
    ground_mm: tuple[_GroundMm, _GroundMm] | None = Field(
        default=None,
        description="Instead of --zoom: least and greatest ground of a pixel of the input, mm, evenly by ratio, from "
        "the ground across each picture (see --ground-width-m). So sets from different heights are shown alike.",
    )
    turn_deg: float = Field(
        default=45.0,
        ge=0,
        le=45,
        description="Turn beyond quarter turns, either way, degrees; from above there is no up.",
    )
    perspective_deg: float = Field(default=10.0, ge=0, le=40, description="Greatest tilt of the camera, degrees.")
    light: float = Field(default=1.0, ge=0, le=2, description="Strength of exposure and colour changes.")
    shadow: float = Field(default=0.2, ge=0, le=1, description="Probability of shadows of roofs and trees.")
    haze: float = Field(default=0.1, ge=0, le=1, description="Probability of haze.")
    motion_blur: float = Field(default=0.1, ge=0, le=1, description="Probability of motion blur.")
    faults: float = Field(
        default=0.15, ge=0, le=1, description="Probability of each of defocus, sensor noise and JPEG artefacts."
    )
    markings: float = Field(
        default=0.0, ge=0, le=1, description="Probability of lane lines and arrows painted on landable ground."
    )
    people: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of one to six people of other training pictures, pasted on landable ground.",
    )

    @field_validator("zoom", "ground_mm")
    @classmethod
    def _ascending(cls, pair: tuple[float, float] | None) -> tuple[float, float] | None:
        if pair is not None and not 0 < pair[0] <= pair[1]:
            raise ValueError("expected the least, above 0, and then the greatest")
        return pair


class LossChoice(BaseModel):
    """Loss to minimise."""

    model_config = _STRICT

    dice: float = Field(default=0.5, ge=0, le=1000, description="Weight of the soft Dice loss beside cross-entropy.")
    hazard_cost: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="Weight of the asymmetric cost: probability of landable on hazard pixels.",
    )
    class_weights: Literal["none", "auto"] = Field(
        default="auto", description="auto: one over the root of a class's frequency, clipped."
    )


class Recipe(BaseModel):
    """A training run. The same recipe on the same data and CPU gives the same weights."""

    model_config = _STRICT

    data: DataChoice
    network: NetworkChoice = NetworkChoice()
    variation: Variation = Variation()
    loss: LossChoice = LossChoice()
    width_px: _Side = 512
    height_px: _Side = 512
    crop_wh: tuple[_Side, _Side] | None = Field(
        default=None, description="Size of training pictures, cut from the input's scale."
    )
    epochs: int = Field(default=40, ge=1, le=MOST_STEPS, description="Passes over the training pictures.")
    batch: int = Field(default=8, ge=1, le=65_536, description="Pictures per step and process.")
    accumulate: int = Field(default=1, ge=1, le=65_536, description="Steps per change of the weights.")
    repeat: int = Field(default=1, ge=1, le=10_000, description="Varied copies of each picture per epoch.")
    rare: float = Field(
        default=0.4, ge=0, le=1, description="Share of training pictures chosen for, and centred on, a rare class."
    )
    rare_classes: tuple[str, ...] = Field(
        default=(),
        description="Names of the classes for --rare; default: people, vehicles, and what covers "
        "less than 2 % of the pixels.",
    )
    lr: float = Field(default=1e-3, gt=0, le=100, description="Peak learning rate (AdamW, one cycle).")
    encoder_lr_factor: float = Field(
        default=0.5, ge=0, le=1, description="Learning rate of the encoder as a share of --lr."
    )
    weight_decay: float = Field(default=1e-2, ge=0, le=100, description="Weight decay of AdamW.")
    clip_norm: float = Field(default=1.0, gt=0, le=1e6, description="Greatest gradient norm.")
    ema: float = Field(
        default=0.99, ge=0, lt=1, description="Decay per step of the averaged weights, which are what is kept; 0: none."
    )
    choose_by: Choice = Field(
        default="miou", description="Metric on val that chooses the best epoch; safety: mIoU less false-safe."
    )
    patience: int = Field(
        default=0, ge=0, le=MOST_STEPS, description="Stop after so many epochs without a better one; 0: never."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of everything random.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="auto: bfloat16 or float16 on a GPU, else float32. bfloat16 is three times "
        "quicker on CPUs that have it.",
    )

    @property
    def input_wh(self) -> tuple[int, int]:
        """Input of the network that is trained, pixels."""
        return self.width_px, self.height_px

    def options(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, by name, groups opened."""
        flat: dict[str, Any] = {}
        for group in (self.data, self.network, self.variation, self.loss):
            flat |= group.model_dump(exclude_defaults=True, exclude={"folders", "also", "split_files"})
        return flat | self.model_dump(exclude_defaults=True, exclude=_NOT_OPTIONS)

    def command(self) -> str:
        """Return the command that trains it again, with files and folders by their own name only."""
        words = ["touchdown", "trainer", "fit"]
        for folder in self.data.folders:
            words += ["--data", Path(folder).resolve().name]
        for folder in self.data.also:
            words += ["--also", Path(folder).resolve().name]
        words += ["--input", f"{self.width_px}x{self.height_px}"]
        for split_file in self.data.split_files:
            source, equals, path = split_file.rpartition("=")
            words += ["--split", source + equals + Path(path).name]
        for name, value in self.options().items():
            if name in ("images", "labels", "encoder_weights", "taxonomy", "init"):
                value = Path(str(value)).name
            if name == "crop_wh":
                value = "x".join(map(str, value))
            if isinstance(value, (tuple, list)):
                value = ",".join(map(str, value))
            option = OPTION_OF.get(name, name)
            words += [f"--{option.replace('_', '-')}", str(value)]
        return shlex.join(words)


_NOT_OPTIONS = {"data", "network", "variation", "loss", "width_px", "height_px"}

OPTION_OF = {"crop_wh": "crop", "width_px": "input", "height_px": "input"}
"""Fields whose option has another name."""


class RunLimits(BaseModel):
    """Place, length and products of a run: choices that do not change what is learnt."""

    model_config = _STRICT

    out: str
    workers: int = Field(default=1, ge=0, le=256, description="Loader processes; 0 for none.")
    threads: int = Field(default=0, ge=0, le=1024, description="Torch's threads; 0 for its own choice.")
    device: str = Field(default="auto", description="auto, cpu, or gpu.")
    devices: int = Field(
        default=0, ge=0, le=256, description="GPUs, or CPU processes, on each node; 0: all GPUs, one on CPU."
    )
    nodes: int = Field(default=1, ge=1, le=65_536, description="Machines; start with torchrun or SLURM on each.")
    cache: str = Field(default="", description="Where decoded pictures are kept; default: the user's cache folder.")
    keep_best: int = Field(default=1, ge=1, le=MOST_STEPS, description="Best checkpoints to keep.")
    keep_every: int = Field(
        default=0, ge=0, le=MOST_STEPS, description="Keep a checkpoint of every n-th epoch; 0: of none."
    )
    logger: str = Field(
        default="tensorboard", description="tensorboard, csv, none, or the path of a Lightning logger class."
    )
    time_limit_min: float = Field(
        default=0.0, ge=0, le=MOST_STEPS, description="Shorten the plan to what fits, minutes; 0: no limit."
    )
    stop_after: int = Field(
        default=0, ge=0, le=MOST_STEPS, description="Stop after this epoch, to go on with --resume; 0: never."
    )
