"""ROS 2 bags, made here with rosbags, are recordings: cameras, streams, and `edge look` with their poses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs the extra ros2")

from rosbags import rosbag2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

import touchdown
from edge.cameras import CameraRequest, CameraTimeout, EndOfStream, make_camera
from edge.look.bag import BagTelemetry
from edge.look.view import Given, view_of
from landing.errors import CameraError, TouchdownError
from tests.command import call
from tests.edge import fake_model

WIDTH, HEIGHT, COUNT = 320, 240, 20
HEIGHT_M, PX_PER_M = 20.0, 10.0
STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types


def stamped(at_ns: int, frame: str = "map") -> Any:
    return T["std_msgs/msg/Header"](T["builtin_interfaces/msg/Time"](at_ns // 10**9, at_ns % 10**9), frame)


def pose(at_ns: int, north_m: float) -> Any:
    """A vehicle that heads north, level, in ROS's axes: a quarter turn to the left from east."""
    half = math.sqrt(0.5)
    place = T["geometry_msgs/msg/Point"](0.0, north_m, HEIGHT_M)
    turned = T["geometry_msgs/msg/Quaternion"](0.0, 0.0, half, half)
    return T["geometry_msgs/msg/PoseStamped"](stamped(at_ns), T["geometry_msgs/msg/Pose"](place, turned))


def image(at_ns: int, picture: np.ndarray, compressed: bool) -> Any:
    if compressed:
        data = cv2.imencode(".png", picture)[1].ravel()
        return T["sensor_msgs/msg/CompressedImage"](stamped(at_ns, "camera"), "png", data)
    return T["sensor_msgs/msg/Image"](
        stamped(at_ns, "camera"), HEIGHT, WIDTH, "bgr8", 0, WIDTH * 3, np.ascontiguousarray(picture).ravel()
    )


def camera_info(at_ns: int, fx: float = PX_PER_M * HEIGHT_M, model: str = "plumb_bob", bend: float = 0.0) -> Any:
    k = np.array([fx, 0, WIDTH / 2, 0, fx, HEIGHT / 2, 0, 0, 1], np.float64)
    roi = T["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return T["sensor_msgs/msg/CameraInfo"](
        stamped(at_ns), HEIGHT, WIDTH, model, np.full(5, bend), k, np.eye(3).ravel(), np.zeros(12), 0, 0, roi
    )


def write_bag(
    folder: Path,
    plugin: str,
    *,
    compressed: bool = False,
    poses: tuple[str, ...] = ("/mavros/local_position/pose",),
    speed_m_s: float = 1.0,
    topics: tuple[str, ...] = ("/cam/image_raw",),
    more: dict[str, tuple[str, Any]] | None = None,
) -> Path:
    """A flight to the north at 10 Hz over grass with a car that lies still on the ground.

    `more`: message types and messages by topic, one before the flight begins.
    """
    ground = fake_model.photograph(WIDTH, HEIGHT + 40, ("car", (20, 40, 60, 60)))
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
    storage = rosbag2.StoragePlugin.MCAP if plugin == "mcap" else rosbag2.StoragePlugin.SQLITE3
    with rosbag2.Writer(folder, version=9, storage_plugin=storage) as bag:

        def add(topic: str, kind: str) -> Any:
            return bag.add_connection(topic, kind, typestore=STORE)

        pictures = [add(topic, kind) for topic in topics]
        placed = [add(topic, "geometry_msgs/msg/PoseStamped") for topic in poses]
        for topic, (message_kind, message) in (more or {}).items():
            first_ns = 1_700_000_000_000_000_000
            bag.write(add(topic, message_kind), first_ns, STORE.serialize_cdr(message, message_kind))
        info = add("/cam/camera_info", "sensor_msgs/msg/CameraInfo")
        for number in range(COUNT):
            at_ns = 1_700_000_000_000_000_000 + number * 100_000_000
            row = 40 - round(number * 0.1 * speed_m_s * PX_PER_M)
            written = image(at_ns, ground[row : row + HEIGHT], compressed)
            for one in pictures:
                bag.write(one, at_ns, STORE.serialize_cdr(written, kind))
            for one in placed:
                message = pose(at_ns - 20_000_000, (number * 0.1 - 0.02) * speed_m_s)
                bag.write(one, at_ns, STORE.serialize_cdr(message, "geometry_msgs/msg/PoseStamped"))
            bag.write(info, at_ns, STORE.serialize_cdr(camera_info(at_ns), "sensor_msgs/msg/CameraInfo"))
    return folder


