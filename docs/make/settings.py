"""Settings of edge.toml, from the models that read it."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.make.markdown import code, escaped, summary, table
from edge.config import EdgeConfig
from edge.keys import BASIC, EXPERT
from edge.log import plain
from firmware_bridge.settings import LinkExpert
from landing.settings import ORDERED, THRESHOLDS, Strictness, threshold_at

UNITS = {
    "_m": "m",
    "_s": "s",
    "_ms": "ms",
    "_hz": "Hz",
    "_px": "px",
    "_deg": "degrees",
    "_mb": "MB",
    "_mps": "m/s",
    "fps": "Hz",
    "baud": "bit/s",
}
"""Unit of a value by the end of its name: names of numbers carry their unit."""

_LIMITS = (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
_WORDS = {str: "text", float: "number", int: "whole number", bool: "true or false", Path: "path"}


def settings() -> str:
    """Write a section for each table: first those of an integrator, then those of experts."""
    parts = [_section(name, _model(name), keys) for name, keys in {**BASIC, "link": None}.items()]
    expert = [_section(f"expert.{name}", _model(name), keys) for name, keys in EXPERT.items()]
    expert.append(_section("expert.link", LinkExpert, None))
    head = "## Settings of experts\n\nTheir defaults fit nearly everybody.\n"
    return "\n".join([*parts, head, *expert])


def _model(name: str) -> type[BaseModel]:
    kind = EdgeConfig.model_fields[name].annotation
    assert isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind


def _section(name: str, model: type[BaseModel], keys: tuple[str, ...] | None) -> str:
    """Write one table, and those inside it."""
    level = "###" if name.startswith("expert.") else "##"
    rows, nested = [], []
    for key, field in model.model_fields.items():
        if keys is not None and key not in keys:
            continue
        inner = model_of(field.annotation)
        if inner is not None:
            nested.append(_section(f"{name}.{key}", inner, None))
        else:
            rows.append(row(key, field, f"{name}.{key}"))
    head = ("key", "type", "unit", "default", "range", "meaning")
    text = f"{level} `[{name}]`\n\n{escaped(summary(model))}\n\n{table(head, rows)}" if rows else ""
    return "\n".join([text, *nested])


def row(key: str, field: FieldInfo, anchor: str) -> list[str]:
    """Return the cells of one setting."""
    unit = next((unit for end, unit in UNITS.items() if key.endswith(end)), "")
    meaning = escaped(field.description or "")
    if unit:
        meaning = re.sub(rf",? {re.escape(unit)}$", "", meaning)
    name = f"{code(key)}{{#{slug(anchor)}}}"
    return [name, type_words(field.annotation), unit, _default(field), _range(field), meaning]


def slug(name: str) -> str:
    """Return the anchor of a key, as Sphinx would make it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def model_of(kind: Any) -> type[BaseModel] | None:
    """Return the model that a field's type names, alone or beside None."""
    for part in typing.get_args(kind) or (kind,):
        if inspect.isclass(part) and typing.get_origin(part) is None and issubclass(part, BaseModel):
            return part
    return None


def type_words(kind: Any) -> str:
    """Return a type in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return type_words(inner[0])
    if origin is typing.Literal:
        return " or ".join(code(json.dumps(value)) for value in inner)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(type_words(part) for part in inner if part is not type(None))
    if origin in (tuple, list):
        counted = [part for part in inner if part is not Ellipsis]
        return f"list of {len(counted)}" if len(counted) > 1 else f"list of {type_words(counted[0])}"
    if origin is dict or (isinstance(origin, type) and issubclass(origin, typing.Mapping)):  # type: ignore[arg-type]
        return "table"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(code(json.dumps(member.value)) for member in kind)
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = plain(field.get_default(call_default_factory=True))
    return "not set" if value is None else code(json.dumps(value, ensure_ascii=False))


def _range(field: FieldInfo) -> str:
    return ", ".join(_limits(field.metadata) or _limits(_metadata(field.annotation)))


def _limits(metadata: typing.Iterable[Any]) -> list[str]:
    found = [(word, f"{getattr(m, name):g}") for m in metadata for name, word in _LIMITS if hasattr(m, name)]
    if [word for word, _ in found] == ["from", "to"]:
        return [f"{found[0][1]} to {found[1][1]}"]
    return [f"{word} {number}" for word, number in found]


def _metadata(kind: Any) -> Iterator[Any]:
    """Yield what is annotated inside of a type, such as a list of numbers within limits."""
    if typing.get_origin(kind) is typing.Annotated:
        for part in kind.__metadata__:
            yield from getattr(part, "metadata", (part,))
    else:
        for part in dict.fromkeys(typing.get_args(kind)):
            yield from _metadata(part)


def together() -> str:
    """Write the settings that are checked against each other."""
    words = {"<": "is less than", "<=": "is at most"}
    return "".join(f"- {code(low)} {words[sign]} {code(high)}\n" for low, sign, high in ORDERED)


def strictness() -> str:
    """Write the thresholds at each level of strictness."""
    rows = [[code(level.value), *(f"{threshold_at(name, level):g}" for name in THRESHOLDS)] for level in Strictness]
    names = [name.removesuffix("_probability").replace("_", " ") for name in THRESHOLDS]
    return table([code("strictness"), *names], rows)
