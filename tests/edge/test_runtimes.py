"""What runtimes of ONNX files refuse; what all of them promise is in test_runtime_contract.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.runtimes import RuntimeOptions, load_runtime, taxonomy_for
from landing.errors import ModelError, TaxonomyError
from landing.model.spec import METADATA_KEY, InputSpec
from landing.taxonomy import Taxonomy
from tests.edge import fake_model

SYNTHETIC = Taxonomy.load("synthetic")


def refused(path: Path, options: RuntimeOptions | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        load_runtime(path, options)
    text = str(caught.value)
    assert str(path) in text or "providers" in text or "model.runtime" in text
    assert len(text.splitlines()) == 1
    return text


@pytest.fixture(params=["onnxruntime", "openvino"])
def options(request: pytest.FixtureRequest) -> RuntimeOptions:
    """The runtimes that read ONNX files, one after the other."""
    pytest.importorskip(request.param)
    return RuntimeOptions(backend=request.param)


def test_a_missing_file(tmp_path: Path, options: RuntimeOptions) -> None:
    assert "does not exist" in refused(tmp_path / "none.onnx", options)


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_truncated_file(tmp_path: Path, model_path: Path, keep: int, options: RuntimeOptions) -> None:
    bad = tmp_path / "cut.onnx"
    bad.write_bytes(model_path.read_bytes()[:keep])
    assert "truncated, damaged or no ONNX file" in refused(bad, options)


def test_a_file_that_is_whole_but_no_network(tmp_path: Path, model_path: Path, options: RuntimeOptions) -> None:
    model = onnx.load(str(model_path))
    model.graph.node[1].input[1] = "nowhere"
    bad = tmp_path / "torn.onnx"
    bad.write_bytes(model.SerializeToString())
    assert "truncated, damaged or no ONNX file" in refused(bad, options)
    model.graph.node[1].op_type = "NoSuchOperation"
    bad.write_bytes(model.SerializeToString())
    assert "truncated, damaged or no ONNX file" in refused(bad, options)


@pytest.mark.parametrize("location", ["../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_weights_in_another_file_are_refused_unopened(
    tmp_path: Path, model_path: Path, location: str, options: RuntimeOptions
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(10_000))
    model = onnx.load(str(model_path))
    tensor = next(t for t in model.graph.initializer if t.name == "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = tmp_path / "hostile.onnx"
    path.write_bytes(model.SerializeToString())
    assert f"its weights are in another file ('{location}')" in refused(path, options)


@pytest.mark.parametrize("form", ["raw", "list", "half"])
def test_weights_that_are_no_numbers(tmp_path: Path, model_path: Path, form: str, options: RuntimeOptions) -> None:
    model = onnx.load(str(model_path))
    tensor = next(t for t in model.graph.initializer if t.name == "weights")
    spoilt = onnx.numpy_helper.to_array(tensor).astype(np.float16 if form == "half" else np.float32)
    spoilt.flat[-1] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(spoilt, "weights"))
    if form == "list":
        tensor.ClearField("raw_data")
        tensor.float_data.extend(spoilt.ravel().tolist())
    path = tmp_path / "nan.onnx"
    path.write_bytes(model.SerializeToString())
    assert "holds weights that are no numbers (weights)" in refused(path, options)


def test_a_model_that_does_not_describe_itself(tmp_path: Path, options: RuntimeOptions) -> None:
    bare = tmp_path / "bare.onnx"
    onnx.save(fake_model.build(SYNTHETIC, describe=False), str(bare))
    said = refused(bare, options)
    assert "no ModelSpec" in said and "touchdown export onnx" in said


def test_a_description_that_is_no_description(tmp_path: Path, options: RuntimeOptions) -> None:
    path = tmp_path / "odd.onnx"
    model = fake_model.build(SYNTHETIC)
    onnx.helper.set_model_props(model, {METADATA_KEY: '{"format": 7}'})
    onnx.save(model, str(path))
    assert "ModelSpec is not valid" in refused(path, options)


def test_a_model_that_is_not_as_described(tmp_path: Path, options: RuntimeOptions) -> None:
    path = tmp_path / "small.onnx"
    spec = fake_model.spec_of(SYNTHETIC, 256, 256)
    onnx.save(fake_model.build(SYNTHETIC, spec), str(path))
    assert "ModelSpec promises uint8 [256, 256, 3]" in refused(path, options)
    onnx.save(fake_model.build(SYNTHETIC, drop_output="hazards"), str(path))
    assert "no output 'hazards'" in refused(path, options)
    renamed = fake_model.spec_of(SYNTHETIC)
    inputs = InputSpec(**{**renamed.input.model_dump(), "name": "picture"})
    onnx.save(fake_model.build(SYNTHETIC, renamed.model_copy(update={"input": inputs})), str(path))
    assert "promises one input 'picture'" in refused(path, options)


def test_outputs_of_another_shape_are_caught_when_it_runs(tmp_path: Path, options: RuntimeOptions) -> None:
    path = tmp_path / "stride.onnx"
    spec = fake_model.spec_of(SYNTHETIC)
    outputs = spec.outputs.model_copy(update={"stride": 2})
    onnx.save(fake_model.build(SYNTHETIC, spec.model_copy(update={"outputs": outputs})), str(path))
    with load_runtime(path, options) as runtime, pytest.raises(ModelError, match=r"promises uint8 \(64, 64\)"):
        runtime.warm_up()


def test_unknown_providers_backends_and_types(model_path: Path, tmp_path: Path) -> None:
    options = RuntimeOptions(providers=("NoSuchExecutionProvider",))
    assert "it has" in refused(model_path, options) and "CPUExecution" in refused(model_path, options)
    assert "expected auto" in refused(model_path, RuntimeOptions(backend="tflite"))
    assert "no runtime takes '.tflite'; expected .onnx, .ncnn, .rknn, .hef, .engine" in refused(tmp_path / "a.tflite")


def test_another_taxonomy_of_the_same_classes_may_change_clearances(tmp_path: Path) -> None:
    spec = fake_model.spec_of(SYNTHETIC)
    assert taxonomy_for(spec, None) is spec.taxonomy
    text = Path("landing/taxonomies/synthetic.toml")
    source = (Path(__file__).parents[2] / text).read_text()
    wider = tmp_path / "wider.toml"
    wider.write_text(source.replace("person = 4.0", "person = 9.0"))
    assert taxonomy_for(spec, wider).clearance_m != spec.taxonomy.clearance_m
    wider.write_text(source.replace('role = "vehicle"', 'role = "landable"').replace("paved = 3", "paved = 3\ncar = 4"))
    with pytest.raises(TaxonomyError, match=r"'car' is 'landable' there and 'vehicle'"):
        taxonomy_for(spec, wider)


def test_the_taxonomy_of_other_classes_is_refused() -> None:
    spec = fake_model.spec_of(SYNTHETIC)
    with pytest.raises(TaxonomyError, match="does not fit model 'nearest-colour'") as caught:
        taxonomy_for(spec, "aeroscapes")
    assert "trained with ('synthetic')" in str(caught.value)
