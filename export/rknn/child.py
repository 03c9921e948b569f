"""Builds a network for a Rockchip NPU and runs it in the toolkit's simulator, in an environment of the user's own.

It is run as ``PYTHON -I child.py job.json`` and imports nothing of ours: Rockchip's toolkit wants other releases of
numpy and torch. The job is `export.rknn.toolkit.Job` as JSON. Results lie in the job's folder: ``network.rknn``,
``logits-N.npy`` for each picture to simulate (float32 (1, K, h, w)), and ``result.json``.
"""

import json
import sys
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np


def main(path: Path) -> None:
    """Does a job; what fails is named in ``result.json``."""
    job = json.loads(path.read_text("utf-8"))
    folder = path.parent
    try:
        result = {"version": metadata.version("rknn-toolkit2"), "error": ""}
        build(job, folder)
    except (RuntimeError, ValueError, OSError, ImportError, metadata.PackageNotFoundError) as error:
        result = {"version": "", "error": f"{type(error).__name__}: {error}"}
    (folder / "result.json").write_text(json.dumps(result), "utf-8")


def build(job: dict, folder: Path) -> None:
    """Builds, writes and simulates.

    Raises:
        RuntimeError: A step of the toolkit did not succeed.
    """
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    # The pictures are BGR files, the network takes BGR; the toolkit would turn them into RGB.
    ask("config", toolkit.config(target_platform=job["board"], quant_img_RGB2BGR=True))
    ask("load_onnx", toolkit.load_onnx(model=str(folder / "network.onnx")))
    quantised = bool(job["calibration"])
    dataset = folder / "dataset.txt"
    dataset.write_text("".join(f"{name}\n" for name in job["calibration"]), "utf-8")
    built = toolkit.build(do_quantization=quantised, dataset=str(dataset) if quantised else None)
    ask("build", built)
    ask("export_rknn", toolkit.export_rknn(str(folder / "network.rknn")))
    ask("init_runtime", toolkit.init_runtime())
    for number, name in enumerate(job["simulated"]):
        picture = cv2.imread(name, cv2.IMREAD_COLOR)
        found = toolkit.inference([picture[None]], data_format=["nhwc"])
        if not found:
            raise RuntimeError("inference in the simulator gave nothing")
        np.save(folder / f"logits-{number}.npy", np.asarray(found[0], np.float32))
    toolkit.release()


def ask(step: str, status: int) -> None:
    """Requires that a step of the toolkit gave 0.

    Raises:
        RuntimeError: It gave something else.
    """
    if status != 0:
        raise RuntimeError(f"{step} gave {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
