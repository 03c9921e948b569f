"""A model for a Hailo accelerator in one file: network, decision and description.

``X.hef`` is an archive of three parts: manifest, the network as Hailo's Dataflow Compiler wrote it (Hailo's own form
has the same suffix), and an ONNX graph of what follows the logits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from edge.runtimes.archive import ArchiveKind, ArchiveManifest, version_numbers
from edge.runtimes.decision import DECISION

NETWORK = "network.hef"

HailoChip = Literal["hailo8", "hailo8l", "hailo10h", "hailo15h"]
HAILO_CHIPS: tuple[HailoChip, ...] = ("hailo8", "hailo8l", "hailo10h", "hailo15h")
"""By the compiler's names, its ``--hw-arch``."""

_MAGIC = b"\x01HEF"
_HEADER_BYTES = {0: 32, 1: 28, 2: 44, 3: 56}
"""Length of a network's header by its version: `hef_internal.hpp` of HailoRT 5.2.0 (MIT)."""

_CHIPS: dict[int, tuple[HailoChip, ...]] = {
    **dict.fromkeys((0, 1, 2), ("hailo8",)),
    3: ("hailo8l",),
    **dict.fromkeys((5, 103, 104, 105), ("hailo10h", "hailo15h")),
}
"""Chips by a network's number of architecture: `hef.proto` and `device_internal.cpp` of HailoRT 4.23.0 and 5.2.0."""

_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){1,3}")


class HailoManifest(ArchiveManifest):
    """Description of a model for a Hailo accelerator, inside its file.

    Attributes:
        chip: That the network was compiled for.
        compiler_version: Of the Dataflow Compiler; an older HailoRT may not read what it wrote.
    """

    chip: HailoChip
    compiler_version: str = Field(pattern=rf"^{_VERSION.pattern}$")

    @property
    def numbers(self) -> Literal["quantised"]:
        """Row of the gate's limits: a Hailo computes in 8 bits and less."""
        return "quantised"

    @property
    def npu(self) -> str:
        """Chip that it was compiled for."""
        return self.chip

    @property
    def least_runtime(self) -> tuple[int, int]:
        """HailoRT that reads it, major and least minor version.

        Compilers 3.N come with HailoRT 4.(N - 10), compilers 5.N with 5.N: README of hailo-ai/hailo_model_zoo, of the
        branch for Hailo-8 (3.33.0 and 4.23.0) and of master (5.2.0 and 5.2.0).
        """
        major, minor = version_numbers(self.compiler_version)[:2]
        return (4, minor - 10) if major == 3 else (major, minor)


HAILO = ArchiveKind(
    ".hef",
    HailoManifest,
    (NETWORK, DECISION),
    "touchdown export hailo",
    foreign=_MAGIC,
    foreign_words="Hailo's own form, which says nothing of classes and gate. Wrap it with the ONNX file that it was "
    "compiled of: `touchdown export hailo MODEL.onnx --hef FILE`",
)


@dataclass(frozen=True)
class HefHeader:
    """Header of Hailo's form: chips that run it, and the compiler's version, empty where it tells none."""

    chips: tuple[HailoChip, ...]
    compiler_version: str


def header_of(network: bytes) -> HefHeader | None:
    """Reads the header of Hailo's form; None where it is damaged, or something else.

    Behind a header of fixed length lies a protobuf message, whose first field holds architecture (1) and version (3).
    """
    start = _HEADER_BYTES.get(int.from_bytes(network[4:8], "big"))
    if not network.startswith(_MAGIC) or start is None:
        return None
    head = network[start : start + 256]
    if len(head) < 2 or head[0] != 0x0A or head[1] > len(head) - 2:
        return None
    try:
        fields = dict(_fields(head[2 : 2 + head[1]]))
    except IndexError:
        return None
    architecture, version = fields.get(1, 0), fields.get(3, b"")
    told = _VERSION.search(version.decode("ascii", "replace")) if isinstance(version, bytes) else None
    chips = _CHIPS.get(architecture, ()) if isinstance(architecture, int) else ()
    return HefHeader(chips, told[0] if told else "")


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a protobuf message's fields, as far as they are whole numbers and byte strings.

    Raises:
        IndexError: It ends within a number.
    """
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
        elif key & 7 == 2:
            size = number()
            yield key >> 3, message[at : at + size]
            at += size
        else:
            return
