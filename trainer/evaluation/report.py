"""The report: one self-contained HTML file, with the tables beside it."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from landing.errors import FileError
from trainer.evaluation import plots, results
from trainer.evaluation.frames import ReportFrame
from trainer.evaluation.results import Column
from trainer.evaluation.tables import tables_of

REPORT, RESULTS, TABLES = "report.html", "results.json", "results.md"
FRAMES_FOLDER = "frames"
_EMBED_LIMIT = 6_000_000
"""Bytes of frame pictures inside the HTML; further ones lie in a folder beside it."""

KINDS = {
    "hazard": "Sites that hold a hazard",
    "near": "Sites with a person within 2 m of the disc",
    "best": "Best frames",
    "median": "Median frames",
    "worst": "Worst frames",
}


def require_folder(out: Path, option: str = "--out") -> None:
    """Make the folder of a report, before hours of measuring; `option` names it in messages.

    Raises:
        FileError: It cannot be made, or nothing can be written into it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{option} {out}: {error.strerror or error}") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise FileError(f"{option} {out}: nothing can be written into this folder")


def write(out: Path, columns: Sequence[Column], frames: Mapping[str, Sequence[ReportFrame]]) -> Path:
    """Writes `report.html`, `results.json`, `results.md` and `site-confidence.png`; returns the HTML file.

    Frames are by the `id` of their column; columns of earlier results have none.

    Raises:
        TouchdownError: The folder cannot be written.
    """
    ordered = results.in_order(columns)
    require_folder(out)
    try:
        html = _render(out, ordered, frames)
        (out / REPORT).write_text(html, "utf-8")
        if any(column.get("site_confidence") for column in ordered):
            (out / plots.SITE_CONFIDENCE).write_bytes(plots.site_confidence(ordered))
        (out / TABLES).write_text(results.markdown(ordered), "utf-8")
        (out / RESULTS).write_text(results.as_json(ordered) + "\n", "utf-8")
    except OSError as error:
        raise FileError(f"--out {out}: {error.strerror or error}") from error
    return out / REPORT


def _render(out: Path, columns: list[Column], frames: Mapping[str, Sequence[ReportFrame]]) -> str:
    room = _EMBED_LIMIT
    sections = []
    for column in columns:
        shown: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for frame in frames.get(column["id"], ()):
            if len(frame.jpeg) <= room:
                room -= len(frame.jpeg)
                source = _embedded(frame.jpeg, "jpeg")
            else:
                source = _beside(out, column, frame)
            shown[frame.kind].append({**vars(frame), "source": source})
        sections.append(
            {
                "title": results.title(column),
                "column": column,
                "tables": tables_of(column),
                "confusion": _embedded(plots.confusion(column), "png"),
                "frames": [(KINDS[kind], kind, items) for kind, items in shown.items() if items],
                "worst_confusions": _worst_confusions(column),
            }
        )
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = resources.files("trainer.evaluation").joinpath("report.html.jinja").read_text("utf-8")
    return environment.from_string(text).render(
        heads=[results.title(c) for c in columns],
        columns=columns,
        summary=results.summary(columns),
        classes=results.class_rows(columns),
        colours=[c["color"] for c in columns[0]["classes"]],
        reliability=_embedded(plots.reliability(columns), "png"),
        curves=[
            (label, _embedded(plots.sites(columns, curve), "png"))
            for curve, (_, label) in plots.CURVES.items()
            if any(column["sites"][curve] for column in columns)
        ],
        site_confidence=_embedded(plots.site_confidence(columns), "png"),
        sections=sections,
        notes=results.notes(columns),
    )


def _embedded(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _beside(out: Path, column: Column, frame: ReportFrame) -> str:
    folder = out / FRAMES_FOLDER
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w.-]+", "_", f"{column['id']}-{frame.name}") + ".jpg"
    (folder / name).write_bytes(frame.jpeg)
    return f"{FRAMES_FOLDER}/{name}"


def _worst_confusions(column: Column) -> str:
    """Return the largest confusions in words, for readers who cannot see the matrix."""
    names = [c["name"] for c in column["classes"]]
    found = []
    for true, row in enumerate(column["confusion"]):
        total = sum(row)
        found += [(count / total, names[true], names[k]) for k, count in enumerate(row) if k != true and total]
    top = sorted(found, reverse=True)[:6]
    return "; ".join(f"{100 * s:.0f} % of {a} as {b}" for s, a, b in top if s > 0)
