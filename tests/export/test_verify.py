from __future__ import annotations

import json
from importlib.util import find_spec

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from PIL import Image

from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.openvino import has_bf16
from export.cli import cli
from export.comparison import Comparison
from export.files import gate_of, read_model, redescribe, spec_of, write_model
from export.limits import LIMITS
from export.pictures import LabelFolder
from export.verify import VerifyOptions, kind_of, verify
from landing.errors import DataError, InvalidValueError, ModelError
from landing.ground.merge import segmentation_from_labels
from landing.labels.reading import voc_colour
from landing.model.artefact import BF16_GATE_KEY
from landing.model.spec import OperatingPoint
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from tests.edge import fake_model
from tests.export import tiny

SYNTHETIC = Taxonomy.load("synthetic")
ID = {c.name: c.id for c in SYNTHETIC.classes}


def labels(*patches, ground="grass"):
    image = np.full((64, 64), ID[ground], np.uint8)
    for name, (x, y, w, h) in patches:
        image[y : y + h, x : x + w] = ID[name]
    return image


def seen(*patches, **options):
    return segmentation_from_labels(labels(*patches, **options), SYNTHETIC)


@pytest.fixture
def comparison():
    return Comparison(fake_model.spec_of(SYNTHETIC))


def test_counts_by_hand(comparison):
    """B misses half of a car: 8 x 16 pixels become landable for B alone."""
    truth = labels(("car", (0, 0, 16, 16)))
    comparison.add(seen(("car", (0, 0, 16, 16))), seen(("car", (0, 0, 8, 16))), truth, (640, 640))
    found = comparison.measured()
    assert found["false_safe_flips"] == pytest.approx(128 / 4096)
    assert found["lost_landable"] == 0
    assert found["class_disagreement"] == pytest.approx(128 / 4096)
    assert found["max_difference"] == 1.0
    assert found["mean_difference"] == pytest.approx(2 * 128 / 4096 / 5)
    assert found["recall_drop_vehicle"] == pytest.approx(0.5)
    assert found["hazard_recall_drop"] == pytest.approx(0.5)
    assert "recall_drop_person" not in found  # nobody in the truth
    assert found["miou_a"] == 1.0
    grass, car = (4096 - 256) / (4096 - 128), 0.5
    assert found["miou_b"] == pytest.approx((grass + car) / 2)
    assert found["false_safe_b"] == pytest.approx(0.5) and found["false_safe_a"] == 0


def test_a_site_elsewhere_and_a_site_out_of_nothing(comparison):
    left, right = ("pool", (0, 0, 32, 64)), ("pool", (32, 0, 32, 64))
    comparison.add(seen(left), seen(left), None, (640, 640))
    assert comparison.measured()["site_differs"] == 0
    comparison.add(seen(left), seen(right), None, (640, 640))
    found = comparison.measured()
    assert found["site_differs"] == 0.5 and found["site_only_in_b"] == 0
    comparison.add(seen(ground="pool"), seen(), None, (640, 640))
    found = comparison.measured()
    assert found["site_only_in_b"] == pytest.approx(1 / 3)
    assert found["miou_drop"] is None and found["hazard_recall_drop"] is None


def test_a_class_that_is_not_there_hides_no_loss(comparison):
    """A stray pixel of A, of a class that no label has, counted as a whole class for A alone."""
    truth = labels(("car", (0, 0, 16, 16)))
    stray = seen(("car", (0, 0, 16, 16)), ("pool", (60, 60, 1, 1)))
    comparison.add(stray, seen(("car", (0, 0, 12, 16))), truth, (640, 640))
    found = comparison.measured()
    assert found["miou_a"] == pytest.approx(1, abs=1e-3)
    assert found["miou_drop"] == pytest.approx((0.25 + 64 / (4096 - 192)) / 2, abs=1e-3)


