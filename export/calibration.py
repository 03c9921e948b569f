"""Pictures that a quantiser may see, through the letterbox of flight."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator

from export.options import Calibrating
from export.pictures import LabelFolder, part_by, pictures_in, read_picture, spread
from landing.errors import DataError
from landing.model.spec import Letterbox, ModelSpec
from landing.progress import tracked
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

TRAINING, HELD_OUT = "train", ("val", "test")


@dataclass(frozen=True)
class Chosen:
    """Pictures to calibrate on, others to judge the result by, and a note on how they were told apart."""

    calibration: list[Path]
    gate: list[Path]
    note: str


def choose(options: Calibrating) -> Chosen:
    """Picks the pictures.

    With a split only its training part is calibrated on, and its `val` part judges; never `test`. Without one, every
    fourth picture is kept back to judge.

    Raises:
        DataError: No picture is left to calibrate on, or none to judge by.
    """
    folder, split = options.calibrate, options.split
    pictures = pictures_in(folder)
    others = pictures_in(options.gate_data) if options.gate_data is not None else None
    if split is None:
        kept = others if others is not None else pictures[::4]
        seen = {p.resolve() for p in kept}
        left = [p for p in pictures if p.resolve() not in seen]
        note = "no --split: every fourth picture judges, the others calibrate"
        if others is not None:
            note = "no --split: make sure that --calibrate holds no picture of val or test"
    else:
        part = part_by(split, options.split_column)
        left = [p for p in pictures if part(p) == TRAINING]
        kept = [p for p in (others or pictures) if part(p) == HELD_OUT[0]]
        note = f"{len(left)} of {len(pictures)} pictures are in part {TRAINING!r}"
        if not left:
            held = [p for p in pictures if part(p) in HELD_OUT]
            why = f"{len(held)} are in val or test" if held else "the split does not name them"
            raise DataError(
                f"--calibrate {folder}: none of {len(pictures)} pictures is in the training part "
                f"of {split} ({why}); a model is not calibrated on what judges it"
            )
    if not left or not kept:
        raise DataError(
            f"--calibrate {folder}: {len(left)} pictures to calibrate on and {len(kept)} to judge "
            "by; expected some of each: more pictures, or --gate-data FOLDER"
        )
    return Chosen(spread(left, options.pictures), spread(kept, options.gate_pictures), note)


def truth_of(options: Calibrating, gate: list[Path], taxonomy: Taxonomy) -> LabelFolder | None:
    """The label maps of the pictures that judge; None where there are none.

    Raises:
        DataError: None has the name of such a picture, or it is not certain how they are to be read.
    """
    if options.labels is None:
        return None
    return LabelFolder.of_pictures(options.labels, gate, taxonomy, options.labels_as)


class PictureReader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds pictures to ONNX Runtime's calibration as the drone would feed its frames."""

    def __init__(self, paths: list[Path], spec: ModelSpec) -> None:
        self._pictures = tracked("calibrating", letterboxed(paths, spec), len(paths))
        self._name = spec.input.name

    def get_next(self) -> dict[str, ByteArray] | None:
        """The next input, or None at the end."""
        picture = next(self._pictures, None)
        return None if picture is None else {self._name: picture}


def letterboxed(paths: list[Path], spec: ModelSpec) -> Iterator[ByteArray]:
    """The pictures as the network's input.

    Raises:
        DataError: One cannot be read.
    """
    for path in paths:
        image = read_picture(path)
        yield Letterbox.fit((image.shape[1], image.shape[0]), spec).apply(image)


def ranges_of(
    model: onnx.ModelProto, spec: ModelSpec, paths: list[Path], kinds: list[str], *, average: bool
) -> TensorsData:
    """Least and greatest value of every tensor of the given kinds of node, over the pictures.

    With `average` it is the mean over pictures of each one's extremes, which a single glare does not stretch.
    """
    with tempfile.TemporaryDirectory(prefix="touchdown-int8-") as folder:
        source = Path(folder) / "model.onnx"
        onnx.save(model, source)
        calibrator: Any = create_calibrator(
            source,
            kinds,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"moving_average": average, "averaging_constant": 0.01},
        )
        calibrator.collect_data(PictureReader(paths, spec))
        return calibrator.compute_data()
