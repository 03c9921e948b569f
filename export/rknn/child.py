"""Builds a network for a Rockchip NPU and runs it in the toolkit's simulator, in an environment of the user's own.

It is run as ``PYTHON -I child.py FOLDER`` and imports nothing of ours: Rockchip's toolkit wants other releases of numpy
and torch. ``FOLDER/job.json`` is `export.rknn.toolkit.Job`. Results lie beside it: ``network.rknn``, ``logits-N.npy``
for each picture to simulate (float32 (1, K, h, w)), and ``result.json``.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FAILURES = (RuntimeError, ValueError, OSError, ImportError, AttributeError, metadata.PackageNotFoundError)


def main(folder: Path) -> None:
    """Does the job of a folder; what fails is named in ``result.json``."""
    result = {"version": "", "error": ""}
    try:
        result["version"] = metadata.version("rknn-toolkit2")
        build(json.loads((folder / "job.json").read_text("utf-8")), folder)
    except FAILURES as error:
        result["error"] = f"{type(error).__name__}: {error}"
    (folder / "result.json").write_text(json.dumps(result), "utf-8")


def build(job: dict[str, Any], folder: Path) -> None:
    """Builds, writes and simulates.

    Raises:
        RuntimeError: A step of the toolkit did not succeed.
    """
    toolkit = configured(job)
    dataset = folder / "dataset.txt"
    dataset.write_text("".join(f"{name}\n" for name in job["calibration"]), "utf-8")
    if job["in_float"]:
        load(toolkit, folder)
        ask("hybrid_quantization_step1", toolkit.hybrid_quantization_step1(dataset=str(dataset)))
        toolkit.release()
        keep_in_float(folder / "network.quantization.cfg", job["in_float"])
        toolkit = configured(job)
        files = [str(folder / f"network.{end}") for end in ("model", "data", "quantization.cfg")]
        ask("hybrid_quantization_step2", toolkit.hybrid_quantization_step2(*files))
    else:
        load(toolkit, folder)
        quantised = bool(job["calibration"])
        built = toolkit.build(do_quantization=quantised, dataset=str(dataset) if quantised else None)
        ask("build", built)
    ask("export_rknn", toolkit.export_rknn(str(folder / "network.rknn")))
    ask("init_runtime", toolkit.init_runtime())
    for number, name in enumerate(job["simulated"]):
        picture = cv2.imdecode(np.fromfile(name, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise RuntimeError(f"{name} cannot be read")
        found = toolkit.inference(inputs=[picture[None]])
        if not found:
            raise RuntimeError("inference in the simulator gave nothing")
        np.save(folder / f"logits-{number}.npy", np.asarray(found[0], np.float32))
    toolkit.release()


def configured(job: dict[str, Any]) -> Any:
    """The toolkit, told what to build for."""
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    # Files hold blue green red, and so does the network's input: without this the toolkit would calibrate on red first.
    status = toolkit.config(target_platform=job["board"], quant_img_RGB2BGR=True, quantized_algorithm=job["algorithm"])
    ask("config", status)
    return toolkit


def load(toolkit: Any, folder: Path) -> None:
    """Loads the network to build."""
    ask("load_onnx", toolkit.load_onnx(model=str(folder / "network.onnx")))


def keep_in_float(path: Path, tensors: list[str]) -> None:
    """Writes into the toolkit's list of quantisations which tensors stay in float16."""
    from ruamel.yaml import YAML

    yaml = YAML()
    choices = yaml.load(path.read_text("utf-8"))
    choices["custom_quantize_layers"] = {name: "float16" for name in tensors if name in choices["quantize_parameters"]}
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(choices, stream)


def ask(step: str, status: int) -> None:
    """Requires that a step of the toolkit gave 0.

    Raises:
        RuntimeError: It gave something else.
    """
    if status != 0:
        raise RuntimeError(f"{step} gave {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
