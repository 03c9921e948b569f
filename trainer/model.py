"""The network: an encoder and decoder of segmentation-models-pytorch, and its starting weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from landing.errors import InvalidValueError, ModelError
from trainer.tensor_files import load_tensors, unreal
from trainer.torchvision_guard import ensure_torchvision

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NORMALISATIONS = {"imagenet": IMAGENET, "half": HALF}
"""Mean and standard deviation of RGB values 0..1: torchvision's, and TensorFlow's x / 127.5 - 1."""

_STAGED = ("unet", "unetplusplus", "manet")
"""Architectures whose decoder has one width per encoder stage."""

_WIDTHS = {
    "fpn": ("decoder_pyramid_channels", "decoder_segmentation_channels"),
    "pan": ("decoder_channels",),
    "deeplabv3": ("decoder_channels",),
    "deeplabv3plus": ("decoder_channels",),
    "upernet": ("decoder_channels",),
    "segformer": ("decoder_segmentation_channels",),
    "pspnet": ("psp_out_channels",),
}
"""smp's names of the decoder's widths, by architecture."""

PAN_LEAST_PX = 128
"""Least side of PAN's input: its pyramid halves a sixteenth of it three times."""

_OWN_STRIDE = {"fpn": 4, "pan": 4, "deeplabv3": 8, "deeplabv3plus": 4, "upernet": 4, "segformer": 4}

_TENSORFLOW_EPS = 1e-3
_TENSORFLOW_CLASSES = 1001
_LEAST_MATCH = 0.9

_Positive = Annotated[float, Field(gt=0)]


class ModelConfig(BaseModel):
    """Configuration of a network; kept in every checkpoint.

    Attributes:
        arch: Decoder, a name that `smp.create_model` knows.
        encoder: Encoder, a name that smp knows; `tu-...` for timm's.
        encoder_depth: Stages of the encoder; the network is blind to what is larger than 2**depth.
        decoder_channels: Per decoder stage, coarse to fine; None for the architecture's own.
        output_stride: Input pixels per pixel of the logits.
        classes: Output channels.
        width_px, height_px: Input size.
        mean_rgb, std_rgb: Of RGB values 0..1.
        batchnorm_eps: Of the encoder, when it differs from torch's 1e-5.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    arch: str = "unet"
    encoder: str = "mobilenet_v2"
    encoder_depth: int = Field(default=5, ge=3, le=5)
    decoder_channels: tuple[int, ...] | None = None
    output_stride: int = Field(default=1, ge=1, le=32)
    classes: int = Field(ge=2, le=255)
    width_px: int = Field(ge=32, le=8192)
    height_px: int = Field(ge=32, le=8192)
    mean_rgb: tuple[float, float, float] = IMAGENET[0]
    std_rgb: tuple[_Positive, _Positive, _Positive] = IMAGENET[1]
    batchnorm_eps: _Positive | None = None

    @property
    def input_wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.width_px, self.height_px

    @property
    def architecture(self) -> str:
        """Name of the network, for people and `ModelSpec.architecture`."""
        channels = "-".join(map(str, self.decoder_channels or ()))
        return (
            f"{self.arch}/{self.encoder} depth {self.encoder_depth}"
            + (f" decoder {channels}" if channels else "")
            + (f" stride {self.output_stride}" if self.output_stride != 1 else "")
        )


def own_stride(arch: str, encoder_depth: int = 5) -> int:
    """Return input pixels per pixel of a decoder's own output, before smp enlarges it to the input."""
    if arch == "pspnet":
        return int(2**encoder_depth)
    return _OWN_STRIDE.get(arch, 1)


