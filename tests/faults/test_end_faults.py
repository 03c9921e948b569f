"""The daemon is told to end, at any moment and while the network computes: it ends in order."""

from __future__ import annotations

import itertools
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.runtimes.ncnn_file import WEIGHTS
from landing.taxonomy import Taxonomy
from tests.edge import fake_ncnn
from tests.faults.bench import Bench, wait_for
from tests.faults.matrix import Row
from tests.faults.measure import Keep

pytestmark = [pytest.mark.flight, pytest.mark.timeout(300)]

END_S = 2.0
"""Within which the daemon ends, beside the inference that runs."""

NODES = 8
"""Of the slow model: each takes some 60 ms on one core, so that an inference takes about 0.5 s."""


def slow(model: Path, path: Path) -> Path:
    """The same model with half a second of native computing in it that changes nothing."""
    proto = onnx.load(model)
    graph = proto.graph
    scores = next(n for n in graph.node if n.op_type == "Add")
    scores.output[0] = "scores_before"
    constants = {
        "slow_weights": np.eye(1024, dtype=np.float32),
        "slow_shape": np.array([2048, 1024], np.int64),
        "slow_flat": np.array([1, 1], np.int64),
        "slow_nothing": np.array(0.0, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["slow_mean"], keepdims=1),
        helper.make_node("Reshape", ["slow_mean", "slow_flat"], ["slow_one"]),
        helper.make_node("Expand", ["slow_one", "slow_shape"], ["slow_0"]),
        *(helper.make_node("MatMul", [f"slow_{i}", "slow_weights"], [f"slow_{i + 1}"]) for i in range(NODES)),
        helper.make_node("ReduceMax", [f"slow_{NODES}"], ["slow_max"], keepdims=0),
        helper.make_node("Mul", ["slow_max", "slow_nothing"], ["slow_zero"]),
        helper.make_node("Add", ["scores_before", "slow_zero"], ["scores"]),
    ]
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    at = list(graph.node).index(scores) + 1
    rest = list(graph.node)[at:]
    del graph.node[at:]
    graph.node.extend([*nodes, *rest])
    onnx.save(proto, path)
    return path


def slow_ncnn(path: Path) -> Path:
    """A file for ncnn with half a second of native computing in it that changes nothing: convolutions with nothing."""
    taxonomy = Taxonomy.load("synthetic")
    classes, wide = len(taxonomy), 128
    own = fake_ncnn.parts(taxonomy)
    heavy = [3, *[wide] * NODES]
    lines = ["Input in0 0 1 in0", "Split two 1 2 in0 near far"]
    lines.append(f"Convolution scores 1 1 near scores 0={classes} 1=1 5=1 6={3 * classes}")
    weights, last = own[WEIGHTS], "far"
    for i, (given, made) in enumerate(itertools.pairwise(heavy)):
        lines.append(f"Convolution slow{i} 1 1 {last} slow{i} 0={made} 1=3 4=1 6={9 * given * made}")
        weights, last = weights + bytes(4 + 4 * 9 * given * made), f"slow{i}"
    lines.append(f"Convolution zero 1 1 {last} zero 0={classes} 1=1 6={classes * wide}")
    lines.append("BinaryOp sum 2 1 scores zero out0 0=0")
    text = "\n".join(["7767517", f"{len(lines)} {len(lines) + 1}", *lines, ""])
    return fake_ncnn.save(path, network=text.encode(), weights=weights + bytes(4 + 4 * classes * wide))


