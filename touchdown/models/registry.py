"""Registry of the shipped models: an entry says which file it is, what it may be used for, and how to know it again."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edge.runtimes.onnx_file import metadata_of, read_onnx
from landing.errors import ModelError
from landing.model.document import parse_document
from landing.model.spec import ModelSpec
from landing.reading import read_text, sha256_of

HERE = Path(__file__).resolve().parent
REGISTRY, CARDS = HERE / "registry.json", HERE / "cards"
LENS_DEG = 70.0
"""Horizontal field of view for which heights are said."""


class FileFacts(BaseModel):
    """Facts that are read from a model's file, kept for those who do not have it yet.

    Attributes:
        sha256: Digest of the file, hexadecimal.
        size_bytes: Of the file.
        input_px: Width and height.
        classes: Number of them.
        ground_mm: Ground that a pixel of the input may show, from nearest to farthest, mm; None where nobody said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)
    input_px: tuple[int, int]
    classes: int
    ground_mm: tuple[float, float] | None = None

    @classmethod
    def of(cls, path: Path) -> FileFacts:
        """Read them from a file.

        Raises:
            ModelError: Missing, damaged, or it does not describe itself.
        """
        spec = spec_of(path)
        known = spec.ground_range
        return cls(
            sha256=sha256_of(path),
            size_bytes=path.stat().st_size,
            input_px=(spec.input.width_px, spec.input.height_px),
            classes=len(spec.taxonomy.classes),
            ground_mm=None if known is None else (round(known.finest_mm, 2), round(known.coarsest_mm, 2)),
        )

    @property
    def highest_m(self) -> float | None:
        """Greatest height above ground with a lens of `LENS_DEG` that looks straight down, m."""
        if self.ground_mm is None:
            return None
        return self.ground_mm[1] * self.input_px[0] / (2000.0 * math.tan(math.radians(LENS_DEG / 2)))


class ShippedModel(BaseModel):
    """A shipped model.

    Attributes:
        name: As the model calls itself.
        file: Name of its file, in `models/` of the repository and among a release's assets.
        use: Purpose, in a line.
        sell: Answer to "may I use it in what I sell?", in a word.
        licence: Identifier as Hugging Face lists them; ``other`` for terms of their own.
        licence_name, licence_link: Of such terms.
        data: Data it was trained on.
        figures: Names of metrics in the file's ModelSpec that its card shows.
        facts: Read from the file by ``python -m docs.make.models``; None until that has run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    file: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*\.onnx$")
    use: str
    sell: Literal["yes", "no"]
    licence: str
    licence_name: str | None = None
    licence_link: str | None = None
    data: str
    figures: tuple[str, ...] = ()
    facts: FileFacts | None = None

    @model_validator(mode="after")
    def _terms(self) -> ShippedModel:
        if (self.licence == "other") != (self.licence_name is not None and self.licence_link is not None):
            raise ValueError(f"{self.name}: licence_name and licence_link belong to licence 'other', and only to it")
        return self

    def known(self) -> FileFacts:
        """Return its facts.

        Raises:
            ModelError: Nobody has read them.
        """
        if self.facts is None:
            raise ModelError(f"model {self.name!r} has no digest yet; run `python -m docs.make.models` in a checkout")
        return self.facts

    def card(self) -> str:
        """Return its card, Markdown with Hugging Face's metadata in front.

        Raises:
            ModelError: It is not there.
        """
        return read_text(CARDS / f"{self.name}.md", "model card", ModelError, remedy="install touchdown again")


class Registry(BaseModel):
    """All shipped models.

    Attributes:
        assets: Address of a release's asset; ``{version}`` and ``{file}`` are filled in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    assets: str
    models: tuple[ShippedModel, ...]

    @field_validator("models")
    @classmethod
    def _distinct(cls, models: tuple[ShippedModel, ...]) -> tuple[ShippedModel, ...]:
        for names in ([m.name for m in models], [m.file for m in models]):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"{twice!r} is there twice")
        return models

    def entry(self, name: str) -> ShippedModel:
        """Return the model of a name.

        Raises:
            ModelError: There is none; names the nearest one.
        """
        names = [model.name for model in self.models]
        if name in names:
            return self.models[names.index(name)]
        close = difflib.get_close_matches(name.removesuffix(".onnx"), names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}."
        raise ModelError(f"model {name!r} is not one of the shipped ones; {hint} `touchdown models list` tells of each")


def load_registry(path: Path = REGISTRY) -> Registry:
    """Read the registry.

    Raises:
        ModelError: Missing or damaged.
    """
    text = read_text(path, "registry of models", ModelError, remedy="install touchdown again")
    return parse_document(Registry, text, f"registry of models {path}", "Install touchdown again.")


def spec_of(path: Path) -> ModelSpec:
    """Read a model file's own description, without a runtime.

    Raises:
        ModelError: Missing, damaged, or it does not describe itself.
    """
    return ModelSpec.from_metadata(dict(metadata_of(read_onnx(path))), f"model {path}")
