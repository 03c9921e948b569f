"""Reads an ONNX file and what it says of itself without trusting it, and without the onnx package.

A tensor in an ONNX file may point to another file ("external data"). A model that flies is one file, so any such
pointer is refused before a runtime sees it: whatever path it names, relative, absolute or through a link, nothing but
the model file itself is ever opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
_ATTRIBUTE_FLOAT, _ATTRIBUTE_FLOATS = 2, 7
_DATA_TYPE, _FLOATS, _INT32, _NAME, _RAW, _DOUBLES = 2, 4, 5, 8, 9, 10
_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16
_INFINITY = {
    _FLOAT: ("<u4", 0x7F800000),
    _FLOAT16: ("<u2", 0x7C00),
    _DOUBLE: ("<u8", 0x7FF0000000000000),
    _BFLOAT16: ("<u2", 0x7F80),
}
"""Form and bits of infinity in each type of real numbers of onnx.proto; the bits of NaN are more."""


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
        if kind == "tensor":
            _require_numbers(message)
        for number, value in _fields(message):
            if kind == "attribute" and number in (_ATTRIBUTE_FLOAT, _ATTRIBUTE_FLOATS) and _holds_nan(value, _FLOAT):
                raise _NoNumberError("an attribute")
            if kind == "tensor" and number == _EXTERNAL_DATA:
                return _location(value)
            if kind == "tensor" and number == _DATA_LOCATION and value == 1:
                return "location not said"
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
    head = dict(_fields(tensor))
    kind, name = head.get(_DATA_TYPE), head.get(_NAME, b"")
    for number, value in _fields(tensor):
        forms = {_RAW: kind, _INT32: kind, _FLOATS: _FLOAT, _DOUBLES: _DOUBLE}
        form = forms.get(number)
        if number == _INT32 and form in (_FLOAT16, _BFLOAT16) and not isinstance(value, int):
            value = memoryview(_small_varints(value).astype("<u2").tobytes())
        if isinstance(form, int) and _holds_nan(value, form):
            raise _NoNumberError("" if isinstance(name, int) else bytes(name).decode("utf-8", "replace")[:80])


def _holds_nan(value: memoryview | int, kind: int) -> bool:
    """Tell whether numbers of a type of onnx.proto, or the bits of one, hold NaN."""
    if kind not in _INFINITY:
        return False
    form, infinity = _INFINITY[kind]
    size = np.dtype(form).itemsize
    if isinstance(value, int):
        value = memoryview(value.to_bytes(10, "little")[:size])
    if len(value) % size:
        return False  # of no such type: the runtime says so
    unsigned = np.frombuffer(value, form) & ((1 << (8 * size - 1)) - 1)
    return bool((unsigned > infinity).any())


def _small_varints(packed: memoryview) -> npt.NDArray[np.int64]:
    """Packed numbers of variable width, each by its lowest 21 bits."""
    data = np.frombuffer(packed, np.uint8)
    last = np.flatnonzero(data < 0x80)
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    numbers = np.zeros(len(last), np.int64)
    for place in range(3):
        at = first + place
        numbers += np.where(at <= last, (data[np.minimum(at, last)] & np.int64(0x7F)) << (7 * place), 0)
    return numbers


def _location(entry: memoryview | int) -> str:
    """The value of a key-value entry, shortened for a message."""
    if isinstance(entry, int):
        return "location not readable"
    values = [bytes(v) for number, v in _fields(entry) if number == 2 and not isinstance(v, int)]
    return repr(values[0].decode("utf-8", "replace")[:80]) if values else "location not said"


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Field numbers and values of a protobuf message; numbers of fixed width count as their bits."""
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
        held = message[start:at]
        yield number, held if wire_type == 2 else int.from_bytes(held, "little"), at


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
