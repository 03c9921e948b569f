from __future__ import annotations

from pathlib import Path

import pytest

from edge.check import example_text
from edge.config import EdgeConfig, load_config
from landing.errors import ConfigError

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
    ("hfov_deg = 70", "", r"exactly one of hfov_deg, calibration or fx; got none"),
    ("hfov_deg = 70", "hfov_deg = 70\nfx = 500", r"got hfov_deg and fx"),
    ("hfov_deg = 70", "fx = 2.0", r"field of view of 179"),
    ("hfov_deg = 70", 'calibration = "none.yaml"', r"camera calibration .*none\.yaml"),
    ("width_px = 640", 'width_px = "wide"', r"camera\.width_px = 'wide': input should be a valid"),
    ("width_px = 640", "", r"camera\.width_px is missing"),
    ("udpin:127.0.0.1:14550", "carrier-pigeon", r"\[link\] .*carrier-pigeon"),
    ("[link]", "[decision]\nvehicle_radius = 1\n[link]", "did you mean 'vehicle_radius_m'"),
    ("[link]", "[decision]\nmin_height_m=9\nmax_height_m=5\n[link]", "must be below max_height_m"),
    ("[model]", "[model", r"edge\.toml: "),
]


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
