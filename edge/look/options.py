"""Options of `edge look`, and the decision's settings as its command line gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge.look.labels import LabelMaps
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.errors import ConfigError
from landing.settings import DecisionSection
from landing.validation import first_problem


@dataclass(frozen=True)
class LookOptions:
    """Options of `edge look`.

    Attributes:
        model: Model file.
        runtime: How to run it.
        settings: Of the decision, as configured.
        taxonomy: To use instead of the model's own, a name or file.
        given: What the user says of the views.
        out: Folder for pictures and `results.jsonl`; None writes none.
        report: Also write `report.html` into `out`.
        every: Take every n-th picture or frame.
        independent: Decide on each video frame by itself.
        labels: Label maps to judge the sites by.
        gsd_m: Metres per pixel of TIFFs that are orthophotos and do not say it.
        crs: Coordinate system of orthophotos that do not say it.
    """

    model: Path
    runtime: RuntimeOptions
    settings: DecisionSection
    taxonomy: str | None = None
    given: Given = field(default_factory=Given)
    out: Path | None = None
    report: bool = False
    every: int = 1
    independent: bool = False
    labels: LabelMaps | None = None
    gsd_m: float | None = None
    crs: str | None = None


def parse_decision(pairs: tuple[str, ...]) -> DecisionSection:
    """Decision settings from ``KEY=VALUE`` texts over the defaults.

    Raises:
        ConfigError: An unknown key or a value out of range.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--decision {pair!r}: expected KEY=VALUE, as vehicle_radius_m=0.4")
        values[key.strip()] = text.strip()
    try:
        return DecisionSection.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"--decision: {first_problem(error, DecisionSection)}") from error
