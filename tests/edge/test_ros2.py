"""The node of a ROS 2 graph: its bytes are ROS's, its names too, and two processes speak over the loopback."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cyclonedds", reason="needs the extra ros2")

from edge.cameras import CameraRequest, CameraTimeout, make_camera
from edge.cameras.ros2 import parse_source
from edge.dds import messages as m
from edge.dds.cameras import lens_problem
from edge.dds.graph import RosNode, latched, reliable, sensor_data
from edge.dds.pictures import CHANNELS, bgr_of_compressed, bgr_of_image
from edge.ros import answers
from edge.ros.publisher import RosPublisher
from landing.camera import CameraModel, Mount
from landing.errors import CameraError, PictureError, TouchdownError
from landing.ground.view import GroundView
from landing.site import LandingSite
from landing.taxonomy import Role
from landing.types import Pose
from tests.command import call
from tests.edge import fake_model
from tests.edge.test_daemon import HEIGHT, WIDTH, Rig, wait_for

LOOPBACK = "<General><Interfaces><NetworkInterface name='lo' multicast='true'/></Interfaces></General>"
PEER = Path(__file__).with_name("ros2_peer.py")
HEADER = m.RosHeader(m.RosTime(1_700_000_000, 123_456_789), "map")
FX = WIDTH / 2 / math.tan(math.radians(35.0))


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain of this process alone, over the loopback."""
    monkeypatch.setenv("CYCLONEDDS_URI", LOOPBACK)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 230))
    monkeypatch.delenv("ROS_DISTRO", raising=False)


def some_messages() -> list[Any]:
    pose = m.RosPose(m.RosPoint(1.5, -2.25, 3.0), m.RosQuaternion(0.1, 0.2, 0.3, 0.9))
    turned = m.RosTransform(m.RosVector3(1.0, 2.0, 3.0), m.RosQuaternion())
    transform = m.RosTransformStamped(HEADER, "camera", turned)
    odd = m.RosTransformStamped(m.RosHeader(), "", turned)
    values = [m.RosKeyValue("reason", "too-high"), m.RosKeyValue("", "über"), m.RosKeyValue("a", "")]
    status = m.RosDiagnosticStatus(1, "touchdown: site", "no site: too-high: 40 m", "quad", values)
    info = m.RosMapMetaData(HEADER.stamp, 0.2, 7, 3, pose)
    image = np.arange(6 * 4 * 3, dtype=np.uint8).tobytes()
    zero = [0.0] * 9
    return [
        m.RosTime(-1, 5),
        HEADER,
        m.RosHeader(),
        m.RosImage(HEADER, 4, 6, "bgr8", 0, 18, image),
        m.RosImage(m.RosHeader(), 0, 0, "", 1, 0, b""),
        m.RosCompressedImage(HEADER, "jpeg", bytes(range(256)) * 20),
        m.RosCameraInfo(
            HEADER, 480, 640, "plumb_bob", [0.1, -0.2, 0.0, 0.0, 0.05], [float(i) for i in range(9)], zero, [0.5] * 12
        ),
        m.RosCameraInfo(
            m.RosHeader(), 1, 1, "", [], zero, zero, [0.0] * 12, 2, 2, m.RosRegionOfInterest(1, 2, 3, 4, True)
        ),
        m.RosRegionOfInterest(1, 2, 3, 4, True),
        m.RosPoint(1e-300, -0.0, 1e300),
        pose,
        m.RosPoseWithCovariance(pose, [float(i) for i in range(36)]),
        answers.place((1.0, 2.0, 3.0), 0.5, 1_700_000_000_123_456_789, "map"),
        transform,
        m.RosTransforms([]),
        m.RosTransforms([transform, odd, transform]),
        info,
        m.RosOccupancyGrid(HEADER, info, np.array([-1, 0, 100] * 7, np.int8).tobytes()),
        status,
        m.RosDiagnosticStatus(0, "", "", "", []),
        m.RosDiagnosticArray(HEADER, [status, status]),
        m.RosDiagnosticArray(m.RosHeader(), []),
        m.RosGid(bytes(range(16))),
        m.RosNodeEntities("/touchdown", "node", [m.RosGid(bytes(16))], []),
        m.RosParticipantEntities(m.RosGid(bytes(range(16))), [m.RosNodeEntities("/", "n", [], [m.RosGid(bytes(16))])]),
        m.RosHumbleParticipantEntities(m.RosLongGid(bytes(range(24))), [m.RosHumbleNodeEntities("/", "n", [], [])]),
    ]


