"""Camera of a ROS 2 topic: `ros2://camera/image_raw`, or `ros2://camera/image_raw/compressed`.

The frame's time is the message's own stamp, so a picture that waited in a queue is as old as it is. Of cameras that
stamp by another clock the time of arrival counts, with `?stamps=arrival`.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy.typing as npt

from edge.cameras.contract import Camera, CameraInfo, CameraRequest, CameraTimeout, Grabbed
from edge.dds import messages
from edge.dds.cameras import lens_problem
from edge.dds.graph import COMPRESSED, RosNode, RosReader, info_topic, sensor_data, topic_name
from edge.dds.pictures import bgr_of_compressed, bgr_of_image, depth_of_image
from edge.dds.stamps import joined, wall_offset_ns
from landing.errors import CameraError, LinkError
from landing.picture_files import size_of
from landing.problems import Problem

DEPTH = 4
"""Pictures that may wait; the newest is taken."""

AHEAD_NS = 20_000_000
"""A stamp that is later than its arrival by more is of another clock."""

BEHIND_NS = 10_000_000_000
"""A stamp that is older by more is of another clock too, as simulated time is."""


def parse_source(source: str) -> tuple[str, bool]:
    """Return the topic of an address, and True where its stamps count.

    Raises:
        CameraError: It is no such address.
    """
    parts = urlsplit(source)
    options = parse_qs(parts.query, keep_blank_values=True)
    stamps = options.pop("stamps", ["header"])
    if options or stamps[-1] not in ("header", "arrival") or parts.fragment:
        raise CameraError(f"camera.source {source!r}: expected ros2://TOPIC or ros2://TOPIC?stamps=arrival")
    try:
        topic = topic_name(f"{parts.netloc}{parts.path}".strip("/"), "camera.source")
    except LinkError as error:
        raise CameraError(f"{error}, as in ros2://camera/image_raw") from error
    return topic, stamps[-1] == "header"


class RosCamera(Camera):
    """Pictures of a topic; the newest wins. It survives a publisher that goes and comes back."""

    def __init__(self, request: CameraRequest) -> None:
        super().__init__(request)
        self.topic, self._stamped = parse_source(request.source)
        if request.depth and self.topic.endswith(COMPRESSED):
            raise CameraError(f"depth.source {request.source}: compressed depth is not read, take the raw topic")
        if request.width_px is None or request.height_px is None:
            raise CameraError(f"camera.source {request.source} needs camera.width_px and camera.height_px")
        self._size = (request.width_px, request.height_px)
        self._node: RosNode | None = None
        self._pictures: RosReader | None = None
        self._infos: RosReader | None = None
        self._index = 0
        self._passed = 0
        self._sender: object = None
        self._senders_before: set[object] = set()
        self._newest_ns: int | None = None

    @property
    def dropped(self) -> int:
        """Pictures that a newer one replaced before they were taken."""
        return self._passed

    def _open(self) -> CameraInfo:
        compressed = self.topic.endswith(COMPRESSED)
        kind = messages.RosCompressedImage if compressed else messages.RosImage
        try:
            self._node = RosNode("touchdown_camera")
            self._pictures = self._node.reader(self.topic, kind, sensor_data(DEPTH))
            self._infos = self._node.reader(info_topic(self.topic), messages.RosCameraInfo, sensor_data(1))
        except LinkError as error:
            raise CameraError(str(error)) from error
        self._index = self._passed = 0
        self._sender, self._senders_before, self._newest_ns = None, set(), None
        detail = f"ROS 2 topic {self.topic}, {'sensor_msgs/CompressedImage' if compressed else 'sensor_msgs/Image'}"
        return CameraInfo(self.request.source, *self._size, self.request.fps, detail)

    def _grab(self, timeout_s: float) -> Grabbed:
        if self._pictures is None or self._infos is None:
            raise CameraError(f"camera {self.request.source} is not open")
        try:
            taken = self._pictures.take(timeout_s, DEPTH)
            arrived_at_ns = time.monotonic_ns()
            infos = self._infos.take(0.0, 1)
        except LinkError as error:
            raise CameraError(str(error)) from error
        if not taken:
            raise CameraTimeout(f"camera {self.request.source}: no picture within {timeout_s:.2f} s")
        for info in infos:
            self._check_lens(info)
        for one in taken:
            self._check_order(one)
        self._passed += len(taken) - 1
        self._index += len(taken)
        message = taken[-1]
        captured_at_ns = self._captured_at_ns(message.header.stamp, arrived_at_ns)
        return Grabbed(self._decoded(message), captured_at_ns, self._index - 1)

    def _decoded(self, message: Any) -> npt.NDArray[Any]:
        """Return the picture; one of another size is refused by its header, before it takes memory."""
        compressed = self.topic.endswith(COMPRESSED)
        told = size_of(bytes(message.data)) if compressed else (message.width, message.height)
        if told != self._size and all(told):
            raise CameraError(
                f"{self.topic} delivers {told[0]}x{told[1]} px, camera.width_px x height_px ask for "
                f"{self._size[0]}x{self._size[1]}: set them to what it has",
                Problem.CAMERA_OTHER,
            )
        if self.request.depth:
            return depth_of_image(message, self.topic)
        return (bgr_of_compressed if compressed else bgr_of_image)(message, self.topic)

    def _check_order(self, message: Any) -> None:
        """Refuse pictures of two publishers in turn, and stamps that do not go on."""
        sender = message.sample_info.publication_handle
        if sender in self._senders_before:
            raise CameraError(f"{self.topic} has two publishers: expected one camera; stop the other")
        if self._sender not in (None, sender):
            self._senders_before.add(self._sender)
        self._sender = sender
        if not self._stamped:
            return
        stamp_ns = joined(message.header.stamp.sec, message.header.stamp.nanosec)
        before_ns, self._newest_ns = self._newest_ns, stamp_ns
        if before_ns is not None and stamp_ns <= before_ns:
            raise CameraError(
                f"{self.topic}: a stamp is {(before_ns - stamp_ns) * 1e-9:.3g} s before the last picture's: expected "
                "times that go on; look at the camera's driver, or add ?stamps=arrival and set camera.latency_ms"
            )

    def _captured_at_ns(self, stamp: Any, arrived_at_ns: int) -> int:
        """Our time of a stamp: never later than the arrival."""
        if not self._stamped:
            return arrived_at_ns
        late_ns = arrived_at_ns - (joined(stamp.sec, stamp.nanosec) - wall_offset_ns())
        if not -AHEAD_NS <= late_ns <= BEHIND_NS:
            way = "ahead of" if late_ns < 0 else "behind"
            raise CameraError(
                f"{self.topic}: the stamp is {abs(late_ns) * 1e-9:.3g} s {way} this computer's clock: synchronise the "
                "clocks (chrony), or add ?stamps=arrival and set camera.latency_ms"
            )
        return arrived_at_ns - max(0, late_ns)

    def _check_lens(self, info: Any) -> None:
        """Hold the configured lens against the calibration that the camera publishes."""
        lens = self.request.lens
        if lens is None or not any(info.k) or not info.width:  # a camera that nobody calibrated
            return
        problem = lens_problem(info, self.topic, lens)
        if problem is not None:
            raise CameraError(f"{info_topic(self.topic)}: {problem}", Problem.CAMERA_OTHER)

    def _close(self) -> None:
        node, self._node, self._pictures, self._infos = self._node, None, None, None
        if node is not None:
            node.close()
