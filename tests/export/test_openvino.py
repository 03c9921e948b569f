"""What we export, adopt and quantise computes in OpenVINO what it computes in ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from edge.runtimes import RuntimeOptions, load_runtime, openvino
from export.import_onnx import import_onnx
from export.int8 import Int8Options, quantise
from export.onnx_export import ExportOptions, export_onnx
from export.onnx_probe import ImportOptions
from landing.types import Frame
from tests.export import foreign_models, tiny

pytest.importorskip("openvino")

BACKEND = RuntimeOptions(backend="openvino", threads=1)


def both(path, options=BACKEND):
    with load_runtime(path) as reference, load_runtime(path, options) as other:
        source = reference.spec.input
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (source.height_px, source.width_px, 3), dtype=np.uint8)
        return reference.segment(Frame(image, 0, 0)), other.segment(Frame(image, 0, 0))


def agree(expected, found):
    assert np.mean(expected.class_id == found.class_id) > 0.999  # the rest are ties
    assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1
    assert np.abs(expected.hazards.astype(int) - found.hazards).max() <= 1


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, {}),
        ({"layout": "nhwc", "last": True}, {}),
        ({"stride": 2}, {}),
        ({"ends": "softmax"}, {"activation": "softmax"}),
        ({"ends": "sigmoid", "gain": 0.2}, {"activation": "sigmoid"}),  # not saturated: no ties
        ({"ends": "labels"}, {"activation": "labels"}),
        ({"rank": 3}, {}),
    ],
    ids=str,
)
def test_somebody_elses_network(tmp_path, given, options):
    source = foreign_models.save(tmp_path / "foreign.onnx", **given)
    import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", **options))
    agree(*both(tmp_path / "m.onnx"))


@pytest.mark.parametrize("stride", [1, 2])
def test_ours(checkpoint_path, tmp_path, stride):
    options = ExportOptions(stride, half_weights=stride == 2)
    report = export_onnx(checkpoint_path, tmp_path / "m.onnx", options)
    expected, found = both(report.path)
    assert expected.landable.std() > 3
    agree(expected, found)


def test_ours_at_bf16_decides_alike(checkpoint_path, tmp_path, monkeypatch):
    monkeypatch.setattr(openvino, "has_bf16", lambda: True)  # imitated where it is not there
    report = export_onnx(checkpoint_path, tmp_path / "m.onnx")
    expected, found = both(report.path, RuntimeOptions("openvino", threads=1, precision="bf16"))
    assert np.abs(expected.landable.astype(int) - found.landable).mean() < 2
    assert np.mean(expected.class_id == found.class_id) > 0.97


def test_in_8_bits(tmp_path):
    model = tiny.save(tmp_path / "tiny.onnx")
    folder = tiny.pictures(tmp_path / "pictures")
    report = quantise(model, tmp_path / "q.onnx", Int8Options(folder), lambda _: None)
    assert report.path is not None
    expected, found = both(report.path)
    # Sums of 8-bit products are rounded elsewhere: a step of the last layer here and there.
    assert np.abs(expected.landable.astype(int) - found.landable).mean() < 3
    # On x86 without VNNI OpenVINO's 8-bit sums saturate: 0.948 measured.
    assert np.mean(expected.class_id == found.class_id) > 0.93
