"""Mined frames as projects of labelling tools, with the network's maps as proposals to correct.

CVAT takes `annotations.xml` (`CVAT for images 1.1`, a mask for each class, runs along the rows of its box) into a task
made of the pictures and `labels.json`; Label Studio takes `tasks.json` (brush masks as predictions) into a project with
`config.xml`. `touchdown trainer data import` reads what both give back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from landing.taxonomy import ClassInfo, Role, Taxonomy
from landing.types import ByteArray

_LENGTH_BITS = (3, 4, 8, 16)
"""Bits of the lengths in Label Studio's packed masks; two bits before each say which."""

README = """CVAT
  Create a task: paste cvat/labels.json into Raw labels, and add the pictures of images/. Then Menu, Upload annotations,
  format CVAT 1.1, file cvat/annotations.xml. Correct the masks, export
  as CVAT for images 1.1, unpack:
    touchdown trainer data import cvat EXPORT --images images --taxonomy taxonomy.toml --out corrected

Label Studio
  Start it here, so that it finds the pictures:
    LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT="$PWD" label-studio start
  Create a project, paste label_studio/config.xml as labelling interface (Code), add this folder's images/ as Local
  storage without syncing it, and import label_studio/tasks.json. Correct, submit, export JSON into a folder:
    touchdown trainer data import label-studio EXPORT --images images --taxonomy taxonomy.toml --out corrected

Then train:
    touchdown trainer data check corrected --absent-classes allow --pictures sheet
    touchdown trainer fit --data corrected --absent-classes allow ...
"""


@dataclass(frozen=True)
class Proposal:
    """A frame: file name of its picture in `images/`, and class ids (H, W) at the picture's size."""

    file: str
    class_id: ByteArray


class LabellingProject:
    """Writes both projects into a folder, frame by frame; close it to complete them.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, taxonomy: Taxonomy, model: str) -> None:
        self._classes = [c for c in taxonomy.classes if c.role is not Role.IGNORE]
        self._model = model
        for name in ("cvat", "label_studio"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        labels = [{"name": c.name, "color": _hex(c), "type": "any", "attributes": []} for c in self._classes]
        (folder / "cvat" / "labels.json").write_text(json.dumps(labels, indent=1, ensure_ascii=False) + "\n", "utf-8")
        (folder / "label_studio" / "config.xml").write_text(_config(self._classes), "utf-8")
        self._xml = folder / "cvat" / "annotations.xml"
        self._tasks = folder / "label_studio" / "tasks.json"
        self._images: list[str] = []
        self._task_texts: list[str] = []

    def add(self, proposal: Proposal) -> None:
        """Add a frame."""
        masks = [(c, proposal.class_id == c.id) for c in self._classes]
        masks = [(c, mask) for c, mask in masks if mask.any()]
        self._images.append("\n".join(_cvat_image(len(self._images), proposal, masks)))
        self._task_texts.append(json.dumps(_task(proposal, masks, self._model), ensure_ascii=False))

    def close(self) -> None:
        """Write the files that hold all frames."""
        labels = "".join(
            f"<label><name>{_escaped(c.name)}</name><color>{_hex(c)}</color><type>any</type></label>"
            for c in self._classes
        )
        head = f"<version>1.1</version>\n<meta><task><labels>{labels}</labels></task></meta>"
        images = "\n".join(self._images)
        document = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{head}\n{images}\n</annotations>\n'
        self._xml.write_text(document, "utf-8")
        self._tasks.write_text("[" + ",\n".join(self._task_texts) + "]\n", "utf-8")


def _cvat_image(number: int, proposal: Proposal, masks: list[tuple[ClassInfo, npt.NDArray[np.bool_]]]) -> Iterator[str]:
    height, width = proposal.class_id.shape
    yield f'<image id="{number}" name={quoteattr(proposal.file)} width="{width}" height="{height}">'
    for c, mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        lengths, first = _runs(part.reshape(-1))
        runs = ", ".join(map(str, [0, *lengths] if first else lengths))
        yield (
            f'<mask label={quoteattr(c.name)} source="auto" occluded="0" rle="{runs}" left="{columns[0]}" '
            f'top="{rows[0]}" width="{part.shape[1]}" height="{part.shape[0]}" z_order="0"></mask>'
        )
    yield "</image>"


def _task(proposal: Proposal, masks: list[tuple[ClassInfo, npt.NDArray[np.bool_]]], model: str) -> dict[str, Any]:
    height, width = proposal.class_id.shape
    regions = [
        {
            "id": f"{Path(proposal.file).stem}-{c.id}",
            "type": "brushlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": packed_brush(mask), "brushlabels": [c.name]},
        }
        for c, mask in masks
    ]
    data = {"image": f"/data/local-files/?d=images/{proposal.file}"}
    return {"data": data, "predictions": [{"model_version": model, "result": regions}]}


def packed_brush(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return Label Studio's bytes of a mask (h, w): thi.ng's `rle-pack` of it as RGBA.

    32 bits for the number of values, 5 for the bits of a value less 1, four of 4 for those of lengths less 1, then a
    1, the kind of length, the length less 1 and the value for each run; the alpha is the mask.
    """
    lengths, first = _runs(mask.reshape(-1))
    bits = [f"{4 * mask.size:032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in _LENGTH_BITS)]
    for number, pixels in enumerate(lengths):
        value, length = f"{255 * ((number + first) % 2):08b}", 4 * pixels
        while length:
            part = min(length, 1 << _LENGTH_BITS[-1])
            kind = next(k for k, size in enumerate(_LENGTH_BITS) if part <= 1 << size)
            bits.append(f"1{kind:02b}{part - 1:0{_LENGTH_BITS[kind]}b}{value}")
            length -= part
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _runs(values: npt.NDArray[np.bool_]) -> tuple[list[int], int]:
    """Lengths of runs, and the value of the first, 0 or 1."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    lengths: list[int] = np.diff(edges, prepend=0, append=len(values)).tolist()
    return lengths, int(values[0])


def _config(classes: list[ClassInfo]) -> str:
    labels = "\n".join(f'    <Label value={quoteattr(c.name)} background="{_hex(c)}"/>' for c in classes)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="label" toName="image">\n{labels}\n  </BrushLabels>\n</View>\n'
    )


def _hex(c: ClassInfo) -> str:
    return f"#{bytes(c.color_rgb).hex()}"


def _escaped(text: str) -> str:
    return quoteattr(text)[1:-1]