def as_rosbags(store: Any, message: Any, name: str) -> Any:
    """The same message as rosbags has it."""
    kinds = dict(store.fielddefs[name][1])
    values = {}
    for one in fields(message):
        node, value = kinds[one.name], getattr(message, one.name)
        values[one.name] = _value(store, value, node)
    return store.types[name](**values)


def _value(store: Any, value: Any, kind: Any) -> Any:
    node, what = int(kind[0]), kind[1]
    if node == 2:
        return as_rosbags(store, value, what)
    if node == 1:
        return value
    inner = what[0]
    if int(inner[0]) == 2:
        return [as_rosbags(store, one, inner[1]) for one in value]
    base = inner[1][0]
    kinds = {"byte": "uint8", "char": "uint8"}
    if isinstance(value, bytes):
        return np.frombuffer(value, kinds.get(base, base))
    return np.array(value, kinds.get(base, base))


def name_of(message: Any) -> str:
    package, _, _, name = type(message).__idl_typename__.split(".")
    return f"{package}/msg/{name.removesuffix('_')}"


@pytest.mark.parametrize("message", some_messages(), ids=lambda message: type(message).__name__)
def test_bytes_are_those_of_the_serialiser_of_rosbags(message: Any) -> None:
    typesys = pytest.importorskip("rosbags.typesys", reason="needs the extra ros2")
    humble = "Humble" in type(message).__name__
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE if humble else typesys.Stores.ROS2_JAZZY)
    assert is_dataclass(message)
    name = name_of(message)
    theirs = bytes(store.serialize_cdr(as_rosbags(store, message, name), name))
    ours = message.serialize(use_version_2=False)
    assert ours == theirs
    again = type(message).deserialize(theirs)
    assert again.serialize(use_version_2=False) == theirs


def test_a_received_picture_is_not_copied() -> None:
    data = np.random.default_rng(2).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    received = m.RosImage(HEADER, 720, 1280, "bgr8", 0, 3840, data.tobytes()).serialize(use_version_2=False)
    picture = bgr_of_image(m.RosImage.deserialize(received), "/t")
    assert np.array_equal(picture, data)
    whole = np.frombuffer(received, np.uint8)
    assert np.shares_memory(picture, whole)


@pytest.mark.parametrize("encoding", sorted(CHANNELS))
def test_encodings(encoding: str) -> None:
    bytes_a_pixel = CHANNELS[encoding]
    row = np.full((4, 6 * bytes_a_pixel + 2), 128, np.uint8)  # rows end with padding
    row[:, 1 :: max(2, bytes_a_pixel)] = 200
    picture = bgr_of_image(m.RosImage(HEADER, 4, 6, encoding, 0, row.shape[1], row.tobytes()), "/t")
    assert picture.shape == (4, 6, 3) and picture.dtype == np.uint8


def test_red_is_red_in_every_encoding() -> None:
    two = {"bgr8": "0000ff" * 2, "rgb8": "ff0000" * 2, "bgra8": "0000ff07" * 2, "rgba8": "ff000007" * 2}
    two |= {**dict.fromkeys(("yuv422", "uyvy"), "5a51f051"), **dict.fromkeys(("yuv422_yuy2", "yuyv"), "515a51f0")}
    assert set(two) == set(CHANNELS)
    for encoding, pair in two.items():
        data = bytes.fromhex(pair) * 3
        picture = bgr_of_image(m.RosImage(HEADER, 1, 6, encoding, 0, len(data), data), "/t")
        assert np.abs(picture.astype(int) - (0, 0, 255)).max() < 4, encoding


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": "mono8"}, "mono8"),
        ({"encoding": "16UC1"}, "16UC1"),
        ({"encoding": "8UC3"}, "8UC3"),
        ({"data": b"\0" * 10}, "damaged"),
        ({"step": 3}, "damaged"),
        ({"width": 0}, "damaged"),
        ({"height": 2**32 - 1, "width": 2**32 - 1, "step": 2**32 - 1}, "damaged"),
    ],
)
def test_pictures_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    values = {"height": 4, "width": 6, "encoding": "bgr8", "is_bigendian": 0, "step": 18, "data": b"\0" * 72}
    with pytest.raises(PictureError, match=words):
        bgr_of_image(m.RosImage(HEADER, **{**values, **changes}), "/t")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"no picture", fake_model.paint(4, 4).tobytes()])
