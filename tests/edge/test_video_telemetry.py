"""Telemetry beside a video: forms of subtitles, and a map built from a moving camera."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.video_telemetry import telemetry_beside
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.globe import GlobalPlace
from landing.settings import DecisionSection
from tests.edge import fake_model

WIDTH, HEIGHT, FPS = 640, 480, 10.0
GSD_M = 2 * 20.0 * math.tan(math.radians(35.0)) / WIDTH


def stamp(t_s: float) -> str:
    return f"00:{int(t_s // 60):02d}:{int(t_s % 60):02d},{round(t_s % 1 * 1000):03d}"


def new_form(index: int, north_m: float = 0.0, height: float = 20.0, pitch: float = -90.0, zoom: int = 10000) -> str:
    t_s = index / FPS
    latitude = GlobalPlace(47.0, 8.0).moved(north_m, 0.0).latitude_deg
    return (
        f"{index + 1}\n{stamp(t_s)} --> {stamp(t_s + 1 / FPS)}\nSrtCnt : {index + 1}, DiffTime : 100ms\n"
        f"2026-05-01 12:00:00.000\n[iso : 100] [shutter : 1/1000.0] [focal_len : 240] [dzoom_ratio: {zoom}, delta:0],"
        f"[latitude: {latitude:.8f}] [longitude: 8.00000000] [rel_alt: {height:.3f} abs_alt: 450.123] "
        f"[gb_yaw: 0.0 gb_pitch: {pitch} gb_roll: 0.0]\n"
    )


def video(folder: Path, shifts_px: list[int], subtitles: list[str]) -> Path:
    """A camera that moves north over a lawn with a wood south of it: the picture moves down by the shifts."""
    path = folder / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for shift in shifts_px:
        edge = min(HEIGHT, 240 + shift)
        writer.write(fake_model.photograph(WIDTH, HEIGHT, ("tree", (0, edge, WIDTH, HEIGHT - edge))))
    writer.release()
    (folder / "v.SRT").write_text("\n\n".join(subtitles), "utf-8")
    return path


def look(model: Path, path: Path, **given: Any) -> tuple[Any, list[str], list[dict[str, Any]]]:
    said: list[str] = []
    records: list[dict[str, Any]] = []
    options = LookOptions(model, RuntimeOptions(), DecisionSection(), given=Given(hfov_deg=70.0, **given))
    return Looker(options, said.append, records.append).run([path]), said, records


def test_a_moving_camera_builds_one_map(tmp_path: Path, model_path: Path) -> None:
    shifts = [4 * k for k in range(20)]
    path = video(tmp_path, shifts, [new_form(k, north_m=shift * GSD_M) for k, shift in enumerate(shifts)])
    summary, said, records = look(model_path, path)
    assert summary.looked == 20 and not summary.skipped
    assert any("v.SRT height" in line and "gimbal pitch" in line for line in said)
    sites = [r["site"] for r in records if "site" in r]
    assert len(sites) >= 10
    # The site stays on its ground: ahead of the camera it comes nearer by what the camera moves.
    early, late = sites[0], sites[-1]
    assert early["v_px"] < HEIGHT / 2 and late["v_px"] < HEIGHT / 2 + shifts[-1]


def test_frames_that_look_at_the_horizon_are_refused_one_by_one(tmp_path: Path, model_path: Path) -> None:
    lines = [new_form(k, pitch=-90.0 if k < 5 else -10.0) for k in range(10)]
    summary, said, records = look(model_path, video(tmp_path, [0] * 10, lines))
    assert summary.refused_views == 5 and [("no_site" in r) for r in records[5:]] == [True] * 5
    assert all(r["no_site"]["reason"] == "view" for r in records[5:])
    assert any("v.avi#5: no site: view" in line for line in said)


def test_a_changed_zoom_and_missing_telemetry_skip_frames(tmp_path: Path, model_path: Path) -> None:
    lines = [new_form(k, zoom=10000 if k != 3 else 20000) for k in range(4)]
    summary, said, _ = look(model_path, video(tmp_path, [0] * 12, lines))
    assert any("v.avi#3: the zoom changed from 1 to 2" in line for line in said)
    assert any("v.SRT says nothing at 1.0 s" in line for line in said)
    assert summary.looked + len(summary.skipped) == 12


def test_a_frame_without_position_or_heading_is_skipped(tmp_path: Path, model_path: Path) -> None:
    lines = [new_form(k, north_m=50.0) for k in range(6)]
    lines[2] = lines[2].replace("[latitude: 47", "[latitude: 0").replace("[longitude: 8", "[longitude: 0")
    lines[2] = lines[2].replace(lines[2].split("[latitude: ")[1].split("]")[0], "0.0")
    lines[4] = lines[4].replace("gb_yaw: 0.0 ", "")
    lines[5] = lines[5].replace("gb_pitch: -90.0", "gb_pitch: -1000000000.0")
    summary, _, records = look(model_path, video(tmp_path, [0] * 6, lines))
    assert [r["name"] for r in records] == [f"v.avi#{k}" for k in (0, 1, 3, 5)]
    assert {line.split(" at ")[0] for line in summary.skipped} == {
        f"v.avi#{k}: v.SRT says no position or no heading" for k in (2, 4)
    }
    assert records[-1]["no_site"]["reason"] == "view"


def test_a_height_below_take_off_is_no_height(tmp_path: Path, model_path: Path) -> None:
    lines = [new_form(k, height=20.0 if k else -3.0) for k in range(4)]
    with pytest.raises(Exception, match=r"take-off.*--height-agl-m"):
        look(model_path, video(tmp_path, [0] * 4, lines))


def test_older_forms(tmp_path: Path) -> None:
    (tmp_path / "o.srt").write_text(
        "1\n00:00:00,000 --> 00:00:01,000\nHOME(8.5000,47.1000) 2017.05.01 12:00:00\n"
        "GPS(8.5001,47.1002,14) BAROMETER:30.2\nISO:100 Shutter:60 EV:0 Fnum:2.8\n\n"
        "2\n00:00:01,000 --> 00:00:02,000\nnothing here\n",
        "utf-8-sig",
    )
    telemetry = telemetry_beside(tmp_path / "o.mp4")
    assert telemetry is not None and not telemetry.has_positions  # without headings they do not place a frame
    entry = telemetry.at(0.4)
    assert entry is not None and (entry.height_m, entry.pitch_deg) == (30.2, None)
    assert entry.place == GlobalPlace(47.1002, 8.5001)
    assert telemetry.at(5.0) is None


def test_a_video_across_the_date_line_is_one_flight(tmp_path: Path) -> None:
    lines = [new_form(k).replace("longitude: 8.0", f"longitude: {side}179.9999") for k, side in enumerate(("", "-"))]
    (tmp_path / "d.SRT").write_text("\n".join(lines))
    telemetry = telemetry_beside(tmp_path / "d.mp4")
    assert telemetry is not None
    second = telemetry.at(1 / FPS)
    assert second is not None
    north_m, east_m, _ = telemetry.pose(second, 0, 20.0, -90.0, 0.0).position_ned_m or (0.0, 0.0, 0.0)
    assert (north_m, east_m) == pytest.approx((0.0, 15.2), abs=0.1)


def test_numbers_that_are_no_place_are_none(tmp_path: Path) -> None:
    (tmp_path / "n.SRT").write_text(new_form(0).replace("longitude: 8", "longitude: 888"))
    telemetry = telemetry_beside(tmp_path / "n.mp4")
    assert telemetry is not None and not telemetry.has_positions


def test_subtitles_without_telemetry_are_none(tmp_path: Path) -> None:
    (tmp_path / "o.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    assert telemetry_beside(tmp_path / "o.mp4") is None and telemetry_beside(tmp_path / "p.mp4") is None


def test_a_turned_vehicle_has_its_site_ahead(tmp_path: Path) -> None:
    from edge.annotate import way_to
    from landing.geometry import quaternion_from_euler
    from landing.types import Pose

    east = Pose(0, quaternion_from_euler(0.0, 0.0, math.pi / 2), (10.0, 0.0, -20.0), 20.0)
    assert np.allclose(way_to(10.0, 3.0, east), (3.0, 0.0), atol=1e-6)
