"""Pictures of a ROS 2 bag (`.mcap`, `.db3`, or a folder with `metadata.yaml`): `bag://PATH` or `bag://PATH?topic=/camera`.

Frames carry the times of their headers, so their spacing is the flight's.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from edge.cameras.bag_unpacking import bound_chunks, require_room, unpacked_message
from edge.cameras.contract import Camera, CameraInfo, CameraRequest, CameraTimeout, EndOfStream, Grabbed
from edge.dds.pictures import bgr_of_compressed, bgr_of_image
from landing.distribution import install_command
from landing.errors import PictureError
from landing.problems import Problem
from landing.reading import is_folder, require_file
from landing.types import ByteArray

SUFFIXES = (".mcap", ".db3")
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
PARTS = ("rosbags", "apsw", "lz4", "backports", "compression", "ruamel")
"""Packages whose errors mean a damaged bag."""

DAMAGED = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
)
METADATA = "metadata.yaml"
METADATA_BYTES = 16 << 20


def is_bag(path: Path) -> bool:
    """Tell a bag by its name: a file of one, or a folder that describes one."""
    return path.suffix.lower() in SUFFIXES or (is_folder(path) and (path / METADATA).exists())


class Bag:
    """An open bag. Use it with `with`; what is damaged is refused in a line.

    Raises:
        PictureError: It cannot be read as a bag, or the extra is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ModuleNotFoundError as error:
            raise PictureError(f"bag {path}: {error.name} is missing; {install_command('ros2')}") from error
        self.path = path
        bound_chunks()
        if path.is_dir():
            require_file(path / METADATA, "bag", PictureError, METADATA_BYTES)
            self._careful(lambda: require_room(path))
        for part in sorted(path.iterdir()) if path.is_dir() else [path]:
            if part.suffix.lower() in SUFFIXES:
                require_file(part, "bag", PictureError)
        self._stack = ExitStack()
        self._reader: Any = self._careful(
            lambda: self._stack.enter_context(AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)))
        )
        self._by_message = _take_over_messages(self._reader)

    def topics(self, *kinds: str) -> list[str]:
        """Return the topics of some message types, by name."""
        return sorted({one.topic for one in self._reader.connections if one.msgtype in kinds})

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """Give topic, time of recording (ns) and message, in the order of time."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        found = self._careful(lambda: iter(self._reader.messages(wanted)))
        while wanted and (entry := self._careful(lambda: next(found, None))) is not None:
            connection, at_ns, raw = entry
            if self._by_message:
                raw = self._careful(lambda data=raw: unpacked_message(data))
            yield (
                connection.topic,
                at_ns,
                self._careful(lambda raw=raw, kind=connection.msgtype: self._reader.deserialize(raw, kind)),
            )

    def kind_of(self, topic: str) -> str:
        """Return the message type of a topic."""
        return str(next(one.msgtype for one in self._reader.connections if one.topic == topic))

    def count(self, topic: str) -> int:
        """Return the number of messages of a topic."""
        return int(sum(one.msgcount for one in self._reader.connections if one.topic == topic))

    def picture_topic(self, asked: str = "") -> str:
        """Return the topic of the pictures.

        Raises:
            PictureError: There is none, or several and none was asked for.
        """
        topics = self.topics(IMAGE, COMPRESSED)
        if asked and asked not in topics:
            raise PictureError(f"bag {self.path} has no pictures in {asked}: expected {', '.join(topics) or 'none'}")
        if not topics:
            raise PictureError(
                f"bag {self.path} holds no sensor_msgs/Image or CompressedImage; a recording of Touchdown is for "
                "`touchdown edge replay`"
            )
        if len(topics) > 1 and not asked:
            raise PictureError(f"bag {self.path} has pictures in {', '.join(topics)}: name one, as ?topic={topics[0]}")
        return asked or topics[0]

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _careful(self, act: Any) -> Any:
        """Run a step of the reader; whatever a damaged file makes it raise is a `PictureError`."""
        try:
            return act()
        except Exception as error:
            known = isinstance(error, (*DAMAGED, struct.error)) or type(error).__module__.partition(".")[0] in PARTS
            if not known:
                raise
            raise PictureError(f"bag {self.path} cannot be read: {_short(error)}") from error


def _take_over_messages(reader: Any) -> bool:
    """Have messages that are compressed one by one given as they are stored; True where they are."""
    compressed = [one.storage for one in reader.readers if one.storage.metadata.compression_mode == "message"]
    for one in compressed:
        one.metadata = one.metadata._replace(compression_mode=None)
    return bool(compressed)


def _short(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:160]


class BagCamera(Camera):
    """Pictures of a bag. In real time it skips what is too late; in a replay nothing is skipped."""

    def __init__(self, request: CameraRequest, path: Path, query: str) -> None:
        super().__init__(request)
        self._path = path
        options = parse_qs(query)
        self._asked = options.pop("topic", [""])[-1]
        if options:
            raise PictureError(f"camera.source {request.source!r}: expected bag://PATH or bag://PATH?topic=/TOPIC")
        self._bag: Bag | None = None
        self._topic = ""
        self._index = self._skipped_frames = 0
        self._size = (0, 0)
        self._first_ns = self._started_ns = 0
        self._waiting: tuple[int, Any] | None = None
        self._messages: Iterator[tuple[str, int, Any]] = iter(())

    @property
    def dropped(self) -> int:
        """Frames passed over to keep up with real time."""
        return self._skipped_frames

    def _open(self) -> CameraInfo:
        self._bag = bag = Bag(self._path)
        self._topic = bag.picture_topic(self._asked)
        self._index = self._skipped_frames = 0
        self._waiting = None
        self._begin()
        first = self._next()
        if first is None:
            raise PictureError(f"bag {self._path} holds no message in {self._topic}")
        self._first_ns, self._waiting = first[0], first
        image = self._decoded(first[1])
        self._size = (image.shape[1], image.shape[0])
        asked = (self.request.width_px, self.request.height_px)
        if asked not in ((None, None), self._size):
            raise PictureError(
                f"bag {self._path} has {self._size[0]}x{self._size[1]} px in {self._topic}, camera.width_px x "
                f"height_px ask for {asked[0]}x{asked[1]}: set them to what it has",
                Problem.CAMERA_OTHER,
            )
        self._started_ns = time.monotonic_ns()
        detail = f"ROS 2 bag, {bag.kind_of(self._topic)} in {self._topic}"
        return CameraInfo(self.request.source, *self._size, self.request.fps, detail, bag.count(self._topic))

    def _grab(self, timeout_s: float) -> Grabbed:
        deadline_ns = time.monotonic_ns() + round(timeout_s * 1e9)
        while True:
            entry = self._waiting or self._next()
            self._waiting = entry
            if entry is None:
                if not self.request.loop or self._index == 0:
                    raise EndOfStream(f"bag {self._path.name} ended after {self._index} frames")
                self._begin()
                self._started_ns = time.monotonic_ns()
                continue
            due_ns = self._started_ns + entry[0] - self._first_ns
            if self.request.realtime:
                now_ns = time.monotonic_ns()
                if due_ns > deadline_ns:
                    time.sleep(max(0, deadline_ns - now_ns) * 1e-9)
                    raise CameraTimeout(f"bag {self._path.name}: no frame due within {timeout_s:.2f} s")
                time.sleep(max(0, due_ns - now_ns) * 1e-9)
                following = self._next()
                if following is not None and self._started_ns + following[0] - self._first_ns <= time.monotonic_ns():
                    self._waiting = following  # this one is too late
                    self._index += 1
                    self._skipped_frames += 1
                    continue
                self._waiting = following
            else:
                self._waiting = None
            image = self._decoded(entry[1])
            if (image.shape[1], image.shape[0]) != self._size:
                raise PictureError(f"bag {self._path}: a picture in {self._topic} is of another size than the first")
            self._index += 1
            return Grabbed(image, time.monotonic_ns() if self.request.realtime else due_ns, self._index - 1)

    def _begin(self) -> None:
        assert self._bag is not None
        self._messages = self._bag.messages(self._topic)

    def _next(self) -> tuple[int, Any] | None:
        """Time (ns) and message of the next picture; None at the end."""
        entry = next(self._messages, None)
        if entry is None:
            return None
        return stamp_ns(entry[2], entry[1]), entry[2]

    def _decoded(self, message: Any) -> ByteArray:
        decode = (
            bgr_of_compressed
            if self._bag is not None and self._bag.kind_of(self._topic) == COMPRESSED
            else bgr_of_image
        )
        return decode(message, self._topic)

    def _close(self) -> None:
        bag, self._bag = self._bag, None
        if bag is not None:
            bag.close()
        self._skipped_frames = 0


def stamp_ns(message: Any, recorded_ns: int) -> int:
    """Return the time of a message's header, ns; that of its recording where it has none."""
    stamp = getattr(getattr(message, "header", None), "stamp", None)
    stamped_ns = 0 if stamp is None else int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
    return stamped_ns or int(recorded_ns)