def test_compressed_pictures_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="/t"):
        bgr_of_compressed(m.RosCompressedImage(HEADER, "jpeg", data), "/t")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("ros2://camera/image_raw", ("/camera/image_raw", True)),
        ("ros2:///camera/image_raw/compressed", ("/camera/image_raw/compressed", True)),
        ("ros2://image?stamps=arrival", ("/image", False)),
    ],
)
def test_addresses(source: str, expected: tuple[str, bool]) -> None:
    assert parse_source(source) == expected


@pytest.mark.parametrize("source", ["ros2://", "ros2://a-b", "ros2://a?stamps=never", "ros2://a?x=1", "ros2://a//b"])
def test_addresses_that_are_none(source: str) -> None:
    with pytest.raises(CameraError, match=r"ros2://"):
        make_camera(CameraRequest(source, 64, 64))


def test_a_lens_that_contradicts_the_graph_is_refused() -> None:
    lens = CameraModel.from_hfov(640, 480, 70.0)
    k = [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0]
    info = m.RosCameraInfo(HEADER, 480, 640, "plumb_bob", [], k, [0.0] * 9, [0.0] * 12)
    assert lens_problem(info, "/cam/image_raw", lens) is None
    info.width, info.height, info.k = 1280, 960, [2 * v for v in k]
    assert lens_problem(info, "/cam/image_raw", lens) is None
    info.k = [v * 1.1 for v in info.k]
    assert "fx is" in (lens_problem(info, "/cam/image_raw", lens) or "")
    info.k = [2 * v for v in k[:4]] + [math.nan, *[2 * v for v in k[5:]]]
    assert "finite" in (lens_problem(info, "/cam/image_raw", lens) or "")


def test_the_frames_are_those_of_ros() -> None:
    """A camera that looks straight down, top forward, over a vehicle that heads east at 10 m."""
    camera = CameraModel.from_hfov(640, 480, 70.0, Mount(offset_frd_m=(0.1, 0.2, 0.3)))
    half = math.sqrt(0.5)
    pose = Pose(0, (half, 0.0, 0.0, half), (5.0, 7.0, -10.0), 10.0)
    placed = answers.camera_transform(camera, pose, 0, "map")
    mounted = answers.mount_transform(camera.mount, 0, "base_link")
    assert placed is not None and mounted is not None
    way = placed.transform.translation
    assert (way.x, way.y, way.z) == pytest.approx((7.1, 4.8, 9.7))  # east, north, up: forward is east, right is south
    offset = mounted.transform.translation
    assert (offset.x, offset.y, offset.z) == pytest.approx((0.1, -0.2, -0.3))
    # The optical z axis looks down in both; x, to the picture's right, is south in the map and -y on the body.
    for transform, right in ((placed, (0.0, -1.0, 0.0)), (mounted, (0.0, -1.0, 0.0))):
        rotation = matrix_of(transform.transform.rotation)
        assert rotation[:, 2] == pytest.approx((0.0, 0.0, -1.0), abs=1e-9)
        assert rotation[:, 0] == pytest.approx(right, abs=1e-9)
    assert answers.mount_transform(Mount.on_gimbal(), 0, "base_link") is None
    assert answers.camera_transform(camera, Pose(0), 0, "map") is None
    site = answers.place((3.0, 4.0, 0.5), 0.5, 0, "map").pose
    assert (site.pose.position.x, site.pose.position.y, site.pose.position.z) == (4.0, 3.0, -0.5)
    assert site.covariance[0] == site.covariance[7] == 0.0625 and site.covariance[14] == answers.NOT_TOLD