def test_each_is_judged_as_it_flies():
    """B has the same numbers, but by its thresholds it takes for free where A sees a person."""
    spec = fake_model.spec_of(SYNTHETIC)
    point = OperatingPoint(landable=0.6, obstacle=0.2, water=0.2, person=0.1, vehicle=0.2)
    wary = spec.model_copy(update={"operating": point})
    maps = seen()
    maps.hazards[HAZARD_ROLES.index(Role.PERSON), 32:, :] = 40  # .16: above .1, below the default of flight
    for judged, flips in ((spec, 0.5), (wary, 0.0), (None, 0.0)):
        comparison = Comparison(wary, judged=judged)
        comparison.add(maps, maps, None, (640, 640))
        found = comparison.measured()
        assert found["max_difference"] == 0 and found["false_safe_flips"] == pytest.approx(flips)
        assert bool(LIMITS["exact"].failures(found)) == bool(flips)


def test_thresholds_of_both_files_are_compared(model, folder, tmp_path, monkeypatch):
    """Thresholds that were chosen anew for the original do not reach the forms made of it before."""
    graph = read_model(model)
    wary = OperatingPoint(landable=0.89, obstacle=0.05, water=0.05, person=0.05, vehicle=0.05)
    redescribe(graph, spec_of(graph, model).model_copy(update={"operating": wary}))
    write_model(graph, tmp_path / "wary.onnx")
    told = []
    made = Comparison

    def noting(*arguments):
        told.append([spec.operating for spec in arguments if hasattr(spec, "operating")])
        return made(*arguments)

    monkeypatch.setattr("export.verify.Comparison", noting)
    verify(tmp_path / "wary.onnx", model, VerifyOptions(folder))
    assert told == [[wary, None]]


def test_other_resolutions_are_compared_square_by_square(comparison):
    fine = seen(("car", (0, 0, 16, 16)))
    coarse = segmentation_from_labels(labels(("car", (0, 0, 16, 16)))[::4, ::4].copy(), SYNTHETIC)
    comparison.add(fine, coarse, None, (640, 640))
    found = comparison.measured()
    assert found["false_safe_flips"] == 0 and found["class_disagreement"] == 0


def test_labels_are_taken_in_the_middle_of_each_square(comparison):
    """A coarse map that is right in each square is right: labels at its corner would be half a square aside."""
    truth = np.full((512, 512), ID["grass"], np.uint8)
    truth[:, 19:45] = ID["car"]
    coarse = segmentation_from_labels(truth[4::8, 4::8].copy(), SYNTHETIC)
    comparison.add(coarse, coarse, truth, (512, 512))
    assert comparison.measured()["miou_a"] == 1.0


def test_not_a_number_is_no_pass():
    limits = LIMITS["exact"]
    assert limits.failures({"mean_difference": float("nan")})
    assert not limits.failures({"mean_difference": None, "miou_drop": -0.2})
    assert limits.failures({"false_safe_flips": 0.5}) == ("false_safe_flips 0.5 is above 0.0001",)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "m.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.pictures(tmp_path_factory.mktemp("data") / "pictures", 4)


def spoiled(model, path, name="net/d.w"):
    graph = read_model(model)
    tensor = next(t for t in graph.graph.initializer if t.name == name)
    values = -onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    onnx.save(graph, path)
    return path


def run(*words):
    return CliRunner().invoke(cli, ["verify", *map(str, words)], catch_exceptions=False)


def test_the_same_model_passes_and_says_so(model, folder, tmp_path):
    copy = tmp_path / "copy.onnx"
    graph = read_model(model)
    graph.graph.node[0].name += " of another exporter"
    onnx.save(graph, copy)
    result = run(model, copy, "--data", folder)
    assert result.exit_code == 0, result.output
    assert "gate passed against m.onnx on 4 frames" in result.output
    gate = gate_of(read_model(copy), copy)
    assert gate.passed and gate.thresholds == dict(LIMITS["exact"])
    assert gate.measured["max_difference"] == 0
    with load_runtime(copy) as runtime:
        assert runtime.gate == gate


def test_another_model_fails_and_does_not_fly(model, folder, tmp_path):
    bad = spoiled(model, tmp_path / "bad.onnx")
    result = run(model, bad, "--data", folder, "--json")
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert not report["passed"] and report["failures"]
    with pytest.raises(ModelError, match=r"gate FAILED against m\.onnx"):
        load_runtime(bad)
    load_runtime(bad, RuntimeOptions(allow_failed_gate=True)).close()
    # It can be verified again, and without keeping what comes of it.
    before = bad.read_bytes()
    assert run(model, bad, "--data", folder, "--no-store").exit_code == 1
    assert bad.read_bytes() == before


