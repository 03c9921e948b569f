"""Checkpoints that changed on disk, and numbers that no run has: refused in a line, before anything looks trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch

from landing.errors import InvalidValueError, ModelError
from tests.trainer.tiny import TINY, run
from trainer.checkpoint import Checkpoint
from trainer.model import EncoderWeights, ModelConfig, build
from trainer.recipe import Recipe
from trainer.start import prepare_network


def changed(stopped: Path, out: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = torch.load(stopped / "last.pt", weights_only=True)
    change(content)
    torch.save(content, out)
    return out


def first_weight(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, Any]], None]:
    def apply(content: dict[str, Any]) -> None:
        weights = content["state_dict"]
        name = next(name for name, tensor in weights.items() if tensor.is_floating_point())
        weights[name] = change(weights[name])

    return apply


def nested(levels: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(levels):
        values = {"in": values}
    return values


def test_a_byte_that_changed_is_found(stopped: Path, tmp_path: Path) -> None:
    data = bytearray((stopped / "best.pt").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "best.pt").write_bytes(data)
    with pytest.raises(ModelError, match=r"damaged: .* is not what was written"):
        Checkpoint.load(tmp_path / "best.pt")


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1j], ids=str)
def test_weights_that_are_no_numbers_are_refused(factor: complex, stopped: Path, tmp_path: Path) -> None:
    path = changed(stopped, tmp_path / "last.pt", first_weight(lambda weights: weights * factor))
    with pytest.raises(ModelError, match="weights that are no numbers"):
        Checkpoint.load(path)
    with pytest.raises(ModelError, match="weights that are no numbers"):
        run("fit", "--resume", path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (first_weight(lambda weights: torch.zeros(1).expand(10**6, 10**6)), "larger than what is stored of it"),
        (first_weight(lambda weights: weights.to_sparse()), "sparse, quantised or of no device"),
        (first_weight(lambda weights: weights.to("meta")), "sparse, quantised or of no device"),
        (first_weight(lambda weights: torch.quantize_per_tensor(weights, 0.1, 0, torch.qint8)), "sparse, quantised"),
        (first_weight(lambda weights: weights.double() * 0 + 1e300), "weights that are no numbers"),
        (first_weight(lambda weights: weights.tolist()), "a list, no tensor"),
        (lambda content: content.update(epochs_trained=float("inf")), "incomplete or broken"),
        (lambda content: content.update(epochs_trained=-1), "incomplete or broken"),
        (lambda content: content["provenance"].update(licence=[]), "incomplete or broken"),
        (lambda content: content["model"].update(std_rgb=[0.0] * 3), "incomplete or broken"),
        (lambda content: content["model"].update(mean_rgb=[float("nan")] * 3), "incomplete or broken"),
        (lambda content: content["metrics"].update(temperature=float("nan")), "its temperature: "),
        (lambda content: content["metrics"].update(operating={"person": float("nan")}), "its operating: "),
        (lambda content: content["metrics"].update(site_confidence={"steps": 3}), "its site_confidence: "),
        (lambda content: content["metrics"].update(x=nested(100)), "nested in more than 64 levels"),
    ],
)
def test_what_no_run_writes_is_refused_before_it_flies(
    change: Callable[[dict[str, Any]], object], words: str, stopped: Path, tmp_path: Path
) -> None:
    path = changed(stopped, tmp_path / "last.pt", change)
    with pytest.raises(ModelError, match=words):
        Checkpoint.load(path)


def test_a_file_that_would_fill_the_memory_is_not_unpacked(stopped: Path, tmp_path: Path) -> None:
    with ZipFile(stopped / "best.pt") as archive, ZipFile(tmp_path / "best.pt", "w", ZIP_DEFLATED) as bomb:
        for name in archive.namelist():
            data = archive.read(name)
            bomb.writestr(name, data if "/data/" not in name else bytes(1 << 20))
    with pytest.raises(ModelError, match="unpack to more"):
        Checkpoint.load(tmp_path / "best.pt")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"features.0.weight": torch.full((3,), float("nan"))}, "are no numbers"),
        ({5: torch.zeros(3)}, "expected tensors by name"),
        ({"classifier.1.bias": torch.tensor(1.0)}, "only 0 of the encoder's"),
    ],
)
def test_encoder_weights_that_are_none_are_refused(tensors: Any, words: str, tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "encoder.pth")
    network = build(ModelConfig(classes=2, width_px=64, height_px=32, encoder_depth=3, decoder_channels=(16, 8, 8)))
    with pytest.raises(ModelError, match=words):
        EncoderWeights(tmp_path / "encoder.pth").load_into(network.encoder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["model"].update(encoder="resnet18"), "does not fit its own recipe"),
        (first_weight(lambda weights: weights[:1]), "does not fit its own recipe"),
        (lambda content: content["optimizer_states"][0].update(param_groups=[]), "does not fit its own recipe"),
        (lambda content: content.update(optimizer_states=[]), "no optimiser state"),
        (lambda content: content.pop("lr_schedulers"), "holds no lr_schedulers"),
        (lambda content: content.pop("loops"), "holds no loops"),
    ],
)
def test_a_state_of_another_network_is_not_gone_on_with(
    change: Callable[[dict[str, Any]], object], words: str, stopped: Path, tmp_path: Path
) -> None:
    path = changed(stopped, tmp_path / "last.pt", change)
    with pytest.raises(ModelError, match=words):
        run("fit", "--resume", path)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--workers", "100000", "--workers 100000: .*256"),
        ("--repeat", "1000000000", "--repeat 1000000000: "),
        ("--seed", "99999999999999999999", "--seed 99999999999999999999: "),
        ("--lr", "1e300", "--lr 1e"),
        ("--zoom", "1,1e9", "--zoom 1.0,1000000000.0: "),
        ("--zoom", "2,1", r"--zoom 2.0,1.0: expected the least"),
        ("--input", "32x-32", "--input -32: "),
        ("--decoder-channels", "0,8,8", "--decoder-channels 0,8,8: "),
        ("--hazard-cost", "1e308", "--hazard-cost 1e"),
    ],
)
def test_numbers_that_no_run_has_are_refused(option: str, value: str, words: str, toy: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=words):
        run("fit", "--data", toy, "--out", tmp_path / "run", *TINY, option, value)
    assert not (tmp_path / "run").exists()


def test_weights_by_names_of_another_version_do_not_start_a_network(stopped: Path, tmp_path: Path) -> None:
    """Without a fitting tensor the start would be random, though it says --init."""

    def renamed(share: int) -> Callable[[dict[str, Any]], None]:
        def apply(content: dict[str, Any]) -> None:
            weights = content["state_dict"]
            names = [name for name in weights if name.startswith("network.")]
            for name in names[:: 1 if share == 1 else 2]:
                weights[name.replace("network.", "network.new.")] = weights.pop(name)

        return apply

    recipe = Checkpoint.load(stopped / "best.pt").recipe
    choice = Recipe.model_validate({**recipe, "network": {**recipe["network"], "init": str(tmp_path / "a.pt")}})
    changed(stopped, tmp_path / "a.pt", renamed(1))
    with pytest.raises(ModelError, match=r"a\.pt: 0 of \d+ tensors fit"):
        prepare_network(choice, 3)
    changed(stopped, tmp_path / "a.pt", renamed(2))
    network, _ = prepare_network(choice, 3)
    assert len(network.state_dict()) > 0