def matrix_of(q: Any) -> np.ndarray:
    x, y, z, w = q.x, q.y, q.z, q.w
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize("angle_deg", [0.0, 1.0, 90.0, 179.999, 180.0])
def test_quaternions_of_rotations(angle_deg: float) -> None:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ np.diag([1.0, -1.0, -1.0])
    q = m.RosQuaternion(*answers.quaternion_of(rotation))
    assert matrix_of(q) == pytest.approx(rotation, abs=1e-6)


def test_cells_lie_where_ros_looks_for_them() -> None:
    no = np.zeros((2, 3), bool)
    free, person, known = no.copy(), no.copy(), ~no
    free[0, 2] = person[1, 0] = True
    known[0, 0] = False
    grey = np.zeros((2, 3), np.float32)
    view = GroundView(0.5, (10.0, 20.0), 1.5, free, {Role.PERSON: person}, grey, grey, known, no)
    grid = answers.grid(view, 0, "map")
    cells = np.frombuffer(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    assert cells.tolist() == [[-1, 50, 0], [100, 50, 50]]
    origin = grid.info.origin.position
    assert (origin.x, origin.y, origin.z, grid.info.resolution) == (20.0, 10.0, -1.5, 0.5)


def seen(graph: Any, entities: Any, name: str) -> Any:
    """The newest that ros_discovery_info says of a node."""
    for sample in graph.take(0.5, 50):
        for node in sample.node_entities_info_seq:
            if node.node_name == name:
                entities = node
    return entities


def test_ros_sees_a_node_with_its_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.sub import DataReader
    from cyclonedds.topic import Topic

    from edge.dds.graph import RosReader, domain_id

    node = RosNode("touchdown", "/quad/touchdown")
    node.writer("/quad/touchdown/site", m.RosPoseWithCovarianceStamped, reliable())
    node.writer("/quad/touchdown/landable", m.RosOccupancyGrid, latched())
    node.reader("/cam/image_raw", m.RosImage, sensor_data(4))
    other = DomainParticipant(domain_id())
    topic = Topic(other, "ros_discovery_info", m.RosParticipantEntities)
    graph = RosReader(other, DataReader(other, topic, latched()))
    said: list[Any] = []

    def told() -> bool:
        found = seen(graph, None, "touchdown")
        said.extend([found] if found is not None else [])
        return bool(said)

    wait_for(told)
    entities = said[-1]
    assert entities.node_namespace == "/quad/touchdown"
    assert (len(entities.reader_gid_seq), len(entities.writer_gid_seq)) == (1, 2)
    writers = BuiltinDataReader(other, BuiltinTopicDcpsPublication)
    readers = BuiltinDataReader(other, BuiltinTopicDcpsSubscription)
    published = {}
    wait_for(
        lambda: published.update({e.topic_name: e for e in writers.take(50)}) or "rt/quad/touchdown/site" in published
    )
    subscribed = {e.topic_name: e for e in readers.take(50)}
    site, landable = published["rt/quad/touchdown/site"], published["rt/quad/touchdown/landable"]
    assert site.type_name == "geometry_msgs::msg::dds_::PoseWithCovarianceStamped_"
    assert landable.type_name == "nav_msgs::msg::dds_::OccupancyGrid_"
    assert "TransientLocal" in str(landable.qos) and "Volatile" in str(site.qos) and "Reliable" in str(site.qos)
    image = subscribed["rt/cam/image_raw"]
    assert image.type_name == "sensor_msgs::msg::dds_::Image_" and "BestEffort" in str(image.qos)
    gids = {bytes(gid.data) for gid in entities.writer_gid_seq}
    assert {site.key.bytes, landable.key.bytes} == gids
    node.close()


def test_names_and_domains_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TouchdownError, match="namespace '/9'"):
        RosNode("touchdown", "/9")
    monkeypatch.setenv("ROS_DOMAIN_ID", "233")
    with pytest.raises(TouchdownError, match="ROS_DOMAIN_ID=233: expected a number from 0 to 232"):
        RosNode("touchdown")


