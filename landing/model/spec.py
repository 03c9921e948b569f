"""The self-description every flying model carries: inside the ONNX metadata, beside an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from landing.errors import ModelError
from landing.model.confidence import SiteConfidence
from landing.model.document import parse_document
from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray

METADATA_KEY = "touchdown.model_spec"
"""Key of the JSON text in the ONNX ``metadata_props``."""


class InputSpec(BaseModel):
    """Input of the graph: a uint8 picture as the camera gives it; the rest is in the graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "image"
    width_px: int = Field(ge=32, le=8192)
    height_px: int = Field(ge=32, le=8192)
    layout: Literal["HWC"] = "HWC"
    color_order: Literal["BGR"] = "BGR"
    dtype: Literal["uint8"] = "uint8"
    mean_rgb: tuple[float, float, float] = Field(description="of values 0..1, in the graph")
    std_rgb: tuple[float, float, float] = Field(description="of values 0..1, in the graph")


class OutputSpec(BaseModel):
    """Outputs of the graph: see `landing.types.Segmentation` for shapes and meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_id: str = "class_id"
    landable: str = "landable"
    hazards: str = "hazards"
    stride: int = Field(default=1, ge=1, le=32, description="input pixels per output pixel")


class Provenance(BaseModel):
    """Origin of a model and the terms of its use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained_on: str = ""
    recipe: str = Field(default="", description="the command that trains it again")
    licence: str = ""
    touchdown_version: str = ""
    checkpoint_sha256: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)


class OperatingPoint(BaseModel):
    """Thresholds that were chosen for one model on pictures that neither trained nor test it.

    All are probabilities of a single frame, of the tempered softmax summed by role. They are what the model asks for;
    `landing.model.operating.thresholds_in_force` says what of it flies.

    Attributes:
        landable: Ground below it is not taken as landable.
        obstacle, water, person, vehicle: A hazard of that role from this probability on.
        chosen_on: The pictures it was chosen on, in words.
        targets: What was asked of the choice, by name.
        measured: What it reached on those pictures, by name.
        unmet: Targets that no threshold within the limits reaches, in words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    landable: float = Field(gt=0.02, lt=0.98)
    obstacle: float = Field(gt=0.02, lt=0.98)
    water: float = Field(gt=0.02, lt=0.98)
    person: float = Field(gt=0.02, lt=0.98)
    vehicle: float = Field(gt=0.02, lt=0.98)
    chosen_on: str = ""
    targets: dict[str, float] = Field(default_factory=dict)
    measured: dict[str, float] = Field(default_factory=dict)
    unmet: tuple[str, ...] = ()

    def of_role(self, role: Role) -> float:
        """The threshold of a hazard role, or of landable ground."""
        return float(getattr(self, role.value))


class GroundRange(BaseModel):
    """Range of ground sizes of a pixel that a network was trained for, at its input and in the picture's middle.

    Attributes:
        finest_mm, coarsest_mm: Side of the ground that a pixel shows, seen from nearest and from farthest, mm.
        source: What it was computed from, in words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    finest_mm: float = Field(gt=0)
    coarsest_mm: float = Field(gt=0)
    source: str = ""

    @model_validator(mode="after")
    def _ascending(self) -> GroundRange:
        if self.finest_mm > self.coarsest_mm:
            raise ValueError(f"finest_mm {self.finest_mm:g} is above coarsest_mm {self.coarsest_mm:g}")
        return self

    def describe(self) -> str:
        """In words, such as ``12.6 to 62.9 mm``."""
        return f"{self.finest_mm:.3g} to {self.coarsest_mm:.3g} mm"