def look(model: Path, bag: Path, *more: object) -> tuple[Any, list[dict[str, Any]]]:
    done = call("edge", "look", bag, "--model", model, "--assume-nadir", "--json", *more)
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(("plugin", "compressed"), [("mcap", False), ("sqlite3", True)])
def test_a_flight_is_looked_at_with_its_poses(tmp_path: Path, model_path: Path, plugin: str, compressed: bool) -> None:
    bag = write_bag(tmp_path / "flight", plugin, compressed=compressed)
    for path in (bag, next(bag.glob("*.mcap" if plugin == "mcap" else "*.db3"))):
        done, records = look(model_path, path)
        assert done.returncode == 0, done.stderr
        frames = [one for one in records if "name" in one]
        assert len(frames) == COUNT and frames[0]["height_agl_m"] == pytest.approx(HEIGHT_M)
        sites = [one["site"] for one in frames if "site" in one]
        assert len(sites) > 5
        # The vehicle flies north over a site that stays: it comes nearer by a metre a second.
        first, last = sites[-6], sites[-1]
        assert first["ahead_m"] - last["ahead_m"] == pytest.approx(0.5, abs=0.12)
        assert last["right_m"] > 0  # the car lies on the left


def test_a_bag_without_poses_hovers_at_the_height_that_is_given(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", poses=(), speed_m_s=0.0)
    done, records = look(model_path, bag)
    assert done.returncode == 2 and "--height-agl-m" in done.stderr
    done, records = look(model_path, bag, "--height-agl-m", 20)
    assert done.returncode == 0, done.stderr
    assert sum("site" in one for one in records) > 5


def test_streams_and_cameras(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", topics=("/a/image", "/b/image"))
    with pytest.raises(TouchdownError, match="/a/image, /b/image: name one"):
        touchdown.open_stream(bag)
    with touchdown.open_stream(f"bag://{bag}?topic=/b/image") as stream:
        frames = list(stream)
    assert not stream.live and len(frames) == COUNT and frames[0].image_bgr.shape == (HEIGHT, WIDTH, 3)
    assert frames[1].captured_at_ns - frames[0].captured_at_ns == 100_000_000
    with make_camera(CameraRequest(f"bag://{bag}?topic=/a/image")) as camera:
        assert camera.info.frames == COUNT
        first = camera.grab(1.0)
        with pytest.raises(CameraTimeout):
            camera.grab(0.0)
        second = camera.grab(1.0)
        assert (second.captured_at_ns - first.captured_at_ns) * 1e-9 > 0.05
    with make_camera(CameraRequest(f"bag://{bag}?topic=/a/image", realtime=False, loop=True)) as camera:
        assert [camera.grab(1.0).frame_id for _ in range(COUNT + 3)][-1] == COUNT + 2
    with (
        make_camera(CameraRequest(f"bag://{bag}?topic=/a/image", realtime=False)) as camera,
        pytest.raises(EndOfStream),
    ):
        for _ in range(COUNT + 1):
            camera.grab(1.0)


def test_what_is_no_such_bag_is_refused_in_a_line(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", poses=("/a/pose", "/b/pose"))
    done, _ = look(model_path, bag)
    assert done.returncode == 2 and "poses in /a/pose, /b/pose: expected one" in done.stderr
    with pytest.raises(CameraError, match="expected /cam/image_raw"):
        make_camera(CameraRequest(f"bag://{bag}?topic=/none")).open()
    with pytest.raises(CameraError, match="expected bag://"):
        make_camera(CameraRequest(f"bag://{bag}?x=1")).open()
    with pytest.raises(CameraError, match="ask for 64x64"):
        make_camera(CameraRequest(f"bag://{bag}", 64, 64)).open()


INFO, RANGE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Range"
START_NS = 1_700_000_000_000_000_000


def distance(metres: float) -> tuple[str, Any]:
    return RANGE, T[RANGE](stamped(START_NS), 1, 0.1, 0.1, 60.0, metres, 0.0)


def facts(bag: Path) -> Any:
    telemetry = BagTelemetry(bag)
    entry = telemetry.at(0.0)
    assert entry is not None
    return telemetry.facts(entry, (WIDTH, HEIGHT))


def test_the_lens_is_that_of_the_camera_beside_the_pictures(tmp_path: Path) -> None:
    other = {"/a/camera_info": (INFO, camera_info(START_NS, fx=600.0))}
    for number, topic in enumerate(("/cam/image_raw", "/cam/image_raw/compressed", "/image")):
        compressed = topic.endswith("compressed")
        bag = write_bag(tmp_path / str(number), "mcap", topics=(topic,), compressed=compressed, more=other)
        focals = facts(bag).focals_px
        assert [fact.value for fact in focals] == ([] if topic == "/image" else [PX_PER_M * HEIGHT_M])


def test_distortion_and_middle_of_the_lens_count_too(tmp_path: Path) -> None:
    info = camera_info(START_NS, bend=0.05)
    bag = write_bag(tmp_path / "flight", "mcap", topics=("/lens/image",), more={"/lens/camera_info": (INFO, info)})
    told = facts(bag)
    camera = view_of((WIDTH // 2, HEIGHT // 2), told, Given(20.0, pitch_deg=-90.0)).camera
    assert camera.distortion == (0.05,) * 5 and camera.fx == pytest.approx(told.focals_px[0].value / 2)
    assert view_of((WIDTH, HEIGHT), told, Given(20.0, 60.0, pitch_deg=-90.0)).camera.distortion == (0.0,) * 5


def test_heights_are_of_a_sensor_that_looks_down(tmp_path: Path) -> None:
    ahead, down = {"/range/front": distance(3.0)}, {"/range/down": distance(20.0), "/range/other": distance(9.0)}
    assert facts(write_bag(tmp_path / "a", "mcap", more=ahead)).above_ground_m is None
    assert facts(write_bag(tmp_path / "b", "mcap", more=ahead | down)).above_ground_m.value == pytest.approx(20.0)
    several = write_bag(tmp_path / "c", "mcap", more={"/range/a": distance(3.0), "/range/b": distance(20.0)})
    with pytest.raises(TouchdownError, match="ranges in /range/a, /range/b: expected one"):
        BagTelemetry(several)


@pytest.mark.parametrize(
    "info",
    [camera_info(0, model="equidistant", bend=0.1), camera_info(0, fx=math.inf), camera_info(0, fx=-1.0)],
    ids=["fisheye", "infinite", "negative"],
)
def test_a_lens_that_is_none_of_ours_is_refused(tmp_path: Path, info: Any) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", topics=("/lens/image",), more={"/lens/camera_info": (INFO, info)})
    with pytest.raises(TouchdownError, match=r"bag .*/lens/camera_info: "):
        BagTelemetry(bag)


def test_a_message_of_another_definition_is_refused(tmp_path: Path) -> None:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg("string k", INFO))
    bag = write_bag(tmp_path / "flight", "mcap", speed_m_s=0.0)
    with rosbag2.Writer(tmp_path / "other", version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as other:
        pictures = other.add_connection("/cam/image_raw", "sensor_msgs/msg/Image", typestore=STORE)
        info = other.add_connection("/cam/camera_info", INFO, typestore=store)
        picture = image(START_NS, fake_model.photograph(WIDTH, HEIGHT), compressed=False)
        other.write(pictures, START_NS, STORE.serialize_cdr(picture, "sensor_msgs/msg/Image"))
        other.write(info, START_NS, store.serialize_cdr(store.types[INFO]("abc"), INFO))
    assert facts(bag).focals_px
    with pytest.raises(TouchdownError, match="bag "):
        BagTelemetry(tmp_path / "other")


@pytest.mark.parametrize("plugin", ["mcap", "sqlite3"])
def test_damaged_bags_are_refused_or_end_early(tmp_path: Path, plugin: str) -> None:
    bag = write_bag(tmp_path / "flight", plugin, speed_m_s=0.0)
    (whole,) = [path for path in bag.iterdir() if path.suffix in (".mcap", ".db3")]
    data = whole.read_bytes()
    generator = np.random.default_rng(4)
    for case in range(12):
        cut = bytearray(data[: int(generator.integers(0, len(data)))] if case % 2 else data)
        for place in generator.integers(0, max(1, len(cut)), 40 if case % 2 == 0 else 0):
            cut[place] ^= 0x55
        part = tmp_path / f"{case}{whole.suffix}"
        part.write_bytes(cut)
        try:
            with touchdown.open_stream(part) as stream:
                assert len(list(stream)) <= COUNT
        except TouchdownError as error:
            assert str(error) and "\n" not in str(error)


# --- a bag as a recording ---


def hfov_deg(fx: float) -> float:
    return math.degrees(2 * math.atan(WIDTH / 2 / fx))


def configured(folder: Path, model: Path, **camera: object) -> Path:
    path = folder / "edge.toml"
    lens = {
        "source": '"v4l2:///dev/video9"',
        "width_px": WIDTH,
        "height_px": HEIGHT,
        "hfov_deg": hfov_deg(PX_PER_M * HEIGHT_M),
        **camera,
    }
    lines = [f"{key} = {value}" for key, value in lens.items()]
    path.write_text(
        f"[model]\npath = {json.dumps(str(model))}\nthreads = 1\n[camera]\n" + "\n".join(lines) + "\n"
        '[link]\nconnection = "udpin:127.0.0.1:14599"\n'
    )
    return path


def test_a_bag_becomes_a_recording_that_is_replayed_and_mined(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap")
    done = call("edge", "record", bag, "-c", configured(tmp_path, model_path), "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["decisions"] == COUNT and told["sites"] > 5
    assert told["notes"] == ["heights are above the take-off: no range that looks down is in the bag"]
    recording = Path(told["folder"])
    replayed = call("edge", "replay", recording, "--json")
    assert replayed.returncode == 0, replayed.stderr
    again = json.loads(replayed.stdout)
    assert again["same"] and again["decisions"] == again["identical"] == COUNT
    assert again["site_gained"] + again["site_lost"] == 0
    other = call("edge", "replay", recording, "--model", model_path, "--json")
    assert other.returncode == 0 and json.loads(other.stdout)["decisions"] == COUNT
    mined = call("edge", "mine", recording, "--out", tmp_path / "mined", "--count", 3, "--apart-s", 0.3, "--json")
    assert mined.returncode == 0, mined.stderr
    assert len(json.loads(mined.stdout)["frames"]) == len(list((tmp_path / "mined/images").iterdir())) == 3
    # The sites are those that `edge look` finds by the same poses and lens.
    records = [one for one in look(model_path, bag)[1] if "name" in one]
    assert told["sites"] == sum("site" in one for one in records)


def test_a_lens_that_the_bag_contradicts_is_told(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", more={"/range/down": distance(19.0)})
    config = configured(tmp_path, model_path, hfov_deg=hfov_deg(150.0))
    done = call("edge", "record", bag, "-c", config, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["notes"] == [
        "the lens of the configuration has fx 150 px, /cam/camera_info of the bag says 200 px: one of them is wrong"
    ]


@pytest.mark.parametrize(
    ("camera", "poses", "message"),
    [
        ({"gimbal": '"mavlink"'}, ("/pose",), "a bag does not tell the attitude of a gimbal"),
        ({}, (), "has no poses"),
        ({"width_px": 640}, ("/pose",), "has 320x240 px"),
    ],
)
def test_a_bag_that_cannot_be_decided_on_is_refused(
    tmp_path: Path, model_path: Path, camera: dict[str, object], poses: tuple[str, ...], message: str
) -> None:
    bag = write_bag(tmp_path / "flight", "mcap", poses=poses)
    config = configured(tmp_path, model_path, **camera)
    done = call("edge", "record", bag, "-c", config, "--out", tmp_path / "out")
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_a_recording_is_never_written_over_another_and_a_bag_is_no_recording(tmp_path: Path, model_path: Path) -> None:
    bag = write_bag(tmp_path / "flight", "mcap")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("kept")
    done = call("edge", "record", bag, "-c", configured(tmp_path, model_path), "--out", tmp_path / "out")
    assert done.returncode != 0 and "is not empty" in done.stderr
    for command in (("replay",), ("mine", "--out", tmp_path / "mined")):
        done = call("edge", command[0], bag, *command[1:])
        assert done.returncode != 0 and "touchdown edge record" in done.stderr
