"""Claims, hazards, monitors and figures of the safety case, as `claims.toml` and `evidence.json` hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from landing.errors import DataError
from landing.reading import read_json, read_toml
from landing.validation import first_problem

HERE = Path(__file__).resolve().parent
CLAIMS, EVIDENCE = HERE / "claims.toml", HERE / "evidence.json"
_REMEDY = "install touchdown again"


class SafetyBase(BaseModel):
    """Base of what the files hold: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SafetyClaim(SafetyBase):
    """A claim and what stands behind it.

    Attributes:
        code: Each ``module:name``.
        tests: Each a pytest node id without parameters.
        results: Files with what was measured.
    """

    id: str
    text: str
    code: tuple[str, ...] = Field(min_length=1)
    tests: tuple[str, ...] = Field(min_length=1)
    results: tuple[str, ...] = ()


class Hazard(SafetyBase):
    """A hazard, the claims that mitigate it, and what remains."""

    hazard: str
    cause: str
    claims: tuple[str, ...] = Field(min_length=1)
    residual: str


class RunTimeMonitor(SafetyBase):
    """A monitor that bounds the network at run time."""

    name: str
    watches: str
    does: str
    claims: tuple[str, ...] = Field(min_length=1)
    measured: str


class FigureSource(SafetyBase):
    """Place of a figure in a file of results; see `docs/make/safety_case.py` for the forms."""

    file: str
    count: str | None = None
    of: str | None = None
    rest: bool = False
    value: str | None = None
    pick: str | None = None
    rows: str | None = None
    match: str | None = None
    model: str | None = None


class SafetyClaims(SafetyBase):
    """All of `claims.toml`."""

    claims: tuple[SafetyClaim, ...]
    hazards: tuple[Hazard, ...]
    monitors: tuple[RunTimeMonitor, ...]
    figures: dict[str, FigureSource]


class Figure(SafetyBase):
    """A figure with the file it is from.

    Attributes:
        value: A value as the file has it; None for a share.
        count, of, low, high: A share with Wilson's 95 % interval.
        model: Model that it is of; empty where it is of none alone.
    """

    file: str
    model: str = ""
    value: float | str | None = None
    count: int = 0
    of: int = 0
    low: float = 0.0
    high: float = 1.0

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.value:.3g}" if isinstance(self.value, float) else str(self.value)
        return f"{self.count} of {self.of} ({100 * self.low:.1f} to {100 * self.high:.1f} %)"


def load_claims() -> SafetyClaims:
    """Read the claims.

    Raises:
        DataError: Missing or damaged.
    """
    data = read_toml(CLAIMS, "claims of the safety case", DataError, _REMEDY)
    try:
        return SafetyClaims.model_validate(data)
    except ValidationError as error:
        raise DataError(f"claims of the safety case {CLAIMS}: {first_problem(error, SafetyClaims)}") from error


def load_figures() -> dict[str, Figure]:
    """Read the figures.

    Raises:
        DataError: Missing or damaged.
    """
    data: Any = read_json(EVIDENCE, "figures of the safety case", DataError, remedy=_REMEDY)
    try:
        return TypeAdapter(dict[str, Figure]).validate_python(data)
    except ValidationError as error:
        raise DataError(f"figures of the safety case {EVIDENCE}: {error.errors()[0]['msg']}; {_REMEDY}") from error
