"""Forms of exports by name, and the one that a folder has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from trainer.importers import coco, cvat, label_studio, labelme, roboflow, supervisely, voc
from trainer.importers.export import ExportFolder
from trainer.importers.foreign import ForeignSet


@dataclass(frozen=True)
class ExportForm:
    """A form: how it is named for the user, the files it is known by, and its functions.

    `recognised` returns the files that tell an export of this form, `read` reads it.
    """

    title: str
    files: str
    recognised: Callable[[ExportFolder], list[Path]]
    read: Callable[[ExportFolder], ForeignSet]


FORMS = {
    "cvat": ExportForm("CVAT for images 1.1", "an XML file with <annotations>", cvat.recognised, cvat.read),
    "voc": ExportForm(
        "VOC or CVAT segmentation masks",
        "SegmentationClass/*.png with labelmap.txt or class_names.txt",
        voc.recognised,
        voc.read,
    ),
    "coco": ExportForm("COCO", "a JSON file with images, annotations and categories", coco.recognised, coco.read),
    "labelme": ExportForm(
        "LabelMe", "JSON files with shapes and imagePath, and no others", labelme.recognised, labelme.read
    ),
    "roboflow": ExportForm(
        "Roboflow semantic masks", "*_mask.png beside _classes.csv", roboflow.recognised, roboflow.read
    ),
    "label-studio": ExportForm(
        "Label Studio", "a JSON export, a list of tasks", label_studio.recognised, label_studio.read
    ),
    "supervisely": ExportForm("Supervisely", "meta.json and ann/*.json", supervisely.recognised, supervisely.read),
}


def form_of(name: str, export: ExportFolder) -> tuple[str, str]:
    """Return the form's name and the file it was recognised by; `name` may be "auto".

    Raises:
        DataError: The folder has not this form, no known one, or several.
    """
    chosen = FORMS if name == "auto" else {name: FORMS[name]}
    found = {key: files[0].name for key, form in chosen.items() if (files := form.recognised(export))}
    if name == "roboflow" and not found and (files := coco.recognised(export)):
        found = {"coco": files[0].name}
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        both = ", ".join(f"{key} ({file})" for key, file in found.items())
        raise DataError(f"{export.folder} may be of several forms: {both}; say which")
    forms = "; ".join(f"{key}: {form.files}" for key, form in chosen.items())
    raise DataError(f"{export.folder} has no export that is known here ({forms}); its files: {_some(export)}")


def _some(export: ExportFolder) -> str:
    names = list(export.files)[:4]
    return ", ".join(names) + (" ..." if len(export.files) > len(names) else "") if names else "none"
