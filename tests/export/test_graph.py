from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from edge.runtimes import load_runtime
from export import files
from export.cli import cli
from export.files import read_model, redescribe, spec_of, write_model
from export.graph import LandingGraph, stride_of, with_folded_input, without_upsampling
from export.onnx_export import ExportOptions, check_pictures, export_onnx
from export.retaxonomy import retaxonomy
from export.rewrite import SummedPyramid, rewritten
from export.runtime import runtime_maps
from landing.errors import InvalidValueError, ModelError, TaxonomyError, TouchdownError
from landing.model.confidence import ConfidenceStep, SiteConfidence
from landing.taxonomy import Taxonomy
from landing.types import Frame
from trainer.checkpoint import Checkpoint
from trainer.model import ModelConfig, build

AEROSCAPES = Taxonomy.load("aeroscapes")
SMALL = {"decoder_channels": (32, 32), "classes": 12, "width_px": 96, "height_px": 64}


@pytest.fixture(scope="module")
def pyramid():
    """An FPN, which smp enlarges by four at the end, with statistics that have seen something."""
    torch.manual_seed(1)
    network = build(ModelConfig(arch="fpn", **SMALL)).train()
    with torch.no_grad():
        for _ in range(4):
            network(torch.randn(4, 3, 64, 96))
    return network.eval()


@pytest.fixture(scope="module")
def pyramid_path(pyramid, tmp_path_factory):
    path = tmp_path_factory.mktemp("pyramid") / "fpn.pt"
    config = ModelConfig(arch="fpn", **SMALL)
    Checkpoint(config, AEROSCAPES, dict(pyramid.state_dict())).save(path)
    return path


@pytest.fixture(scope="module")
def exported(pyramid_path, tmp_path_factory):
    return export_onnx(pyramid_path, tmp_path_factory.mktemp("exported") / "m.onnx")


def test_by_default_the_output_is_as_fine_as_the_network_computes(exported):
    assert exported.spec.outputs.stride == 4
    kinds = {node.op_type for node in onnx.load(exported.path).graph.node}
    assert "AveragePool" not in kinds


def test_upsampling_maps_or_logits_says_nearly_the_same(pyramid_path, tmp_path):
    seen = {}
    for how in ("maps", "logits"):
        options = ExportOptions(output_stride=1, upsample=how)
        report = export_onnx(pyramid_path, tmp_path / f"{how}.onnx", options)
        seen[how] = runtime_maps(report.path, check_pictures(report.spec, "")[1:2])[0]
        assert seen[how]["class_id"].shape == (64, 96)
    apart = np.abs(seen["maps"]["hazards"].astype(int) - seen["logits"]["hazards"])
    assert 0 < apart.mean() < 12 and seen["logits"]["hazards"].std() > 1


def test_the_rewritten_network_is_the_same_function(pyramid):
    faster = rewritten(pyramid)
    assert isinstance(faster.decoder, SummedPyramid)
    assert not isinstance(pyramid.decoder, SummedPyramid)
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(faster(x), pyramid(x), rtol=1e-4, atol=1e-4)
    bare, factor = without_upsampling(pyramid)
    assert factor == 4 and stride_of(bare, 96, 64) == 4 and stride_of(pyramid, 96, 64) == 1


def test_the_folded_input_is_the_same_function(pyramid):
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    graph = LandingGraph(pyramid, AEROSCAPES, mean, std).eval()
    folded = with_folded_input(graph, 96, 64)
    assert folded.folded and not graph.folded
    picture = torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected, found = graph.logits(picture), folded.logits(picture)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    picture[0, 0, 0] ^= 255  # the border too, where padding would show
    with torch.inference_mode():
        torch.testing.assert_close(folded.logits(picture), graph.logits(picture), rtol=1e-3, atol=1e-3)


def test_an_input_that_is_read_twice_is_not_folded(pyramid):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Conv2d(3, 12, 3, padding=1)
            self.b = torch.nn.Conv2d(3, 12, 1)

        def forward(self, x):
            return self.a(x) + self.b(x)

    graph = LandingGraph(Twice(), AEROSCAPES, (0.5,) * 3, (0.5,) * 3)
    assert with_folded_input(graph, 96, 64) is graph


def test_a_stride_that_does_not_fit_is_refused(pyramid):
    with pytest.raises(InvalidValueError, match="multiple or a divisor"):
        LandingGraph(pyramid, AEROSCAPES, (0, 0, 0), (1, 1, 1), 3, network_stride=4)


@pytest.fixture
def roles(tmp_path):
    """The same classes, with vegetation landable and road not."""
    swapped = AEROSCAPES.model_dump(mode="json")
    for entry in swapped["classes"]:
        if entry["name"] == "vegetation":
            entry["role"] = "landable"
        elif entry["name"] == "road":
            entry["role"] = "obstacle"
    lines = ['name = "meadow"']
    for entry in swapped["classes"]:
        lines += ["[[classes]]", f"id = {entry['id']}", f"color_rgb = {entry['color_rgb']}"]
        lines += [f'{key} = "{entry[key]}"' for key in ("name", "role")]
    path = tmp_path / "meadow.toml"
    path.write_text("\n".join(lines))
    return path


