from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import TensorProto

from edge.runtimes import load_runtime
from export.cli import cli
from export.files import read_model, spec_of
from export.import_onnx import import_onnx
from export.onnx_probe import ImportOptions
from landing.errors import InvalidValueError, ModelError
from landing.taxonomy import Taxonomy
from landing.types import Frame
from tests.export import foreign_models

AEROSCAPES = Taxonomy.load("aeroscapes")


def binary(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(
        'name = "two"\n'
        '[[classes]]\nid = 0\nname = "bad"\ncolor_rgb = [0, 0, 0]\nrole = "obstacle"\n'
        '[[classes]]\nid = 1\nname = "good"\ncolor_rgb = [0, 255, 0]\nrole = "landable"\n'
    )
    return str(path)


CASES = {
    "plain": ({}, {}),
    "nhwc bgr": ({"layout": "nhwc"}, {"colour": "bgr"}),
    "nhwc in and out, 0..255": (
        {"layout": "nhwc", "last": True, "gain": 0.01},
        {"input_scale": 1.0, "mean": (120.0, 110.0, 100.0), "std": (1.0, 1.0, 1.0)},
    ),
    "no batch axis": ({"rank": 3}, {}),
    "open batch and size": ({"dynamic": True}, {"input_wh": (96, 64)}),
    "half floats": ({"elem": TensorProto.FLOAT16}, {}),
    "softmax": ({"ends": "softmax"}, {"activation": "softmax"}),
    "softmax, tempered": ({"ends": "softmax"}, {"activation": "softmax", "temperature": 2.0}),
    "sigmoid": ({"ends": "sigmoid"}, {"activation": "sigmoid"}),
    "labels": ({"ends": "labels"}, {"activation": "labels"}),
    "every fourth pixel": ({"stride": 4}, {}),
    "a size that is no fraction": ({"stride": 4, "size": (68, 68)}, {}),
    "older opset": ({"opset": 13}, {}),
    "tempered": ({}, {"temperature": 1.7}),
}


@pytest.mark.parametrize("case", CASES)
def test_any_network_flies(tmp_path, case):
    made, options = CASES[case]
    source = foreign_models.save(tmp_path / "foreign.onnx", **made)
    target = tmp_path / "m.onnx"
    report = import_onnx(source, target, ImportOptions("aeroscapes", **options))
    if "elem" not in made:
        assert report.parity.worst_step <= 1 and report.parity.class_conflicts == 0
    assert report.spec.taxonomy == AEROSCAPES
    onnx.checker.check_model(read_model(target), full_check=True)
    with load_runtime(target) as runtime:
        image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
        seen = runtime.segment(Frame(image, 0, 0))
    assert seen.class_id.max() < 12 and seen.landable.std() > 0


def test_a_network_of_one_channel_is_the_second_of_two_classes(tmp_path):
    source = foreign_models.save(tmp_path / "foreign.onnx", classes=1, ends="sigmoid")
    report = import_onnx(source, tmp_path / "m.onnx", ImportOptions(binary(tmp_path), activation="sigmoid"))
    with load_runtime(report.path) as runtime:
        image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        seen = runtime.segment(Frame(image, 0, 0))
    np.testing.assert_array_equal(seen.class_id == 1, seen.landable > 127)
    assert (np.abs(seen.landable.astype(int) + seen.hazards[0] - 255) <= 1).all()


def test_it_computes_what_the_stranger_computes_by_hand(tmp_path):
    """Not by our own reference: normalisation and softmax written here once more."""
    source = foreign_models.save(tmp_path / "foreign.onnx")
    report = import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes"))
    image = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    rgb = image[..., ::-1] / 255.0
    x = ((rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32)
    session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"x": x.transpose(2, 0, 1)[None]})
    p = np.exp(logits[0] - logits[0].max(0))
    p /= p.sum(0)
    with load_runtime(report.path) as runtime:
        seen = runtime.segment(Frame(image, 0, 0))
    road = [c.name for c in AEROSCAPES.classes].index("road")
    assert np.abs(seen.landable - p[road] * 255).max() < 1.01
    assert (seen.class_id == p.argmax(0)).mean() > 0.999


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        ({"classes": 7}, {}, "one axis must count the 12 classes"),
        ({"dynamic": True}, {}, "give --input WxH"),
        ({}, {"input_wh": (32, 32)}, "asks for 32 px"),
        ({}, {"layout": "nhwc"}, "not three channels as nhwc"),
        ({"stride": 64, "size": (64, 64)}, {}, "at least every 32th pixel|one axis"),
        ({"ends": "labels"}, {}, "or none for labels"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(tmp_path, made, options, message):
    source = foreign_models.save(tmp_path / "foreign.onnx", **made)
    with pytest.raises(ModelError, match=message):
        import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", **options))
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    ("ends", "activation", "message"),
    [
        ("softmax", "logits", "--activation softmax"),
        ("softmax", "sigmoid-logits", "--activation softmax"),
        ("sigmoid", "logits", "--activation sigmoid"),
        ("logits", "softmax", "--activation logits"),
        ("logits", "sigmoid", "--activation sigmoid-logits"),
        ("sigmoid", "softmax", "--activation sigmoid"),
    ],
)
def test_an_output_of_another_kind_is_refused(tmp_path, ends, activation, message):
    """Both sides of the parity would make the same mistake, and the thresholds of flight would mean nothing."""
    source = foreign_models.save(tmp_path / "foreign.onnx", ends=ends)
    with pytest.raises(ModelError, match=message):
        import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", activation=activation))
    assert not (tmp_path / "m.onnx").exists()


def test_labels_beyond_the_taxonomy_are_refused(tmp_path):
    source = foreign_models.save(tmp_path / "foreign.onnx", ends="labels")
    with pytest.raises(ModelError, match=r"class ids up to \d+.*the 2 classes"):
        import_onnx(source, tmp_path / "m.onnx", ImportOptions(binary(tmp_path), activation="labels"))


def test_bad_options(tmp_path):
    source = foreign_models.save(tmp_path / "foreign.onnx")
    for options in ({"mean": (0.5,)}, {"std": (0.0, 1.0, 1.0)}, {"activation": "relu"}, {"temperature": 0.0}):
        with pytest.raises(InvalidValueError, match=r"expected|above 0"):
            import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", **options))


def test_several_outputs_need_a_name(tmp_path):
    source = foreign_models.save(tmp_path / "foreign.onnx")
    model = onnx.load(source)
    model.graph.node.append(onnx.helper.make_node("Identity", ["y"], ["z"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, list("abcd")))
    onnx.save(model, source)
    with pytest.raises(ModelError, match=r"outputs are y, z.*--output-name"):
        import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes"))
    report = import_onnx(source, tmp_path / "m.onnx", ImportOptions("aeroscapes", output_name="z"))
    assert report.parity.class_conflicts == 0


def test_command(tmp_path):
    source = foreign_models.save(tmp_path / "foreign.onnx")
    line = f"adopt {source} --taxonomy aeroscapes -o {tmp_path}/m.onnx --licence MIT"
    result = CliRunner().invoke(cli, line.split(), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "NCHW RGB input 64x48" in result.output
    spec = spec_of(read_model(tmp_path / "m.onnx"), "m")
    assert spec.provenance.licence == "MIT" and "adopted from foreign.onnx" in spec.architecture
