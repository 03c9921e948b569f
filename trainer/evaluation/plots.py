"""The report's diagrams, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from landing.taxonomy import HAZARD_ROLES, Role
from trainer.evaluation.results import Column, title
from trainer.evaluation.sites import NEAR_PERSON_M

# Okabe and Ito's palette: told apart with any colour vision; line styles repeat the difference.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_ROLE_ORDER = (Role.LANDABLE, *HAZARD_ROLES, Role.IGNORE)
_DPI = 110
SITE_CONFIDENCE = "site-confidence.png"


def confusion(column: Column) -> bytes:
    """Draws the confusion matrix: each row the shares of a true class, classes sorted by role."""
    classes = column["classes"]
    rank = {role.value: k for k, role in enumerate(_ROLE_ORDER)}
    order = sorted(range(len(classes)), key=lambda k: (rank[classes[k]["role"]], k))
    counts = np.asarray(column["confusion"], float)[np.ix_(order, order)]
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
    side = 2.2 + 0.36 * len(order)
    figure = Figure(figsize=(side + 0.6, side), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [classes[k]["name"] for k in order]
    axes.set_xticks(range(len(order)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(order)), names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true; a row sums to 100 %")
    for (r, c), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.55 else "black"
            axes.text(c, r, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    roles = [classes[k]["role"] for k in order]
    for k in range(1, len(order)):
        if roles[k] != roles[k - 1]:
            axes.axhline(k - 0.5, color="#888888", linewidth=0.8)
            axes.axvline(k - 0.5, color="#888888", linewidth=0.8)
    figure.colorbar(image, ax=axes, shrink=0.6, label="share of the true class")
    return _png(figure)


def reliability(columns: Sequence[Column]) -> bytes:
    """Draws accuracy against stated probability."""
    figure = Figure(figsize=(9.6, 4.6), dpi=_DPI, layout="constrained")
    heads = {"class": "most probable class is right", "landable": "ground is landable"}
    for k, (what, label) in enumerate(heads.items()):
        axes = figure.add_subplot(1, 2, 1 + k)
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="honest")
        for n, column in enumerate(columns):
            for when, style in (("before", ":"), ("after", "-")):
                bins = column["reliability"][f"{what}_{when}"]
                there = np.asarray(bins["share"]) > 0
                name = f"{title(column)}, {when}" if len(columns) > 1 else f"{when} temperature"
                ece = 0.0 if bins["ece"] is None else 100 * bins["ece"]
                axes.plot(
                    np.asarray(bins["confidence"])[there],
                    np.asarray(bins["accuracy"])[there],
                    style,
                    marker=".",
                    color=_COLOURS[n % len(_COLOURS)],
                    label=f"{name}: ECE {ece:.1f} %",
                )
        axes.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel=f"stated probability that {label}",
            ylabel="share of pixels where it is so",
            aspect="equal",
        )
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="upper left")
    return _png(figure)


CURVES = {
    "by_width": ("width_m", "assumed width of the ground in a picture, m"),
    "by_person": ("threshold", "threshold of people in a frame"),
    "curve": ("threshold", "threshold of landable ground in a frame"),
}
"""Key of what a curve of sites is over, and its name, by the curve's key in a column."""


def sites(columns: Sequence[Column], curve: str) -> bytes:
    """Draws unsafe sites, missed sites and the nearest person over what a curve of `CURVES` is over."""
    over, label = CURVES[curve]
    figure = Figure(figsize=(12.6, 4.2), dpi=_DPI, layout="constrained")
    panels = (("false_safe", "sites that hold a hazard, %"), ("abstain", "no site although the truth has one, %"))
    for k, (key, name) in enumerate(panels):
        axes = figure.add_subplot(1, 3, 1 + k)
        for n, column in enumerate(columns):
            rows = [row for row in column["sites"][curve] if row[key] is not None]
            x, colour = [row[over] for row in rows], _COLOURS[n % len(_COLOURS)]
            share, low, high = ([100 * row[key][part] for row in rows] for part in ("share", "low", "high"))
            axes.plot(x, share, _STYLES[n % len(_STYLES)], marker=".", color=colour, label=title(column))
            if len(columns) <= 3:
                axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
        axes.set_ylim(-0.03 * max(5.0, axes.get_ylim()[1]), max(5.0, axes.get_ylim()[1]))
        _finish(axes, columns, curve, label, name)
    axes = figure.add_subplot(1, 3, 3)
    for n, column in enumerate(columns):
        rows = [row for row in column["sites"][curve] if row["least_person_m"] is not None]
        style = _STYLES[n % len(_STYLES)]
        x, away_m = [row[over] for row in rows], [row["least_person_m"] for row in rows]
        axes.plot(x, away_m, style, marker=".", color=_COLOURS[n % len(_COLOURS)], label=title(column))
    axes.axhline(NEAR_PERSON_M, color="#999999", linewidth=1, label=f"{NEAR_PERSON_M:g} m")
    axes.set_ylim(0, max(6.0, axes.get_ylim()[1]))
    _finish(axes, columns, curve, label, "from a disc's rim to the nearest person, m")
    return _png(figure)


def _finish(axes: Any, columns: Sequence[Column], curve: str, label: str, name: str) -> None:
    """Marks what is in force, names the axes."""
    for n, column in enumerate(columns):
        at = {
            "by_width": column["sites"]["across_m"],
            "by_person": column["thresholds"]["person"]["value"],
            "curve": column["thresholds"]["landable"]["value"],
        }[curve]
        axes.axvline(at, color=_COLOURS[n % len(_COLOURS)], linewidth=0.8, linestyle=":")
    axes.set(xlabel=label, ylabel=name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def site_confidence(columns: Sequence[Column]) -> bytes:
    """Draws the share of sites that were safe against the share that is printed, with the sites behind each point."""
    figure = Figure(figsize=(6.4, 6.0), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="honest")
    for n, column in enumerate(c for c in columns if c.get("site_confidence")):
        check, colour = column["site_confidence"], _COLOURS[n % len(_COLOURS)]
        bins = check["bins"]
        printed, share = ([b[key] for b in bins] for key in ("printed", "share"))
        reach = [[b["share"] - b["low"] for b in bins], [b["high"] - b["share"] for b in bins]]
        label = f"{title(column)}: ECE {100 * check['ece']:.1f} %, {check['sites']} discs"
        axes.errorbar(printed, share, reach, fmt="o", markersize=4, capsize=3, color=colour, label=label)
        if len(columns) == 1:
            for b in bins:
                axes.annotate(
                    str(b["sites"]), (b["printed"], b["share"]), (6, -10), textcoords="offset points", fontsize=7
                )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="confidence that would be printed",
        ylabel="share of those sites that were safe; 95 % Wilson",
        aspect="equal",
    )
    axes.grid(alpha=0.3)
    figure.legend(fontsize=7, loc="outside lower center")
    return _png(figure)


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
