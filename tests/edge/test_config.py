from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edge
from edge.check import example_text, key_lines
from edge.config import EdgeConfig, load_config, parse_config
from edge.keys import BASIC, EXPERT, MOVED, from_file, to_file
from landing.errors import ConfigError
from landing.settings import THRESHOLDS, Strictness, threshold_at

MINIMAL = """
[model]
path = "model.onnx"
[camera]
source = "images://pictures"
width_px = 640
height_px = 480
hfov_deg = 70
[link]
connection = "udpin:127.0.0.1:14550"
"""


def load(tmp_path: Path, text: str) -> EdgeConfig:
    path = tmp_path / "edge.toml"
    path.write_text(text)
    return load_config(path)


def test_a_value_of_any_length_is_refused_in_a_short_line(tmp_path: Path) -> None:
    for text in (f'decision = "{"x" * 100_000}"', f"{'k' * 100_000} = 1", f"preview = {[1] * 10_000}"):
        with pytest.raises(ConfigError) as refused:
            load(tmp_path, f"{text}\n{MINIMAL}")
        assert len(str(refused.value)) < 1200
        assert "..." in str(refused.value)


def test_defaults_and_paths_relative_to_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + '[log]\nevents = "logs/e.jsonl"\n')
    assert config.model.path == tmp_path / "model.onnx"
    assert config.camera.source == f"images://{tmp_path / 'pictures'}"
    assert config.log.events == tmp_path / "logs" / "e.jsonl"
    assert config.camera.model().hfov_deg == pytest.approx(70)
    assert config.decision.vehicle_radius_m > 0


def test_the_example_is_valid(tmp_path: Path) -> None:
    config = load(tmp_path, example_text())
    assert config.camera.model().mount.pitch_deg == -90.0


def test_every_field_says_what_it_is() -> None:
    def undescribed(model: type, prefix: str) -> list[str]:
        names = []
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            if hasattr(field.annotation, "model_fields"):
                names += undescribed(field.annotation, f"{prefix}{name}.")
            elif not field.description:
                names.append(prefix + name)
        return names

    assert undescribed(EdgeConfig, "") == []


