"""Reads an ONNX file and what it says of itself without trusting it, and without the onnx package.

A tensor in an ONNX file may point to another file ("external data"). A model that flies is one file, so any such
pointer is refused before a runtime sees it: whatever path it names, relative, absolute or through a link, nothing but
the model file itself is ever opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from landing.errors import ModelError
from landing.model.spec import ModelSpec
from landing.reading import MODEL_BYTES, MODEL_REMEDY, read_bytes

MOST_BYTES = 2**31 - 1
"""Protobuf's own limit for one message."""

_NESTED = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Field numbers of onnx.proto under which a tensor can be found."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_GRAPH, _METADATA = 7, 14
_INITIALIZER = 5
_DATA_TYPE, _FLOATS, _NAME, _RAW, _DOUBLES = 2, 4, 8, 9, 10
_REAL = {1: "<f4", 10: "<f2", 11: "<f8"}
"""Of what a tensor of real numbers is made, by its type in onnx.proto."""


class _DamagedError(ValueError):
    """The bytes are no protobuf message."""


class _NoNumberError(ValueError):
    """Weights are no numbers; its text is their name."""


def read_onnx(path: Path) -> bytes:
    """The bytes of a model file that refers to no other file.

    Raises:
        ModelError: Missing, unreadable, truncated, no ONNX file, with external data, or with weights that are NaN.
    """
    data = read_bytes(path, "model", ModelError, MODEL_BYTES, MODEL_REMEDY)
    require_inside(data, path)
    return data


def require_inside(data: bytes, path: Path) -> None:
    """Requires that a graph refers to no other file; `path` names it in errors.

    Raises:
        ModelError: Truncated, no ONNX file, with external data, or with weights that are NaN: all that is computed
            from them looks like an answer.
    """
    try:
        outside = _external(memoryview(data))
    except _NoNumberError as error:
        raise ModelError(f"model {path} holds weights that are no numbers ({error}): export it again") from error
    except _DamagedError as error:
        raise ModelError(
            f"model {path} ({len(data)} bytes) cannot be loaded: it is truncated, damaged or no "
            f"ONNX file. Copy or export it again. ({error})"
        ) from error
    if outside:
        raise ModelError(
            f"model {path}: its weights are in another file ({outside}); a model that flies is one "
            "file. Export it again with `touchdown export onnx`, or put the weights inside: "
            "onnx.save(onnx.load(PATH), NEW_PATH)"
        )


def hold_against(path: Path, spec: ModelSpec, inputs: Mapping[str, str], outputs: Collection[str]) -> None:
    """Compares a file's ModelSpec with the outputs and inputs found; these by name, as ``uint8 [512, 512, 3]``.

    Raises:
        ModelError: They differ.
    """
    remedy = "Export it again with `touchdown export onnx`."
    if list(inputs) != [spec.input.name]:
        raise ModelError(
            f"model {path}: takes {sorted(inputs)}, its ModelSpec promises one input {spec.input.name!r}. {remedy}"
        )
    expected = f"uint8 {[spec.input.height_px, spec.input.width_px, 3]}"
    if inputs[spec.input.name] != expected:
        raise ModelError(
            f"model {path}: input {spec.input.name} is {inputs[spec.input.name]}, its ModelSpec "
            f"promises {expected}. {remedy}"
        )
    for name in (spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards):
        if name not in outputs:
            raise ModelError(
                f"model {path}: has no output {name!r} that its ModelSpec promises, only {sorted(outputs)}. {remedy}"
            )


def metadata_of(data: bytes) -> dict[str, str]:
    """The ``metadata_props`` of a file that `read_onnx` took, by key."""
    found = {}
    for number, entry in _fields(memoryview(data)):
        if number == _METADATA and not isinstance(entry, int):
            texts = {n: bytes(v) for n, v in _fields(entry) if not isinstance(v, int)}
            key, value = (texts.get(n, b"").decode("utf-8", "replace") for n in (1, 2))
            found[key] = value
    return found


def without_metadata(data: bytes, keys: Collection[str]) -> bytes:
    """The bytes of a file that `read_onnx` took, as they were before entries of these keys were added."""
    view, kept, start = memoryview(data), [], 0
    for number, entry, end in _spans(view):
        key: memoryview | int = 0
        if number == _METADATA and not isinstance(entry, int):
            key = dict(_fields(entry)).get(1, 0)
        if isinstance(key, int) or bytes(key).decode("utf-8", "replace") not in keys:
            kept.append(view[start:end])
        start = end
    return b"".join(kept)


def _external(data: memoryview) -> str:
    """The location of the first external data; empty when there is none."""
    waiting = [("model", data)]
    graphs = 0
    while waiting:
        kind, message = waiting.pop()
        nested = _NESTED[kind]
        for number, value in _fields(message):
            if kind == "tensor" and number == _EXTERNAL_DATA:
                return _location(value)
            if kind == "tensor" and number == _DATA_LOCATION and value == 1:
                return "location not said"
            if kind == "graph" and number == _INITIALIZER and not isinstance(value, int):
                _require_numbers(value)
            graphs += kind == "model" and number == _GRAPH
            if number in nested:
                if isinstance(value, int):
                    raise _DamagedError(f"field {number} of {kind} is a number")
                waiting.append((nested[number], value))
    if not graphs:
        raise _DamagedError("it holds no graph")
    return ""


def _require_numbers(tensor: memoryview) -> None:
    """Requires that a tensor of real numbers holds no NaN. Infinite constants are well where they mask or clip.

    Raises:
        _NoNumberError: It does.
    """
    fields = dict(_fields(tensor))
    kind, name = fields.get(_DATA_TYPE), fields.get(_NAME, b"")
    raw = _REAL.get(kind, "") if isinstance(kind, int) else ""
    for number, form in ((_RAW, raw), (_FLOATS, "<f4"), (_DOUBLES, "<f8")):
        values = fields.get(number)
        if not form or not isinstance(values, memoryview) or len(values) % np.dtype(form).itemsize:
            continue
        if np.isnan(np.frombuffer(values, form)).any():
            raise _NoNumberError("" if isinstance(name, int) else bytes(name).decode("utf-8", "replace")[:80])


def _location(entry: memoryview | int) -> str:
    """The value of a key-value entry, shortened for a message."""
    if isinstance(entry, int):
        return "location not readable"
    values = [bytes(v) for number, v in _fields(entry) if number == 2 and not isinstance(v, int)]
    return repr(values[0].decode("utf-8", "replace")[:80]) if values else "location not said"


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field numbers and values of a protobuf message; numbers of fixed width count as 0."""
    return ((number, value) for number, value, _ in _spans(message))


def _spans(message: memoryview) -> Iterator[tuple[int, memoryview | int, int]]:
    """Fields as of `_fields`, and where each ends."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value, at
            continue
        if wire_type == 2:
            length, at = _varint(message, at)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise _DamagedError(f"wire type {wire_type} at byte {at}")
        if at + length > end:
            raise _DamagedError(f"a field of {length} bytes where {end - at} are left")
        start, at = at, at + length
        yield number, message[start:at] if wire_type == 2 else 0, at


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of variable width, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _DamagedError("it ends in the middle of a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _DamagedError(f"a number that does not end at byte {at}")
