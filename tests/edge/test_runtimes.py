from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.runtimes import Runtime, RuntimeOptions, load_runtime, taxonomy_for
from landing.errors import ModelError, TaxonomyError
from landing.spec import METADATA_KEY, InputSpec
from landing.taxonomy import Taxonomy
from landing.types import HAZARD_ORDER, Frame
from tests.edge import fake_model

SYNTHETIC = Taxonomy.load("synthetic")


@pytest.fixture
def runtime(model_path: Path) -> Runtime:
    return load_runtime(model_path)


def test_a_model_sees_what_is_painted(runtime: Runtime) -> None:
    image = fake_model.paint(320, 240, ("car", (0, 0, 160, 120)), ("pool", (160, 120, 160, 120)))
    with runtime:
        seen = runtime.segment(Frame(image, 0, 77))
    assert seen.captured_at_ns == 77
    assert seen.shape == (96, 128)  # the letterbox's padding is cut off
    names = [c.name for c in SYNTHETIC.classes]
    assert names[seen.class_id[20, 20]] == "car"
    assert names[seen.class_id[80, 100]] == "pool"
    assert names[seen.class_id[80, 20]] == "grass"
    hazard = {role: seen.hazards[i] for i, role in enumerate(HAZARD_ORDER)}
    assert hazard["vehicle"][20, 20] > 200 and seen.landable[20, 20] < 20
    assert hazard["water"][80, 100] > 200
    assert seen.landable[80, 20] > 200


def test_any_picture_size_is_taken(runtime: Runtime) -> None:
    for size in ((1, 1), (3000, 2), (127, 300)):
        seen = runtime.segment(Frame(fake_model.paint(*size), 0, 0))
        assert min(seen.shape) >= 1


def test_timings_and_warm_up(runtime: Runtime) -> None:
    assert runtime.warm_up() > 0
    assert set(runtime.timings_ms) == {"preprocess", "inference"}
    assert "onnxruntime" in runtime.backend and "CPU" in runtime.backend


def test_a_closed_model_does_not_run(runtime: Runtime) -> None:
    runtime.close()
    runtime.close()
    with pytest.raises(ModelError, match="closed"):
        runtime.segment(Frame(fake_model.paint(8, 8), 0, 0))


def refused(path: Path, options: RuntimeOptions | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        load_runtime(path, options)
    text = str(caught.value)
    assert str(path) in text or "providers" in text or "model.runtime" in text
    assert len(text.splitlines()) == 1
    return text


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.onnx")


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_truncated_file(tmp_path: Path, model_path: Path, keep: int) -> None:
    bad = tmp_path / "cut.onnx"
    bad.write_bytes(model_path.read_bytes()[:keep])
    assert "truncated, damaged or no ONNX file" in refused(bad)


def test_a_model_that_does_not_describe_itself(tmp_path: Path) -> None:
    bare = tmp_path / "bare.onnx"
    onnx.save(fake_model.build(SYNTHETIC, describe=False), str(bare))
    assert "no ModelSpec" in refused(bare) and "touchdown export onnx" in refused(bare)


def test_a_description_that_is_no_description(tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    model = fake_model.build(SYNTHETIC)
    onnx.helper.set_model_props(model, {METADATA_KEY: '{"format": 7}'})
    onnx.save(model, str(path))
    assert "ModelSpec is not valid" in refused(path)


def test_a_model_that_is_not_as_described(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    spec = fake_model.spec_of(SYNTHETIC, 256, 256)
    onnx.save(fake_model.build(SYNTHETIC, spec), str(path))
    assert "ModelSpec promises uint8 [256, 256, 3]" in refused(path)
    onnx.save(fake_model.build(SYNTHETIC, drop_output="hazards"), str(path))
    assert "no output 'hazards'" in refused(path)
    renamed = fake_model.spec_of(SYNTHETIC)
    inputs = InputSpec(**{**renamed.input.model_dump(), "name": "picture"})
    onnx.save(fake_model.build(SYNTHETIC, renamed.model_copy(update={"input": inputs})), str(path))
    assert "promises one input 'picture'" in refused(path)


def test_outputs_of_another_shape_are_caught_when_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "stride.onnx"
    spec = fake_model.spec_of(SYNTHETIC)
    outputs = spec.outputs.model_copy(update={"stride": 2})
    onnx.save(fake_model.build(SYNTHETIC, spec.model_copy(update={"outputs": outputs})), str(path))
    with (
        load_runtime(path) as runtime,
        pytest.raises(ModelError, match=r"promises uint8 \(64, 64\)"),
    ):
        runtime.warm_up()


def test_unknown_providers_backends_and_types(model_path: Path, tmp_path: Path) -> None:
    options = RuntimeOptions(providers=("NoSuchExecutionProvider",))
    assert "it has" in refused(model_path, options) and "CPUExecution" in refused(
        model_path, options
    )
    assert "expected auto" in refused(model_path, RuntimeOptions(backend="tflite"))
    assert "no runtime takes '.engine'" in refused(tmp_path / "a.engine")


def test_another_taxonomy_of_the_same_classes_may_change_clearances(tmp_path: Path) -> None:
    spec = fake_model.spec_of(SYNTHETIC)
    assert taxonomy_for(spec, None) is spec.taxonomy
    text = Path("landing/taxonomies/synthetic.toml")
    source = (Path(__file__).parents[2] / text).read_text()
    wider = tmp_path / "wider.toml"
    wider.write_text(source.replace("person = 4.0", "person = 9.0"))
    assert taxonomy_for(spec, wider).clearance_m != spec.taxonomy.clearance_m
    wider.write_text(source.replace('role = "vehicle"', 'role = "landable"'))
    with pytest.raises(TaxonomyError, match=r"'car' is 'landable' there and 'vehicle'"):
        taxonomy_for(spec, wider)


def test_the_taxonomy_of_other_classes_is_refused() -> None:
    spec = fake_model.spec_of(SYNTHETIC)
    with pytest.raises(TaxonomyError, match="does not fit model 'nearest-colour'") as caught:
        taxonomy_for(spec, "aeroscapes")
    assert "trained with ('synthetic')" in str(caught.value)


def test_inputs_are_left_untouched(runtime: Runtime) -> None:
    image = fake_model.paint(fake_model.SIDE_PX, fake_model.SIDE_PX)
    before = image.copy()
    runtime.segment(Frame(image, 0, 0))
    assert np.array_equal(image, before)
