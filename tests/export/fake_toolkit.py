"""An environment with Rockchip's toolkit, without it: ONNX Runtime in place of the simulator.

Its steps are those that `export.rknn.child` asks for; no test holds it against the toolkit.
"""

from __future__ import annotations

import sys
from pathlib import Path

API = """
import json, pathlib, numpy, onnxruntime

class RKNN:
    def __init__(self, verbose=False):
        self.keep = {}

    def config(self, target_platform, quant_img_RGB2BGR, quantized_algorithm):
        self.board = target_platform
        return 0 if quant_img_RGB2BGR else -1

    def load_onnx(self, model):
        if self.keep:
            return -1
        self.model = model
        return 0

    def build(self, do_quantization, dataset):
        names = pathlib.Path(dataset).read_text().split() if dataset else []
        if do_quantization != all(pathlib.Path(name).exists() for name in names) and do_quantization:
            return -1
        self.noise = 6.0 if do_quantization else 0.0
        return BUILDS

    def hybrid_quantization_step1(self, dataset):
        choices = {"custom_quantize_layers": {}, "quantize_parameters": {name: {} for name in NAMES}}
        pathlib.Path("network.quantization.cfg").write_text(json.dumps(choices))
        pathlib.Path("network.model").write_text(self.model)
        return 0

    def hybrid_quantization_step2(self, model_input, data_input, model_quantization_cfg):
        self.keep = json.loads(pathlib.Path(model_quantization_cfg).read_text())["custom_quantize_layers"]
        self.model = pathlib.Path(model_input).read_text()
        self.noise = 0.0
        return 0 if self.keep else -1

    def export_rknn(self, path):
        end = json.dumps({"target_platform": [self.board], "version": "2.5.0"}, separators=(",", ":"))
        pathlib.Path(path).write_bytes(b"RKNN" + bytes(60) + end.encode())
        return 0

    def init_runtime(self):
        self.session = onnxruntime.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        return 0

    def inference(self, inputs):
        (picture,) = inputs
        (planes,) = self.session.get_inputs()
        if picture.dtype != numpy.uint8 or list(picture.shape[1:]) != [*planes.shape[2:], planes.shape[1]]:
            return None
        values = picture.astype(numpy.float32).transpose(0, 3, 1, 2)
        (found,) = self.session.run(None, {planes.name: numpy.ascontiguousarray(values)})
        return [found + self.noise * numpy.random.default_rng(0).standard_normal(found.shape).astype("f4")]

    def release(self):
        pass
"""
YAML = """
import json

class YAML:
    load = staticmethod(json.loads)
    dump = staticmethod(json.dump)
"""
RUN = """
import runpy, sys
sys.path.insert(0, {place!r})
sys.argv = sys.argv[2:]  # behind -I
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def environment(folder: Path, names: list[str], builds: int = 0, version: str = "2.5.0") -> Path:
    """Its interpreter. `names` are tensors that the toolkit may keep in float16, `builds` the status of `build`."""
    place = folder / "site"
    for package in ("rknn", "ruamel"):
        (place / package).mkdir(parents=True)
        (place / package / "__init__.py").touch()
    (place / "rknn" / "api.py").write_text(f"NAMES, BUILDS = {names!r}, {builds}\n{API}")
    (place / "ruamel" / "yaml.py").write_text(YAML)
    if version:
        facts = place / f"rknn_toolkit2-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rknn-toolkit2\nVersion: {version}\n")
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\n{RUN.format(place=str(place))}\n")
    program.chmod(0o755)
    return program