def test_a_finished_file_is_merged_by_other_roles_as_an_export_would(pyramid_path, tmp_path, roles):
    first = export_onnx(pyramid_path, tmp_path / "m.onnx").path
    direct = export_onnx(pyramid_path, tmp_path / "direct.onnx", ExportOptions(taxonomy=str(roles))).path
    model = read_model(first)
    step = ConfidenceStep(score_from=0.0, sites=9, safe=1)
    curve = SiteConfidence(steps=(step,), disc_m=1.0, disc_px=9.0, pictures=1, scenes=1)
    redescribe(model, spec_of(model, "m").model_copy(update={"site_confidence": curve}))
    write_model(model, first)
    assert spec_of(read_model(first), "m").site_confidence == curve
    report = retaxonomy(first, str(roles), tmp_path / "again.onnx")
    assert report.spec.site_confidence is None  # of scores by other roles
    assert "vegetation: obstacle -> landable" in report.changed
    assert spec_of(read_model(report.path), "m").taxonomy.name == "meadow"
    frame = Frame(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8), 0, 0)
    maps = []
    for path in (first, direct, report.path):
        with load_runtime(path) as runtime:
            maps.append(runtime.segment(frame))
    before, by_export, by_merge = maps
    np.testing.assert_array_equal(by_merge.landable, by_export.landable)
    np.testing.assert_array_equal(by_merge.hazards, by_export.hazards)
    assert (by_merge.landable != before.landable).any()


def test_other_classes_cannot_be_merged(exported, tmp_path):
    path = exported.path
    with pytest.raises(TaxonomyError, match="the classes and their order may not"):
        retaxonomy(path, "semantic-drone", tmp_path / "x.onnx")
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "touchdown.merge")
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 2, tensor.name))
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match="0 tensors hold the merge"):
        retaxonomy(tmp_path / "odd.onnx", "aeroscapes", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_merging_again_on_the_command_line(exported, tmp_path, roles):
    path = tmp_path / "m.onnx"
    path.write_bytes(exported.path.read_bytes())
    run = CliRunner().invoke
    result = run(cli, ["onnx", str(path), "--taxonomy", str(roles)], catch_exceptions=False)
    assert result.exit_code == 0 and "road: landable -> obstacle" in result.output
    for line, message in (
        ([str(path)], "give --taxonomy"),
        ([str(path), "--taxonomy", str(roles), "--temperature", "2"], "--temperature needs the"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            run(cli, ["onnx", *line], catch_exceptions=False)


def with_outside_weights(model, location):
    tensor = next(t for t in model.graph.initializer if len(t.raw_data) > 64)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd"])
def test_weights_in_another_file_are_never_opened(exported, tmp_path, location, monkeypatch):
    model = onnx.load(exported.path)
    with_outside_weights(model, location)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(bytes(2**20))
    monkeypatch.chdir(tmp_path)
    for use in (load_runtime, read_model, lambda p: retaxonomy(p, "aeroscapes", p)):
        with pytest.raises(ModelError, match="weights are in another file"):
            use(bad)


def test_weights_elsewhere_are_found_wherever_they_hide(tmp_path):
    """In an attribute of a node inside a branch, where a list of initialisers does not show it."""
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "t")
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["c"], value=tensor)],
        "b",
        [],
        [onnx.helper.make_tensor_value_info("c", 1, [4])],
    )
    hidden = branch.node[0].attribute[0].t
    hidden.data_location = onnx.TensorProto.EXTERNAL
    entry = hidden.external_data.add()
    entry.key, entry.value = "location", "secret.bin"
    node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph(
        [node], "g", [onnx.helper.make_tensor_value_info("x", 9, [])], [onnx.helper.make_tensor_value_info("y", 1, [4])]
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelError, match=r"secret\.bin"):
        read_model(path)


def test_a_file_cut_anywhere_is_refused(exported, tmp_path):
    data = exported.path.read_bytes()
    cut = tmp_path / "cut.onnx"
    for keep in (0, 1, 2, 7, 100, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:keep])
        with pytest.raises(ModelError, match=r"truncated, damaged or no ONNX|no valid ONNX graph"):
            read_model(cut)


def test_a_full_disk_leaves_the_older_file(exported, tmp_path, monkeypatch):
    path, older = tmp_path / "m.onnx", exported.path.read_bytes()
    path.write_bytes(older)
    model = read_model(path)

    def full(self, data):
        with self.open("wb") as stream:
            stream.write(data[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TouchdownError, match="the disk is full"):
        write_model(model, path)
    monkeypatch.undo()
    assert path.read_bytes() == older
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_nothing_half_written_is_picked_up_after_a_kill(tmp_path):
    """Between the first byte and the renaming, no file bears a model's name."""
    target = tmp_path / "m.onnx"
    with files.replacing(target) as partial:
        partial.write_bytes(b"half")
        assert not target.exists()
        assert not list(tmp_path.rglob("*.onnx"))
    assert target.read_bytes() == b"half"
    with pytest.raises(TouchdownError, match="folder"):
        write_model(onnx.ModelProto(), tmp_path / "no" / "m.onnx")
