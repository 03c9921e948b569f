"""The network a run starts from: built, with its starting weights and its normalisation."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from landing.errors import ModelError
from landing.progress import say
from trainer.checkpoint import Checkpoint
from trainer.model import NORMALISATIONS, EncoderWeights, ModelConfig, build, load_imagenet, own_stride
from trainer.recipe import Recipe


def prepare_network(recipe: Recipe, classes: int) -> tuple[nn.Module, ModelConfig]:
    """Return the network with its starting weights, and the configuration that goes with them.

    Raises:
        InvalidValueError: The network cannot be built.
        ModelError: The starting weights are not usable.
    """
    choice = recipe.network
    config = ModelConfig(
        arch=choice.arch,
        encoder=choice.encoder,
        encoder_depth=choice.encoder_depth,
        decoder_channels=choice.decoder_channels,
        classes=classes,
        output_stride=choice.output_stride or own_stride(choice.arch, choice.encoder_depth),
        width_px=recipe.width_px,
        height_px=recipe.height_px,
    )
    if choice.init:
        return _fine_tuned(config, choice.init)
    chosen = choice.encoder_weights
    network: nn.Module
    if chosen == "none":
        network = build(config)
    elif chosen == "imagenet":
        network = build(config)
        config = load_imagenet(network.encoder, config)
    else:
        weights = EncoderWeights(chosen)
        config = weights.adapt(config)
        network = build(config)
        matched, total = weights.load_into(network.encoder)
        say(f"encoder weights {Path(chosen).name}: {matched} of {total} tensors matched")
    if choice.normalisation != "auto":
        mean, std = NORMALISATIONS[choice.normalisation]
        config = config.model_copy(update={"mean_rgb": mean, "std_rgb": std})
    return network, config


def _fine_tuned(config: ModelConfig, path: str) -> tuple[nn.Module, ModelConfig]:
    """Loads all weights of an earlier checkpoint; a head for other classes starts anew."""
    earlier = Checkpoint.load(path)
    same = ("arch", "encoder", "encoder_depth", "decoder_channels")
    differing = [name for name in same if getattr(config, name) != getattr(earlier.model, name)]
    if differing:
        raise ModelError(
            f"--init {path} is a {earlier.model.architecture}, not a {config.architecture}: "
            f"{', '.join(differing)} differ"
        )
    kept = ("mean_rgb", "std_rgb", "batchnorm_eps")
    config = config.model_copy(update={name: getattr(earlier.model, name) for name in kept})
    network = build(config)
    own = nn.Module.state_dict(network)
    fitting = {k: v for k, v in earlier.weights.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise ModelError(
            f"--init {path}: 0 of {len(own)} tensors fit, so the start would be random: it was written by other "
            "versions of these libraries"
        )
    network.load_state_dict({**own, **fitting})
    say(f"start weights {Path(path).name}: {len(fitting)} of {len(own)} tensors fit")
    return network, config
