"""Any bytes on the wire: no exception, no good frame lost behind a bad one."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader


def frame(message=None, *, seq=0, v1=False, key=None, system=1, component=1):
    sender = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
    sender.seq = seq
    if key:
        sender.signing.secret_key = key
        sender.signing.sign_outgoing = True
        sender.signing.timestamp = 10**12
    message = message or mavlink.MAVLink_attitude_message(1000, 0.1, 0.2, 0.3, 0.0, 0.0, 0.5)
    return message.pack(sender, force_mavlink1=v1)


def names(frames):
    return [f.message.get_type() for f in frames]


@given(st.lists(st.binary(max_size=400), max_size=8))
@example([b"\xfd\xff\x00" + bytes(300)])
@example([b"\xfe\x00\x00\x00\x00\x00\x00\x00"])
def test_any_bytes(chunks):
    reader = FrameReader()
    for chunk in chunks:
        for received in reader.feed(chunk):
            str(received.message)
    assert reader.bytes_received == sum(map(len, chunks))


@given(noise=st.binary(max_size=300), cut=st.integers(1, 40))
@example(noise=b"\xfe\x00\x00\x00\x00\x08", cut=1)  # an unknown message's head, before a frame
@example(noise=b"\xfe\x20\x00\x00\x00\x08", cut=40)  # the same, ending where a frame ends
@example(noise=b"\xfe\x26\x00\x00\x00\x08", cut=7)
def test_good_frames_after_noise_are_found(noise, cut):
    """However the bytes are cut, and whatever came before, the last frames come through."""
    reader = FrameReader()
    # 300 bytes after the noise complete any frame that the noise may pretend to begin.
    good = b"".join(frame(seq=i) for i in range(20))
    stream = noise + good
    found = []
    for i in range(0, len(stream), cut):
        found += reader.feed(stream[i : i + cut])
    assert names(found)[-10:] == ["ATTITUDE"] * 10
    assert len(found) >= 20


@settings(max_examples=200)
@given(flips=st.lists(st.tuples(st.integers(0, 20 * 40), st.integers(1, 255)), max_size=12))
def test_corrupted_stream_loses_only_the_corrupted_frames(flips):
    stream = bytearray(b"".join(frame(seq=i) for i in range(30)))
    size = len(stream) // 30
    hit = set()
    for position, mask in flips:
        stream[position] ^= mask
        hit.add(position // size)
    reader = FrameReader()
    tail = b"".join(frame(seq=100 + i) for i in range(10))
    found = reader.feed(bytes(stream) + tail)
    sequence = [f.message.get_seq() for f in found]
    untouched = [i for i in range(30) if i not in hit]
    # A frame that was hit twice may be whole again; one that pretends to be longer waits at most for 280 bytes, which
    # the tail provides.
    assert [s for s in sequence if s in untouched] == untouched


def test_a_bad_length_byte_does_not_swallow_what_follows():
    broken = bytearray(frame())
    broken[1] = 255
    reader = FrameReader()
    found = reader.feed(bytes(broken) + b"".join(frame(seq=i) for i in range(8)))
    assert len(found) == 8


def test_wrong_crc():
    broken = bytearray(frame())
    broken[-1] ^= 0x55
    reader = FrameReader()
    assert reader.feed(bytes(broken)) == []
    assert reader.bytes_bad > 0


def test_mavlink1_and_signed_frames_are_read():
    reader = FrameReader()
    found = reader.feed(frame(v1=True) + frame(key=b"k" * 32) + frame())
    assert names(found) == ["ATTITUDE"] * 3
    assert reader.bytes_bad == 0


def test_unknown_message_is_skipped_whole():
    unknown = bytearray(frame())
    unknown[7:10] = (0xFFFFF0).to_bytes(3, "little")
    reader = FrameReader()
    found = reader.feed(bytes(unknown) + frame())
    assert names(found) == ["ATTITUDE"]
    assert reader.unknown == 1
    assert reader.bytes_bad == 0


def test_every_message_of_the_dialect_with_random_payload_decodes_or_is_bad():
    rng = random.Random(4)
    reader = FrameReader()
    sender = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    count = 0
    for kind in mavlink.mavlink_map.values():
        empty = kind.__new__(kind)
        mavlink.MAVLink_message.__init__(empty, kind.id, kind.msgname)
        payload = rng.randbytes(kind.unpacker.size)
        raw = empty._pack(sender, kind.crc_extra, payload)
        count += len(reader.feed(raw))
    assert count == len(mavlink.mavlink_map)


def test_clear_drops_a_half_frame():
    reader = FrameReader()
    whole = frame()
    reader.feed(whole[:-3])
    reader.clear()
    assert names(reader.feed(frame())) == ["ATTITUDE"]
