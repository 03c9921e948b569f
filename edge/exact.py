"""Values as plain JSON that reads back to the same numbers, for recordings and the flight that they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from landing.errors import TouchdownError
from landing.problems import Problem


class RecordingError(TouchdownError):
    """A recording cannot be read."""

    problem = Problem.RECORDING


def exact(value: Any) -> Any:
    """Convert to what `json` writes without loss: enums by value, dataclasses and models as mappings."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: exact(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(exact(key)): exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [exact(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return value
