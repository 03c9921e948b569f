"""Bundles with a model for an NPU: the ONNX file that it was made from answers, and the NPU must decide the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.boards import BOARDS
from deploy.errors import BundleError
from deploy.keys import load_public
from deploy.npu import answering, npu_manifest
from deploy.selftest import decide, disagreement
from deploy.unpack import verify_bundle
from edge.config import load_config
from edge.runtimes.archive import ArchiveFile
from edge.runtimes.rknn_file import RKNN
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.reading import sha256_of
from tests.deploy.rig import Kit
from tests.edge import fake_hailo, fake_model, fake_ncnn, fake_rknn

PASSED = GateReport(passed=True, frames=9, runtimes=("onnxruntime", "rknn 2.5.0 (rk3588 NPU, fp16)"))


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """One of this module alone, which puts files beside its model."""
    return Kit.make(tmp_path_factory.mktemp("npu"))


@pytest.fixture(scope="module")
def for_npu(kit: Kit) -> Path:
    """A model for an RK3588 beside the ONNX file that it names."""
    path = fake_rknn.save(kit.folder / "colours.rk3588.rknn", PASSED)
    file = RKNN.read(path)
    origin = {"onnx_name": kit.model.name, "onnx_sha256": sha256_of(kit.model)}
    path.write_bytes(RKNN.packed(ArchiveFile(file.manifest.model_copy(update=origin), file.parts)))
    return path


def test_the_onnx_file_answers_and_the_npu_decides_the_same(
    kit: Kit, for_npu: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = kit.pack(model=for_npu, npus=BOARDS["rk3588"].npus, out=tmp_path / "npu.tar.zst")
    bundle = verify_bundle(out, (load_public(kit.public),))[0]
    plain = verify_bundle(kit.bundle, (load_public(kit.public),))[0]
    assert bundle.model.path.endswith("colours.rk3588.rknn") and bundle.model.gate == PASSED
    assert bundle.samples == plain.samples and {sample.site for sample in bundle.samples} == {True, False}
    assert not any(entry.path.endswith(".onnx") for entry in bundle.files)

    npu = fake_rknn.board(monkeypatch, tmp_path)
    config = load_config(kit.config)
    flown = config.model_copy(update={"model": config.model.model_copy(update={"path": for_npu})})
    found = decide(flown, [(kit.samples / Path(s.path).name, s.height_agl_m) for s in bundle.samples])
    assert not any(disagreement(e, f) for e, f in zip(bundle.samples, found, strict=True)) and npu.live == 0


def test_only_for_a_target_that_has_the_chip(kit: Kit, for_npu: Path, tmp_path: Path) -> None:
    config = load_config(kit.config)
    for board, said in (("pi5", "that one has hailo8, hailo8l, hailo10h"), ("jetson-jp6", "this one has none")):
        with pytest.raises(BundleError, match=rf"is for rk3588: say a --target that has it .*{said}"):
            answering(config, for_npu, BOARDS[board].npus)
    hailo = npu_manifest(fake_hailo.save(tmp_path / "m.hef"))
    assert hailo is not None and hailo.npu in BOARDS["pi5"].npus
    cpu = fake_ncnn.save(tmp_path / "m.ncnn")
    assert npu_manifest(cpu) is None and answering(config, cpu, ()) is config


def test_not_without_the_very_onnx_file_nor_after_a_failed_gate(kit: Kit, for_npu: Path, tmp_path: Path) -> None:
    config, npus = load_config(kit.config), BOARDS["rk3588"].npus
    alone = tmp_path / for_npu.name
    alone.write_bytes(for_npu.read_bytes())
    gate = GateReport(passed=True, artefact_sha256=sha256_of(kit.model), frames=3)
    beside = fake_model.with_gate(kit.model, tmp_path / kit.model.name, gate)
    assert answering(config, alone, npus).model.path == beside  # a gate in it makes it no other file
    beside.unlink()
    with pytest.raises(BundleError, match=r"was made from colours\.onnx, which answers for the self-test: put that"):
        answering(config, alone, npus)
    failed = fake_rknn.save(tmp_path / "f.rknn", PASSED.model_copy(update={"passed": False, "failures": ("x",)}))
    with pytest.raises(ModelError, match="gate FAILED"):
        answering(config, failed, npus)
