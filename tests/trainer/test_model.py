from __future__ import annotations

import numpy as np
import pytest
import torch

from landing.errors import InvalidValueError, ModelError
from landing.taxonomy import Taxonomy
from trainer.checkpoint import FORMAT, Checkpoint
from trainer.model import HALF, EncoderWeights, ModelConfig, build, normalise
from trainer.schedule import epochs_that_fit, one_cycle
from trainer.torchvision_guard import ensure_torchvision

TINY = ModelConfig(encoder_depth=3, decoder_channels=(16, 8, 8), classes=12, width_px=64, height_px=32)


def test_torchvision_imports_beside_a_cpu_torch():
    ensure_torchvision()
    ensure_torchvision()
    import torchvision

    assert hasattr(torchvision, "models")


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_unused_encoder_stages_are_gone_and_all_weights_learn(depth):
    config = TINY.model_copy(update={"encoder_depth": depth, "decoder_channels": (16,) * depth})
    network = build(config)
    logits = network(torch.randn(2, 3, 32, 64))
    assert logits.shape == (2, 12, 32, 64)
    logits.sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None]
    assert idle == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_px": 60}, "multiples of 8"),
        ({"encoder": "no_such_encoder"}, "cannot be built"),
        ({"arch": "no_such_arch"}, "no decoder is called"),
        ({"decoder_channels": (8, 8)}, "wants 3 of them"),
    ],
)
def test_networks_that_cannot_be(change, message):
    with pytest.raises(InvalidValueError, match=message):
        build(TINY.model_copy(update=change))


def test_normalise_turns_bgr_bytes_to_rgb_floats():
    image = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    image[..., 2] = 255
    mean, std = HALF
    floats = normalise(image, TINY.model_copy(update={"mean_rgb": mean, "std_rgb": std}))
    assert floats.shape == (1, 3, 2, 2)
    assert floats[0, :, 0, 0].tolist() == [1.0, -1.0, -1.0]


@pytest.mark.realdata
def test_encoder_file_fits_every_tensor(real_data):
    weights = EncoderWeights(real_data / "encoders" / "mobilenet_v2-imagenet.pth")
    config = weights.adapt(TINY.model_copy(update={"encoder_depth": 5, "decoder_channels": None}))
    network = build(config)
    matched, total = weights.load_into(network.encoder)
    assert matched == total == 312
    assert (config.mean_rgb, config.std_rgb) == HALF
    assert network.encoder.features[0][1].eps == 1e-3
    first = network.encoder.features[0][0].weight
    assert torch.equal(first, weights.tensors["features.0.0.weight"])


def test_encoder_file_for_another_encoder_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"features.0.0.weight": torch.zeros(32, 3, 3, 3)}, path)
    with pytest.raises(ModelError, match=r"only 1 of the encoder's \d+ .* first that is not"):
        EncoderWeights(path).load_into(build(TINY).encoder)
    with pytest.raises(ModelError, match="does not exist"):
        EncoderWeights(tmp_path / "nowhere.pth")


def test_torchvision_and_tensorflow_weights_want_their_own_normalisation(tmp_path):
    for classes, std in ((1000, 0.229), (1001, 0.5)):
        path = tmp_path / f"{classes}.pth"
        torch.save({"classifier.1.bias": torch.zeros(classes)}, path)
        assert EncoderWeights(path).adapt(TINY).std_rgb[0] == std


def _checkpoint() -> Checkpoint:
    taxonomy = Taxonomy.load("aeroscapes")
    return Checkpoint(TINY, taxonomy, dict(build(TINY).state_dict()), 3, {"licence": "x"}, {})


def test_checkpoint_holds_nothing_but_tensors_and_plain_values(tmp_path):
    path = tmp_path / "best.pt"
    written = _checkpoint()
    written.save(path)
    raw = torch.load(path, weights_only=True)
    assert raw["format"] == FORMAT
    assert "optimizer_states" not in raw
    read = Checkpoint.load(path)
    assert (read.model, read.taxonomy, read.epoch) == (TINY, written.taxonomy, 3)
    image = torch.randn(1, 3, 32, 64)
    network = build(TINY)
    network.load_state_dict(written.weights)
    with torch.inference_mode():
        assert torch.equal(read.network()(image), network.eval()(image))
    assert not list(tmp_path.glob("*.partial"))


def test_foreign_broken_and_missing_checkpoints(tmp_path):
    path = tmp_path / "x.pt"
    with pytest.raises(ModelError, match="does not exist"):
        Checkpoint.load(path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match=r"cannot be read: it is damaged, or no torch file: copy it again$"):
        Checkpoint.load(path)
    _checkpoint().save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="cannot be read"):
        Checkpoint.load(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="holds a list"):
        Checkpoint.load(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match="is not of this trainer"):
        Checkpoint.load(path)
    torch.save({"format": FORMAT, "model": {"classes": 12}}, path)
    with pytest.raises(ModelError, match="incomplete or broken"):
        Checkpoint.load(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ModelError, match=r"cannot be read: it holds torch\.nn\.\S+Linear, which could run code"):
        Checkpoint.load(path)


def test_weights_of_another_shape_are_refused(tmp_path):
    checkpoint = _checkpoint()
    wrong = Checkpoint(TINY.model_copy(update={"classes": 5}), checkpoint.taxonomy, checkpoint.weights)
    with pytest.raises(ModelError, match="does not fit its own configuration"):
        wrong.network()


def test_learning_rate_rises_then_falls_to_almost_nothing():
    rates = [one_cycle(step, 100) for step in range(100)]
    top = int(np.argmax(rates))
    assert 10 <= top <= 20
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[0] == pytest.approx(0.04)
    assert rates[-1] == pytest.approx(1e-3)
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_plan_is_shortened_to_the_time_there_is():
    assert epochs_that_fit(50, 1, 10.0, 10.0, 0.0) == 50
    assert epochs_that_fit(50, 1, 10.0, 10.0, 100.0) == 10
    assert epochs_that_fit(5, 1, 10.0, 10.0, 100.0) == 5
    assert epochs_that_fit(50, 3, 200.0, 10.0, 100.0) == 3