class ModelSpec(BaseModel):
    """Everything the daemon must know of a model, so that a model file explains itself.

    Attributes:
        format: Version of this description.
        temperature: Logits are divided by it before the softmax (in the graph).
        operating: Thresholds chosen for this model; None where nobody chose any.
        ground_range: From how near and how far it was trained to see the ground; None where nobody said.
        site_confidence: Share of sites that were safe, by score; None where nobody measured it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    architecture: str
    input: InputSpec
    outputs: OutputSpec = Field(default_factory=OutputSpec)
    taxonomy: Taxonomy
    temperature: float = Field(default=1.0, gt=0)
    operating: OperatingPoint | None = None
    ground_range: GroundRange | None = None
    site_confidence: SiteConfidence | None = None
    provenance: Provenance = Field(default_factory=Provenance)

    @model_validator(mode="after")
    def _divisible(self) -> ModelSpec:
        stride = self.outputs.stride
        if self.input.width_px % stride or self.input.height_px % stride:
            raise ValueError(f"input size must be a multiple of the output stride {stride}")
        return self

    def to_json(self) -> str:
        """The text stored in the model file."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str, origin: str) -> ModelSpec:
        """Parses the text stored in a model file.

        Raises:
            ModelError: Names the file, the field and what is wrong with it.
        """
        return parse_document(cls, text, f"{origin}: its ModelSpec", "Export it again with this version of touchdown.")

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any], origin: str) -> ModelSpec:
        """Finds and parses the description among a model's metadata.

        Raises:
            ModelError: The model does not describe itself.
        """
        text = metadata.get(METADATA_KEY)
        if not isinstance(text, str):
            raise ModelError(
                f"{origin} has no ModelSpec, so its classes and sizes are unknown. Export it with "
                "`touchdown export onnx ckpt.pt`."
            )
        return cls.from_json(text, origin)


@dataclass(frozen=True)
class Letterbox:
    """Fit of a picture of one size into a network of another without changing its shape.

    The picture is scaled to fit and placed at the top left; the rest is padding, cut off again from the outputs. So an
    output covers exactly the picture, and scale is the same both ways.

    Attributes:
        input_wh: Network input, pixels.
        valid_wh: Part of the input that shows the picture, pixels, multiples of the stride.
        stride: Input pixels per output pixel.
    """

    input_wh: tuple[int, int]
    valid_wh: tuple[int, int]
    stride: int

    @classmethod
    def fit(cls, image_wh: tuple[int, int], spec: ModelSpec) -> Letterbox:
        """The letterbox for pictures of one size."""
        return cls.of(image_wh, (spec.input.width_px, spec.input.height_px), spec.outputs.stride)

    @classmethod
    def of(cls, image_wh: tuple[int, int], input_wh: tuple[int, int], stride: int = 1) -> Letterbox:
        """The same for a network that has no ModelSpec yet, as in training."""
        scale = min(input_wh[0] / image_wh[0], input_wh[1] / image_wh[1])

        def rounded(side: float, limit: int) -> int:
            return max(stride, min(limit, round(side * scale / stride) * stride))

        valid = (rounded(image_wh[0], input_wh[0]), rounded(image_wh[1], input_wh[1]))
        return cls(input_wh, valid, stride)

    def apply(self, image_bgr: ByteArray) -> ByteArray:
        """The network's input, uint8 (H, W, 3), padded with mid-grey."""
        shrinking = image_bgr.shape[1] > self.valid_wh[0]
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        if image_bgr.shape[1::-1] != self.valid_wh:
            image_bgr = cv2.resize(image_bgr, self.valid_wh, interpolation=method)
        if self.valid_wh == self.input_wh:
            return np.ascontiguousarray(image_bgr)
        canvas = np.full((self.input_wh[1], self.input_wh[0], 3), 127, dtype=np.uint8)
        canvas[: self.valid_wh[1], : self.valid_wh[0]] = image_bgr
        return canvas

    def crop(self, output: ByteArray) -> ByteArray:
        """The part of an output (..., h, w) that covers the picture."""
        rows, columns = self.valid_wh[1] // self.stride, self.valid_wh[0] // self.stride
        return np.ascontiguousarray(output[..., :rows, :columns])
