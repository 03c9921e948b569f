"""`edge calibrate`: a recorded flight with a wrong set-up tells what is wrong, and nothing without evidence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.blackbox import views
from edge.blackbox.recording import RecordedMessage, picture_of
from edge.blackbox.records import FORMAT, Start, StepRecord, Topic, to_json
from edge.blackbox.segment import Segment
from edge.calibrate import stamp_of
from edge.check import _calibrated
from edge.exact import RecordingError
from edge.resolved import resolve_flight
from landing.camera import CameraModel, Mount
from landing.decision import Decision
from landing.geometry import quaternion_from_euler
from landing.motion.calibration_result import CalibrationError
from landing.motion.looks import LookCollector
from landing.motion.self_calibration import calibrate, turned
from landing.site import NoSite, NoSiteReason
from landing.types import ByteArray, Pose
from tests.command import call
from tests.edge.test_resolved import PLAIN, configuration
from tests.landing.test_motion import CAMERA, picture

SECONDS, FPS = 26, 8
LATE_S, HEIGHT = 0.05, 1.05
WRONG = replace(CAMERA, mount=Mount(0.0, -87.0, 4.0), fx=1.03 * CAMERA.fx, fy=1.03 * CAMERA.fy)


def pose_at(t_s: float) -> Pose:
    """To and fro, up and down, leaning and turning."""
    height_m = 11 + 4 * math.sin(0.35 * t_s)
    q = quaternion_from_euler(0.12 * math.sin(2 * t_s), 0.1 * math.sin(1.6 * t_s + 1), 0.5 * math.sin(0.7 * t_s))
    place = (4 * math.sin(0.6 * t_s), 4 * math.sin(0.45 * t_s + 1), -height_m)
    return Pose(round((100 + t_s) * 1e9), q, place, height_m)


def told_at(t_s: float) -> Pose:
    pose = pose_at(t_s)
    assert pose.height_agl_m is not None
    return replace(pose, height_agl_m=HEIGHT * pose.height_agl_m)


@lru_cache(maxsize=1)
def pictures() -> tuple[ByteArray, ...]:
    return tuple(picture(pose_at(k / FPS)) for k in range(SECONDS * FPS))


def collected(camera: CameraModel = WRONG) -> LookCollector:
    found = LookCollector(camera)
    for k in range(20 * SECONDS + 10):
        found.add_pose(told_at(k / 20))
    for k, image in enumerate(pictures()):
        found.add_picture(image, round((100 + k / FPS + LATE_S) * 1e9))
    return found


def test_every_number_of_a_wrong_set_up_is_found_within_its_limit() -> None:
    result = calibrate(WRONG, collected())
    latency, roll, pitch, yaw, field, scale = result.estimates
    assert abs(latency.value - 1000 * LATE_S) < 10
    assert abs(roll.value) < 0.5 and abs(pitch.value + 3.0) < 0.5 and abs(yaw.value + 4.0) < 0.5
    assert abs(field.value / CAMERA.hfov_deg - 1) < 0.01 and abs(scale.value * HEIGHT - 1) < 0.02
    assert roll.told and pitch.told
    assert all(
        abs(estimate.error) < 3 * estimate.quantity.most_error for estimate in (latency, roll, pitch, yaw, scale)
    )
    before, after = result.residuals_px
    assert after < before


def test_a_hover_tells_nothing() -> None:
    found = LookCollector(CAMERA)
    still = pose_at(0.0)
    for k in range(130):
        pose = replace(still, at_ns=still.at_ns + k * 100_000_000)
        found.add_pose(pose)
        found.add_picture(pictures()[0], pose.at_ns)
    result = calibrate(CAMERA, found)
    assert len(result.missing) == 6
    assert result.camera == CAMERA and result.latency_s == 0.0


def test_a_short_flight_and_a_mirrored_picture_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"0 looks .* at least 24"):
        calibrate(CAMERA, LookCollector(CAMERA))
    found = LookCollector(CAMERA)
    for k, image in enumerate(pictures()):
        found.add_pose(pose_at(k / FPS))
        found.add_picture(np.ascontiguousarray(image[:, ::-1]), pose_at(k / FPS).at_ns)
    with pytest.raises(CalibrationError, match="mirrored left to right"):
        calibrate(CAMERA, found)


def test_a_turned_mount_keeps_angles_close_to_the_configured_ones() -> None:
    rng = np.random.default_rng(3)
    for mount in (Mount(), Mount(0, -90, 90), Mount(0, -45, 0), Mount(30, -90, 10)):
        for size in (0.0003, 0.03, 0.5):
            about = size * rng.normal(size=3)
            got = turned(replace(CAMERA, mount=mount), about).mount.frd_from_camera
            left = cv2.Rodrigues((cv2.Rodrigues(about)[0] @ mount.frd_from_camera).T @ got)[0]
            assert np.degrees(np.linalg.norm(left)) < 0.12


def recorded(path: Path, late_s: float = LATE_S, picture_bytes: bytes | None = None) -> None:
    """A black box of the flight, configured wrongly; its pictures may be others."""
    path.parent.mkdir(exist_ok=True)
    lens: dict[str, Any] = {"width_px": 320, "height_px": 240, "hfov_deg": round(WRONG.hfov_deg, 3)}
    camera = {**lens, "latency_ms": 20, "mount": {"pitch_deg": -87.0, "yaw_deg": 4.0}}
    config = configuration(camera={"source": "v4l2:///dev/video0", **camera})
    flight = resolve_flight(config, PLAIN, {})
    segment = Segment(path, 0, 10**18)
    written, spec = config.model_dump(mode="json"), PLAIN.model_dump(mode="json")
    start = Start(FORMAT, "0", "boot", 0, 10**18, written, {}, spec, flight.as_dict(), flight.digest)
    segment.record(Topic.START, to_json(start), 0)
    refused = NoSite(NoSiteReason.NOTHING_LANDABLE, "nothing")
    for k, image in enumerate(pictures()):
        at_ns = round((100 + k / FPS + late_s) * 1e9)
        pose = told_at(k / FPS + late_s)
        shown = views.picture(np.repeat(image[..., None], 3, axis=2), 85, at_ns)
        if picture_bytes is not None:
            shown.data = picture_bytes
        segment.show(views.PICTURE, shown, at_ns)
        step = StepRecord(k, k, at_ns, pose, refused, None, Decision(refused, at_ns, at_ns), None, {})
        segment.record(Topic.STEP, to_json(step), at_ns)
    segment.finish()


def test_the_command_says_numbers_and_lines_and_draws(tmp_path: Path) -> None:
    recorded(tmp_path / "flight.mcap")
    drawn = tmp_path / "before-after.png"
    done = call("edge", "calibrate", tmp_path / "flight.mcap", "--out", drawn, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert abs(said["estimates"]["mount pitch"]["value"] + 3.0) < 0.6
    assert any(line.startswith("pitch_deg = -") for line in said["toml"])
    assert cv2.imread(str(drawn)) is not None


def test_check_warns_until_a_flight_told_the_set_up() -> None:
    never = _calibrated(configuration())
    assert never.warning and "never calibrated" in never.text
    config = configuration()
    stamp = f"2026-11-28 {stamp_of(config.camera.model(), config.camera.latency_ms)}"
    good = config.model_copy(update={"camera": config.camera.model_copy(update={"calibrated": stamp})})
    assert not _calibrated(good).warning
    later = good.camera.model_copy(update={"latency_ms": 77.0})
    changed = _calibrated(good.model_copy(update={"camera": later}))
    assert changed.warning and "changed since" in changed.text


def test_another_principal_point_is_another_set_up() -> None:
    lens = CameraModel(1280, 720, 900.0, 900.0, 639.5, 359.5)
    assert stamp_of(lens, 40.0) == stamp_of(CameraModel.from_hfov(1280, 720, lens.hfov_deg), 40.0)
    assert len({stamp_of(replace(lens, **off), 40.0) for off in ({}, {"cx": 560.0}, {"cy": 560.0})}) == 3


@lru_cache(maxsize=1)
def looks_alone() -> LookCollector:
    found = LookCollector(WRONG)
    for k, image in enumerate(pictures()):
        found.add_picture(image, round((100 + k / FPS + LATE_S) * 1e9))
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pose: None, "0 of .* looks at moving ground have poses"),
        (lambda pose: replace(pose, at_ns=10**11), "0 of .* looks at moving ground have poses"),
        (lambda pose: replace(pose, at_ns=pose.at_ns + 10**19), "0 of .* looks at moving ground have poses"),
        (lambda pose: replace(pose, height_agl_m=None), "0 of .* looks at moving ground have poses"),
        (lambda pose: pose if pose.at_ns < 107 * 10**9 else None, "looks at moving ground have poses"),
        (
            lambda pose: replace(
                pose, position_ned_m=(float(pose.at_ns * 7919 % 20011), pose.at_ns * 104729 % 20011, -9)
            ),
            "the poses jump as no vehicle flies|as no set-up explains",
        ),
    ],
)
def test_poses_that_cannot_be_are_refused_in_a_line(change: Any, words: str) -> None:
    found = looks_alone().snapshot()
    for k in range(20 * SECONDS + 10):
        pose = change(told_at(k / 20))
        if pose is not None:
            found.add_pose(pose)
    with pytest.raises(CalibrationError, match=words):
        calibrate(WRONG, found)


@pytest.mark.parametrize("late_s", [1.1, -0.5])
def test_a_latency_that_cannot_be_configured_is_not_written(tmp_path: Path, late_s: float) -> None:
    recorded(tmp_path / "flight.mcap", late_s)
    done = call("edge", "calibrate", tmp_path / "flight.mcap", "--out", tmp_path / "drawn.png")
    assert done.returncode == 0, done.stderr
    assert "is not written, 0 to 1000 ms can be" in done.stdout
    assert "latency_ms" not in done.stdout and "calibrated =" not in done.stdout


def test_a_recording_with_pictures_that_are_none_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a picture of camera/picture"):
        picture_of(RecordedMessage(views.PICTURE, 0, b"\xff\xff"))
    for name, data in (("empty", b""), ("foreign", b"no picture")):
        recorded(tmp_path / name / "flight.mcap", picture_bytes=data)
        done = call("edge", "calibrate", tmp_path / name / "flight.mcap", "--out", tmp_path / "drawn.png")
        assert done.returncode == 2 and "picture" in done.stderr and done.stderr.count("\n") == 1, done.stderr