def listens(bench: Bench) -> bool:
    """Whether the daemon handles SIGTERM by now; before, it ends as every process does."""
    status = Path(f"/proc/{bench.daemon.pid}/status").read_text("ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def end(bench: Bench, *numbers: signal.Signals, apart_s: float = 0.1) -> tuple[int, float]:
    """Sends signals; exit status and seconds from the first one to the end."""
    started = time.monotonic()
    for i, number in enumerate(numbers):
        if i:
            time.sleep(apart_s)
        bench.signal_daemon(number)
    status = bench.daemon.wait(30)
    return status, time.monotonic() - started


@dataclass
class Ended:
    """What came of it: exit statuses and seconds, each time."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, status: int, seconds: float) -> None:
        self.statuses.append(status)
        self.seconds.append(seconds)

    def text(self) -> str:
        counts = {s: self.statuses.count(s) for s in sorted(set(self.statuses))}
        said = ", ".join(f"{n} times exit status {s}" for s, n in counts.items())
        return f"{said}; ended after {max(self.seconds):.2f} s at most"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "ncnn"])
def test_in_a_slow_inference(tmp_path: Path, model_path: Path, keep: Keep, runtime: str) -> None:
    if runtime != "onnxruntime":
        pytest.importorskip(runtime)
    ended = Ended()
    model = slow_ncnn(tmp_path / "slow.ncnn") if runtime == "ncnn" else slow(model_path, tmp_path / "slow.onnx")
    settings = {"model": {"runtime": runtime}}
    with Bench(tmp_path, model, settings) as bench:
        for numbers in ((signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)):
            before = len(bench.events("ready"))
            wait_for(lambda: len(bench.events("ready")) > before, 60, bench.said)  # noqa: B023
            inference_s = bench.events("model")[-1]["warm_up_ms"] * 1e-3
            time.sleep(0.3)
            status, seconds = end(bench, *numbers)
            ended.add(status, max(0.0, seconds - inference_s))
            assert bench.events("stop")[-1]["unstopped"] == []
            bench.start_daemon()
    if runtime == "onnxruntime":
        keep(
            Row(
                50,
                f"SIGTERM, or SIGINT twice, in an inference of {inference_s:.1f} s",
                "ends in order with exit status 0, within 2 s beside the inference",
                ended.text(),
                None,
                None,
                set(ended.statuses) == {0} and max(ended.seconds) <= END_S,
            )
        )
    assert set(ended.statuses) == {0}, bench.said()
    assert max(ended.seconds) <= END_S


def test_an_inference_that_never_returns(tmp_path: Path, model_path: Path) -> None:
    settings = {"health": {"hang_timeout_ms": 1000.0}}
    with Bench(tmp_path, model_path, settings, inside=True) as bench:
        bench.wait_for_targets(5)
        bench.order_daemon("hang")
        wait_for(lambda: bench.events("hang"), 10, bench.said)
        status, seconds = end(bench, signal.SIGTERM)
        assert status == 70, bench.said()
        assert seconds < 5.0
        assert bench.events("stop")[-1]["unstopped"] == ["pipeline"]
        assert "threads that do not stop: pipeline" in bench.said()
        assert not list((tmp_path / "recordings").rglob("*.part")), "the recording is complete"


def at_random_moments(folder: Path, model: Path, times: int) -> Ended:
    """Starts the daemon and ends it again, at moments from its first own step into its work."""
    rng = random.Random(times)
    ended = Ended()
    models = (model.read_bytes(), slow(model, folder / "slow.onnx").read_bytes())
    with Bench(folder, model) as bench:
        for i in range(times):
            bench.daemon.kill()
            bench.daemon.wait()
            is_slow = rng.random() < 0.5
            bench.model.write_bytes(models[is_slow])
            bench.start_daemon()
            wait_for(lambda: listens(bench), 30, bench.said)
            time.sleep(rng.uniform(0.0, 5.0))
            signals = [rng.choice((signal.SIGTERM, signal.SIGINT)) for _ in range(1 + i % 2)]
            ended.add(*end(bench, *signals, apart_s=rng.uniform(0.0, 0.2)))
            assert ended.statuses[-1] == 0, bench.said()
    return ended


def row(order: int, ended: Ended, inference_s: float) -> Row:
    return Row(
        order,
        f"SIGTERM or SIGINT, once or twice, at {len(ended.statuses)} random moments from start-up "
        "on, an inference of 0.5 s among them",
        "ends in order with exit status 0, within 2 s beside the inference",
        ended.text(),
        None,
        None,
        set(ended.statuses) == {0} and max(ended.seconds) <= END_S + inference_s,
    )


def test_at_random_moments(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    keep(row(51, at_random_moments(tmp_path, model_path, 8), 2.0))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_at_two_hundred_random_moments(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    keep(row(51, at_random_moments(tmp_path, model_path, 200), 2.0))
