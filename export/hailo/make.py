"""`export hailo`: what Hailo's Dataflow Compiler needs of a file of `export onnx`, and what it made, wrapped.

The compiler is given to registered developers, so it is run by the user: on the network between planes and logits, a
model script with the normalisation, and training pictures to calibrate by. The file that it writes is then wrapped with
our description and the graph behind the logits. `export verify` judges that file where HailoRT and the chip are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION
from edge.runtimes.hailo_file import HAILO, NETWORK, HailoChip, HailoManifest, header_of
from export.calibration import choose, letterboxed
from export.cut import cut
from export.files import read_model, refusal_of, replacing, require_onnx, spec_of
from export.hailo.graph import HailoNetwork, for_compiler
from export.hailo.operators import findings, require_taken
from export.manifest import staging
from export.options import Calibrating
from landing.distribution import VERSION
from landing.errors import InvalidValueError, ModelError
from landing.reading import MODEL_BYTES, MODEL_REMEDY, read_bytes, sha256_of

COMPILERS = {"hailo8": "3.33.0", "hailo8l": "3.33.0", "hailo10h": "5.2.0", "hailo15h": "5.2.0"}
"""Release of the compiler that the commands are written for: README of hailo-ai/hailo_model_zoo, by branch."""

_SCRIPT = """\
normalization1 = normalization({mean}, {scale})
model_optimization_config(calibration, batch_size=1, calibset_size={count})
"""
_COMMANDS = """\
#!/bin/sh
# {name} for {chip}, with Hailo's Dataflow Compiler {compiler} (https://hailo.ai/developer-zone/), never run by us.
set -e
cd "$(dirname "$0")"
hailo parser onnx network.onnx --hw-arch {chip} --har-path network.har
hailo optimize network.har --hw-arch {chip} --calib-set-path calibration.npy --model-script network.alls \\
  --output-har-path network_optimized.har
hailo compiler network_optimized.har --hw-arch {chip} --output-dir .
# Then, with Touchdown: touchdown export hailo {name} --chip {chip} --hef {folder}/network.hef
# On the board: touchdown export verify {name} FILE.hef --data pictures that are not in calibration.txt
"""
"""Commands as in https://github.com/guyp98/accelerated_features and https://github.com/usaisoft-xray-lab/RTM2hef."""


@dataclass(frozen=True)
class HailoOptions:
    """Pictures that the compiler is to calibrate by.

    Attributes:
        chip: Accelerator.
        calibrate: Folder of pictures.
        split, split_column: CSV that puts pictures into parts; only training pictures calibrate.
        pictures: At most so many.
    """

    chip: HailoChip
    calibrate: Path
    split: Path | None = None
    split_column: str = "split"
    pictures: int = 64


def prepare(source: Path, folder: Path, options: HailoOptions, say: Callable[[str], None]) -> HailoNetwork:
    """Writes a folder for the compiler: network, model script, calibration set and commands.

    Raises:
        ModelError: The file is no model of ours, gives classes without logits, or the compiler refuses a node of it.
        DataError: No pictures to calibrate on.
        InvalidValueError: The folder is there already.
        TouchdownError: It cannot be written.
    """
    require_onnx(source, f"{HAILO.suffix} form")
    if folder.exists():
        raise InvalidValueError(f"--out {folder} is there already: name another one, or remove it")
    model = read_model(source)
    spec = spec_of(model, source)
    made = for_compiler(cut(model, spec, source, "Hailo").network, source)
    found = findings(made.graph, options.chip)
    for one in found:
        say(one.describe())
    require_taken(found, source, options.chip)
    asked = Calibrating(
        options.calibrate, split=options.split, split_column=options.split_column, pictures=options.pictures
    )
    chosen = choose(asked)
    say(f"{chosen.note}; {len(chosen.calibration)} calibrate")
    calibration = np.stack(list(letterboxed(chosen.calibration, spec)))
    texts = {
        "network.alls": _SCRIPT.format(
            mean=_written(made.mean), scale=_written(made.scale), count=len(chosen.calibration)
        ),
        "calibration.txt": "".join(f"{path.name}\n" for path in chosen.calibration),
        "compile.sh": _COMMANDS.format(
            name=source.name, chip=options.chip, compiler=COMPILERS[options.chip], folder=folder.name
        ),
    }
    with staging(folder) as scratch:
        kit = scratch / "kit"
        kit.mkdir()
        onnx.save(made.graph, str(kit / "network.onnx"))
        np.save(kit / "calibration.npy", calibration)
        for name, text in texts.items():
            (kit / name).write_text(text, "utf-8")
        kit.replace(folder)
    return made


def wrap(source: Path, network: Path, output: Path, chip: HailoChip) -> HailoManifest:
    """Writes what the compiler made of a model into a file that flies; nothing has judged it yet.

    Args:
        source: The ONNX file that it was compiled of.
        network: Hailo's own form.
        output: ``X.hef``, another one.
        chip: That it was compiled for.

    Raises:
        ModelError: The ONNX file is no model of ours, or the network is damaged or for another chip.
        InvalidValueError: The output's name does not end in .hef, or is the network's.
        TouchdownError: It cannot be written.
    """
    require_onnx(source, f"{HAILO.suffix} form")
    if output.suffix != HAILO.suffix or output.resolve() == network.resolve():
        raise InvalidValueError(f"--out {output}: expected a name that ends in {HAILO.suffix}, not that of --hef")
    data = read_bytes(network, "network", ModelError, MODEL_BYTES, MODEL_REMEDY)
    header = header_of(data)
    if header is None or not header.compiler_version:
        raise ModelError(f"--hef {network}: it is no file that Hailo's compiler wrote, or it is damaged")
    if chip not in header.chips:
        named = " or ".join(header.chips) or "no chip that is known here"
        raise ModelError(f"--hef {network} was compiled for {named}, --chip says {chip}")
    model = read_model(source)
    spec = spec_of(model, source)
    parts = {NETWORK: data, DECISION: cut(model, spec, source, "Hailo").decision.SerializeToString()}
    manifest = HailoManifest(
        model=spec,
        gate=refusal_of(model, source),
        chip=chip,
        compiler_version=header.compiler_version,
        onnx_name=source.name,
        onnx_sha256=sha256_of(source),
        parts=digests(parts),
        touchdown_version=VERSION,
    )
    with replacing(output) as partial:
        partial.write_bytes(HAILO.packed(ArchiveFile(manifest, parts)))
    return manifest


def _written(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:.8g}' for value in values)}]"