BAD = [
    ("width_px = 640", "width_pix = 640", r"unknown key camera\.width_pix; did you mean 'width_px'"),
    ("[link]", "[linc]\na=1\n[link]", r"unknown key linc; did you mean 'link'\?"),
    ("hfov_deg = 70", "hfov_deg = 0", r"camera\.hfov_deg = 0: input should be greater than 1"),
    ("hfov_deg = 70", "hfov_deg = 250", r"camera\.hfov_deg = 250: .*less than 170"),
    (
        "hfov_deg = 70",
        "hfov_deg = 1.2217",
        r"camera\.hfov_deg = 1\.2217: looks like radians: in degrees it would be 70\.0",
    ),
    (
        "hfov_deg = 70",
        "[expert.camera]\nfx = 500\ncx = 960",
        r"principal point \(960, 239\.5\) px is far from the middle",
    ),
    ("hfov_deg = 70", "[expert.camera]\nfx = 500\nfy = 5", r"focal lengths 500 and 5 px: expected nearly the same"),
    (
        "hfov_deg = 70",
        "[expert.camera]\nfx = 400\ndistortion = [-0.6, 0.0, 0.0, 0.0, 0.0]",
        r"\[camera\] distortion \[-0\.6, .* folds the picture at its edge",
    ),
    (
        "[link]",
        "[camera.mount]\nforward_m = 10.0\n[link]",
        r"camera\.mount is 10 m forward, 0 m right and 0 m down, off the vehicle of decision\.vehicle_radius_m = 0\.5",
    ),
    (
        "[link]",
        "[expert.link]\nrangefinder_offset_frd_m = [0, 0, 5]\n[link]",
        r"rangefinder_offset_frd_m is 0 m forward, 0 m right and 5 m down, off the vehicle",
    ),
    (
        "[link]",
        '[depth]\nsource = "images://d"\nwidth_px = 64\nheight_px = 48\nhfov_deg = 60\nmount.right_m = -2\n[link]',
        r"depth\.mount is 0 m forward, -2 m right and 0 m down, off the vehicle",
    ),
    ("hfov_deg = 70", "", r"exactly one of hfov_deg, calibration or fx; got none"),
    ("[link]", "[expert.camera]\nfx = 500\n[link]", r"got hfov_deg and fx"),
    ("hfov_deg = 70", "[expert.camera]\nfx = 2.0", r"field of view of 179"),
    ("hfov_deg = 70", 'calibration = "none.yaml"', r"camera calibration .*none\.yaml"),
    ("width_px = 640", 'width_px = "wide"', r"camera\.width_px = 'wide': input should be a valid"),
    ("width_px = 640", "", r"camera\.width_px is missing"),
    ("udpin:127.0.0.1:14550", "carrier-pigeon", r"\[link\] .*carrier-pigeon"),
    ("[link]", "[expert.authority]\nstart_modes = []\n[link]", r"authority\.start_modes = \[\]: .*at least 1 item"),
    ("[link]", "[decision]\nvehicle_radius = 1\n[link]", "did you mean 'vehicle_radius_m'"),
    (
        "[link]",
        "[expert.decision]\nmax_height_m=1.1\n[link]",
        r"view\.min_height_m 1\.2, and that below max_height_m 1\.1",
    ),
    (
        "[link]",
        "[decision]\ncommit_height_m=5\n[link]",
        r"decision\.commit_height_m = 5 must be at most authority\.look_height_m = 3\.5",
    ),
    (
        "[link]",
        "[authority]\nlook_height_m=7\n[link]",
        r"authority\.look_height_m = 7 must be below .*near_height_m = 6",
    ),
    (
        "[link]",
        "[expert.director]\nmax_decision_age_s=3\n[link]",
        r"max_decision_age_s = 3 .*max_evidence_age_s = 2\.5",
    ),
    (
        "[link]",
        "[expert.link]\nposition_rate_hz=2\n[link]",
        r"position_rate_hz = 2 must be above 3\.33, for director\.",
    ),
    ("hfov_deg = 70", "hfov_deg = 70\nfps = 0.5", r"camera\.fps = 0\.5 must be above 1, for camera\.stall_timeout_ms"),
    ("[link]", "[director]\nconfirm_s=2\n[link]", r"director\.confirm_s .* write it as \[expert\.director\] confirm_s"),
    (
        "[link]",
        "[expert.decision]\nvehicle_radius_m=1\n[link]",
        r"expert\.decision\.vehicle_radius_m .*write it as \[decision\] vehicle_radius_m",
    ),
    ("[link]", "[decision]\nlately_s=1\n[link]", r"--set decision\.recent_hazard\.memory_s=VALUE"),
    ("[link]", "[director]\ncommit_height_m=3\n[link]", r"write it as \[decision\] commit_height_m"),
    ("[link]", "[authority]\ngrace_s=3\n[link]", r"authority\.grace_s is fixed in edge\.toml"),
    ("[link]", "[expert.magic]\na=3\n[link]", r"unknown table \[expert\.magic\]"),
    ("[link]", "expert = 3\n[link]", r"unknown key camera\.expert"),
    ("[model]", "[model", r"edge\.toml: "),
    ("width_px = 640", "width_px = '640'", r"camera\.width_px = '640': expected a number"),
    ("hfov_deg = 70", "hfov_deg = '70'", r"camera\.hfov_deg = '70': expected a number"),
    ("hfov_deg = 70", "hfov_deg = 70\nlatency_ms = true", r"camera\.latency_ms = True: expected a number"),
    ("hfov_deg = 70", "hfov_deg = 70\nloop = 1", r"camera\.loop = 1: expected true or false"),
    ("[link]", "[decision.relief]\nenabled = 'yes'\n[link]", r"decision\.relief\.enabled = 'yes': expected true or"),
    ("[link]", "[expert.link]\nheartbeat_timeout_s = true\n[link]", r"heartbeat_timeout_s = True: expected a number"),
    ("hfov_deg = 70", "hfov_deg = 70\n[expert.camera]\ncx = nan", r"cx count with fx alone"),
    ("hfov_deg = 70", "hfov_deg = 70\n[expert.camera]\ndistortion = [0.1, 0, 0, 0, 0]", r"distortion count with fx"),
    (
        "[link]",
        "[decision.relief]\nknown_below_m = 5\n[authority]\nlevel = 'guard'\n[link]",
        r"known_below_m = 5 must be at most authority\.look_height_m = 3\.5",
    ),
    ("[link]", "[pad]\nid = 7\nedge_m = 0.6\n[link]", r"pad.*dictionary is missing"),
]


