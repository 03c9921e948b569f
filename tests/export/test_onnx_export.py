from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from export import onnx_export
from export.cli import cli
from export.graph import LandingGraph
from export.onnx_export import ExportOptions, check_pictures, export_onnx
from export.parity import compare, require_close, require_exact
from export.runtime import open_session, read_spec, runtime_maps
from landing.errors import DataError, InvalidValueError, ModelError
from landing.model.spec import METADATA_KEY
from landing.taxonomy import Taxonomy
from landing.types import HAZARD_ORDER, Segmentation
from trainer.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def exported(checkpoint_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return export_onnx(checkpoint_path, path)


def test_the_file_explains_itself(exported, checkpoint_path):
    model = onnx.load(exported.path)
    assert [o.version for o in model.opset_import if not o.domain] == [18]
    assert model.ir_version <= 10
    assert [p.key for p in model.metadata_props] == [METADATA_KEY]
    spec = read_spec(exported.path)
    assert spec == exported.spec
    assert (spec.input.width_px, spec.input.height_px, spec.outputs.stride) == (96, 64, 1)
    assert spec.taxonomy == Taxonomy.load("aeroscapes")
    assert spec.provenance.licence == "CC0"
    assert spec.provenance.metrics == {"test_miou": 0.5}
    digest = hashlib.sha256(checkpoint_path.read_bytes()).hexdigest()
    assert spec.provenance.checkpoint_sha256 == digest


def test_no_traces_of_the_workstation_are_in_the_file(exported):
    data = exported.path.read_bytes()
    for trace in (b'File "', b"site-packages", b"onnx_export.py", b"stack_trace"):
        assert trace not in data


def test_input_and_outputs_are_what_the_drone_expects(exported):
    session = open_session(exported.path)
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(uint8)", [64, 96, 3])
    outputs = {o.name: (o.type, o.shape) for o in session.get_outputs()}
    assert outputs == {
        "class_id": ("tensor(uint8)", [64, 96]),
        "landable": ("tensor(uint8)", [64, 96]),
        "hazards": ("tensor(uint8)", [len(HAZARD_ORDER), 64, 96]),
    }
    graph = onnx.load(exported.path).graph
    first = next(node for node in graph.node if "image" in node.input)
    assert first.op_type == "Cast"  # TensorRT does not transpose uint8
    assert "Softmax" not in {node.op_type for node in graph.node}


def test_maps_equal_plain_softmax_by_hand(exported, checkpoint_path):
    checkpoint = Checkpoint.load(checkpoint_path)
    picture = check_pictures(exported.spec, "")[1]
    rgb = picture[..., ::-1].astype(np.float32) / 255
    normal = (rgb - checkpoint.model.mean_rgb) / np.array(checkpoint.model.std_rgb)
    tensor = torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = checkpoint.network()(tensor)[0]
    probability = logits.softmax(0).numpy()
    maps = runtime_maps(exported.path, [picture])[0]
    taxonomy = checkpoint.taxonomy
    assert (maps["class_id"] == probability.argmax(0)).mean() > 0.999
    merged = np.einsum("rk,khw->rhw", taxonomy.merge_matrix, probability) * 255
    assert np.abs(maps["landable"] - merged[0]).max() < 1.01
    assert np.abs(maps["hazards"] - merged[1:]).max() < 1.01
    assert maps["landable"].std() > 1  # the comparison is not of constants
    Segmentation(maps["class_id"], maps["landable"], maps["hazards"])


@pytest.mark.parametrize("stride", [2, 4])
def test_output_stride(checkpoint_path, tmp_path, stride):
    report = export_onnx(checkpoint_path, tmp_path / "m.onnx", ExportOptions(stride))
    assert report.spec.outputs.stride == stride
    maps = runtime_maps(report.path, check_pictures(report.spec, ""))[0]
    assert maps["class_id"].shape == (64 // stride, 96 // stride)
    assert maps["hazards"].shape == (4, 64 // stride, 96 // stride)


def test_half_weights_halve_the_file_and_agree(exported, checkpoint_path, tmp_path):
    report = export_onnx(checkpoint_path, tmp_path / "half.onnx", ExportOptions(half_weights=True))
    assert report.half_parity is not None
    assert report.half_parity.class_agreement > 0.99
    full, half = exported.size_bytes, report.size_bytes
    assert half < 0.7 * full


def test_thresholds_and_what_was_measured_at_them_go_together(checkpoint_path, tmp_path):
    chosen = {"landable": 0.9, "obstacle": 0.3, "water": 0.3, "person": 0.1, "vehicle": 0.2, "chosen_on": "val"}
    metrics = {"val": {"miou": 0.5, "person_recall_operating": 0.9}, "operating": chosen, "temperature": 1.0}
    replace(Checkpoint.load(checkpoint_path), metrics=metrics).save(tmp_path / "chosen.pt")
    spec = read_spec(export_onnx(tmp_path / "chosen.pt", tmp_path / "own.onnx", ExportOptions()).path)
    assert spec.operating is not None and spec.provenance.metrics["val_person_recall_operating"] == 0.9
    hotter = read_spec(export_onnx(tmp_path / "chosen.pt", tmp_path / "5.onnx", ExportOptions(temperature=5.0)).path)
    assert hotter.operating is None and hotter.provenance.metrics == {"val_miou": 0.5}


def test_temperature_makes_it_less_sure(exported, checkpoint_path, tmp_path):
    report = export_onnx(checkpoint_path, tmp_path / "m.onnx", ExportOptions(temperature=5.0))
    assert read_spec(report.path).temperature == 5.0
    picture = check_pictures(report.spec, "")[1:2]
    sure = runtime_maps(exported.path, picture)[0]
    unsure = runtime_maps(report.path, picture)[0]
    np.testing.assert_array_equal(sure["class_id"], unsure["class_id"])
    assert unsure["landable"].std() < sure["landable"].std()


def test_a_graph_that_computes_something_else_is_refused(checkpoint_path, tmp_path, monkeypatch):
    class SwappedColours(LandingGraph):
        def forward(self, image):
            return self.maps(self.logits(image.flip(-1)))

    monkeypatch.setattr(onnx_export, "LandingGraph", SwappedColours)
    with pytest.raises(ModelError, match="does not compute what the network computes"):
        export_onnx(checkpoint_path, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_the_older_file_alone(checkpoint_path, tmp_path, monkeypatch):
    target = tmp_path / "m.onnx"
    target.write_bytes(b"older")
    monkeypatch.setattr(onnx_export, "with_half_weights", _spoiled)
    with pytest.raises(ModelError, match="Export without --half-weights"):
        export_onnx(checkpoint_path, target, ExportOptions(half_weights=True))
    assert target.read_bytes() == b"older"


def _spoiled(model):
    spoiled = onnx.ModelProto()
    spoiled.CopyFrom(model)
    for tensor in spoiled.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 256:
            tensor.CopyFrom(onnx.numpy_helper.from_array(-values, tensor.name))
    return spoiled


def test_parity_tolerates_a_rounding_and_a_tie_but_no_more():
    zeros = {
        "class_id": np.zeros((4, 4), np.uint8),
        "landable": np.zeros((4, 4), np.uint8),
        "hazards": np.zeros((4, 4, 4), np.uint8),
    }
    tie = np.zeros((4, 4), bool)
    tie[0, 0] = True
    near = {name: array.copy() for name, array in zeros.items()}
    near["landable"][1, 1] = 1
    near["class_id"][0, 0] = 3
    require_exact(compare([zeros], [near], [tie]), "it")
    near["class_id"][2, 2] = 3
    with pytest.raises(ModelError, match="1 differ beyond a tie"):
        require_exact(compare([zeros], [near], [tie]), "it")
    with pytest.raises(ModelError, match="half"):
        require_close(compare([zeros], [near], [tie]), "it")
    wrong = dict(zeros, landable=np.zeros((2, 2), np.uint8))
    with pytest.raises(ModelError, match="output 'landable'"):
        compare([zeros], [wrong], [tie])


def test_check_images_are_letterboxed(exported, tmp_path):
    for i, size in enumerate([(50, 200), (300, 200)]):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), np.full((*size[::-1], 3), 90, np.uint8))
    pictures = check_pictures(exported.spec, str(tmp_path))
    assert len(pictures) == 5
    assert {p.shape for p in pictures} == {(64, 96, 3)}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        check_pictures(exported.spec, str(tmp_path / "empty"))


def test_bad_inputs(checkpoint_path, tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        export_onnx(tmp_path / "nothing.pt", tmp_path / "m.onnx")
    with pytest.raises(InvalidValueError, match=r"folder .* does not exist"):
        export_onnx(checkpoint_path, tmp_path / "no" / "m.onnx")
    with pytest.raises(InvalidValueError, match="output stride 3"):
        export_onnx(checkpoint_path, tmp_path / "m.onnx", ExportOptions(output_stride=3))
    with pytest.raises(ModelError, match="does not exist"):
        read_spec(tmp_path / "nothing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"broken")
    with pytest.raises(ModelError, match="truncated, damaged or no ONNX file"):
        read_spec(tmp_path / "broken.onnx")


def test_a_model_without_description_is_refused(exported, tmp_path):
    model = onnx.load(exported.path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="has no ModelSpec"):
        read_spec(tmp_path / "bare.onnx")


def test_commands(checkpoint_path, tmp_path):
    target = tmp_path / "m.onnx"
    result = CliRunner().invoke(
        cli, ["onnx", str(checkpoint_path), "-o", str(target), "--name", "toy"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    assert "torch against ONNX Runtime" in result.output
    shown = CliRunner().invoke(cli, ["info", str(target)], catch_exceptions=False)
    assert "name          toy" in shown.output
    assert "road             landable" in shown.output
    as_json = CliRunner().invoke(cli, ["info", str(target), "--json"], catch_exceptions=False)
    assert json.loads(as_json.output)["spec"]["name"] == "toy"
