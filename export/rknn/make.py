"""`export rknn`: a file of `export onnx` for a Rockchip NPU, judged in the toolkit's simulator before the file appears.

The graph is cut as for ncnn. The toolkit compiles the network, in float16 or in 8 bits, and simulates it on pictures
that did not calibrate. ONNX Runtime decides on those logits, and the gate judges the decisions. In 8 bits the layers at
both ends stay in float16 until it passes: there steps are widest, and the last ones are what is decided on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx

from edge.runtimes import load_runtime
from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION, DecisionGraph
from edge.runtimes.rknn_file import NETWORK, RKNN, SIMULATOR, Chip, RknnManifest
from export.calibration import Chosen, choose, letterboxed, truth_of
from export.comparison import Comparison, report_of
from export.cut import cut
from export.files import read_model, replacing, require_not_refused, require_onnx, require_target, spec_of
from export.limits import Kind
from export.options import Calibrating
from export.pictures import read_picture
from export.rknn import GATE_PICTURES, PICTURES
from export.rknn.toolkit import Job, SimulatedNetwork, run_toolkit
from landing.distribution import VERSION
from landing.errors import InvalidValueError
from landing.model.spec import Letterbox, ModelSpec
from landing.picture_files import write_picture
from landing.progress import tracked
from landing.reading import sha256_of
from landing.types import Frame, Segmentation

Precision = Literal["fp16", "int8"]
SHARES = (0.0, 0.07, 0.15, 0.3)
"""Of the convolutions, at each end, that stay in float16: tried in this order."""


@dataclass(frozen=True, kw_only=True)
class RknnOptions(Calibrating):
    """Choices of a conversion.

    Attributes:
        python: Interpreter of the environment with Rockchip's toolkit.
        board: Chip.
        precision: Of the network.
        algorithm: That chooses the steps of 8 bits, one of `export.rknn.ALGORITHMS`.
    """

    python: Path
    board: Chip
    precision: Precision = "fp16"
    algorithm: str = "normal"
    pictures: int = PICTURES
    gate_pictures: int = GATE_PICTURES


@dataclass(frozen=True)
class RknnReport:
    """The best try: the file, or None where no try passed and nothing was written; its gate, and layers in float16."""

    path: Path | None
    manifest: RknnManifest


def make_rknn(source: Path, output: Path, options: RknnOptions, say: Callable[[str], None]) -> RknnReport:
    """Writes the form with fewest layers in float16 that passes the gate in the simulator, or none.

    Raises:
        ModelError: The file is no model of ours, gives classes without logits, or the toolkit is not there or fails.
        DataError: No pictures to calibrate on or to judge by.
        InvalidValueError: The output's name does not end in .rknn.
        TouchdownError: The result cannot be written.
    """
    require_onnx(source, f"{RKNN.suffix} form")
    if output.suffix != RKNN.suffix:
        raise InvalidValueError(f"--out {output}: expected a name that ends in {RKNN.suffix}")
    require_target(output)
    with tempfile.TemporaryDirectory(prefix="touchdown-rknn-") as scratch:
        work = _Conversion(source, Path(scratch), options)
        chosen = work.chosen
        used = len(chosen.calibration) if options.precision == "int8" else 0
        say(f"{chosen.note}; {used} calibrate, {len(chosen.gate)} judge")
        for in_float in work.tries():
            built = work.built(in_float)
            file = work.judged(built, in_float)
            gate = file.manifest.gate
            assert gate is not None
            say(f"{len(in_float)} tensors in float16: {gate.describe()}" if in_float else gate.describe())
            if gate.passed:
                with replacing(output) as partial:
                    partial.write_bytes(RKNN.packed(file))
                return RknnReport(output, file.manifest)
    return RknnReport(None, file.manifest)


class _Conversion:
    """One model's conversion: pictures and answers of the ONNX file once, then tries."""

    def __init__(self, source: Path, folder: Path, options: RknnOptions) -> None:
        self.source, self.options, self.folder = source, options, folder
        model = read_model(source)
        require_not_refused(model, source)
        self.spec: ModelSpec = spec_of(model, source)
        self.halves = cut(model, self.spec, source, "RKNN")
        self.chosen: Chosen = choose(options)
        self.truth = truth_of(options, self.chosen.gate, self.spec.taxonomy)
        onnx.save(self.halves.network, str(folder / "network.onnx"))
        quantised = options.precision == "int8"
        self.calibration = self._written(self.chosen.calibration, "calibration") if quantised else ()
        self.shown = self._written(self.chosen.gate, "shown")

    def _written(self, paths: list[Path], name: str) -> tuple[str, ...]:
        """The pictures as the network's input, losslessly, for the toolkit to read."""
        files = []
        for number, picture in enumerate(letterboxed(paths, self.spec)):
            files.append(str(self.folder / f"{name}-{number}.png"))
            write_picture(Path(files[-1]), picture)
        return tuple(files)

    def tries(self) -> Iterator[tuple[str, ...]]:
        """Tensors to keep in float16, the fewest first."""
        nodes = self.halves.network.graph.node
        if self.options.precision == "fp16":
            yield ()
            return
        layers = [i for i, node in enumerate(nodes) if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
        for share in SHARES:
            count = round(share * len(layers))
            ends = [*nodes[: layers[count]], *nodes[layers[len(layers) - count] :]] if count else []
            yield tuple(name for node in ends for name in node.output)

    def built(self, in_float: tuple[str, ...]) -> SimulatedNetwork:
        """Build it by the toolkit, and simulate it."""
        options = self.options
        job = Job(options.board, options.algorithm, self.calibration, in_float, self.shown)
        return run_toolkit(options.python, self.folder, job)

    def judged(self, built: SimulatedNetwork, in_float: tuple[str, ...]) -> ArchiveFile[RknnManifest]:
        """The file with the gate's verdict on what the simulator computed."""
        options, spec = self.options, self.spec
        parts = {NETWORK: built.network, DECISION: self.halves.decision.SerializeToString()}
        decision = DecisionGraph.load(self.source, parts[DECISION], spec, 0, RKNN.command)
        comparison = Comparison(spec, options.height_agl_m, options.hfov_deg)
        with load_runtime(self.source) as reference:
            for number, path in enumerate(tracked("judging", self.chosen.gate, len(self.chosen.gate))):
                image = read_picture(path)
                size = image.shape[1], image.shape[0]
                box = Letterbox.fit(size, spec)
                maps = decision.of(built.logits_of(number))
                found = Segmentation(box.crop(maps.class_id), box.crop(maps.landable), box.crop(maps.hazards), 0)
                labels = None if self.truth is None else self.truth.read(path)
                comparison.add(reference.segment(Frame(image, 0, 0)), found, labels, size)
            ran = (reference.backend, f"{SIMULATOR} {built.version} (simulator of {options.board})")
        kind: Kind = "half" if options.precision == "fp16" else "quantised"
        gate = report_of(comparison, kind, self.source, runtimes=ran)
        manifest = RknnManifest(
            model=spec,
            board=options.board,
            precision=options.precision,
            in_float=in_float,
            toolkit_version=built.version,
            onnx_name=self.source.name,
            onnx_sha256=sha256_of(self.source),
            parts=digests(parts),
            gate=gate,
            touchdown_version=VERSION,
        )
        return ArchiveFile(manifest, parts)