class Peer:
    """The other process, and what it said."""

    def __init__(self, tmp_path: Path, *options: str) -> None:
        picture = tmp_path / "ground.npy"
        np.save(picture, fake_model.photograph(WIDTH, HEIGHT, ("car", (5, 5, 30, 20))))
        words = [sys.executable, str(PEER), "--picture", str(picture), *options]
        environment = {**os.environ, "PYTHONPATH": str(PEER.parents[2])}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        self.said: dict[str, list[dict[str, Any]]] = {}
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            self.said.setdefault(said.pop("topic"), []).append(said)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(5)
        self._thread.join(5)


@contextmanager
def peer(tmp_path: Path, *options: str) -> Iterator[Peer]:
    started = Peer(tmp_path, *options)
    try:
        yield started
    finally:
        started.kill()


def test_pictures_in_and_answers_out_and_a_peer_that_restarts(tmp_path: Path, model_path: Path) -> None:
    holder: list[RosPublisher] = []

    class Late:
        """Hands on to a publisher that needs the rig's own flight."""

        def __getattr__(self, name: str) -> Any:
            return getattr(holder[0], name)

    rig = Rig(
        tmp_path,
        model_path,
        "ros2://cam/image_raw",
        observers=(Late(),),
        camera={"fps": None, "stall_timeout_ms": 1000.0},
        ros2={"picture_fps": 20.0},
    )
    rig.link.landing = True
    holder.append(RosPublisher(rig.config.ros2, rig.flight, "nearest-colour"))
    with holder[0], rig.running():
        with peer(tmp_path, "--fx", str(FX)) as first:
            wait_for(lambda: set(first.said) >= {"site", "diagnostics", "map", "tf", "tf_static", "picture"}, 20.0)
            wait_for(lambda: "target" in first.said, 15.0)
            rig.link.posing = False
            wait_for(lambda: site_words(first)[-1].startswith("no site: no-pose: "))
            rig.link.posing = True
            wait_for(lambda: site_words(first)[-1].startswith("site, "))
        decisions = rig.daemon.counters.decisions
        with peer(tmp_path) as second:
            wait_for(lambda: len(second.said.get("site", ())) > 5, 20.0)
            assert "map" in second.said or wait_for(lambda: "map" in second.said) is None
        assert rig.daemon.counters.decisions > decisions
    assert rig.error is None
    site, target = first.said["site"][-1], first.said["target"][-1]
    assert site["frame"] == "map" and site["at"][0] > 0  # east, away from the car on the left
    assert target["at"] == pytest.approx(site["at"], abs=1.0)
    assert set(first.said["map"][-1]["values"]) <= {-1, 0, 50, 100} and 0 in first.said["map"][-1]["values"]
    transform = first.said["tf"][-1]
    assert (transform["from"], transform["to"]) == ("map", "touchdown_camera")
    assert transform["way"] == pytest.approx([0.0, 0.0, 15.0])
    assert first.said["tf_static"][-1]["to"] == "touchdown_camera_mount"
    assert first.said["picture"][-1]["shape"] == [HEIGHT, WIDTH, 3]
    assert "gate link" in first.said["diagnostics"][-1]["touchdown: landing"][2]


def site_words(told: Peer) -> list[str]:
    return [one["touchdown: site"][1] for one in told.said["diagnostics"]]


def grab(camera: Any) -> Any:
    until = time.monotonic() + 15.0
    while True:
        try:
            return camera.grab(0.2)
        except CameraTimeout:
            assert time.monotonic() < until


def test_a_node_that_fails_leaves_the_graph_and_says_so(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, model_path, "ros2://cam/image_raw", camera={"fps": None})
    with RosPublisher(rig.config.ros2, rig.flight, "nearest-colour") as publisher:
        publisher.on_status(SimpleNamespace())  # of another version, say
        wait_for(lambda: "the ROS 2 node has failed" in caplog.text)
        publisher.on_status(SimpleNamespace())  # the daemon goes on


