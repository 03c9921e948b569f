"""Warnings where figures may be of pictures that a model has seen before."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trainer.data.splits import Split


def warnings_of(
    provenance: Mapping[str, str], part: str, data_name: str, split: Split, split_column: str = ""
) -> list[str]:
    """Return what may flatter a model's figures on a part of a data set.

    Args:
        provenance: What it says of its origin: trained_on, recipe, and parts_sha256 where it knows it.
        part: "train", "val", "test" or "all".
        data_name: Of the data set.
        split: Of the data set.
        split_column: That the split was read from; empty without a file.
    """
    found = []
    if another_split(provenance, data_name, split, split_column):
        found.append(
            f"it was trained on another split than {split_column or 'this one'}, so it may have seen these pictures in "
            "training"
        )
    if part in ("train", "all"):
        found.append("pictures it was trained on are among these, unless another set trained it")
    if part == "val":
        found.append("val also chose the checkpoint, its temperature and its thresholds, unless another set trained it")
    return found


def flattered(provenance: Mapping[str, str], part: str, data_name: str, split: Split, split_column: str = "") -> str:
    """Return why what is chosen or measured on a part would flatter a model, a line; empty where nothing says so.

    For the arguments see `warnings_of`.
    """
    if another_split(provenance, data_name, split, split_column):
        return (
            f"this is another split than it was trained on, so {part} may hold what trained it: its thresholds flatter "
            "it"
        )
    if part == "all" and provenance.get("trained_on", "").startswith(f"{data_name}: "):
        return f"{data_name} trained it, and all holds those pictures too: what is chosen on them flatters it"
    return ""


def another_split(provenance: Mapping[str, str], data_name: str, split: Split, split_column: str = "") -> bool:
    """Return True if a model was trained on other parts of this data set: then any part may hold what trained it."""
    recipe, parts = provenance.get("recipe", ""), provenance.get("parts_sha256", "")
    if parts and provenance.get("trained_on", "").startswith(f"{data_name}: "):
        return parts != split.digest()
    named = re.search(r"--split-column[ =]'?([^\s']+)", recipe)
    return bool(split_column and named and named[1] != split_column)
