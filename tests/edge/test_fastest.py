"""Forms of a model beside the configured one: only those that their gate passed, each in the runtime that it saw."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest
from onnx import helper

from edge import fastest
from edge.check import forms_beside
from edge.fastest import gated_forms, measured
from edge.runtimes import RuntimeOptions
from edge.sections.model import ModelSection
from landing.model.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.model.spec import METADATA_KEY, GroundRange, ModelSpec, OperatingPoint
from landing.reading import sha256_of
from landing.taxonomy import Taxonomy
from tests.edge import fake_model, fake_ncnn, fake_rknn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, and beside it one that passed, one that failed, one of another original and one that is damaged."""
    original = fake_model.save(tmp_path / "m.onnx")
    ours = sha256_of(original)

    def beside(name: str, passed: bool, against: str, runtime: str = "onnxruntime 1.32.0 (CPU)") -> GateReport:
        report = GateReport(passed=passed, against_sha256=against, frames=3, runtimes=("onnxruntime", runtime))
        if name.endswith(".onnx"):
            fake_model.with_gate(original, tmp_path / name, report)
        return report

    beside("m.int8.onnx", True, ours)
    beside("failed.onnx", False, ours)
    beside("stranger.onnx", True, "0" * 64)
    beside("elsewhere.onnx", True, ours, "tensorrt 10")
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    fake_ncnn.save(tmp_path / "m.ncnn", beside("m.ncnn", True, ours, "ncnn 1.0 (CPU)"))
    return tmp_path


def test_only_what_passed_counts_where_it_passed(folder: Path) -> None:
    found = [(form.path.name, form.runtime) for form in gated_forms(folder / "m.onnx", "onnxruntime")]
    expected = [("m.int8.onnx", "onnxruntime"), *([("m.ncnn", "ncnn")] if find_spec("ncnn") else [])]
    assert found == expected
    assert list(gated_forms(folder / "m.engine", "tensorrt")) == []


@pytest.mark.parametrize(
    ("judged_in", "package", "offered"),
    [("rknn 2.5.0 (NPU)", True, True), ("rknn 2.5.0 (NPU)", False, False), ("rknn-toolkit2 2.5.0 (sim)", True, False)],
)
def test_a_form_for_an_npu_counts_where_its_package_is_and_the_npu_was_judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, judged_in: str, package: bool, offered: bool
) -> None:
    words = ("onnxruntime", judged_in)
    gate = GateReport(passed=True, against_sha256=sha256_of(folder / "m.onnx"), frames=3, runtimes=words)
    fake_rknn.save(folder / "m.rk3588.rknn", gate)
    monkeypatch.setattr(fastest, "find_spec", lambda name: (name == "rknnlite" and package) or None)
    found = [(form.path.name, form.runtime) for form in gated_forms(folder / "m.onnx", "onnxruntime")]
    assert found == ([("m.rk3588.rknn", "rknn")] if offered else [])


def with_spec(path: Path, **changes: object) -> None:
    """Another description in a file; its gates stay."""
    model = onnx.load(str(path))
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = ModelSpec.from_json(entry.value, "m").model_copy(update=changes).to_json()
    onnx.save(model, str(path))


def test_forms_stay_known_after_gates_were_put_into_the_configured_file(folder: Path) -> None:
    """Made of the file without a gate, with the first and with the second one; a gate of bfloat16 beside them."""
    model = folder / "m.onnx"
    for number, key in enumerate((GATE_KEY, GATE_KEY, BF16_GATE_KEY), 1):
        seen = sha256_of(model)
        words = ("torch", "onnxruntime 1 (CPU)")
        report = GateReport(passed=True, artefact_sha256=seen, against_sha256="c" * 64, frames=number, runtimes=words)
        bare = onnx.load(str(model))
        helper.set_model_props(bare, {**{e.key: e.value for e in bare.metadata_props}, key: report.to_json()})
        onnx.save(bare, str(model))
        beside = GateReport(passed=True, against_sha256=sha256_of(model), frames=3, runtimes=words)
        fake_model.with_gate(fake_model.save(folder / "bare.onnx"), folder / f"after{number}.onnx", beside)
        names = {form.path.name for form in gated_forms(model, "onnxruntime")}
        made = {f"after{earlier}.onnx" for earlier in range(1, number + 1)}
        assert {"m.int8.onnx", *made} <= names and "stranger.onnx" not in names


@pytest.mark.parametrize("stricter", ["configured", "sibling"])
def test_a_form_with_other_rules_is_not_offered(folder: Path, stricter: str) -> None:
    (folder / "m.ncnn").unlink()
    sibling = folder / "m.int8.onnx"
    other = fake_model.with_gate(
        sibling, folder / "again.onnx", None
    )  # so that either of two siblings may be configured
    changed, asked = (other, sibling) if stricter == "sibling" else (sibling, sibling)
    point = OperatingPoint(landable=0.6, obstacle=0.2, water=0.2, person=0.05, vehicle=0.1)
    assert [form.path for form in gated_forms(asked, "onnxruntime")] == [other]
    for change in (
        {"operating": point},
        {"ground_range": GroundRange(finest_mm=80.0, coarsest_mm=400.0)},
        {"taxonomy": Taxonomy.load("aeroscapes")},
    ):
        kept = changed.read_bytes()
        with_spec(changed, **change)
        assert list(gated_forms(asked, "onnxruntime")) == []
        changed.write_bytes(kept)
    with_spec(changed, name="m-int8")
    assert [form.path for form in gated_forms(asked, "onnxruntime")] == [other]


def test_forms_are_measured_and_what_does_not_load_is_left_out(folder: Path) -> None:
    forms = list(gated_forms(folder / "m.onnx", "onnxruntime"))
    assert {form.path.name for form in measured(forms, RuntimeOptions())} == {form.path.name for form in forms}
    forms[0].path.write_bytes(b"no model")
    found = measured(forms, RuntimeOptions())
    assert len(found) == len(forms) - 1 and all(form.frame_ms > 0 for form in found)


def test_the_check_names_the_fastest_with_its_settings(folder: Path) -> None:
    (folder / "m.ncnn").unlink()
    model = ModelSection(path=folder / "m.onnx")
    faster, slower = forms_beside(model, 1e6), forms_beside(model, 1e-6)
    assert faster is not None and slower is not None
    assert "times as fast here as the configured form; gate passed" in faster.text
    assert f'[model] path = "{folder / "m.int8.onnx"}", [expert.model] runtime = "onnxruntime"' in faster.text
    assert slower.ok and "the configured form is as fast here as m.int8.onnx in onnxruntime" in slower.text
    (folder / "m.int8.onnx").unlink()
    assert forms_beside(model, 1.0) is None