def build(config: ModelConfig) -> nn.Module:
    """Return the network with random weights: normalised RGB (B, 3, H, W) to logits (B, K, H / stride, W / stride).

    Raises:
        InvalidValueError: A combination that smp does not have, or an input size it cannot take.
    """
    ensure_torchvision()
    import segmentation_models_pytorch as smp

    if config.arch not in (known := sorted(name.lower() for name in _architectures(smp))):
        raise InvalidValueError(f"no decoder is called {config.arch!r}; there are {', '.join(known)}")
    step = 2**config.encoder_depth
    if config.width_px % step or config.height_px % step:
        raise InvalidValueError(
            f"input {config.width_px}x{config.height_px}: both sides must be multiples of {step} "
            f"with encoder depth {config.encoder_depth}"
        )
    options: dict[str, Any] = {}
    if config.encoder_depth != 5:
        options["encoder_depth"] = config.encoder_depth
    if config.decoder_channels is not None:
        options.update(_decoder_options(config))
    elif config.arch in _STAGED and config.encoder_depth != 5:
        options["decoder_channels"] = (256, 128, 64, 32, 16)[-config.encoder_depth :]
    options.update(_upsampling_option(config))
    try:
        network: nn.Module = smp.create_model(
            config.arch, config.encoder, encoder_weights=None, classes=config.classes, **options
        )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise InvalidValueError(f"network {config.architecture} cannot be built: {reason[:300]}") from error
    _drop_unused_stages(network, config)
    if config.arch == "pan":
        _enlarge_small_input(network, config)
    if config.batchnorm_eps is not None:
        for module in network.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = config.batchnorm_eps
    return network


def _architectures(smp: Any) -> list[str]:
    """Names of the segmentation models that smp has."""
    base = smp.base.SegmentationModel
    return [n for n, m in vars(smp).items() if isinstance(m, type) and issubclass(m, base)]


def _decoder_options(config: ModelConfig) -> dict[str, Any]:
    """Return the decoder's width in smp's words for each architecture."""
    channels = config.decoder_channels or ()
    names = _WIDTHS.get(config.arch)
    if config.arch in _STAGED:
        if len(channels) != config.encoder_depth:
            raise InvalidValueError(
                f"decoder channels {channels}: {config.arch} of encoder depth "
                f"{config.encoder_depth} wants {config.encoder_depth} of them, coarse to fine"
            )
        return {"decoder_channels": channels}
    if names is None:
        raise InvalidValueError(f"the decoder of {config.arch} has no width to choose")
    if len(channels) != len(names):
        raise InvalidValueError(
            f"decoder channels {channels}: {config.arch} wants {len(names)}, for {', '.join(names)}"
        )
    return dict(zip(names, channels, strict=True))


