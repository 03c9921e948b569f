"""Checkpoints: tensors and plain values, readable without running any code from the file.

One format for the slim `best.pt` that is exported and for Lightning's files during a run (`last.pt`, `epoch-012.pt`),
which also hold the state of optimiser and loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, NonNegativeInt, TypeAdapter, ValidationError
from torch import nn

from landing.errors import ModelError, TouchdownError
from landing.model.confidence import SiteConfidence
from landing.model.spec import GroundRange, OperatingPoint
from landing.problems import Problem
from landing.taxonomy import Taxonomy
from trainer.files import is_full, whole_file
from trainer.model import ModelConfig, build
from trainer.tensor_files import load_tensors, unreal

_RANGE: TypeAdapter[GroundRange | None] = TypeAdapter(GroundRange | None)
_STRINGS = TypeAdapter(dict[str, str])
_COUNT = TypeAdapter(NonNegativeInt)
_FLYING: dict[str, TypeAdapter[Any]] = {
    "temperature": TypeAdapter(Annotated[float, Field(gt=0, allow_inf_nan=False)]),
    "operating": TypeAdapter(OperatingPoint),
    "site_confidence": TypeAdapter(SiteConfidence),
}
"""Metrics that become part of an exported model."""

FORMAT = "touchdown.checkpoint.2"
NETWORK = "network."
"""Prefix of the network's tensors in `state_dict`."""


class SavingError(TouchdownError):
    """A checkpoint could not be written; an older one of that name is untouched."""

    problem = Problem.FILE


@dataclass(frozen=True)
class Checkpoint:
    """A trained (or half-trained) network with its description.

    Attributes:
        weights: Tensors by name; the averaged ones if the run averages.
        epoch: Epochs trained.
        provenance: Strings: trained_on, split, recipe, licence, touchdown_version, versions.
        metrics: Scores on "val", "temperature" and "operating" (see `trainer.evaluation`).
        recipe: Recipe of the run; empty for foreign weights.
        ground_range: From how near and how far training showed the ground; None where nobody said.
    """

    model: ModelConfig
    taxonomy: Taxonomy
    weights: dict[str, torch.Tensor]
    epoch: int = 0
    provenance: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    ground_range: GroundRange | None = None

    def network(self) -> nn.Module:
        """Return the network with these weights, in evaluation mode.

        Raises:
            ModelError: The weights do not fit the configuration beside them.
        """
        try:
            network = build(self.model)
            network.load_state_dict(self.weights)
        except (RuntimeError, TouchdownError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"checkpoint does not fit its own configuration: {reason}") from error
        return network.eval()

    def description(self) -> dict[str, Any]:
        """Return all but the weights, as plain values."""
        return {
            "format": FORMAT,
            "model": self.model.model_dump(mode="json"),
            "taxonomy": self.taxonomy.model_dump(mode="json"),
            "epochs_trained": self.epoch,
            "provenance": self.provenance,
            "metrics": self.metrics,
            "recipe": self.recipe,
            "ground_range": None if self.ground_range is None else self.ground_range.model_dump(mode="json"),
        }

    def save(self, path: str | Path) -> None:
        """Writes the slim file, whole or not at all.

        Raises:
            SavingError: It cannot be written.
        """
        weights = {NETWORK + k: v.detach().cpu().contiguous() for k, v in self.weights.items()}
        write_whole({**self.description(), "state_dict": weights}, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Reads a checkpoint.

        Raises:
            ModelError: Missing, broken, or from another program.
        """
        return cls.of(load_tensors(Path(path), "checkpoint"), path)

    @classmethod
    def of(cls, content: dict[str, Any], path: str | Path) -> Checkpoint:
        """Return the checkpoint in a file's content; `path` is for messages.

        Raises:
            ModelError: It is broken, or from another program.
        """
        if content.get("format") != FORMAT:
            raise ModelError(
                f"checkpoint {path} is not of this trainer: its format is "
                f"{content.get('format')!r}, expected {FORMAT!r}. Train with `trainer fit`"
            )
        try:
            made = cls(
                model=ModelConfig.model_validate(content["model"]),
                taxonomy=Taxonomy.parse(content["taxonomy"], f"checkpoint {path}"),
                weights=_weights(content["state_dict"]),
                epoch=_COUNT.validate_python(content["epochs_trained"]),
                provenance=_STRINGS.validate_python(content["provenance"]),
                metrics=_scores(content["metrics"]),
                recipe=dict(content["recipe"]),
                ground_range=_RANGE.validate_python(content.get("ground_range")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"checkpoint {path} is incomplete or broken: {reason}") from error
        made.require_finite(path)
        return made

    def require_finite(self, path: str | Path) -> None:
        """Refuse weights that are no real numbers: whatever is computed from them looks like an answer.

        Raises:
            ModelError: One is NaN, infinite or complex; `path` is for the message.
        """
        name = unreal(self.weights)
        if name is not None:
            raise ModelError(f"checkpoint {path} holds weights that are no numbers ({name}): train it again")


def _weights(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the network's tensors in the state of a run.

    Raises:
        TypeError: One is none.
    """
    weights = {name.removeprefix(NETWORK): value for name, value in state.items() if name.startswith(NETWORK)}
    for name, value in weights.items():
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"weights {name} are a {type(value).__name__}, no tensor")
    return weights


def _scores(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return scores whose thresholds, temperature and curve, which fly, make sense where they are there.

    Raises:
        ValueError: They do not.
    """
    for name, kind in _FLYING.items():
        if metrics.get(name) is not None:
            try:
                kind.validate_python(metrics[name])
            except ValidationError as error:
                raise ValueError(f"its {name}: {error.errors()[0]['msg']}") from error
    return dict(metrics)


def write_whole(content: dict[str, Any], target: Path) -> None:
    """Writes tensors and plain values to a file that appears whole or not at all.

    Raises:
        SavingError: It cannot be written; what was there before is untouched.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as stream:
            torch.save(content, stream)
    except (OSError, RuntimeError) as error:  # torch's writer reports a full disk as RuntimeError
        reason = "the disk is full" if is_full(error) else str(error).strip().splitlines()[0][:200]
        raise SavingError(
            f"checkpoint {target} cannot be written: {reason}. "
            + (f"The {target.name} of before is untouched" if target.exists() else "Nothing is lost")
            + ("; free some space and go on with --resume" if is_full(error) else "; check the folder and its rights")
        ) from error
