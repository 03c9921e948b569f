"""Model files for ncnn: what is refused, in one line, and that ONNX Runtime computes the same."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.runtimes import RuntimeOptions, load_runtime, ncnn
from edge.runtimes.archive import MANIFEST
from edge.runtimes.ncnn_file import NCNN, NETWORK, WEIGHTS
from landing.errors import ModelError
from landing.problems import Problem
from landing.taxonomy import Taxonomy
from landing.types import Frame
from tests.edge import fake_model, fake_ncnn

pytest.importorskip("ncnn")

SYNTHETIC = Taxonomy.load("synthetic")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return fake_ncnn.save(tmp_path / "good.ncnn")


def refused(path: Path, options: RuntimeOptions | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        load_runtime(path, options)
    text = str(caught.value)
    assert str(path) in text and len(text.splitlines()) == 1
    return text


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], object], packing: int = 0) -> Path:
    """A copy with other entries, put together without `packed`."""
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w", packing) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return target


def test_onnx_runtime_computes_the_same(good: Path, model_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 256, (90, 128, 3), dtype=np.uint8)
    with load_runtime(model_path) as reference, load_runtime(good, RuntimeOptions(threads=2)) as runtime:
        expected, found = (one.segment(Frame(image, 0, 0)) for one in (reference, runtime))
        assert "2 threads" in runtime.backend and "fp32 weights" in runtime.backend
    assert np.mean(expected.class_id == found.class_id) > 0.999
    assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1
    assert np.abs(expected.hazards.astype(int) - found.hazards).max() <= 1


def test_nothing_is_computed_with_fewer_digits_than_were_proven(good: Path) -> None:
    with load_runtime(good) as runtime:
        assert isinstance(runtime, ncnn.NcnnRuntime)
        options = runtime._network.opt
        assert not any(getattr(options, name) for name in ncnn._REDUCED)
        assert options.openmp_blocktime == 0


@pytest.mark.parametrize("keep", [0, 10, 500, -30])
def test_truncated(tmp_path: Path, good: Path, keep: int) -> None:
    bad = tmp_path / "cut.ncnn"
    bad.write_bytes(good.read_bytes()[:keep])
    assert "truncated, damaged or no .ncnn file" in refused(bad)


def test_no_archive_and_an_onnx_file(tmp_path: Path, model_path: Path) -> None:
    bad = tmp_path / "other.ncnn"
    bad.write_bytes(model_path.read_bytes())
    assert "no .ncnn file" in refused(bad)
    assert "does not exist" in refused(tmp_path / "none.ncnn")


def test_a_part_that_is_not_the_one_promised(tmp_path: Path, good: Path) -> None:
    def other(entries: dict[str, bytes]) -> None:
        entries[WEIGHTS] = entries[WEIGHTS][:-4] + b"\0\0\0\1"

    assert "the SHA-256 of network.bin" in refused(rewritten(good, tmp_path / "other.ncnn", other))


def test_a_flipped_byte(tmp_path: Path, good: Path) -> None:
    data = bytearray(good.read_bytes())
    data[data.index(b"7767517") + 40] ^= 1
    bad = tmp_path / "flipped.ncnn"
    bad.write_bytes(data)
    assert "truncated, damaged or no .ncnn file" in refused(bad)


def test_fuzzed_bytes_are_refused_or_change_nothing(tmp_path: Path, good: Path) -> None:
    """300 files with bytes changed, cut out or doubled; what the archive says of dates does not matter."""
    rng = np.random.default_rng(22)
    data, expected = good.read_bytes(), NCNN.read(good)
    refusals = 0
    for number in range(300):
        changed = bytearray(data)
        at = sorted(int(i) for i in rng.integers(0, len(data), 2))
        if number % 3 == 0:
            for place in rng.integers(0, len(data), 1 + number % 4):
                changed[place] ^= int(rng.integers(1, 256))
        elif number % 3 == 1:
            del changed[at[0] : at[1]]
        else:
            changed[at[0] : at[0]] = changed[at[0] : at[1]]
        bad = tmp_path / "fuzzed.ncnn"
        bad.write_bytes(changed)
        try:
            found = NCNN.read(bad)
        except ModelError as error:
            assert str(bad) in str(error) and len(str(error).splitlines()) == 1
            refusals += 1
        else:
            assert found == expected
    assert refusals > 270


def test_other_parts_and_packed_ones(tmp_path: Path, good: Path) -> None:
    bomb = rewritten(good, tmp_path / "bomb.ncnn", lambda e: e.update({WEIGHTS: bytes(50_000_000)}), 8)
    assert bomb.stat().st_size < 1_000_000 and "is packed" in refused(bomb)
    more = rewritten(good, tmp_path / "more.ncnn", lambda e: e.update({"../x": b""}))
    assert "and no others" in refused(more)
    fewer = rewritten(good, tmp_path / "fewer.ncnn", lambda e: e.pop(NETWORK))
    assert "expected the parts" in refused(fewer)
    long = rewritten(good, tmp_path / "long.ncnn", lambda e: e.update({NETWORK: bytes(5 << 20)}))
    assert "network.param has 5242880 bytes, at most" in refused(long)


def test_a_manifest_of_another_format_or_without_sense(tmp_path: Path, good: Path) -> None:
    def newer(entries: dict[str, bytes]) -> None:
        entries[MANIFEST] = json.dumps(json.loads(entries[MANIFEST]) | {"format": 2}).encode()

    assert "its manifest is not valid: format" in refused(rewritten(good, tmp_path / "newer.ncnn", newer))
    odd = rewritten(good, tmp_path / "odd.ncnn", lambda e: e.update({MANIFEST: b"\xff\xfe"}))
    assert "its manifest is no text" in refused(odd)


def test_a_model_for_a_newer_ncnn(tmp_path: Path) -> None:
    bad = fake_ncnn.save(tmp_path / "new.ncnn", version="1.0.99991231")
    with pytest.raises(ModelError, match=r"made for ncnn 1\.0\.99991231, this machine has") as caught:
        load_runtime(bad)
    assert caught.value.problem is Problem.RUNTIME


@pytest.mark.parametrize(
    "text", [b"hello\n", b"7767517\n900000000 2\n", b"7767517\n2 2\nInput in0 0 1 in0\n", b"\xff", b"7767517\n-1 2\n"]
)
def test_a_network_that_is_none(tmp_path: Path, text: bytes) -> None:
    assert "is no network of ncnn" in refused(fake_ncnn.save(tmp_path / "bad.ncnn", network=text))


def test_too_few_weights_and_an_unknown_layer(tmp_path: Path) -> None:
    few = fake_ncnn.save(tmp_path / "few.ncnn", weights=bytes(20))
    assert "ncnn does not load its network" in refused(few)
    text = fake_ncnn.parts(SYNTHETIC)[NETWORK]
    unknown = fake_ncnn.save(tmp_path / "unknown.ncnn", network=text.replace(b"Convolution", b"Nothing"))
    assert "ncnn does not load its network" in refused(unknown)
    renamed = fake_ncnn.save(tmp_path / "renamed.ncnn", network=text.replace(b"out0", b"scores"))
    assert "its inputs and outputs are" in refused(renamed)


def test_a_decision_that_does_not_fit(tmp_path: Path) -> None:
    dropped = fake_ncnn.save(tmp_path / "d.ncnn", decision=fake_ncnn.decision(SYNTHETIC, "hazards"))
    assert "has no output 'hazards'" in refused(dropped)
    assert "no ONNX file" in refused(fake_ncnn.save(tmp_path / "n.ncnn", decision=b"nothing"))
    whole = fake_model.build(SYNTHETIC).SerializeToString()
    assert "expected logits" in refused(fake_ncnn.save(tmp_path / "w.ncnn", decision=whole))
    smaller = fake_ncnn.save(tmp_path / "s.ncnn", decision=fake_ncnn.decision(SYNTHETIC, side_px=64))
    with load_runtime(smaller) as runtime, pytest.raises(ModelError, match="its decision takes"):
        runtime.warm_up()


def test_a_precision_is_refused(good: Path) -> None:
    assert "ncnn computes" in refused(good, RuntimeOptions(precision="bf16"))


def test_without_ncnn_it_says_how_to_install_it(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(ModelError, match=r"touchdown-landing\[ncnn\]"):
        load_runtime(good)


def test_equal_contents_give_equal_bytes(good: Path) -> None:
    assert NCNN.packed(NCNN.read(good)) == good.read_bytes()
