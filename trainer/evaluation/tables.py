"""Tables of one model's landing sites, for the report and its Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from landing.taxonomy import HAZARD_ROLES
from trainer.evaluation.instances import LEAST_M2
from trainer.evaluation.sites import NEAR_PERSON_M

Column = dict[str, Any]


class FigureTable(NamedTuple):
    """A table: its title, a sentence on it, the heads of its columns, and rows of as many cells."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def percent(value: float | None, digits: int = 1) -> str:
    """Format a share as a percentage; "none" for None."""
    return "none" if value is None else f"{100 * value:.{digits}f} %"


def share_of(part: int, whole: int, shown: dict[str, float] | None) -> str:
    """Format a share with its counts and its 95 % interval."""
    if shown is None:
        return f"none ({part} of {whole})"
    interval = f"{100 * shown['low']:.0f} to {100 * shown['high']:.0f} %"
    return f"{percent(shown['share'])} ({part} of {whole}; {interval})"


def metres(value: float | None) -> str:
    """Format a distance; "nobody" for None."""
    return "nobody" if value is None else f"{value:.2f} m"


def people_found(row: Column) -> str:
    """Format the people found, of those there are, with the 95 % interval."""
    return share_of(row["found"], row["instances"], row["share"])


def tables_of(column: Column) -> list[FigureTable]:
    """Return the tables of a model, those without a row left out."""
    sites = column["sites"]
    view = f"assumed width {sites['across_m']:g} m"
    made = [
        _curve(
            "By assumed width of the ground in a picture",
            f"Thresholds in force. {_span(sites)}",
            "width, m",
            [f"{row['width_m']:g}" for row in sites["by_width"]],
            sites["by_width"],
        ),
        _curve(
            "By threshold of people in a frame",
            f"{view}, the other thresholds in force. What flies is never above the default.",
            "threshold",
            [f"{row['threshold']:.2f}" for row in sites["by_person"]],
            sites["by_person"],
        ),
        _near(column),
        _found(column),
        _held(column),
        _curve(
            "By threshold of landable ground in a frame",
            f"{view}, the other thresholds in force.",
            "threshold",
            [f"{row['threshold']:.2f}" for row in sites["curve"]],
            sites["curve"],
        ),
    ]
    return [table for table in made if table.rows]


def _span(sites: Column) -> str:
    if sites["span_m"] is None:
        return f"{sites['across_m']:g} m is as given."
    least, greatest = sites["span_m"]
    return f"{sites['across_m']:g} m is assumed; pictures of the set may be {least:g} to {greatest:g} m wide."


def _curve(title: str, note: str, over: str, values: list[str], rows: list[Column]) -> FigureTable:
    people = any("people" in row for row in rows)
    heads = (
        over,
        "sites",
        "hold a hazard",
        "hold anything not landable",
        f"person within {NEAR_PERSON_M:g} m",
        "nearest person",
        "where the truth has none",
        "no site, truth has one",
        "no site, rightly",
        *((f"people above {LEAST_M2:g} m² found",) if people else ()),
    )
    lines = [
        (
            value,
            f"{s['sites']} of {s['pictures']}",
            share_of(s["with_hazard"], s["sites"], s["false_safe"]),
            share_of(s["with_not_landable"], s["sites"], s["not_landable"]),
            share_of(s["near_person"], s["sites"], s["near"]),
            metres(s["least_person_m"]),
            str(s["where_truth_has_none"]),
            share_of(s["missed"], s["with_truth_site"], s["abstain"]),
            str(s["rightly_abstained"]),
            *((people_found(s["people"]),) if people else ()),
        )
        for value, s in zip(values, rows, strict=True)
    ]
    return FigureTable(title, note, heads, lines)


def _near(column: Column) -> FigureTable:
    """The chosen discs with people in the picture, the nearest first: all below the bound, and at least three."""
    discs = [(p["site"]["person_m"], p["name"]) for p in column["pictures"] if p["site"]]
    ranked = sorted((away_m, name) for away_m, name in discs if away_m is not None)
    shown = [(away_m, name) for k, (away_m, name) in enumerate(ranked) if k < 3 or away_m < NEAR_PERSON_M]
    note = (
        f"From the rim of the chosen disc to the nearest labelled person: {len(ranked)} of {len(discs)} discs lie in "
        f"pictures with somebody, {sum(away_m < NEAR_PERSON_M for away_m, _ in ranked)} of them nearer than "
        f"{NEAR_PERSON_M:g} m."
    )
    rows = [(name, metres(away_m), "too near" if away_m < NEAR_PERSON_M else "") for away_m, name in shown]
    return FigureTable("Nearest people", note, ("picture", "distance", ""), rows)


def _found(column: Column) -> FigureTable:
    rows = []
    for role in HAZARD_ROLES:
        found = column["found"][role.value]
        for size in found["sizes"]:
            if not size["instances"]:
                continue
            upper = f"{size['from_m2']:g} m² and more"
            bounds = upper if size["below_m2"] is None else f"{size['from_m2']:g} to {size['below_m2']:g} m²"
            rows.append((role.value, bounds, people_found(size), ""))
        if found["ground"] is not None:
            rows.append((role.value, "all, by the ground under them", percent(found["ground"]), ""))
    note = (
        "Patches of labels one by one, in the maps as they fly: found where at least half lies within 0.5 m of what is "
        "called that hazard."
    )
    return FigureTable("Hazards found, by size", note, ("role", "ground under it", "found", ""), rows)


def _held(column: Column) -> FigureTable:
    sites = column["sites"]["operating"]
    notes = column["label_notes"]
    rows = [
        (
            f"{row['class']} ({row['role']})",
            f"{row['discs']} of {sites['sites']}",
            str(row["alone"]),
            percent(row["share"], 0),
            notes.get(row["class"], ""),
        )
        for row in column["sites"]["held"]
    ]
    note = "Classes in the chosen discs that are not landable, by the labels."
    heads = ("class", "discs that hold it", "that hold nothing else of it", "mean share of the disc", "")
    return FigureTable("Held in chosen discs", note, heads, rows)
