"""Draw the demo model's picture: a frame of the simulator, and the site that it chooses (`docs/pictures/`).

`python -m docs.make.model_pictures`; the world trains no model. No other model has a picture: of real ground we have
none whose licence lets us show it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from touchdown.cli import cli

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "synthetic-unet.onnx"
SEED, HEIGHT_M, HFOV_DEG, WIDTH_PX, QUALITY = 19853, 25, 70, 400, 70


def main() -> None:
    """Write the picture: the frame on the left, the answer on the right."""
    with tempfile.TemporaryDirectory() as folder:
        worlds, looked = Path(folder) / "worlds", Path(folder) / "looked"
        words = (
            f"sim dataset --out {worlds} --seeds {SEED}:{SEED + 4} --worlds scenes --frames-per-world 1 --tilt-deg 0"
        )
        _touchdown(f"{words} --heights-m {HEIGHT_M} {HEIGHT_M} --hfov-deg {HFOV_DEG} {HFOV_DEG} --size 800x600")
        frame = sorted((worlds / "images").glob("*"))[-1]
        options = f"--height-agl-m {HEIGHT_M} --hfov-deg {HFOV_DEG} --assume-nadir --out {looked}"
        _touchdown(f"edge look {frame} --model {MODEL} {options}")
        answer = next(path for path in looked.iterdir() if path.suffix in (".jpg", ".png"))
        sides = [cv2.imread(str(path)) for path in (frame, answer)]
    small = [
        cv2.resize(p, (WIDTH_PX, round(WIDTH_PX * p.shape[0] / p.shape[1])), interpolation=cv2.INTER_AREA)
        for p in sides
    ]
    rows = min(p.shape[0] for p in small)
    target = ROOT / "docs" / "pictures" / f"model-{MODEL.stem}.webp"
    cv2.imwrite(str(target), np.hstack([p[:rows] for p in small]), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    print(f"wrote {target.relative_to(ROOT)}")


def _touchdown(words: str) -> None:
    result = CliRunner().invoke(cli, words.split())
    if result.exit_code != 0:
        raise SystemExit(f"touchdown {words}\n{result.output}{result.exception}")


if __name__ == "__main__":
    main()
