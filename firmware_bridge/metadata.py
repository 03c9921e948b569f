"""The files that describe us: which metadata there is, and what every parameter means.

https://mavlink.io/en/services/component_metadata.html. They are made once, at the start, as their checksums must not
change after boot.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from firmware_bridge.ftp import crc32
from firmware_bridge.parameters import OwnParameter, ParameterKind, Writable

GENERAL = "general.json"
PARAMETERS = "parameters.json"
_TYPE_PARAMETER = 1
_TYPE_NAMES = {ParameterKind.INT32: "Int32", ParameterKind.REAL32: "Float"}


def uri_of(name: str) -> str:
    """MAVLink FTP address of a file of ours."""
    return f"mftp://{name}"


def metadata_files(parameters: Sequence[OwnParameter]) -> dict[str, bytes]:
    """Name to content of every file."""
    described = _json({"version": 1, "parameters": [_described(p) for p in parameters]})
    general = _json(
        {
            "version": 1,
            "metadataTypes": [{"type": _TYPE_PARAMETER, "uri": uri_of(PARAMETERS), "fileCrc": crc32(described)}],
        }
    )
    return {GENERAL: general, PARAMETERS: described}


def _described(parameter: OwnParameter) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": parameter.name,
        "type": _TYPE_NAMES[parameter.kind],
        "shortDesc": parameter.description,
        "longDesc": f"{parameter.description}. Written: {parameter.writable.value}.",
        "group": "Touchdown",
        "category": "Standard",
        "default": parameter.default,
        "min": parameter.low,
        "max": parameter.high,
        "readOnly": parameter.writable is Writable.NEVER,
    }
    if parameter.kind is ParameterKind.INT32:
        for key in ("default", "min", "max"):
            entry[key] = int(entry[key])
    else:
        entry["decimalPlaces"] = 2
    if parameter.unit:
        entry["units"] = parameter.unit
    return entry


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")
