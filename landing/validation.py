"""The first problem of a configuration, in one line and with a hint."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def first_problem(error: ValidationError, root: type[BaseModel]) -> str:
    """Name the first wrong key or value, with the nearest valid name for an unknown key."""
    errors = error.errors()
    # A misspelt key is often also a missing one; its own name is the better hint.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    where = _short(".".join(location)) or "file"
    if first["type"] == "extra_forbidden":
        names = _field_names(root, location[:-1])
        close = difflib.get_close_matches(location[-1], names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(names)}"
        return f"unknown key {where}; {hint}"
    if first["type"] == "missing":
        return f"{where} is missing"
    message = first["msg"].removeprefix("Value error, ")
    value = first["input"]
    shown = "" if isinstance(value, (dict, BaseModel)) else f" = {_short(repr(value))}"
    said = _short(f"{message[:1].lower()}{message[1:]}", 600)
    return f"{where}{shown}: {said}" if location else said


def other_type(data: Mapping[str, Any], root: type[BaseModel], where: str = "") -> str | None:
    """Name the first value of another type that pydantic would take: a text or `true` for a number, 1 for `true`.

    Args:
        data: Names and values, as of a TOML file.
        root: Their model.
        where: Put before the names, with its dot.

    Returns:
        Name, value and what was expected; None where there is none.
    """
    for name, value in data.items():
        field = root.model_fields.get(name)
        if field is None:
            continue
        kinds = set(get_args(field.annotation) or (field.annotation,))
        inner = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)
        if inner is not None and isinstance(value, Mapping):
            problem = other_type(value, inner, f"{where}{name}.")
            if problem is not None:
                return problem
            continue
        expected = _expected_instead(value, kinds)
        if expected is not None:
            return f"{where}{name} = {_short(repr(value))}: expected {expected}"
    return None


def _expected_instead(value: Any, kinds: set[Any]) -> str | None:
    """Say what stands for a value of another plain type."""
    numbers = bool(kinds & {int, float})
    if isinstance(value, bool) and bool not in kinds and numbers:
        return "a number"
    if isinstance(value, str) and kinds <= {int, float, bool, type(None)}:
        return "a number" if numbers else "true or false"
    if isinstance(value, (int, float)) and bool in kinds and not isinstance(value, bool) and not numbers:
        return "true or false"
    return None


def _short(text: str, most: int = 120) -> str:
    """A text of at most so many characters, cut with dots."""
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def _field_names(root: type[BaseModel], location: list[str]) -> list[str]:
    model: Any = root
    for part in location:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        kind = field.annotation if field is not None else None
        model = next((a for a in (kind, *get_args(kind)) if hasattr(a, "model_fields")), None)
    return list(model.model_fields) if hasattr(model, "model_fields") else []
