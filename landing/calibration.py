"""Reader of camera calibrations: ROS ``camera_info`` and OpenCV files, in YAML or JSON.

OpenCV's own parser is written for trusted files. Four values are needed, so they are read here, in time and memory
linear in a bounded text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from landing.errors import InvalidValueError

MOST_CHARACTERS = 1 << 18
"""A calibration with its whole covariance has less than a tenth of this."""

NAMES = ("image_width", "image_height", "camera_matrix", "distortion_coefficients")

MODELS = ("plumb_bob", "rational_polynomial", "")
"""Distortion models of ROS whose first coefficients are k1, k2, p1, p2, k3. Only these are straight where all are 0: a
fisheye's image is proportional to the angle even then."""
_COEFFICIENTS = 5
_MODEL = re.compile(r"[\"']?distortion_model[\"']?\s*:\s*[\"']?(\w+)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def numbers_of(text: str) -> dict[str, list[float]]:
    """Return the numbers of each of `NAMES` in a calibration, in the order of the file; sizes have one.

    Raises:
        InvalidValueError: The text is no calibration, or a value is missing, given twice, or not finite.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidValueError(f"{len(text)} characters, at most {MOST_CHARACTERS}")
    values = _json_values(text) if text.lstrip().startswith("{") else _yaml_values(text)
    missing = [name for name in NAMES if name not in values]
    if missing:
        raise InvalidValueError(f"{' and '.join(missing)} missing")
    found = {name: [_number(name, item) for item in values[name]] for name in NAMES}
    for name, count in (("image_width", 1), ("image_height", 1), ("camera_matrix", 9)):
        if len(found[name]) != count:
            raise InvalidValueError(f"{name} has {len(found[name])} numbers, expected {count}")
    for name in ("image_width", "image_height"):
        if not found[name][0].is_integer():
            raise InvalidValueError(f"{name} is {found[name][0]:g}, expected a whole number")
    return found


def model_of(text: str) -> str:
    """Return the name of the distortion model in a calibration; empty where it has none."""
    found = _MODEL.search(text)
    return "" if found is None else found.group(1)


def distortion_of(model: str, coefficients: Sequence[float]) -> tuple[float, float, float, float, float]:
    """Return k1, k2, p1, p2, k3 of OpenCV's model (ROS: plumb_bob).

    Raises:
        InvalidValueError: The lens has another model, as a fisheye has, or more coefficients.
    """
    if model not in MODELS:
        raise InvalidValueError(
            f"distortion_model {model[:40]!r}: expected plumb_bob; undistort the pictures and say plumb_bob of them"
        )
    if any(coefficients[_COEFFICIENTS:]):
        raise InvalidValueError(f"{len(coefficients)} distortion coefficients: expected up to 5 (plumb_bob)")
    k1, k2, p1, p2, k3 = (*coefficients[:_COEFFICIENTS], *[0.0] * (_COEFFICIENTS - len(coefficients)))
    return k1, k2, p1, p2, k3


def _number(name: str, item: Any) -> float:
    text = item.strip() if isinstance(item, str) else repr(item)
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise InvalidValueError(f"{name} has {text[:40]!r}, expected a finite number")
    return float(text)


def _json_values(text: str) -> dict[str, list[Any]]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = [name for name in (*NAMES, "data") if names.count(name) > 1]
        if twice:
            raise InvalidValueError(f"{twice[0]} is given twice")
        return dict(pairs)

    try:
        whole = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"no JSON: {error}") from error
    values: dict[str, list[Any]] = {}
    for name in NAMES:
        node = whole.get(name)
        shape = (node.get("rows"), node.get("cols")) if isinstance(node, dict) else (None, None)
        node = node.get("data") if isinstance(node, dict) else node
        if node is not None:
            values[name] = _of_shape(name, node if isinstance(node, list) else [node], *shape)
    return values


def _yaml_values(text: str) -> dict[str, list[Any]]:
    """Read the lines of each name: those up to the next line that is not indented."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        key, colon, rest = line.partition(":")
        if colon and key.strip("\"'") in NAMES:
            name = key.strip("\"'")
            if name in blocks:
                raise InvalidValueError(f"{name} is given twice")
            lines = blocks[name] = [rest]
        elif line[:1] in ("", " ", "\t", "-", "]", "}") and not line.startswith("---"):
            lines.append(line)
        elif not line.startswith("#"):
            lines = []
    return {name: _items(name, "\n".join(block)) for name, block in blocks.items()}


def _items(name: str, block: str) -> list[Any]:
    """Return the items of ``data: [...]`` in a block, of a list, or the one value."""
    block = re.sub(r"(^|\s)#[^\n]*", r"\1", block)
    rows, cols = (re.search(rf"[\s{{,]{side}\s*:\s*(\d{{1,9}})\b", block) for side in ("rows", "cols"))
    shape = (int(rows[1]), int(cols[1])) if rows and cols else (None, None)
    heads = re.findall(r"[\s{,]data\s*:", block)
    if len(heads) > 1:
        raise InvalidValueError(f"{name}: data is given twice")
    if heads:
        block = block.partition(heads[0])[2]
    opened, bracket, rest = block.partition("[")
    if bracket and not opened.strip():
        inside, closing, _ = rest.partition("]")
        if not closing:
            raise InvalidValueError(f"{name}: the list does not end")
        items = inside.split(",")
        return _of_shape(name, items[:-1] if len(items) > 1 and not items[-1].strip() else items, *shape)
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    if lines and lines[0].startswith("- "):
        return _of_shape(name, [line[2:] for line in lines if line.startswith("- ")], *shape)
    return lines[:1]


def _of_shape(name: str, items: list[Any], rows: Any, cols: Any) -> list[Any]:
    """Check the number of items against the matrix's own size, where it has one."""
    if isinstance(rows, int) and isinstance(cols, int) and rows * cols != len(items):
        raise InvalidValueError(f"{name} has {len(items)} numbers, expected {rows} rows of {cols}")
    return items
