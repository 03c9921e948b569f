"""Our packing and decoding of frames against pymavlink's, for every message of the dialect."""

from __future__ import annotations

import random
from typing import Any

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader, packed


def _value(kind: str, draw: random.Random) -> Any:
    if kind == "char":
        return b"x"
    if kind in ("float", "double"):
        return draw.choice([0.0, draw.uniform(-1e3, 1e3), float("inf")])
    bits = int(kind.partition("int")[2].partition("_")[0])
    low = 0 if kind.startswith("u") else -(2 ** (bits - 1))
    return draw.choice([0, draw.randrange(low, low + 2**bits)])


def _message(kind: Any, draw: random.Random) -> Any:
    values: list[Any] = []
    for position, field in zip(kind.orders, kind.fieldtypes, strict=True):
        count = kind.array_lengths[position]
        if count and field == "char":
            values.append(bytes(draw.randrange(32, 127) for _ in range(draw.randrange(count + 1))))
        else:
            values.append([_value(field, draw) for _ in range(count)] if count else _value(field, draw))
    return kind(*values)


def _parts(message: Any) -> dict[str, Any]:
    return {**vars(message), "_header": vars(message._header)}


@pytest.mark.parametrize("seed", range(3))
def test_every_message_is_packed_and_read_as_pymavlink_does(seed: int) -> None:
    draw = random.Random(seed)
    for kind in mavlink.mavlink_map.values():
        message, sequence = _message(kind, draw), draw.randrange(256)
        sender = mavlink.MAVLink(None, srcSystem=7, srcComponent=9)
        sender.seq = sequence
        frames = [bytes(message.pack(sender))]
        assert packed(message, 7, 9, sequence) == frames[0], kind.msgname
        if kind.id < 256:
            frames.append(bytes(message.pack(sender, force_mavlink1=True)))
        for frame in frames:
            (read,) = FrameReader().feed(frame)
            expected = mavlink.MAVLink(None).decode(bytearray(frame))
            assert repr(_parts(read.message)) == repr(_parts(expected)), kind.msgname
