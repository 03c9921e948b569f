"""Exports of every form come back as the label map they were made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from landing.types import ByteArray
from tests.command import call
from tests.trainer import export_forms as forms
from trainer.data.layouts import open_set

MAPS = {"DJI_0001.jpg": forms.truth(0), "b 2.jpg": forms.truth(2, (112, 80))}


def imported(folder: Path, form: str, *options: object) -> dict[str, ByteArray]:
    """Label maps of an import by the stems of their pictures, with ids in the order of `CLASSES`."""
    out = folder.parent / "out"
    result = call("trainer", "data", "import", form, folder, "--out", out, *options)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    taxonomy = (out / "taxonomy.toml").read_text()
    assert 'role = "landable?"' in taxonomy and 'role = "person?"' in taxonomy
    refused = call("trainer", "data", "split", out, "--out", folder.parent / "split.csv")
    assert refused.returncode == 2 and "is a guess" in refused.stderr  # what trains refuses, until confirmed
    (out / "taxonomy.toml").write_text(taxonomy.replace('?"', '"'))
    data = open_set(out)
    order = [[c.name for c in data.taxonomy.classes].index(name) for name in forms.CLASSES]
    table = np.full(256, 255, np.uint8)
    table[order] = range(len(order))
    return {sample.name: table[data.read(sample)[1]] for sample in data.samples}


def same(found: dict[str, ByteArray], maps: dict[str, ByteArray] = MAPS) -> None:
    assert len(found) == len(maps)
    for name, truth in maps.items():
        (labels,) = [ids for key, ids in found.items() if key.startswith(Path(name).stem)]
        assert labels.shape == truth.shape
        np.testing.assert_array_equal(labels, truth)


EXPORTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "cvat": ("cvat", lambda root: forms.cvat(root, MAPS)),
    "cvat outlines": ("cvat", lambda root: forms.cvat(root, MAPS, outlines=True)),
    "voc": ("voc", lambda root: forms.voc(root, MAPS)),
    "voc of labelme": ("voc", lambda root: forms.voc(root, MAPS, coloured=False)),
    "coco runs": ("coco", lambda root: forms.coco(root / "a.json", MAPS, "runs", root / "images").parent),
    "coco text": ("coco", lambda root: forms.coco(root / "a.json", MAPS, "text", root / "images").parent),
    "labelme": ("labelme", lambda root: forms.labelme(root, MAPS)),
    "labelme embedded": ("labelme", lambda root: forms.labelme(root, MAPS, embedded=True)),
    "roboflow": ("roboflow", lambda root: forms.roboflow(root, MAPS)),
    "label studio": ("label-studio", lambda root: forms.label_studio(root, MAPS)),
    "label studio, min": ("label-studio", lambda root: forms.label_studio(root, MAPS, flat=True)),
    "label studio, png": ("label-studio", lambda root: forms.brush_pngs(root, MAPS)),
    "supervisely outlines": ("supervisely", lambda root: forms.supervisely(root, MAPS, outlines=True)),
    "supervisely": ("supervisely", lambda root: forms.supervisely(root, MAPS)),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("auto", [False, True])
def test_an_export_is_drawn_to_the_pixel(tmp_path: Path, name: str, auto: bool) -> None:
    form, make = EXPORTS[name]
    same(imported(make(tmp_path / "export"), "auto" if auto else form))