DEPTH = "[depth]\nsource='pipe:depth'\nwidth_px=320\nheight_px=240\nhfov_deg=60\n"


@pytest.mark.parametrize(
    "more",
    [
        "known_below_m = 3.5\n[authority]\nlevel = 'guard'\n",
        "known_below_m = 5\n",  # advise stops nothing
        f"known_below_m = 5\n{DEPTH}[authority]\nlevel = 'guard'\n",
    ],
)
def test_relief_may_be_asked_for_where_it_can_be_seen(more: str, tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL.replace("[link]", f"[decision.relief]\n{more}[link]"))
    assert config.decision.relief.known_below_m >= 3.5


def test_every_old_key_is_refused_with_its_new_place(tmp_path: Path) -> None:
    """New places are settings that there are: a chain of attributes of the configuration."""
    for old, new in MOVED.items():
        table, _, key = old.partition(".")
        data = {"camera": {}, "link": {}, table: {key: 1}}
        with pytest.raises(ConfigError) as caught:
            parse_config(data, tmp_path / "edge.toml")
        assert old in str(caught.value) and new.rpartition(".")[2] in str(caught.value)
        config: Any = load(tmp_path, MINIMAL)
        for name in new.split("."):
            config = getattr(config, name)


def test_every_key_has_one_place() -> None:
    for table in {**BASIC, **EXPERT}:
        basic, expert = set(BASIC.get(table, ())), set(EXPERT.get(table, ()))
        fields = set(EdgeConfig.model_fields[table].annotation.model_fields)  # type: ignore[union-attr]
        assert not basic & expert and basic | expert <= fields
    shown = "\n".join(key_lines())
    assert all(f"\n{key} = " in shown for keys in EXPERT.values() for key in keys)
    assert shown.index("[preview]") < shown.index("[expert.model]  # expert: ")


def test_the_numbers_of_each_step_are_in_the_manual():
    manual = Path(edge.__file__).with_name("README.md").read_text("utf-8")
    for strictness in Strictness:
        row = " | ".join(f"{threshold_at(name, strictness):g}" for name in THRESHOLDS)
        assert f"| `{strictness.value}` | {row} |" in manual


def test_what_is_below_expert_joins_its_table(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "[expert.director]\nconfirm_s = 2\n[expert.camera]\nmax_frame_age_ms = 100\n")
    assert config.director.confirm_s == 2.0 and config.camera.max_frame_age_ms == 100.0
    sections = {"director": {"confirm_s": 2.0}, "decision": {"margin_m": 1.0, "max_distance_m": 9.0}}
    assert from_file(to_file(sections), EdgeConfig) == sections


@pytest.mark.parametrize(("old", "new", "words"), BAD, ids=[b[2][:40] for b in BAD])
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(tmp_path, MINIMAL.replace(old, new))
    assert caught.value.exit_code == 78
    assert str(tmp_path / "edge.toml") in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_missing_file_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--print-default"):
        load_config(tmp_path / "none.toml")


def test_a_calibration_for_another_shape_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cal.yaml").write_text(
        "image_width: 1280\nimage_height: 720\n"
        "camera_matrix:\n  rows: 3\n  cols: 3\n  data: [900, 0, 640, 0, 900, 360, 0, 0, 1]\n"
        "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0, 0, 0, 0, 0]\n"
    )
    text = MINIMAL.replace("hfov_deg = 70", 'calibration = "cal.yaml"')
    with pytest.raises(ConfigError, match="another shape"):
        load(tmp_path, text)
    text = text.replace("480", "360")
    assert load(tmp_path, text).camera.model().fx == pytest.approx(450)
