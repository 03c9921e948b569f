"""Compressed bags: each kind is read, and none unpacks without a bound."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import lz4.frame
import pytest
import zstandard

pytest.importorskip("rosbags", reason="needs the extra ros2")

from rosbags import rosbag2

from edge.cameras import CameraRequest, bag_unpacking, make_camera
from edge.cameras.bag_unpacking import MOST_PART_BYTES, unpacked, unpacked_chunk, unpacked_lz4_chunk
from landing.errors import PictureError
from tests.edge import fake_model
from tests.edge.test_bags import COUNT, HEIGHT, STORE, WIDTH, image

KIND, TOPIC = "sensor_msgs/msg/Image", "/cam/image_raw"
MODES = {
    "chunk": (rosbag2.StoragePlugin.MCAP, rosbag2.CompressionMode.STORAGE),
    "message": (rosbag2.StoragePlugin.SQLITE3, rosbag2.CompressionMode.MESSAGE),
    "file": (rosbag2.StoragePlugin.SQLITE3, rosbag2.CompressionMode.FILE),
}


def write(folder: Path, mode: str) -> Path:
    storage, compression = MODES[mode]
    writer = rosbag2.Writer(folder, version=9, storage_plugin=storage)
    writer.set_compression(compression, rosbag2.CompressionFormat.ZSTD)
    picture = fake_model.paint(WIDTH, HEIGHT)
    with writer as bag:
        topic = bag.add_connection(TOPIC, KIND, typestore=STORE)
        for number in range(COUNT):
            at_ns = 1_700_000_000_000_000_000 + number * 100_000_000
            bag.write(topic, at_ns, STORE.serialize_cdr(image(at_ns, picture, False), KIND))
    return folder


def frames(bag: Path) -> int:
    with make_camera(CameraRequest(f"bag://{bag}", realtime=False)) as camera:
        return sum(camera.grab(1.0).image_bgr.shape == (HEIGHT, WIDTH, 3) for _ in range(COUNT))


@pytest.mark.parametrize("mode", MODES)
def test_each_kind_is_read_and_bounded(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write(tmp_path / "flight", mode)
    assert frames(bag) == COUNT
    monkeypatch.setattr(bag_unpacking, "MOST_PART_BYTES", 1000)
    disk = namedtuple("disk", "free")
    monkeypatch.setattr(bag_unpacking.shutil, "disk_usage", lambda _: disk(1000))
    words = "more than .* has room for" if mode == "file" else "unpacks to"
    with pytest.raises(PictureError, match=words):
        frames(bag)


@pytest.mark.parametrize("pack", [zstandard.compress, lz4.frame.compress])
def test_a_part_that_says_less_or_too_much_is_refused(pack: object) -> None:
    assert callable(pack)
    unpack = unpacked_chunk if pack is zstandard.compress else unpacked_lz4_chunk
    packed = pack(bytes(64 << 20))
    assert len(packed) < 1 << 20
    assert unpack(pack(b"abc"), 3) == b"abc"
    with pytest.raises(ValueError, match="more than"):
        unpack(packed, 1000)
    with pytest.raises(ValueError, match="says that it unpacks to"):
        unpack(packed, MOST_PART_BYTES + 1)
    for damaged in (b"", b"no frame", packed[: len(packed) // 2]):
        with pytest.raises(ValueError, match=r"."):
            if len(unpack(damaged, 64 << 20)) < 64 << 20:  # rosbags compares sizes
                raise ValueError("ends early")


def test_frames_behind_each_other_count_together() -> None:
    with pytest.raises(ValueError, match="more than 1500 bytes"):
        unpacked(zstandard.compress(bytes(1000)) * 2, 1500)
