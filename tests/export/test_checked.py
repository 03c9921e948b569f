"""Every network of the list exports, runs in the runtime that flies, and agrees with torch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from edge.runtimes import load_runtime
from export.checked import CHECKED, names
from export.onnx_export import export_onnx
from landing.taxonomy import Taxonomy
from landing.types import Frame
from trainer.checkpoint import Checkpoint
from trainer.model import ModelConfig, build


@pytest.mark.parametrize(
    "network", [pytest.param(n, id=n.name, marks=[pytest.mark.soak] if n.slow else []) for n in CHECKED]
)
def test_it_exports_runs_and_agrees(network, tmp_path):
    torch.manual_seed(0)
    width, height = network.width_px, network.height_px
    config = ModelConfig(arch=network.arch, encoder=network.encoder, classes=12, width_px=width, height_px=height)
    own = build(config).eval()
    _spread_out(own, width, height)
    path = tmp_path / "best.pt"
    Checkpoint(config, Taxonomy.load("aeroscapes"), dict(own.state_dict())).save(path)
    report = export_onnx(path, tmp_path / "m.onnx")
    graph = onnx.load(report.path).graph
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
    for output in graph.output:
        assert all(d.dim_value > 0 for d in output.type.tensor_type.shape.dim)

    # Not by the exporter's own comparison: the network as the trainer uses it.
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    rgb = image[..., ::-1].astype(np.float32) / 255
    normal = (rgb - np.float32(config.mean_rgb)) / np.float32(config.std_rgb)
    stride = report.spec.outputs.stride
    if stride > 1:
        own.segmentation_head[1] = torch.nn.Identity()  # smp's enlargement, left out by the export
    with torch.inference_mode():
        logits = own(torch.from_numpy(normal.transpose(2, 0, 1)[None]))
    assert tuple(logits.shape[2:]) == (height // stride, width // stride)
    with load_runtime(report.path) as runtime:
        seen = runtime.segment(Frame(image, 0, 0))
    p = logits.softmax(1)[0].numpy()
    merged = np.tensordot(Taxonomy.load("aeroscapes").merge_matrix, p, axes=1) * 255
    assert merged.std() > 5  # the comparison is not of constants
    apart = np.abs(np.concatenate([seen.landable[None], seen.hazards]) - merged)
    assert apart.max() < 1.01


def _spread_out(network, width, height):
    """Random weights say the same everywhere; scaled so that the classes differ by some units."""
    torch.manual_seed(1)
    head = [m for m in network.segmentation_head.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        logits = network(torch.randn(1, 3, height, width))
        spread = (logits - logits.mean((2, 3), keepdim=True)).std()
        head.weight.mul_(2 / spread)
        head.bias.zero_()
        shift = network(torch.randn(1, 3, height, width)).mean((0, 2, 3))
        head.bias.sub_(shift)


def test_the_list_names_what_it_holds():
    assert "segformer/mit_b0" in names()
    assert len({one.name for one in CHECKED}) == len(CHECKED)
