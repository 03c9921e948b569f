"""`export bench --submit`: what is written, what is refused, and what a running board tells meanwhile."""

from __future__ import annotations

import json

import numpy as np
import pytest

from export import bench as measuring
from export.submission import read_submission
from export.sustained import sustain
from firmware_bridge.board import BoardSensors
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.reading import sha256_of
from landing.types import Frame
from tests.bridge.test_board import ORIN, PI_5, tree
from tests.command import call
from tests.edge import fake_ncnn
from tests.export import tiny

FAST = ("--rounds", "2", "--no-memory", "--threads", "1", "--sustain-s", "0.1")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "m.onnx")


class Clocked:
    """A runtime that takes as long as it is told, on a clock of its own; a sensor's file changes meanwhile."""

    def __init__(self, milliseconds, change):
        self.now_ns = 0
        self._left = list(milliseconds)
        self._change = change

    def segment(self, _frame):
        self.now_ns += int(self._left.pop(0) * 1e6)
        self._change(len(self._left))


def frame():
    return Frame(np.zeros((8, 8, 3), np.uint8), 0, 0)


def test_a_board_that_slows_down_says_by_what(tmp_path):
    root = tree(tmp_path, ORIN)
    tree(root, {"sys/class/thermal/cooling_device0/cur_state": "0", "sys/class/hwmon/hwmon3/oc3_event_cnt": "15"})

    def heat(left):
        if left == 4:
            tree(
                root, {"sys/class/thermal/cooling_device0/cur_state": "2", "sys/class/hwmon/hwmon1/curr1_input": "3000"}
            )

    runtime = Clocked([400] * 4 + [800] * 4, heat)
    found = sustain(runtime, frame(), 4.5, BoardSensors(root), lambda: runtime.now_ns)
    assert (found.frames, found.seconds) == (8, 4.8)
    assert (found.first_ms, found.last_ms) == (400, 800)
    assert found.throttled == ("cpufreq-cpu0 lowered by heat",)
    assert found.watts["VDD_IN"] == pytest.approx(14.952, abs=0.001)
    assert found.power_words() == "15.0 W (VDD_IN)"


def test_what_a_board_does_not_tell_is_none(tmp_path):
    runtime = Clocked([300, 300, 300], lambda left: None)
    found = sustain(runtime, frame(), 0.5, BoardSensors(tmp_path), lambda: runtime.now_ns)
    assert (found.frames, found.temperature_c, found.watts, found.throttled) == (2, None, {}, None)
    assert found.power_words() == ""


def test_the_file_says_what_ran_and_names_nobody(model, tmp_path, monkeypatch):
    root = tree(tmp_path / "pi", {**PI_5, "etc/hostname": "alices-drone"})
    monkeypatch.setattr(measuring, "BoardSensors", lambda: BoardSensors(root))
    out = tmp_path / "board.json"
    done = call("export", "bench", str(model), *FAST, "--frame", "64x48", "--submit", str(out), "--source", "Bob, 2026")
    assert done.returncode == 0, done.stderr
    sent = read_submission(out)
    (one,) = sent.models
    assert (sent.source, sent.frame, sent.threads) == ("Bob, 2026", "64x48", 1)
    assert one.sha256 == one.onnx_sha256 == sha256_of(model) and one.is_yardstick and sent.ratio(one) == 1
    assert set(one.stages_ms) == {"preprocess", "inference"} and one.gate is None
    assert one.sustained is not None and one.sustained.temperature_c == 65 and one.sustained.throttled == ()
    assert str(tmp_path) not in out.read_text() and "alices" not in out.read_text()


def test_other_forms_need_their_onnx_file_beside_them(model, tmp_path):
    pytest.importorskip("ncnn")
    other = fake_ncnn.save(tmp_path / "other.ncnn")
    for words in ((str(other),), (str(model), str(other)), (str(model), "--runtime", "openvino")):
        done = call("export", "bench", *words, *FAST, "--submit", str(tmp_path / "b.json"))
        assert done.returncode == 2 and "is told as a ratio to the float32 ONNX file" in done.stderr, done.stderr
    assert not (tmp_path / "b.json").exists()


def test_ncnn_beside_its_onnx_file(tmp_path, checkpoint_path):
    pytest.importorskip("ncnn")
    from export.ncnn import make_ncnn
    from export.onnx_export import export_onnx
    from export.verify import store

    export_onnx(checkpoint_path, tmp_path / "m.onnx")
    make_ncnn(tmp_path / "m.onnx", tmp_path / "m.ncnn", "fp32")
    store(GateReport(passed=False, frames=3, failures=("site_differs 1 is above 0.02",)), tmp_path / "m.ncnn")
    out = tmp_path / "b.json"
    done = call("export", "bench", str(tmp_path / "m.onnx"), str(tmp_path / "m.ncnn"), *FAST, "--submit", str(out))
    assert done.returncode == 0, done.stderr
    sent = read_submission(out)
    first, second = sent.models
    assert first.is_yardstick and not second.is_yardstick and second.onnx_sha256 == first.sha256
    assert second.gate is False and second.failures == ("site_differs 1 is above 0.02",)
    assert sent.ratio(second) == first.ms["p50"] / second.ms["p50"]


def test_a_source_that_a_table_would_read_is_refused(model, tmp_path):
    done = call("export", "bench", str(model), *FAST, "--submit", str(tmp_path / "b.json"), "--source", "<b>|x")
    assert done.returncode == 2 and "expected one line" in done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format=2), "format"),
        (lambda d: d.update(board="a|b"), "board"),
        (lambda d: d.update(host="x"), "host"),
        (lambda d: d["models"][0].update(runtime="x" * 300), "runtime"),
        (lambda d: d["models"][0]["ms"].update(p50=float("nan")), "p50"),
        (lambda d: d["models"][0].update(onnx_sha256="0" * 64), "has no ONNX Runtime beside it"),
    ],
)
def test_files_that_somebody_changed_are_refused(submitted, tmp_path, change, words):
    data = json.loads(submitted.read_text())
    change(data)
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=words) as caught:
        read_submission(bad)
    assert str(bad) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.fixture(scope="module")
def submitted(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("sent") / "b.json"
    assert call("export", "bench", str(model), *FAST, "--submit", str(out)).returncode == 0
    return out
