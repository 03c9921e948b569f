"""Files of torch: tensors and plain values, read without running any code from the file."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # only the name of what torch.load raises on a refused file
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch

from landing.errors import ModelError
from landing.reading import open_file

CHECKPOINT_BYTES = 16 << 30
CODE = re.compile(r"Unsupported (?:global|class)\W+(?:GLOBAL )?([\w.]+)")
MOST_DEPTH = 64
"""Of values within values: the state of a run has some ten."""


def _require_undamaged(stream: BinaryIO) -> None:
    """Compare each entry of a torch file with its checksum, which torch writes and does not read; back to the start.

    Raises:
        ValueError: One differs: a byte changed on disk or on the way. Or they hold more than the file, as torch, which
            compresses nothing, never writes: they would fill the memory.
    """
    if is_zipfile(stream):
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        with ZipFile(stream) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > size:
                raise ValueError(f"its {size} bytes unpack to more: torch writes files that are not compressed")
            changed = archive.testzip()
        if changed is not None:
            raise ValueError(f"damaged: {changed} is not what was written; copy it again")
    stream.seek(0)


def load_tensors(path: Path, what: str) -> dict[str, Any]:
    """Return a mapping from a torch file, with nothing but plain tensors and plain values allowed in it.

    Raises:
        ModelError: Missing, truncated, foreign, or holding code.
    """
    try:
        with open_file(path, what, ModelError, CHECKPOINT_BYTES) as stream:
            _require_undamaged(stream)
            loaded = torch.load(stream, map_location="cpu", weights_only=True)
        _require_plain(loaded)
    except ModelError:
        raise
    except UnpicklingError as error:  # torch's own words say how to run what the file holds
        code = CODE.search(str(error))
        reason = "it is damaged, or no torch file: copy it again"
        if code is not None:
            reason = f"it holds {code[1]}, which could run code: give a file of tensors and plain values"
        raise ModelError(f"{what} {path} cannot be read: {reason}") from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        struct.error,
        BadZipFile,
        NotImplementedError,
    ) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"{what} {path} cannot be read: {reason[:200]}") from error
    if not isinstance(loaded, dict):
        raise ModelError(f"{what} {path} holds a {type(loaded).__name__}, expected a mapping")
    return loaded


def _require_plain(loaded: object) -> None:
    """Refuse what torch writes without its own numbers in the file, or never: nobody could compute with it.

    Raises:
        ValueError: A tensor is sparse, quantised, of no device, or larger than what is stored of it; or values are
            nested without end.
    """
    level: dict[int, object] = {id(loaded): loaded}
    for _ in range(MOST_DEPTH):
        if not level:
            return
        inner: dict[int, object] = {}
        for value in level.values():
            if isinstance(value, torch.Tensor):
                _require_stored(value)
            elif isinstance(value, Mapping):
                inner.update((id(item), item) for item in (*value.keys(), *value.values()))
            elif isinstance(value, list | tuple | set | frozenset):
                inner.update((id(item), item) for item in value)
        level = inner
    raise ValueError(f"its values are nested in more than {MOST_DEPTH} levels")


def _require_stored(tensor: torch.Tensor) -> None:
    shape = "x".join(map(str, tensor.shape))
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise ValueError(f"a tensor of {shape} is sparse, quantised or of no device")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"a tensor of {shape} is larger than what is stored of it")


def unreal(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that is not of real numbers in float32; None where all are."""
    for name, tensor in tensors.items():
        if tensor.is_complex() or not bool(torch.isfinite(tensor.float()).all()):
            return name
    return None
