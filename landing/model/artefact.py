"""Proof that belongs to a model file: kept in the file itself, or in the manifest beside an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from landing.model.document import parse_document

GATE_KEY = "touchdown.gate"
"""Key of the report's JSON text in the ONNX ``metadata_props``."""
BF16_GATE_KEY = "touchdown.gate.bf16"
"""Key of the report on the same file computed in bfloat16, where numbers are other ones."""


class GateReport(BaseModel):
    """Result of `export verify`: a model file compared with the one it was made from.

    Attributes:
        format: Version of this description.
        passed: Every limit was kept.
        artefact_sha256: Of the file that was judged, before this report was put into it.
        against_sha256: Of the file it was compared with; that of the judged one where both hold the same graph.
        against: That file's name.
        frames: Pictures both ran on.
        labelled_frames: Of these, with a label map.
        thresholds: The limits, by name.
        measured: What was found, by the same names and more; None where it could not be measured.
        failures: A line per limit that was not kept.
        runtimes: What the two ran on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    passed: bool
    artefact_sha256: str = ""
    against_sha256: str = ""
    against: str = ""
    frames: int = Field(ge=0)
    labelled_frames: int = Field(default=0, ge=0)
    thresholds: dict[str, float] = Field(default_factory=dict)
    measured: dict[str, float | None] = Field(default_factory=dict)
    failures: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for people."""
        what = f"against {self.against or 'an unnamed file'} on {self.frames} frames"
        if self.passed:
            return f"gate passed {what}"
        return f"gate FAILED {what}: {'; '.join(self.failures) or 'no reason given'}"

    def to_json(self) -> str:
        """The text stored in the model file or its manifest."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str, origin: str) -> GateReport:
        """Parses the stored text.

        Raises:
            ModelError: Names the file, the field and what is wrong with it.
        """
        return parse_document(cls, text, f"{origin}: its gate report", "Run `touchdown export verify` on it again.")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], origin: str, key: str = GATE_KEY) -> GateReport | None:
        """The report among a model's metadata; None when it was never verified.

        Args:
            metadata: By key.
            origin: Names the file in an error.
            key: `GATE_KEY`, or `BF16_GATE_KEY` for the file as bfloat16 computes it.

        Raises:
            ModelError: There is one, and it is damaged.
        """
        text = metadata.get(key)
        return cls.from_json(text, origin) if isinstance(text, str) else None
