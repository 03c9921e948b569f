from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from export.files import metadata_of, read_model, spec_of
from export.ground_range import RangeChoice, ground_range_of
from export.info import Info
from export.manifest import read_manifest, write_pair
from export.onnx_export import ExportOptions, describe
from landing.errors import InvalidValueError, ModelError
from landing.model.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.model.manifest import EngineManifest
from landing.model.spec import METADATA_KEY, GroundRange, ModelSpec, Provenance
from landing.taxonomy import Taxonomy
from tests.command import call
from tests.edge import fake_model
from trainer.checkpoint import Checkpoint

RECIPE = "touchdown trainer fit --data sdd --input 128x128 --zoom 0.5,2.0 --epochs 3"
SPEC = fake_model.spec_of(Taxonomy.load("synthetic"))


def made_by(recipe=RECIPE, trained_on="semantic-drone-low-res: 306 pictures"):
    return SPEC.model_copy(update={"provenance": Provenance(trained_on=trained_on, recipe=recipe)})


def save(path, spec):
    onnx.save(fake_model.build(spec.taxonomy, spec), str(path))
    return path


def export_range(*arguments):
    return call("export", "range", *arguments)


def test_the_range_comes_from_recipe_and_data_and_nothing_else_changes(tmp_path):
    gate = GateReport(passed=True, frames=3, against="best.pt")
    bare = save(tmp_path / "bare.onnx", made_by())
    source = fake_model.with_gate(bare, tmp_path / "m.onnx", gate)
    source = fake_model.with_gate(source, source, gate, BF16_GATE_KEY)
    before = read_model(source)
    done = export_range(source)
    assert done.returncode == 0 and "15 to 29 m" in done.stdout and "zoom 0.5 to 2" in done.stdout
    after = read_model(source)
    known = spec_of(after, source).ground_range
    assert known is not None
    assert known.finest_mm == pytest.approx(15000 / 128 / 2) and known.coarsest_mm == pytest.approx(29000 / 128 / 0.5)
    assert spec_of(after, source).model_copy(update={"ground_range": None}) == made_by()
    assert after.graph.SerializeToString() == before.graph.SerializeToString()
    for key in (GATE_KEY, BF16_GATE_KEY):
        assert metadata_of(after)[key] == metadata_of(before)[key]
    assert known.describe() in Info.of(source).describe()
    assert "ground        (not said)" in Info.of(bare).describe()


@pytest.mark.parametrize(
    ("options", "finest_m", "coarsest_m"),
    [
        (["--ground-width-m", "10,40"], 10 / 2, 40 / 0.5),
        (["--ground-width-m", "20"], 20 / 2, 20 / 0.5),
        (["--heights-m", "10,40", "--hfov-deg", "90"], 20 / 2, 80 / 0.5),
        (["--heights-m", "10,40", "--hfov-deg", "60,90"], 20 * np.tan(np.pi / 6) / 2, 80 / 0.5),
        (["--ground-width-m", "10,40", "--zoom", "1,4"], 10 / 4, 40),
        (["--ground-width-m", "10,40", "--picture", "640x1280"], 10 * 2 / 2, 40 * 2 / 0.5),
    ],
)
def test_what_is_given_stands_before_what_is_recorded(tmp_path, options, finest_m, coarsest_m):
    source, out = save(tmp_path / "m.onnx", made_by(trained_on="own: 10 pictures")), tmp_path / "out.onnx"
    assert export_range(source, *options, "-o", out).returncode == 0
    known = spec_of(read_model(out), out).ground_range
    assert known is not None and spec_of(read_model(source), source).ground_range is None
    assert known.finest_mm == pytest.approx(1000 * finest_m / 128)
    assert known.coarsest_mm == pytest.approx(1000 * coarsest_m / 128)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (made_by(trained_on="own: 10 pictures"), [], "give --ground-width-m LEAST,GREATEST"),
        (made_by(recipe=""), [], "give --zoom LEAST,GREATEST"),
        (made_by(recipe="touchdown trainer fit --zoom"), [], "give --zoom"),
        (made_by(recipe="touchdown trainer fit --zoom 'x"), [], "give --zoom"),
        (made_by(), ["--zoom", "2,1"], "the least, above 0"),
        (made_by(), ["--zoom", "wide"], "expected LEAST,GREATEST"),
        (made_by(), ["--ground-width-m", "30,10"], "expected 0 < least"),
        (made_by(), ["--ground-width-m", "inf"], "expected 0 < least"),
        (made_by(), ["--heights-m", "10,20"], "--heights-m and --hfov-deg"),
        (made_by(), ["--heights-m", "10,20", "--hfov-deg", "200"], "below 170"),
        (made_by(), ["--picture", "wide"], "--picture 'wide'"),
    ],
)
def test_too_little_or_nonsense_is_refused_in_a_line(tmp_path, spec, options, words):
    source = save(tmp_path / "m.onnx", spec)
    before = source.read_bytes()
    done = export_range(source, *options)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert source.read_bytes() == before


def test_the_default_zoom_is_the_trainers():
    known = ground_range_of(made_by("touchdown trainer fit --data sdd"), RangeChoice(), "m.onnx")
    assert "zoom 0.7 to 2" in known.source


def test_an_engine_gets_it_in_its_manifest(tmp_path):
    engine = tmp_path / "m.engine"
    values = {"tensorrt_version": "10.0", "cuda_version": "12.6", "gpu_name": "none", "compute_capability": "8.7"}
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    manifest = EngineManifest(
        flavour="tensorrt",
        onnx_name="m.onnx",
        onnx_sha256="",
        engine_sha256=digest,
        precision="fp16",
        inputs={},
        outputs={},
        build_seconds=1.0,
        model=made_by(),
        **values,
    )
    write_pair(engine, b"", manifest)
    done = export_range(engine)
    assert done.returncode == 0, done.stderr
    known = read_manifest(engine).model.ground_range
    assert known is not None and read_manifest(engine).model_copy(update={"model": made_by()}) == manifest
    assert "in place" in export_range(engine, "-o", tmp_path / "other.engine").stderr


def test_export_takes_it_from_the_checkpoint(checkpoint_path):
    known = GroundRange(finest_mm=10.0, coarsest_mm=60.0, source="test")
    checkpoint = Checkpoint.load(checkpoint_path)
    assert describe(checkpoint, "", ExportOptions(), 1).ground_range is None
    checkpoint = Checkpoint(**{**vars(checkpoint), "ground_range": known})
    assert describe(checkpoint, "", ExportOptions(), 1).ground_range == known


def test_descriptions_of_before_are_read_and_strange_ones_are_refused():
    text = json.loads(made_by().to_json())
    del text["ground_range"]
    assert ModelSpec.from_json(json.dumps(text), "old").ground_range is None
    for bad in ({"finest_mm": 5, "coarsest_mm": 1}, {"finest_mm": 0, "coarsest_mm": 1}, {"coarsest_mm": 1}, 7):
        with pytest.raises(ModelError, match="ground_range"):
            ModelSpec.from_json(json.dumps({**text, "ground_range": bad}), "bad")
    assert METADATA_KEY == "touchdown.model_spec"
    with pytest.raises(InvalidValueError, match="ground-width"):
        ground_range_of(made_by(trained_on=""), RangeChoice(), "m.onnx")
