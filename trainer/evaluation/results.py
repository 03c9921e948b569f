"""`results.json`, `results.md`, and the summary table of the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from landing import reading
from landing.errors import DataError
from landing.taxonomy import HAZARD_ROLES, Role
from trainer.evaluation.instances import LEAST_M2
from trainer.evaluation.sites import NEAR_PERSON_M
from trainer.evaluation.tables import metres, people_found, percent, share_of, tables_of

FORMAT = "touchdown.evaluation.2"
HONEST_SPLIT = "scene"
"""Column of the split that keeps whole scenes together; its figures stand first."""

Column = dict[str, Any]


class SummaryRow(NamedTuple):
    """One line of the summary: a label, a cell per column, and a note; or a heading of the lines below it."""

    label: str
    cells: tuple[str, ...]
    note: str = ""
    heading: bool = False


def read_json(path: Path) -> list[Column]:
    """Return the columns of an earlier `results.json`.

    Raises:
        DataError: Missing, or another file.
    """
    content = reading.read_json(path, "--also", DataError, reading.TABLE_BYTES)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"--also {path} is no results.json of `touchdown trainer evaluate`")
    return list(content["columns"])


def as_json(columns: Sequence[Column]) -> str:
    """Return the content of `results.json`."""
    return json.dumps({"format": FORMAT, "columns": in_order(columns)})


def in_order(columns: Sequence[Column]) -> list[Column]:
    """Return the columns, those of the scene split first: no scene of theirs was seen in training."""
    return sorted(columns, key=lambda c: c["split_column"] != HONEST_SPLIT)


def number(value: float | None, digits: int = 3) -> str:
    """Format a figure; "none" for None."""
    return "none" if value is None else f"{value:.{digits}f}"


def title(column: Column) -> str:
    """Return the name, part and split of a column."""
    which = column["split_column"]
    split = f", {which} split" if which and which != "split" else ""  # the column's plain name
    return f"{column['name']} ({column['part']}{split})"


def summary(columns: Sequence[Column]) -> list[SummaryRow]:
    """Return the summary table: one column per checkpoint and part."""

    def row(label: str, cell: Callable[[Column], str], note: str = "") -> SummaryRow:
        return SummaryRow(label, tuple(cell(c) for c in columns), note)

    def group(label: str) -> SummaryRow:
        return SummaryRow(label, ("",) * len(columns), heading=True)

    return [
        group("Classes, most probable class against label, one confusion matrix over the set"),
        row("pictures", lambda c: str(c["scores"]["pictures"])),
        row(
            "mIoU",
            _miou,
            "mean over classes in truth or prediction, no class left out for what "
            "it means; 95 % by bootstrap over scenes",
        ),
        row("mIoU, classes in truth", lambda c: number(c["scores"]["miou_in_truth"])),
        row("classes", _classes),
        row("pixel accuracy", lambda c: number(c["scores"]["accuracy"])),
        *(row(f"{role.value} recall", _recall(role.value, "argmax")) for role in HAZARD_ROLES),
        *_operating(row, group),
        group("Calibration"),
        row("temperature", lambda c: f"{c['temperature']:g}"),
        row("ECE of the class", _ece("class"), "15 bins, before and after the temperature"),
        row("ECE of landable", _ece("landable")),
        row(
            "ECE of site confidence",
            _site_ece,
            "discs beside each other, safe if all labelled ground in them is landable; 95 % by bootstrap over scenes",
        ),
    ]


def _operating(row: Callable[..., SummaryRow], group: Callable[[str], SummaryRow]) -> list[SummaryRow]:
    """The lines of the summary at the thresholds that fly."""
    return [
        group("At the operating point, as it flies by default"),
        row(
            "thresholds of a frame",
            _thresholds,
            "landable, then obstacle / water / person / vehicle; chosen on val, never laxer than the defaults",
        ),
        *(row(f"{role.value} pixel recall", _recall(role.value, "operating")) for role in HAZARD_ROLES),
        row(
            f"people above {LEAST_M2:g} m² found",
            lambda c: people_found(c["found"][Role.PERSON.value]["sizes"][-1]),
            "one by one, in the maps as they fly; 95 % Wilson",
        ),
        *(
            row(
                f"{role.value} found, by ground",
                _ground_found(role.value),
                "of the ground under their patches, that under the found ones",
            )
            for role in HAZARD_ROLES
        ),
        row(
            "pixel false-safe",
            lambda c: percent(c["false_safe"]["all"], 2),
            "share of labelled pixels that are not landable and would be called free",
        ),
        row("... of hazard pixels", lambda c: percent(c["false_safe"]["hazards"], 2)),
        row("... of person pixels", lambda c: percent(c["false_safe"]["person"], 2)),
        row(
            "site false-safe",
            _sites("with_hazard", "sites", "false_safe"),
            "of the chosen discs, those that hold a pixel of a hazard; 95 % Wilson",
        ),
        row("... any pixel not landable", _sites("with_not_landable", "sites", "not_landable")),
        row(
            f"person within {NEAR_PERSON_M:g} m of the disc",
            _sites("near_person", "sites", "near"),
            "from its rim, by the labels",
        ),
        row("nearest person", lambda c: metres(c["sites"]["operating"]["least_person_m"])),
        row(
            "no site, truth has one",
            _sites("missed", "with_truth_site", "abstain"),
            "of the pictures whose true labels have a site",
        ),
        row("no site, rightly", lambda c: str(c["sites"]["operating"]["rightly_abstained"])),
    ]


def _miou(column: Column) -> str:
    known = column["miou_interval"]
    text = number(column["scores"]["miou"])
    return f"{text} ({known[0]:.3f} to {known[1]:.3f})" if known else text


def _classes(column: Column) -> str:
    s = column["scores"]
    return f"{s['classes']}: {s['classes_in_truth']} in truth, {s['classes_counted']} counted"


def _thresholds(column: Column) -> str:
    shown = column["thresholds"]
    hazards = " / ".join(f"{shown[r.value]['value']:.2f}" for r in HAZARD_ROLES)
    return f"{shown['landable']['value']:.2f}; {hazards}"


def _recall(role: str, at: str) -> Callable[[Column], str]:
    return lambda c: number(c["recall"][role][at])


def _ground_found(role: str) -> Callable[[Column], str]:
    return lambda c: percent(c["found"][role]["ground"])


def _ece(what: str) -> Callable[[Column], str]:
    def cell(column: Column) -> str:
        before, after = (column["reliability"][f"{what}_{w}"]["ece"] for w in ("before", "after"))
        return f"{percent(before)} → {percent(after)}"

    return cell


def _site_ece(column: Column) -> str:
    check = column.get("site_confidence")
    if check is None:
        return "none"
    known = check["ece_interval"]
    interval = f"{100 * known[0]:.1f} to {100 * known[1]:.1f} %" if known else "of one scene"
    return f"{percent(check['ece'])} ({interval}; {check['sites']} discs; {check['by']})"


def _sites(part: str, whole: str, shown: str) -> Callable[[Column], str]:
    def cell(column: Column) -> str:
        sites = column["sites"]["operating"]
        return share_of(sites[part], sites[whole], sites[shown])

    return cell


def class_rows(columns: Sequence[Column]) -> list[SummaryRow]:
    """Return the IoU of each class; all columns have the same classes."""
    return [
        SummaryRow(k["name"], tuple(number(c["scores"]["class_iou"].get(k["name"])) for c in columns), k["role"])
        for k in columns[0]["classes"]
    ]


def notes(columns: Sequence[Column]) -> list[str]:
    """Return the assumptions and limits behind the figures, as sentences."""
    found: list[str] = []
    for c in columns:
        name = title(c)
        if c["calibrated_on"]:
            found.append(f"{name}: temperature and thresholds from {c['calibrated_on']}.")
        found += [f"{name}: cannot be met on val: {u}." for u in c["operating"]["unmet"]]
        found += [f"{name}: {w}." for w in c["warnings"]]
        held = {row["class"] for row in c["sites"]["held"]}
        found += [f"{name}: {text}." for label, text in c["label_notes"].items() if label in held]
        found.append(
            f"{name}: sites as seen from {c['sites']['view']}; a disc has {c['sites']['disc_m']:g} "
            "m radius (vehicle and margin)."
        )
    for terms in dict.fromkeys(c["terms"] for c in columns if c["terms"]):
        found.append(f"Pictures: {terms}.")
    return list(dict.fromkeys(found))


def markdown(columns: Sequence[Column]) -> str:
    """All tables as Markdown."""
    heads = [title(c) for c in columns]
    lines = ["# Evaluation", "", *_table("", heads, summary(columns)), "", "## IoU by class", ""]
    lines += _table("class", heads, class_rows(columns))
    for c in columns:
        lines += ["", f"## Landing sites: {title(c)}"]
        for table in tables_of(c):
            lines += ["", f"### {table.title}", "", table.note, ""]
            lines += ["| " + " | ".join(table.heads) + " |", "|---" * len(table.heads) + "|"]
            lines += ["| " + " | ".join(cells) + " |" for cells in table.rows]
    lines.append("")
    return "\n".join([*lines, "## Notes", "", *(f"* {n}" for n in notes(columns))]) + "\n"


def _table(corner: str, heads: Sequence[str], rows: Sequence[SummaryRow]) -> list[str]:
    lines = [f"| {corner} | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for row in rows:
        label = f"**{row.label}**" if row.heading else row.label
        lines.append(f"| {label} | " + " | ".join(row.cells) + " |")
    return lines
