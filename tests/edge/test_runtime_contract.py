"""Promises of every runtime, asked of each; RKNN and Hailo on fake accelerators, TensorRT on a fake GPU.

Where there is a GPU and TensorRT, the same questions go to a real engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.runtimes import Runtime, RuntimeOptions, load_runtime, openvino
from landing.errors import ModelError
from landing.model.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.taxonomy import Taxonomy
from landing.types import HAZARD_ORDER, Frame, Segmentation
from tests.edge import fake_hailo, fake_model, fake_ncnn, fake_rknn
from tests.edge.conftest import FakeGpu, require_real_engine

Load = Callable[..., Runtime]
RUNTIMES = ("onnxruntime", "openvino", "openvino-bf16", "ncnn", "rknn", "hailo", "tensorrt")
SYNTHETIC = [c.name for c in Taxonomy.load("synthetic").classes]


@pytest.fixture(params=[*RUNTIMES, pytest.param("gpu", marks=pytest.mark.gpu)])
def load(request: pytest.FixtureRequest, model_path: Path, tmp_path: Path) -> Iterator[Load]:
    """Loads the model of palette colours with one runtime, optionally with a gate report."""
    opened: list[Runtime] = []
    gpu: FakeGpu | None = None
    if request.param.startswith("openvino"):
        pytest.importorskip("openvino")
        if request.param == "openvino-bf16" and not openvino.has_bf16():
            pytest.skip("this CPU does not compute in bfloat16")
    if request.param == "ncnn":
        pytest.importorskip("ncnn")
    npu: fake_rknn.FakeNpu | fake_hailo.FakeHailo | None = None
    if request.param == "rknn":
        npu = fake_rknn.board(request.getfixturevalue("monkeypatch"), tmp_path)
    if request.param == "hailo":
        npu = fake_hailo.machine(request.getfixturevalue("monkeypatch"), "hailo8l")
    if request.param == "tensorrt":
        gpu = request.getfixturevalue("fake_gpu")

    def make(gate: GateReport | None = None, **options: object) -> Runtime:
        backend, _, precision = request.param.partition("-")
        if backend in ("onnxruntime", "openvino"):
            options |= {"backend": backend, "precision": precision or "auto"}
            key = BF16_GATE_KEY if precision else GATE_KEY
            path = fake_model.with_gate(model_path, tmp_path / "model.onnx", gate, key)
        elif backend == "ncnn":
            path = fake_ncnn.save(tmp_path / "model.ncnn", gate)
        elif backend == "rknn":
            path = fake_rknn.save(tmp_path / "model.rknn", gate)
        elif backend == "hailo":
            path = fake_hailo.save(tmp_path / "model.hef", gate)
        elif gpu is not None:
            path = gpu.engine(model_path, gate=gate)
        else:
            path = require_real_engine(model_path, tmp_path, gate)
        opened.append(load_runtime(path, RuntimeOptions(**options)))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for runtime in opened:
        runtime.close()
    assert npu is None or npu.live == 0, "networks were not given back"
    if gpu is not None:
        assert gpu.cuda.live == 0, "buffers or handles were not given back"


def painted(*patches: tuple[str, tuple[int, int, int, int]], at_ns: int = 0) -> Frame:
    return Frame(fake_model.paint(320, 240, *patches), 0, at_ns)


def same(first: Segmentation, second: Segmentation) -> bool:
    names = ("class_id", "landable", "hazards")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in names)


CAR = ("car", (0, 0, 160, 120))
POOL = ("pool", (160, 120, 160, 120))


def test_it_sees_what_is_painted(load: Load) -> None:
    seen = load().segment(painted(CAR, POOL, at_ns=77))
    assert seen.captured_at_ns == 77
    assert seen.shape == (96, 128)  # the letterbox's padding is cut off
    assert SYNTHETIC[seen.class_id[20, 20]] == "car"
    assert SYNTHETIC[seen.class_id[80, 100]] == "pool"
    hazard = {role: seen.hazards[i] for i, role in enumerate(HAZARD_ORDER)}
    assert hazard["vehicle"][20, 20] > 200 and seen.landable[20, 20] < 20
    assert seen.landable[80, 20] > 200


def test_frames_do_not_mix(load: Load) -> None:
    runtime = load()
    frames = [painted(), painted(CAR), painted(POOL), painted(CAR, POOL)]
    first = [runtime.segment(frame) for frame in frames]
    assert not any(same(a, b) for a, b in itertools.combinations(first, 2))
    for frame, before in zip(frames[::-1], first[::-1], strict=True):
        assert same(runtime.segment(frame), before)


def test_a_result_stays_as_it_was_while_the_next_frame_is_at_work(load: Load) -> None:
    runtime = load()
    runtime.submit(painted(CAR, at_ns=1))
    first = runtime.result()
    kept = Segmentation(first.class_id.copy(), first.landable.copy(), first.hazards.copy(), 1)
    runtime.submit(painted(POOL, at_ns=2))
    assert same(first, kept)
    second = runtime.result()
    assert same(first, kept) and not same(first, second)
    assert (first.captured_at_ns, second.captured_at_ns) == (1, 2)


def test_one_frame_at_a_time(load: Load) -> None:
    runtime = load()
    with pytest.raises(ModelError, match="no frame to give a result of"):
        runtime.result()
    runtime.submit(painted())
    with pytest.raises(ModelError, match="at work on another frame"):
        runtime.submit(painted())
    runtime.result()
    with pytest.raises(ModelError, match="no frame"):
        runtime.result()


def test_any_picture_size_is_taken_and_left_untouched(load: Load) -> None:
    runtime = load()
    for size in ((1, 1), (3000, 2), (127, 300), (fake_model.SIDE_PX, fake_model.SIDE_PX)):
        image = fake_model.paint(*size)
        before = image.copy()
        assert min(runtime.segment(Frame(image, 0, 0)).shape) >= 1
        assert np.array_equal(image, before)


def test_it_says_what_it_is_and_how_long_it_took(load: Load) -> None:
    runtime = load()
    assert runtime.warm_up() > 0
    assert set(runtime.timings_ms) == {"preprocess", "inference"}
    assert set(runtime.device_ms) == ({"h2d", "compute", "d2h"} if "tensorrt" in runtime.backend.lower() else set())
    assert runtime.spec.name == "nearest-colour" and runtime.backend


def test_closed_is_closed(load: Load) -> None:
    runtime = load()
    runtime.submit(painted())
    runtime.close()  # with a frame under way
    runtime.close()
    for call in (lambda: runtime.segment(painted()), runtime.result):
        with pytest.raises(ModelError, match="closed"):
            call()


def test_a_failed_gate_is_refused_unless_it_is_allowed(load: Load) -> None:
    failed = GateReport(passed=False, frames=9, against="best.pt", failures=("flips 3 > 0.2 %",))
    with pytest.raises(ModelError, match=r"gate FAILED against best\.pt on 9 frames: flips 3"):
        load(failed)
    allowed = load(failed, allow_failed_gate=True)
    assert allowed.gate == failed
    allowed.segment(painted())
    passed = GateReport(passed=True, frames=9)
    assert load(passed).gate == passed
    assert load().gate is None
