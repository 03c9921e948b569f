"""The table of boards: it says what the raw figures say, and takes rows of files that somebody sent."""

from __future__ import annotations

import json

import pytest

from docs.make import boards
from export.submission import Submission
from tests.docs.pages import ROOT

DIGEST = "a" * 64


def sent(**changed: object) -> Submission:
    reference = {
        "name": "m",
        "sha256": DIGEST,
        "onnx_sha256": DIGEST,
        "runtime": "onnxruntime 1.23.2 (CPU)",
        "gate": None,
        "ms": {"p50": 200.0, "p95": 210.0, "p99": 220.0, "least": 190.0},
        "stages_ms": {"preprocess": 5.0, "inference": 195.0},
    }
    other = reference | {
        "sha256": "b" * 64,
        "runtime": "ncnn 1.0.20261020 (CPU, 4 threads, fp16 weights)",
        "gate": False,
        "failures": ["site_differs 0.1 is above 0.05"],
        "ms": {"p50": 80.0, "p95": 90.0, "p99": 95.0, "least": 78.0},
        "sustained": {
            "seconds": 20.1,
            "frames": 240,
            "first_ms": 80.0,
            "last_ms": 96.0,
            "temperature_c": 83,
            "watts": {"VDD_IN": 9.25},
            "throttled": ["soft temperature limit"],
        },
    }
    facts = {
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "source": "Ada, by mail",
        "system": "Debian GNU/Linux 13 (trixie), aarch64",
        "processor": "Cortex-A76",
        "cores": 4,
        "python": "3.13.5",
        "touchdown_version": "0.2.0",
        "threads": 0,
        "models": [reference, other],
    }
    return Submission.model_validate_json(json.dumps(facts | changed))


def test_the_page_is_that_of_the_raw_figures() -> None:
    assert boards.PAGE.read_text("utf-8") == boards.page(), "python -m docs.make.boards writes docs/boards.md anew"


def test_rows_of_a_file_name_their_source() -> None:
    first, second = boards.submitted_rows("pi-5.json", sent(), ["m", "other"], {"m": DIGEST, "other": "c" * 64})
    assert first[2:5] == ["the yardstick, 1.00 (200 ms)", "not run", ""]
    assert second[2] == r"**refused** (site\_differs 0.1 is above 0.05), 2.50 (80 ms)"
    assert second[4] == r"9.2 W (VDD\_IN); 83 °C after 20 s; soft temperature limit"
    assert second[5] == "[pi-5.json](../benchmarks/results/boards/pi-5.json), Ada, by mail"


def test_a_board_that_was_sent_is_missing_no_longer() -> None:
    assert [row[0] for row in boards.missing_rows([], 3)] == list(boards.NOT_RUN)
    assert "Raspberry Pi 5" not in [row[0] for row in boards.missing_rows([sent().board], 3)]


def test_models_that_we_do_not_ship_have_no_row() -> None:
    assert not list(boards.submitted_rows("x.json", sent(), ["m"], {"m": "d" * 64}))


@pytest.mark.parametrize(
    ("passed", "times", "words"),
    [
        (True, 1.9, "pays: OpenVINO, INT8, passes its gate at 1.90"),
        (False, 2.4, "is not offered"),
        (True, 1.7, "at 1.70"),
    ],
)
def test_eight_bits_pay_or_the_page_says_what_is_missing(passed: bool, times: float, words: str) -> None:
    form = {"runtime": "OpenVINO", "precision": "INT8", "passed": passed, boards.RATIO: times}
    form |= {"failures": [] if passed else ["false_safe_flips 0.01 is above 0.002"], "false_safe_flips": 0.01}
    assert words in boards.eight_bits("m", [form])
    assert boards.eight_bits("m", [form | {"precision": "float32"}]) == ""


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "results").glob("boards-*.json")), ids=lambda p: p.stem)
def test_figures_are_whole(path) -> None:
    data = json.loads(path.read_text("utf-8"))
    first, *others = data["forms"]
    assert path.stem == f"boards-{data['model']}" and data["frames"] > 0
    assert first["runtime"] == "ONNX Runtime" and first["times faster than ONNX Runtime"] == 1
    assert all(form["passed"] == (not form["failures"]) for form in others)


def test_rows_of_a_simulator_have_a_verdict_and_no_speed() -> None:
    form = {"board": "rk3588", "precision": "int8", "passed": True, "failures": [], "tensors in float16": 75}
    refused = form | {
        "board": "rk3566",
        "precision": "fp16",
        "passed": False,
        "failures": ["x"],
        "tensors in float16": 0,
    }
    found = {"m": {"sha256": DIGEST, "forms": [form, refused]}}
    rows = list(boards.simulated_rows(found, ["m", "other"], {"m": "b" * 64, "other": DIGEST}))
    assert rows[0][:4] == [
        "RK3588, simulated",
        "RKNN, INT8",
        "passed, 75 tensors in float16 (an older file)",
        "not run",
    ]
    assert rows[1][1:3] == ["RKNN, float16", "**refused** (x) (an older file)"]


def test_figures_of_an_older_file_say_so() -> None:
    form = {
        "runtime": "ncnn",
        "precision": "float32",
        "passed": True,
        "failures": [],
        "times faster than ONNX Runtime": 0.8,
    }
    one = {"sha256": DIGEST, "forms": [form | {"runtime": "ONNX Runtime"}, form]}
    rows = list(boards.own_rows({"m": one}, ["m"], {"m": "b" * 64}))
    assert [row[2] for row in rows] == ["the yardstick, 1 (an older file)", "passed, 0.80 (an older file)"]
    assert [row[2] for row in boards.own_rows({"m": one}, ["m"], {"m": DIGEST})][1] == "passed, 0.80"
