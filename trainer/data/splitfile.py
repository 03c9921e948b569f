"""Split files: CSV with the part, and perhaps the group, of each picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from landing.errors import DataError
from landing.labels.files import normal_name
from landing.reading import TABLE_BYTES, read_text
from trainer.data.samples import Sample

PARTS = ("train", "val", "test")
GROUP_COLUMNS = ("scene_group", "group")
_KEYS = ("id", "name")


@dataclass(frozen=True)
class SplitTable:
    """Part ("train", "val", "test", or "" for none) and scene of each picture by name; scenes may be missing."""

    part_of: Mapping[str, str]
    group_of: Mapping[str, str]

    def regrouped(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """Return the samples with the groups of the file."""
        return tuple(replace(s, group=self.group_of.get(s.name) or s.group) for s in samples)


def read_split_file(path: Path, column: str = "split") -> SplitTable:
    """Reads a CSV file with a column `id` (or `name`), one of parts, and perhaps one of groups.

    An empty `column` stands for a file that gives only groups.

    Raises:
        DataError: Unreadable, no such column, a part that is not train, val or test, or a picture with two parts.
    """
    text = read_text(path, "split file", DataError, TABLE_BYTES)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise DataError(f"split file {path}: {error}") from error
    columns = list(rows[0]) if rows else []
    key = next((c for c in _KEYS if c in columns), None)
    group = next((c for c in GROUP_COLUMNS if c in columns), None)
    if key is None or (column and column not in columns) or not (column or group):
        expected = f"'id' and {column!r} (choose with --split-column)" if column else "'id', 'group'"
        raise DataError(
            f"split file {path} has the columns {', '.join(map(str, columns)) or '(none)'}; expected {expected}"
        )
    part_of: dict[str, str] = {}
    for row in rows:
        name, part = normal_name(row[key] or ""), (row[column] or "") if column else ""
        if part not in (*PARTS, ""):
            raise DataError(
                f"split file {path}, column {column!r}: part {part!r} is unknown; expected train, val, test or nothing"
            )
        if part_of.setdefault(name, part) != part:
            raise DataError(f"split file {path}: {name} is in {part_of[name]!r} and in {part!r}")
    return SplitTable(part_of, {normal_name(row[key] or ""): row[group] or "" for row in rows} if group else {})


def write_split_file(
    path: Path, samples: Sequence[Sample], part_of: Mapping[str, str], name_of: Mapping[str, str] | None = None
) -> None:
    """Writes id, split and group of each sample, under other names where `name_of` gives them.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("id", "split", "group"))
            writer.writerows(((name_of or {}).get(s.name, s.name), part_of.get(s.name, ""), s.group) for s in samples)
    except OSError as error:
        raise DataError(f"split file {path}: {error.strerror}") from error
