"""From pictures to maps: train, export and run, by the commands a user types."""

from __future__ import annotations

import numpy as np
from click.testing import CliRunner

from export.cli import cli as export_cli
from export.runtime import read_spec, runtime_maps
from landing.model.spec import Letterbox
from landing.types import Segmentation
from tests.trainer import fake_data
from trainer.cli import cli as trainer_cli


def test_train_export_run(tmp_path):
    data = fake_data.folder(tmp_path / "set")
    for cli, line in (
        (
            trainer_cli,
            f"fit --data {data} --out {tmp_path}/run --input 96x64 --arch unet "
            "--encoder-depth 3 --decoder-channels 16,8,8 --epochs 1 --batch 4 "
            "--workers 0 --threads 1",
        ),
        (
            export_cli,
            f"onnx {tmp_path}/run/best.pt -o {tmp_path}/m.onnx --output-stride 2 --check-images {data}/images",
        ),
    ):
        result = CliRunner().invoke(cli, line.split(), catch_exceptions=False)
        assert result.exit_code == 0, result.output
    spec = read_spec(tmp_path / "m.onnx")
    assert spec.taxonomy.name == "toy"
    assert "val_miou" in spec.provenance.metrics
    assert spec.site_confidence is not None and spec.site_confidence.pictures == 3  # of val
    assert spec.site_confidence.ece is None  # of one world
    image = np.full((48, 96, 3), 120, np.uint8)
    box = Letterbox.fit((96, 48), spec)
    maps = runtime_maps(tmp_path / "m.onnx", [box.apply(image)])[0]
    cropped = {name: box.crop(array) for name, array in maps.items()}
    assert Segmentation(**cropped).shape == (24, 48)