def test_a_model_that_decides_as_itself_proves_nothing(model, folder, tmp_path):
    bad = spoiled(model, tmp_path / "bad.onnx")
    again = run(bad, bad, "--data", folder)
    assert again.exit_code == 0 and "in one runtime, which proves nothing" in again.stderr
    assert gate_of(read_model(bad), bad) is None
    assert run(model, bad, "--data", folder).exit_code == 1
    for runtime in ("onnxruntime", *(["openvino"] if find_spec("openvino") else [])):
        again = run(bad, bad, "--data", folder, "--runtime-b", runtime)
        assert again.exit_code == 0 and "not stored" in again.stderr
        assert "gate FAILED against m.onnx" in gate_of(read_model(bad), bad).describe()
    copy = read_model(bad)
    copy.doc_string, copy.producer_name = "a copy", "somebody"
    write_model(copy, tmp_path / "copy.onnx")
    again = run(tmp_path / "copy.onnx", bad, "--data", folder)
    assert again.exit_code == 0 and "in one runtime, which proves nothing" in again.stderr
    assert "gate FAILED against m.onnx" in gate_of(read_model(bad), bad).describe()
    with pytest.raises(InvalidValueError, match="--precision-a bf16"):
        verify(model, bad, VerifyOptions(folder, precision_a="bf16", precision_b="bf16"))


def test_labels_are_read_as_the_trainer_reads_them(tmp_path):
    """A palette holds ids, whatever its colours; palettes that can be read in two ways ask for a word."""
    ids = (np.arange(60 * 80).reshape(60, 80) // 480).astype(np.uint8)
    flat = [channel for i in range(256) for channel in voc_colour(i)]
    for name, colours in (
        ("voc", flat),
        ("moved", [c for i in range(256) for c in SYNTHETIC.classes[-1 - i % 10].color_rgb]),
    ):
        (tmp_path / name).mkdir()
        picture = Image.fromarray(ids % 10, "P")
        picture.putpalette(colours)
        picture.save(tmp_path / name / "a.png")
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((60, 80, 3), np.uint8))
    np.testing.assert_array_equal(LabelFolder(tmp_path / "voc", SYNTHETIC).read(tmp_path / "a.jpg"), ids % 10)
    by_word = LabelFolder(tmp_path / "moved", SYNTHETIC, "index").read(tmp_path / "a.jpg")
    np.testing.assert_array_equal(by_word, ids % 10)
    (tmp_path / "white").mkdir()
    cv2.imwrite(str(tmp_path / "white" / "a.png"), np.where(ids > 4, 255, 0).astype(np.uint8))
    with pytest.raises(DataError, match="--labels-as index"):
        LabelFolder(tmp_path / "white", SYNTHETIC)


@pytest.mark.parametrize("kind", ["ids", "colours"])
def test_labels_are_ids_or_colours(kind, tmp_path):
    model = fake_model.save(tmp_path / "m.onnx")
    folder, truth, other = tmp_path / "pictures", tmp_path / "labels", tmp_path / "other"
    for made in (folder, truth, other):
        made.mkdir()
    painted = fake_model.paint(128, 96, ("car", (0, 0, 40, 40)))
    ids = np.full((96, 128), ID["grass"], np.uint8)
    ids[:40, :40] = ID["car"]
    for name in ("a", "b"):
        cv2.imwrite(str(folder / f"{name}.png"), painted)
        cv2.imwrite(str(truth / f"{name}.png"), {"ids": ids, "colours": painted}[kind])
    cv2.imwrite(str(other / "c.png"), ids)
    report = verify(model, model, VerifyOptions(folder, labels=truth))
    assert report.passed and report.labelled_frames == 2
    assert report.measured["miou_a"] > 0.98
    assert report.measured["recall_drop_vehicle"] == 0
    with pytest.raises(DataError, match="no label map there has the name"):
        verify(model, model, VerifyOptions(folder, labels=other))
    (truth / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"label map .*a\.png"):
        verify(model, model, VerifyOptions(folder, labels=truth))


