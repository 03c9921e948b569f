"""Checkpoints: tensors and plain values, readable without running any code from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from landing.errors import ModelError, TouchdownError
from landing.taxonomy import Taxonomy
from trainer.model import ModelConfig, build, load_tensors

FORMAT = "touchdown.checkpoint.1"


@dataclass(frozen=True)
class Checkpoint:
    """A trained (or half-trained) network with all that is known of it.

    Attributes:
        model: How to build the network.
        taxonomy: What its classes mean.
        weights: Tensors by name.
        epoch: Epochs trained.
        provenance: Strings: trained_on, split, recipe, licence, touchdown_version, versions.
        metrics: Scores by part ("val", "test"), as `metrics.Scores.to_mapping` gives them.
        training: What resuming needs; None in a finished `best.pt`.
    """

    model: ModelConfig
    taxonomy: Taxonomy
    weights: dict[str, torch.Tensor]
    epoch: int = 0
    provenance: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None

    def network(self) -> nn.Module:
        """The network with these weights, in evaluation mode.

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

    def save(self, path: str | Path) -> None:
        """Writes the file whole or not at all."""
        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        torch.save(
            {
                "format": FORMAT,
                "model": self.model.model_dump(mode="json"),
                "taxonomy": self.taxonomy.model_dump(mode="json"),
                "weights": self.weights,
                "epoch": self.epoch,
                "provenance": self.provenance,
                "metrics": self.metrics,
                "training": self.training,
            },
            partial,
        )
        partial.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Reads a checkpoint.

        Raises:
            ModelError: Missing, broken, or not one of ours.
        """
        content = load_tensors(Path(path), "checkpoint")
        if content.get("format") != FORMAT:
            raise ModelError(
                f"checkpoint {path} is not of this trainer: its format is "
                f"{content.get('format')!r}, expected {FORMAT!r}. Train with `trainer fit`"
            )
        try:
            return cls(
                model=ModelConfig.model_validate(content["model"]),
                taxonomy=Taxonomy.parse(content["taxonomy"], f"checkpoint {path}"),
                weights=dict(content["weights"]),
                epoch=int(content["epoch"]),
                provenance=dict(content["provenance"]),
                metrics=dict(content["metrics"]),
                training=content["training"],
            )
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"checkpoint {path} is incomplete or broken: {reason}") from error
