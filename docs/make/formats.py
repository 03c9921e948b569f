"""File formats, from the classes that read and write them: a model's description, taxonomies, recordings."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from typing import Any

from pydantic import BaseModel

from docs.make.markdown import attributes, code, escaped, summary, table
from docs.make.settings import model_of, row
from edge.blackbox import views
from edge.blackbox.records import FORMAT, Start, StepRecord, TickRecord, Topic
from edge.blackbox.segment import CHUNK_BYTES
from landing.model.spec import METADATA_KEY, InputSpec, ModelSpec, OutputSpec
from landing.taxonomy import Role, Taxonomy
from landing.types import HAZARD_ORDER, Segmentation

TOPICS = {
    Topic.START: ("JSON", "opens every file: what is needed to decide again", Start),
    Topic.STEP: ("JSON", "one decision on one frame", StepRecord),
    Topic.TICK: ("JSON", "one step of the control loop, 20 times a second", TickRecord),
    Topic.EVENT: ("JSON", "one event, as in the event log", None),
    Topic.MEMORY: ("NumPy archive (.npz)", "memory of the decision at the file's beginning, with the ground map", None),
    Topic.RECEIVED: ("MAVLink frame", "a frame that came, byte by byte", None),
    Topic.SENT: ("MAVLink frame", "a frame that was sent", None),
}
"""Encoding, meaning and class of each channel that our readers use."""

VIEWS = {
    views.PICTURE: ("foxglove.CompressedImage", "the camera's picture, JPEG"),
    views.MASKS: ("foxglove.CompressedImage", "the network's maps below each other, PNG: class, landable, hazards"),
    views.GRID: (
        "foxglove.Grid",
        "ground map: `state` (0 unknown, 1 free, 2 not landable, 3 hazard), `probability` x 255",
    ),
    views.POSE: ("foxglove.FrameTransform", "the vehicle in the frame `local`: x north, y west, z up, m"),
    views.SITE: ("foxglove.SceneUpdate", "the site's clear disc, amber where somebody may come"),
    views.TEXT: ("foxglove.Log", "events in words"),
    views.POINTS: ("foxglove.PointCloud", "points of depth sensors, each with its standard deviation `sd_m`"),
}
"""Message type and meaning of each channel for people and Foxglove."""


def model_format() -> str:
    """Write the graph's ends and the description that a model carries."""
    image = InputSpec(width_px=512, height_px=512, mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1))
    out, meaning = OutputSpec(), attributes(Segmentation)
    hazards = ", ".join(HAZARD_ORDER)
    ends = [
        [
            "input",
            code(image.name),
            f"{image.dtype} (height, width, 3)",
            f"the picture, {image.color_order}, as the camera gives it",
        ],
        ["output", code(out.class_id), "uint8 (h, w)", escaped(_after(meaning["class_id"]))],
        ["output", code(out.landable), "uint8 (h, w)", escaped(_after(meaning["landable"]))],
        ["output", code(out.hazards), "uint8 (4, h, w)", f"probability x 255 of {hazards}"],
    ]
    graph = table(("", "name", "type and shape", "meaning"), ends)
    key = f"The description is JSON text in the ONNX metadata under {code(METADATA_KEY)}.\n"
    return f"## Graph\n\n{graph}\n## Description\n\n{key}\n{_models(ModelSpec)}"


def _after(text: str) -> str:
    """Return what follows the type and shape that a docstring begins with."""
    return text.partition("), ")[2] or text


def _models(root: type[BaseModel], level: str = "###") -> str:
    """Write a model's fields, then those of the models in them, each once."""
    waiting, parts, seen = [root], [], set()
    while waiting:
        model = waiting.pop(0)
        if model in seen or (model is Taxonomy and root is not Taxonomy):
            continue
        seen.add(model)
        words, rows = attributes(model), []
        for name, field in model.model_fields.items():
            if field.exclude:
                continue
            cells = row(name, field, f"{model.__name__}.{name}")
            cells[-1] = cells[-1] or escaped(_json(words.get(name, "")))
            inner = inner_model(field.annotation)
            if inner is not None:
                cells[1] = f"[{inner.__name__}]({'taxonomy.md' if inner is Taxonomy else ''}#{inner.__name__.lower()})"
                waiting.append(inner)
                cells[3] = cells[3] if cells[3] in ("**needed**", "not set") else "its defaults"
            rows.append(cells)
        head = ("key", "type", "unit", "default", "range", "meaning")
        parts.append(f"{level} {model.__name__}\n\n{escaped(summary(model))}\n\n{table(head, rows)}")
    return "\n".join(parts)