def test_labels_that_do_not_lie_on_the_picture_are_refused(tmp_path):
    """Both models would be wrong alike, and their difference nothing."""
    model = fake_model.save(tmp_path / "m.onnx")
    folder, truth = tmp_path / "pictures", tmp_path / "labels"
    folder.mkdir()
    truth.mkdir()
    painted = fake_model.paint(128, 96, ("car", (0, 0, 40, 40)))
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(painted[..., ::-1].copy()).save(folder / "a.png", exif=exif)
    ids = np.full((96, 128), ID["grass"], np.uint8)
    ids[:40, :40] = ID["car"]
    for lying in (ids, np.rot90(ids, -1)):
        cv2.imwrite(str(truth / "a.png"), lying)
        with pytest.raises(DataError, match=r"a\.png has EXIF orientation 6"):
            verify(model, model, VerifyOptions(folder, labels=truth))
    cv2.imwrite(str(folder / "a.png"), painted)
    with pytest.raises(DataError, match=r"a\.png is 128x96 px but its label map a\.png is 96x128"):
        verify(model, model, VerifyOptions(folder, labels=truth))


def test_models_with_other_roles_are_not_comparable(model, folder, tmp_path):
    other = fake_model.save(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="nothing they say can be compared"):
        verify(model, other, VerifyOptions(folder))


def test_the_limits_follow_the_precision(model, tmp_path):
    assert kind_of(model, model) == "exact"
    graph = read_model(model)
    for tensor in graph.graph.initializer:
        if tensor.name == "net/d.w":
            values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, "net/d.half"))
    cast = onnx.helper.make_node("Cast", ["net/d.half"], ["net/d.w"], to=1)
    graph.graph.node.insert(0, cast)
    half = tmp_path / "half.onnx"
    onnx.save(graph, half)
    assert kind_of(model, half) == "half"
    assert kind_of(half, model) == "half"


def test_a_checkpoint_is_compared_through_torch(checkpoint_path, folder, tmp_path):
    from export.onnx_export import ExportOptions, export_onnx

    options = ExportOptions(output_stride=2, temperature=1.5)
    exported = export_onnx(checkpoint_path, tmp_path / "m.onnx", options).path
    report = verify(checkpoint_path, exported, VerifyOptions(folder))
    assert report.passed, report.failures
    assert report.runtimes[0].startswith("torch") and report.runtimes[1].startswith("onnxruntime")


def test_one_file_in_two_runtimes(tmp_path):
    """What OpenVINO computes in bfloat16 is judged and kept for itself."""
    pytest.importorskip("openvino")
    if not has_bf16():
        pytest.skip("this CPU does not compute in bfloat16")
    model = tiny.save(tmp_path / "tiny.onnx")
    folder = tiny.pictures(tmp_path / "pictures", 3)
    as_it_flies = ["--runtime-b", "openvino", "--precision-b", "bf16"]
    done = CliRunner().invoke(cli, ["verify", str(model), str(model), "--data", str(folder), "--json", *as_it_flies])
    report = json.loads(done.stdout)
    assert report["thresholds"] == dict(LIMITS["bf16"])
    assert report["runtimes"][0].startswith("onnxruntime")
    assert report["runtimes"][1].endswith("(CPU, bf16)")
    assert 0 < report["measured"]["mean_difference"] < 0.05  # it does round
    assert gate_of(read_model(model), model) is None
    assert gate_of(read_model(model), model, BF16_GATE_KEY).measured == report["measured"]
    # The other report is kept beside it, and neither replaces the other.
    exact = ["verify", str(model), str(model), "--data", str(folder), "--runtime-b", "openvino"]
    done = CliRunner().invoke(cli, exact)
    assert done.exit_code == 0, done.output
    assert gate_of(read_model(model), model).passed
    assert gate_of(read_model(model), model, BF16_GATE_KEY) is not None
    assert "at bf16" in CliRunner().invoke(cli, ["info", str(model)]).output


def test_a_checkpoint_runs_in_torch_alone(checkpoint_path, tmp_path):
    folder = tiny.pictures(tmp_path / "pictures", 1)
    with pytest.raises(ModelError, match="torch runs, not openvino"):
        verify(checkpoint_path, tiny.save(tmp_path / "tiny.onnx"), VerifyOptions(folder, runtime_a="openvino"))
