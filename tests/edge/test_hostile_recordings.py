"""Recordings that somebody made to take memory, or that hold what no daemon writes."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
import zstandard
from mcap.opcode import Opcode
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from edge.blackbox.recording import Recording
from edge.blackbox.records import FORMAT, MOST_MEMORY_BYTES, memory_from_bytes, memory_to_bytes, start_from, step_from
from edge.exact import RecordingError

BOMB_MB = 2048
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from pathlib import Path
from edge.blackbox.recording import Recording
from edge.exact import RecordingError
try:
    Recording(Path(sys.argv[1]))
except RecordingError as error:
    print(error)
"""


def zstd(size_mb: int) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj(size=size_mb << 20)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size_mb)) + bytes(packer.flush())


def lz4_frame(size_mb: int) -> bytes:
    packer = lz4.frame.LZ4FrameCompressor()
    return bytes(packer.begin() + b"".join(packer.compress(bytes(1 << 20)) for _ in range(size_mb)) + packer.flush())


def with_chunk(path: Path, kind: str, data: bytes, says: int) -> Path:
    """An MCAP file whose only chunk is `data`, of `says` bytes by its own word."""
    stream = io.BytesIO()
    writer = Writer(stream, compression=CompressionType.NONE)
    writer.start("", "touchdown")
    writer.finish()
    whole = stream.getvalue()
    magic, head = len(MCAP0_MAGIC), len(MCAP0_MAGIC) + 9
    head += int.from_bytes(whole[magic + 1 : head], "little")
    name = kind.encode()
    record = struct.pack("<QQQII", 0, 0, says, 0, len(name)) + name + struct.pack("<Q", len(data)) + data
    path.write_bytes(whole[:head] + bytes([Opcode.CHUNK]) + struct.pack("<Q", len(record)) + record)
    return path


@pytest.mark.parametrize("says", [100, BOMB_MB << 20], ids=["says-less", "says-all"])
@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_a_chunk_is_unpacked_to_a_bound(kind: str, says: int, tmp_path: Path) -> None:
    data = (zstd if kind == "zstd" else lz4_frame)(BOMB_MB)
    path = with_chunk(tmp_path / "bomb.mcap", kind, data, says)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and "cut short before" in done.stdout and not done.stderr


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_a_damaged_chunk_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    whole = (zstd if kind == "zstd" else lz4_frame)(1)
    for data in (whole[: len(whole) // 2], b"no frame", b""):
        with pytest.raises(RecordingError, match=r"bad\.mcap: cut short before"):
            Recording(with_chunk(tmp_path / "bad.mcap", kind, data, 1 << 20))


def packed(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def array_file(shape: tuple[int, ...], data: bytes) -> bytes:
    """An array's file that claims a shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


PLAIN = array_file((2,), b"{}")
MEMORIES = {
    "bomb": packed(plain=PLAIN, array=array_file((MOST_MEMORY_BYTES,), bytes(MOST_MEMORY_BYTES))),
    "claim": packed(**{"plain": PLAIN, "array.x": array_file((1 << 50,), b"abc")}),
    "no plain part": packed(array=PLAIN),
    "no JSON": packed(plain=array_file((2,), b"{[")),
    "deep": packed(plain=array_file((200_000,), b"[" * 200_000)),
    "no array": packed(plain=b"abc"),
    "no zip": b"abc",
    "cut": memory_to_bytes({"a": np.zeros(1000)})[:-200],
    "damaged": memory_to_bytes({"a": np.zeros(1000)}).replace(b"\0" * 64, b"\1" * 64),
}


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_memory_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(RecordingError, match="a memory "):
        memory_from_bytes(MEMORIES[kind])


@pytest.mark.parametrize("value", [{"format": float("inf")}, [], None, {"format": FORMAT}, {"format": "x"}])
def test_a_start_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(RecordingError, match="first record cannot be read"):
        start_from(json.dumps(value).encode(), "x.mcap")


def test_records_that_are_nested_without_end_are_refused() -> None:
    deep = b"[" * 200_000
    with pytest.raises(RecordingError, match="first record cannot be read"):
        start_from(deep, "x.mcap")
    with pytest.raises(RecordingError, match="a record cannot be read"):
        step_from(deep)


def test_a_memory_comes_back() -> None:
    memory = {"grid": np.arange(6.0).reshape(2, 3), "at": 7, "none": None}
    again = memory_from_bytes(memory_to_bytes(memory))
    assert again["at"] == 7 and again["none"] is None and (again["grid"] == memory["grid"]).all()