def inner_model(kind: Any) -> type[BaseModel] | None:
    """Return the model of a field, alone, beside None, or in a list."""
    for part in typing.get_args(kind):
        if typing.get_args(part) and (found := inner_model(part)):
            return found
    return model_of(kind)


def taxonomy_format() -> str:
    """Write the keys of a taxonomy file and the roles."""
    words = _role_words()
    roles = table(("role", "meaning"), [[code(role.value), escaped(words[role.value])] for role in Role])
    return f"{_models(Taxonomy, '##')}\n## Roles\n\n{roles}"


def _role_words() -> dict[str, str]:
    words = {
        "landable": "ground that the vehicle may stand on",
        "obstacle": "all that it must not touch, and all that nobody knows",
        "water": "water, and what may hide it",
        "person": "people; they stop a landing",
        "vehicle": "cars and the like, which may move; they stop a landing",
        "ignore": "nobody knows what it is; it is neither landable nor a hazard, so no site lies on it",
    }
    if set(words) != {role.value for role in Role}:
        raise ValueError("docs/make/formats.py: words of roles differ from landing.taxonomy.Role")
    return words


def recording() -> str:
    """Write the channels of a recording and the fields of its JSON records."""
    rows = [[code(t.value), TOPICS[t][0], _class_link(TOPICS[t][2]), escaped(TOPICS[t][1])] for t in Topic]
    seen = [[code(name), code(kind), escaped(text)] for name, (kind, text) in VIEWS.items()]
    names = {value for name, value in vars(views).items() if name.isupper() and isinstance(value, str) and "/" in value}
    if not names <= set(VIEWS):
        raise ValueError(f"docs/make/formats.py: no words for {names - set(VIEWS)}")
    lead = f"Format {FORMAT}; MCAP, compressed by zstd in chunks of {CHUNK_BYTES // 1024} kB.\n"
    machine = table(("channel", "encoding", "record", "meaning"), rows)
    people = table(("channel", "message", "meaning"), seen)
    records = _records([Start, StepRecord, TickRecord])
    return f"{lead}\n## Channels\n\n{machine}\n## Channels for people\n\n{people}\n## Records\n\n{records}"


def _json(text: str) -> str:
    """Return a docstring's sentence with the words of JSON."""
    return re.sub(r"\bNone\b", "null", text)


def _class_link(kind: type | None) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})" if kind else ""


def _records(roots: list[type]) -> str:
    """Write the fields of dataclasses, and of those in them, each once."""
    waiting, parts, seen = list(roots), [], set()
    while waiting:
        kind = waiting.pop(0)
        if kind in seen:
            continue
        seen.add(kind)
        hints, words, rows = typing.get_type_hints(kind), attributes(kind), []
        for item in dataclasses.fields(kind):
            inner = [part for part in parts_of(hints[item.name]) if dataclasses.is_dataclass(part)]
            waiting += inner
            shown = " or ".join(map(_class_link, inner)) or _type(hints[item.name])
            if inner:
                shown = ("list of " if typing.get_origin(hints[item.name]) in (tuple, list) else "") + shown
                shown += " or null" if type(None) in parts_of(hints[item.name]) else ""
            rows.append([code(item.name), shown, escaped(_json(words.get(item.name, "")))])
        parts.append(f"### {kind.__name__}\n\n{escaped(summary(kind))}\n\n{table(('field', 'type', 'meaning'), rows)}")
    return "\n".join(parts)


def parts_of(kind: Any) -> list[Any]:
    """Return the types that a hint is made of."""
    inner = typing.get_args(kind)
    return [part for one in inner for part in parts_of(one)] if inner else [kind]


def _type(kind: Any) -> str:
    """Return a type as JSON has it, in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        shown = [_type(part) for part in inner if part is not type(None)]
        return " or ".join([*dict.fromkeys(shown), *(["null"] if type(None) in inner else [])])
    if origin is tuple and Ellipsis not in inner:
        return f"list of {len(inner)} numbers"
    if origin in (tuple, list, frozenset):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "object"
    words = {str: "text", float: "number", int: "whole number", bool: "true or false"}
    if kind in words:
        return words[kind]
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return " or ".join(code(member.value) for member in kind)
    return getattr(kind, "__name__", str(kind))