def test_a_second_vehicle_of_one_name_silences_places_until_it_is_gone(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.ros.publisher.RIVALS_PERIOD_NS", 0)
    rig = Rig(tmp_path, model_path, "ros2://cam/image_raw", camera={"fps": None})
    site = LandingSite((1.0, 2.0, 0.0), 2.0, 40.0, 0, 0)
    decided: Any = SimpleNamespace(
        frame=SimpleNamespace(captured_at_ns=0), decision=SimpleNamespace(selection=site), pose=None, view=None
    )
    node = RosNode("listener")
    sites = node.reader("/touchdown/site", m.RosPoseWithCovarianceStamped, reliable())
    with RosPublisher(rig.config.ros2, rig.flight, "nearest-colour") as publisher:

        def hears() -> bool:
            publisher.on_step(decided)
            return bool(sites.take(0.3, 10))

        wait_for(hears)
        other = RosNode("touchdown", "/touchdown")
        other.writer("/touchdown/target", m.RosPoseWithCovarianceStamped, reliable())
        wait_for(lambda: not hears())
        assert "give one of the vehicles another [ros2] namespace" in caplog.text
        assert not any(hears() for _ in range(3))
        other.close()
        wait_for(hears)
    node.close()


def test_a_stamp_says_how_old_a_picture_is(tmp_path: Path) -> None:
    request = CameraRequest("ros2://cam/image_raw/compressed", WIDTH, HEIGHT)
    with peer(tmp_path, "--compressed", "--late-s", "0.4"), make_camera(request) as camera:
        frame = grab(camera)
        age_s = (time.monotonic_ns() - frame.captured_at_ns) * 1e-9
        assert 0.4 <= age_s < 1.5 and frame.image_bgr.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(("late_s", "words"), [("-3", "ahead of"), ("1e9", "behind")])
def test_a_stamp_of_another_clock_is_refused(tmp_path: Path, late_s: str, words: str) -> None:
    with peer(tmp_path, f"--late-s={late_s}"):
        camera = make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT))
        with camera, pytest.raises(CameraError, match=rf"{words} this computer's clock"):
            grab(camera)
        with make_camera(CameraRequest("ros2://cam/image_raw?stamps=arrival", WIDTH, HEIGHT)) as camera:
            assert time.monotonic_ns() - grab(camera).captured_at_ns < 1_000_000_000


def test_a_camera_that_is_another_is_refused(tmp_path: Path) -> None:
    lens = CameraModel.from_hfov(WIDTH, HEIGHT, 40.0)
    with peer(tmp_path, "--fx", str(FX)):
        other_lens = make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT, lens=lens))
        with other_lens, pytest.raises(CameraError, match="/cam/camera_info: fx is"):
            for _ in range(100):
                grab(other_lens)
        other_size = make_camera(CameraRequest("ros2://cam/image_raw", WIDTH + 16, HEIGHT))
        with other_size, pytest.raises(CameraError, match=f"delivers {WIDTH}x{HEIGHT}"):
            grab(other_size)


def test_the_calibration_of_the_graph_is_written(tmp_path: Path) -> None:
    out = tmp_path / "camera.yaml"
    with peer(tmp_path, "--fx", str(FX)):
        done = call("ros2", "calibration", "/cam/image_raw", "--out", out, "--timeout", 15)
    assert done.returncode == 0 and "70.0 degrees wide" in done.stdout, done.stderr
    assert CameraModel.from_calibration(out).fx == pytest.approx(FX)
    done = call("ros2", "calibration", "/other/image_raw", "--out", out, "--timeout", 0.2)
    assert done.returncode == 2 and "/other/camera_info: no sensor_msgs/CameraInfo within 0.2 s" in done.stderr


def test_without_the_extra_it_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedds", None)
    done = call("ros2", "serve", "--config", tmp_path / "edge.toml")
    assert done.returncode == 2 and 'pip install "touchdown-landing[ros2]"' in done.stderr
    monkeypatch.delitem(sys.modules, "edge.cameras.ros2", raising=False)
    monkeypatch.setitem(sys.modules, "cyclonedds.core", None)
    monkeypatch.delitem(sys.modules, "edge.dds.graph", raising=False)
    with pytest.raises(CameraError, match=r"touchdown-landing\[ros2\]"):
        make_camera(CameraRequest("ros2://cam/image_raw", WIDTH, HEIGHT))
