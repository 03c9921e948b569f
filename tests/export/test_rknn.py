"""`export rknn` with a fake toolkit: cut, quantised, simulated, judged, written whole or not at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.runtimes.rknn_file import RKNN
from export.import_onnx import import_onnx
from export.info import Info
from export.onnx_export import export_onnx
from export.onnx_probe import ImportOptions
from export.rknn.make import SHARES, RknnOptions, make_rknn
from export.verify import described, precision_of, store, stored_gate
from landing.errors import InvalidValueError, ModelError
from landing.problems import Problem
from tests.command import call
from tests.edge import fake_model
from tests.export import fake_toolkit


@pytest.fixture(scope="module")
def ours(checkpoint_path, tmp_path_factory):
    """An ONNX file of ours, pictures, and an environment whose 8 bits pass as soon as a tensor stays in float."""
    folder = tmp_path_factory.mktemp("rknn")
    export_onnx(checkpoint_path, folder / "m.onnx")
    (folder / "pictures").mkdir()
    for number in range(8):
        image = np.random.default_rng(number).integers(0, 256, (6, 9, 3), np.uint8)
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), cv2.resize(image, (96, 64)))
    import onnx

    names = [name for node in onnx.load(str(folder / "m.onnx")).graph.node for name in node.output]
    (folder / "env").mkdir()
    fake_toolkit.environment(folder / "env", names)
    return folder


def options(ours, **changed):
    return RknnOptions(
        **{"python": ours / "env" / "python", "board": "rk3588", "calibrate": ours / "pictures"} | changed
    )


def test_float16_is_judged_and_keeps_what_it_was_made_of(ours, tmp_path):
    said = []
    report = make_rknn(ours / "m.onnx", tmp_path / "m.rknn", options(ours), said.append)
    manifest = RKNN.read(report.path).manifest
    assert manifest == report.manifest and manifest.gate.passed and manifest.gate.frames == 2
    assert manifest.gate.runtimes[1] == "rknn-toolkit2 2.5.0 (simulator of rk3588)"
    assert manifest.gate.measured["class_disagreement"] < 0.001
    assert (manifest.onnx_name, manifest.precision, manifest.in_float) == ("m.onnx", "fp16", ())
    assert "0 calibrate, 2 judge" in said[0]
    assert precision_of(report.path) == "half" and described(report.path) == described(ours / "m.onnx")
    assert "board         rk3588" in Info.of(report.path).describe()
    other = manifest.gate.model_copy(update={"passed": False})
    store(other, report.path)
    assert stored_gate(report.path) == other


def test_eight_bits_keep_layers_at_both_ends_until_the_gate_passes(ours, tmp_path):
    said = []
    report = make_rknn(
        ours / "m.onnx", tmp_path / "m.rknn", options(ours, precision="int8", board="rk3566"), said.append
    )
    assert report.path is not None and precision_of(report.path) == "quantised"
    assert "gate FAILED" in said[1] and "tensors in float16: gate passed" in said[-1]
    assert report.manifest.in_float and report.manifest.board == "rk3566" and "6 calibrate" in said[0]


def test_what_never_passes_is_not_written(ours, tmp_path):
    place = tmp_path / "env"
    place.mkdir()
    python = fake_toolkit.environment(place, [])
    api = place / "site" / "rknn" / "api.py"
    api.write_text(api.read_text().replace("self.noise = 0.0", "self.noise = 6.0").replace("if self.keep else -1", ""))
    words = ["--board", "rk3588", "--python", str(python), "--calibrate", str(ours / "pictures")]
    target = tmp_path / "m.rknn"
    done = call("export", "rknn", str(ours / "m.onnx"), "-o", str(target), "--precision", "int8", *words)
    assert done.returncode == 1 and "no file was written" in done.stderr and not target.exists()
    assert done.stdout.count("gate FAILED") == len(SHARES)


def test_a_toolkit_that_is_not_there(ours, tmp_path):
    with pytest.raises(ModelError, match=r"no licence text, so ask Rockchip.*rknn-toolkit2==2\.5\.0") as caught:
        make_rknn(ours / "m.onnx", tmp_path / "m.rknn", options(ours, python=tmp_path / "none"), print)
    assert caught.value.problem is Problem.NOT_INSTALLED
    (tmp_path / "env").mkdir()
    python = fake_toolkit.environment(tmp_path / "env", [], version="")
    with pytest.raises(ModelError, match="rknn-toolkit2 does not run there"):
        make_rknn(ours / "m.onnx", tmp_path / "m.rknn", options(ours, python=python), print)
    assert not (tmp_path / "m.rknn").exists()


def test_a_toolkit_that_fails(ours, tmp_path):
    python = fake_toolkit.environment(tmp_path, [], builds=-1)
    with pytest.raises(ModelError, match=r"rknn-toolkit2 2\.5\.0 does not build it for rk3588: .*build gave -1"):
        make_rknn(ours / "m.onnx", tmp_path / "m.rknn", options(ours, python=python), print)


def test_files_of_ours_for_an_npu_are_not_adopted(tmp_path):
    (tmp_path / "m.rknn").write_bytes(b"RKNN")
    with pytest.raises(ModelError, match=r"adopt the ONNX file.*touchdown export rknn"):
        import_onnx(tmp_path / "m.rknn", tmp_path / "x.onnx", ImportOptions("aeroscapes"))


def test_names_and_graphs_that_are_refused(ours, tmp_path):
    with pytest.raises(InvalidValueError, match=r"ends in \.rknn"):
        make_rknn(ours / "m.onnx", tmp_path / "m.bin", options(ours), print)
    with pytest.raises(ModelError, match="RKNN's form needs a network with"):
        make_rknn(fake_model.save(tmp_path / "flat.onnx"), tmp_path / "m.rknn", options(ours), print)
