"""Exported models compute in ncnn as in ONNX Runtime; what cannot be is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.runtimes import load_runtime
from edge.runtimes.ncnn_file import NCNN
from export import ncnn as made_by
from export.import_onnx import import_onnx
from export.info import Info
from export.ncnn import make_ncnn
from export.onnx_export import export_onnx
from export.onnx_probe import ImportOptions
from export.verify import VerifyOptions, described, kind_of
from landing.errors import InvalidValueError, ModelError
from landing.problems import Problem
from landing.types import Frame
from tests.command import call
from tests.edge import fake_model
from tests.export import foreign_models


@pytest.fixture(scope="module")
def ours(checkpoint_path, tmp_path_factory):
    """An ONNX file of ours, and its two forms for ncnn."""
    folder = tmp_path_factory.mktemp("ncnn")
    export_onnx(checkpoint_path, folder / "m.onnx")
    for precision in made_by.PRECISIONS:
        make_ncnn(folder / "m.onnx", folder / f"{precision}.ncnn", precision)
    return folder


def both(source, made):
    with load_runtime(source) as reference, load_runtime(made) as other:
        size = reference.spec.input
        image = np.random.default_rng(0).integers(0, 256, (size.height_px, size.width_px, 3), dtype=np.uint8)
        return reference.segment(Frame(image, 0, 0)), other.segment(Frame(image, 0, 0))


def test_ours_computes_the_same(ours):
    expected, found = both(ours / "m.onnx", ours / "fp32.ncnn")
    assert expected.landable.std() > 3
    assert np.mean(expected.class_id == found.class_id) > 0.999
    assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1
    assert np.abs(expected.hazards.astype(int) - found.hazards).max() <= 1


def test_half_weights_take_half_the_room_and_decide_alike(ours):
    expected, found = both(ours / "m.onnx", ours / "fp16.ncnn")
    assert np.mean(expected.class_id == found.class_id) > 0.99
    assert np.abs(expected.landable.astype(int) - found.landable).mean() < 1
    assert (ours / "fp16.ncnn").stat().st_size < 0.75 * (ours / "fp32.ncnn").stat().st_size


def test_its_limits_are_those_of_its_weights(ours):
    assert kind_of(ours / "m.onnx", ours / "fp32.ncnn") == "exact"
    assert kind_of(ours / "m.onnx", ours / "fp16.ncnn") == "half"
    assert described(ours / "fp16.ncnn") == described(ours / "m.onnx")


def test_verify_keeps_its_report_in_the_file_and_info_shows_it(ours, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8))
    copy = tmp_path / "copy.ncnn"
    copy.write_bytes((ours / "fp32.ncnn").read_bytes())
    done = call("export", "verify", str(ours / "m.onnx"), str(copy), "--data", str(folder))
    assert done.returncode == 0, done.stderr
    gate = NCNN.read(copy).manifest.gate
    assert gate is not None and gate.passed and gate.runtimes[1].startswith("ncnn ")
    assert NCNN.read(copy).parts == NCNN.read(ours / "fp32.ncnn").parts
    shown = Info.of(copy)
    assert shown.gate == gate and "weights       fp32" in shown.describe() and '"ncnn_version"' in shown.to_json()
    assert VerifyOptions(folder).runtime_b == "auto"


def test_the_command(ours, tmp_path):
    done = call("export", "ncnn", str(ours / "m.onnx"), "-o", str(tmp_path / "x.ncnn"))
    assert done.returncode == 0 and "fp16 weights" in done.stdout and "ONNX Runtime against ncnn" in done.stdout
    assert NCNN.read(tmp_path / "x.ncnn").manifest.onnx_name == "m.onnx"


@pytest.mark.parametrize("kind", [{}, {"layout": "nhwc", "rank": 3, "last": True}, {"stride": 2, "ends": "softmax"}])
def test_adopted_files_with_their_colours(tmp_path, kind):
    source = foreign_models.save(tmp_path / "foreign.onnx", **kind)
    activation = kind.get("ends", "logits")
    import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", activation=activation))
    make_ncnn(tmp_path / "m.onnx", tmp_path / "m.ncnn", "fp32")
    expected, found = both(tmp_path / "m.onnx", tmp_path / "m.ncnn")
    assert len(np.unique(expected.class_id)) > 3
    assert np.mean(expected.class_id == found.class_id) > 0.999
    assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1


def test_files_of_ncnn_are_not_adopted(ours, tmp_path):
    done = call("export", "adopt", str(ours / "fp32.ncnn"), "--taxonomy", "aeroscapes", "-o", str(tmp_path / "x.onnx"))
    assert done.returncode == 2 and "adopt the ONNX file that it was made from" in done.stderr


def test_what_has_no_planes_is_refused(tmp_path):
    with pytest.raises(ModelError, match="a picture that goes into it as planes"):
        make_ncnn(fake_model.save(tmp_path / "flat.onnx"), tmp_path / "m.ncnn", "fp32")
    assert not (tmp_path / "m.ncnn").exists()


def test_a_form_that_computes_something_else_is_not_written(ours, tmp_path, monkeypatch):
    honest = made_by._converted

    def other(*words):
        parts = honest(*words)
        return parts | {"network.bin": parts["network.bin"][:4] + bytes(len(parts["network.bin"]) - 4)}

    monkeypatch.setattr(made_by, "_converted", other)
    with pytest.raises(ModelError, match="differs too much"):
        make_ncnn(ours / "m.onnx", tmp_path / "m.ncnn", "fp32")
    assert not list(tmp_path.iterdir())


def test_names_and_a_missing_converter(ours, tmp_path, monkeypatch):
    with pytest.raises(InvalidValueError, match=r"ends in \.ncnn"):
        make_ncnn(ours / "m.onnx", tmp_path / "m.param", "fp32")
    with pytest.raises(InvalidValueError, match="expected an ONNX file"):
        make_ncnn(ours / "fp32.ncnn", tmp_path / "m.ncnn", "fp32")
    monkeypatch.setattr(made_by.shutil, "which", lambda _name: None)
    with pytest.raises(ModelError, match=r"pnnx.*touchdown-landing\[export\]") as caught:
        make_ncnn(ours / "m.onnx", tmp_path / "m.ncnn", "fp32")
    assert caught.value.problem is Problem.NOT_INSTALLED