def _upsampling_option(config: ModelConfig) -> dict[str, int]:
    """Return smp's enlargement of the decoder's logits that gives the chosen stride."""
    own = own_stride(config.arch, config.encoder_depth)
    if config.output_stride == 1:
        return {}
    if own == 1 or own % config.output_stride:
        strides = [s for s in (1, 2, 4, 8, 16, 32) if own % s == 0]
        raise InvalidValueError(
            f"output stride {config.output_stride}: {config.arch} can give {', '.join(map(str, strides))}"
        )
    return {"upsampling": own // config.output_stride}


def _drop_unused_stages(network: nn.Module, config: ModelConfig) -> None:
    """Removes what smp's MobileNetV2 computes and then throws away at a depth below 5."""
    if config.encoder == "mobilenet_v2" and config.encoder_depth < 5:
        encoder: Any = network.encoder
        last = encoder._out_indexes[config.encoder_depth - 1]
        encoder.features = encoder.features[: last + 1]


def _enlarge_small_input(network: Any, config: ModelConfig) -> None:
    """Pads what PAN sees to its least size at the right and below, and cuts it off the logits."""
    more = tuple(max(0, PAN_LEAST_PX - side) for side in config.input_wh)
    if any(more):
        pad = (0, more[0], 0, more[1])
        network.encoder.register_forward_pre_hook(lambda _module, given: (nn.functional.pad(given[0], pad),))
        height, width = config.height_px // config.output_stride, config.width_px // config.output_stride
        network.segmentation_head.append(_TopLeft(height, width))


class _TopLeft(nn.Module):  # type: ignore[misc]  # torch is not read by mypy
    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self._height, self._width = height, width

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[..., : self._height, : self._width]


def require_trainable(network: nn.Module, config: ModelConfig, batch: int) -> None:
    """Refuse a network that cannot be trained on batches of one picture, as with a pooling branch.

    Batch normalisation knows no spread where the branch leaves one value per channel.

    Raises:
        InvalidValueError: It cannot.
    """
    if batch > 1:
        return
    tried = copy.deepcopy(network).train()
    try:
        with torch.no_grad():
            tried(torch.zeros(1, 3, config.height_px, config.width_px))
    except ValueError as error:
        raise InvalidValueError(
            f"{config.architecture} at {config.width_px}x{config.height_px} px cannot be trained on a batch of one "
            "picture: give --batch 2 or more (and as many pictures), or another --arch"
        ) from error


class EncoderWeights:
    """Pretrained encoder weights from a file, in the names of torchvision (`features.N...`).

    Weights converted from TensorFlow (1001 classes) want RGB in -1..1 and BatchNorm eps 1e-3; torchvision's own want
    ImageNet statistics and 1e-5.

    Raises:
        ModelError: Missing, or another kind of file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        loaded = load_tensors(self.path, "encoder weights")
        tensors = {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
        if not tensors:
            raise ModelError(f"encoder weights {path}: expected tensors by name, found none")
        name = unreal(tensors)
        if name is not None:
            raise ModelError(f"encoder weights {path} are no numbers ({name}): take another file")
        head = tensors.get("classifier.1.bias")
        self.tensorflow = head is not None and head.shape == (_TENSORFLOW_CLASSES,)
        self.tensors = {k: v for k, v in tensors.items() if not k.startswith("classifier")}

    def adapt(self, config: ModelConfig) -> ModelConfig:
        """Return the configuration with the normalisation of these weights."""
        mean, std = HALF if self.tensorflow else IMAGENET
        eps = _TENSORFLOW_EPS if self.tensorflow else None
        return config.model_copy(update={"mean_rgb": mean, "std_rgb": std, "batchnorm_eps": eps})

    def load_into(self, encoder: nn.Module) -> tuple[int, int]:
        """Copies the tensors whose name and shape match; returns how many match, and how many the encoder has.

        Raises:
            ModelError: Too few match: the file is for another encoder.
        """
        own = nn.Module.state_dict(encoder)
        matching = {k: v for k, v in self.tensors.items() if k in own and own[k].shape == v.shape}
        if len(matching) < _LEAST_MATCH * len(own):
            missing = next(k for k in own if k not in matching)
            raise ModelError(
                f"encoder weights {self.path}: only {len(matching)} of the encoder's {len(own)} "
                f"tensors are in the file with the right shape, the first that is not is "
                f"{missing}; is it for another encoder?"
            )
        nn.Module.load_state_dict(encoder, {**own, **matching})
        return len(matching), len(own)


def load_imagenet(encoder: nn.Module, config: ModelConfig) -> ModelConfig:
    """Loads smp's ImageNet weights, downloaded once; returns the adapted configuration.

    Raises:
        ModelError: smp has none for this encoder, or they cannot be downloaded.
    """
    import segmentation_models_pytorch as smp

    try:
        donor = smp.encoders.get_encoder(config.encoder, depth=config.encoder_depth, weights="imagenet")
        facts = smp.encoders.get_preprocessing_params(config.encoder, "imagenet")
    except (KeyError, ValueError, OSError, RuntimeError) as error:
        raise ModelError(
            f"no ImageNet weights for encoder {config.encoder}: {str(error)[:200]}. Without a "
            "network give a file: --encoder-weights FILE, or none"
        ) from error
    own = nn.Module.state_dict(encoder)
    given = nn.Module.state_dict(donor)
    nn.Module.load_state_dict(encoder, {k: given[k] for k in own})
    return config.model_copy(update={"mean_rgb": tuple(facts["mean"]), "std_rgb": tuple(facts["std"])})


def normalise(images: torch.Tensor, config: ModelConfig) -> torch.Tensor:
    """Return the network's float input (B, 3, H, W) for pictures uint8 (B, H, W, 3) BGR."""
    mean = torch.tensor(config.mean_rgb, device=images.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(config.std_rgb, device=images.device).view(1, 3, 1, 1) * 255
    rgb = images.permute(0, 3, 1, 2).float().flip(1)
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)
