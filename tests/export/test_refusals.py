"""A proof holds for what was proven, and a refusal for whatever is made of what was refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from edge.runtimes import load_runtime
from edge.runtimes.ncnn_file import NCNN
from export.files import gate_of, read_model, redescribe, spec_of, write_model
from export.ncnn import make_ncnn
from export.retaxonomy import retaxonomy
from export.trt.job import read_job, write_job
from export.trt.prepare import prepare
from landing.errors import InvalidValueError, ModelError
from landing.model.artefact import GateReport
from landing.model.manifest import BuilderOptions
from landing.problems import Problem
from landing.taxonomy import Role, Taxonomy
from tests.command import call
from tests.edge import fake_model
from tests.export import test_thresholds, tiny
from trainer.evaluation.calibrate import summary

pictures = test_thresholds.pictures

FAILED = GateReport(passed=False, frames=9, failures=("site_differs 0.4 is above 0.02",))
PASSED = GateReport(passed=True, frames=9)


SITES = dict.fromkeys(("pictures", "sites", "with_hazard", "missed", "near_person"), 1)


def judged(plain: Path, gate: GateReport) -> Path:
    return fake_model.with_gate(plain, plain.with_name("judged.onnx"), gate)


def other_roles(tmp_path: Path) -> Path:
    taxonomy = Taxonomy.load("aeroscapes")
    first = taxonomy.classes[0].model_copy(update={"role": Role.OBSTACLE})
    changed = taxonomy.model_copy(update={"classes": (first, *taxonomy.classes[1:])})
    assert changed.classes != taxonomy.classes
    path = tmp_path / "roles.toml"
    path.write_text(changed.to_toml())
    return path


def test_other_roles_do_not_make_a_refused_model_fly(tmp_path: Path) -> None:
    plain = tiny.save(tmp_path / "m.onnx")
    for gate, kept in ((PASSED, None), (FAILED, FAILED)):
        made = retaxonomy(judged(plain, gate), str(other_roles(tmp_path)), tmp_path / "again.onnx").path
        assert gate_of(read_model(made), made) == kept
    with pytest.raises(ModelError, match="gate FAILED") as caught:
        load_runtime(tmp_path / "again.onnx")
    assert caught.value.problem is Problem.GATE


def test_figures_at_thresholds_that_are_gone_go_too(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "m.onnx")
    model = read_model(source)
    spec = spec_of(model, source)
    kept = {"val_miou": 0.7, "val_ece_class_after": 0.1}
    column = {
        "scores": {},
        "sites": {"operating": {**SITES, "false_safe": {"share": 0.0}, "abstain": {"share": 1.0}}},
        "recall": {"person": {"operating": 0.9}},
        "false_safe": {"all": 0.01},
        "reliability": {},
        "found": {"person": {"ground": 1.0}},
    }
    gone = {f"val_{name}": 0.5 for name in summary(column)}
    assert len(gone) == 10
    metrics = {**kept, **gone}
    redescribe(model, spec.model_copy(update={"provenance": spec.provenance.model_copy(update={"metrics": metrics})}))
    write_model(model, source)
    made = retaxonomy(source, str(other_roles(tmp_path)), tmp_path / "again.onnx").path
    assert spec_of(read_model(made), made).provenance.metrics == kept


def test_an_engine_of_a_refused_model_is_refused(tmp_path: Path) -> None:
    plain = tiny.save(tmp_path / "m.onnx")
    for gate, kept in ((FAILED, FAILED), (PASSED, None)):
        prepared = prepare(judged(plain, gate), "fp32")
        write_job(tmp_path, prepared.job(BuilderOptions(), "m.onnx"), prepared.data)
        assert read_job(tmp_path / "job.json")[0].refusal == kept


def test_agreement_with_a_refused_model_is_no_proof(pictures: Path, tmp_path: Path) -> None:
    model = judged(tiny.save(tmp_path / "m.onnx"), FAILED)
    done = call("export", "int8", model, "--calibrate", pictures / "images", "-o", tmp_path / "m.int8.onnx")
    assert done.returncode == 2 and "gate FAILED" in done.stderr and not (tmp_path / "m.int8.onnx").exists()
    words = ("--board", "rk3588", "--python", "python3", "--calibrate", pictures / "images")
    assert "gate FAILED" in call("export", "rknn", model, *words).stderr


@pytest.mark.skipif(find_spec("ncnn") is None or find_spec("pnnx") is None, reason="needs ncnn and pnnx")
def test_so_is_another_form_of_it(checkpoint_path: Path, tmp_path: Path) -> None:
    assert call("export", "onnx", checkpoint_path, "-o", tmp_path / "m.onnx").returncode == 0
    for gate, kept in ((FAILED, FAILED), (PASSED, None)):
        make_ncnn(judged(tmp_path / "m.onnx", gate), tmp_path / "m.ncnn", "fp32")
        assert NCNN.read(tmp_path / "m.ncnn").manifest.gate == kept


def test_a_gate_passed_at_other_thresholds_proves_nothing(pictures: Path, tmp_path: Path) -> None:
    plain = fake_model.save(tmp_path / "plain.onnx", width_px=160, height_px=128)
    model = judged(plain, PASSED)
    done = call("export", "thresholds", model, "--data", pictures)
    assert done.returncode == 0 and "prove it again" in done.stdout, done.stderr
    assert gate_of(read_model(model), model) is None
    proven = fake_model.with_gate(model, tmp_path / "proven.onnx", PASSED)
    done = call("export", "thresholds", proven, "--data", pictures)
    assert "prove it again" not in done.stdout and gate_of(read_model(proven), proven) == PASSED, "the same thresholds"
    refused = judged(plain, FAILED)
    assert "gate FAILED" in call("export", "thresholds", refused, "--data", pictures).stderr


@pytest.mark.parametrize("command", ["thresholds", "confidence"])
def test_pictures_that_trained_a_model_do_not_choose_for_it_unsaid(
    command: str, pictures: Path, tmp_path: Path
) -> None:
    said = {}
    for name in ("another set", pictures.name):
        spec = fake_model.spec_of(Taxonomy.load("synthetic"), 160, 128)
        trained = spec.provenance.model_copy(update={"trained_on": f"{name}: 3 pictures"})
        model = fake_model.save(
            tmp_path / "m.onnx", width_px=160, height_px=128, spec=spec.model_copy(update={"provenance": trained})
        )
        done = call("export", command, model, "--data", pictures, "--part", "all")
        assert done.returncode == 0, done.stderr
        said[name] = "flatters it" in done.stdout
    assert said == {"another set": False, pictures.name: True}


@pytest.mark.parametrize("command", ["thresholds", "confidence"])
def test_a_folder_that_is_not_there_is_said_before_anything_is_measured(
    command: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("measured for nothing")

    monkeypatch.setattr(f"export.{command}.load_runtime", measured)
    model = fake_model.save(tmp_path / "m.onnx", width_px=160, height_px=128)
    done = call("export", command, model, "--data", pictures, "-o", tmp_path / "none" / "m.onnx")
    assert done.returncode == 2 and "none does not exist" in done.stderr


def test_what_was_measured_is_said_even_if_it_cannot_be_stored(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InvalidValueError("no room")

    model = fake_model.save(tmp_path / "m.onnx", width_px=160, height_px=128)
    copy = fake_model.save(tmp_path / "copy.onnx", width_px=160, height_px=128)
    monkeypatch.setattr("export.verify.store", full)
    done = call("export", "verify", model, copy, "--data", pictures / "images")
    assert done.returncode == 2 and "no room" in done.stderr and "site_differs" in done.stdout
    asked = ("export", "bench", model, "--rounds", "1", "--no-memory", "--sustain-s", "0.1")
    done = call(*asked, "--submit", tmp_path)
    assert done.returncode == 2 and "p50 ms" in done.stdout


def test_a_damaged_file_is_named_before_a_missing_gpu(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing of the kind")
    bare = fake_model.save(tmp_path / "bare.onnx", describe=False)
    for path, words in ((tmp_path / "bad.onnx", "no ONNX file"), (bare, "has no ModelSpec")):
        done = call("export", "trt", path)
        assert done.returncode == 2 and words in done.stderr and "GPU" not in done.stderr, done.stderr
