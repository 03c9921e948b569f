"""Plots of a campaign's report, each an SVG that stands in the page."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sim.campaign.score import Record
from sim.campaign.summary import REACTION_LIMIT_S
from sim.campaign.wilson import share
from sim.flight.plan import PERSON_AWAY_M

VERDICT_COLORS = {
    "landed-safe": "#1b9e4b",
    "landed-unsafe": "#d6283b",
    "struck": "#7f0f1c",
    "landed-unjudged": "#3cbeff",
    "no-site": "#e0a100",
    "timeout": "#6c757d",
    "battery-empty": "#7b1fa2",
}
POLICY_COLORS = ("#1b6ef3", "#e4572e", "#8e44ad", "#f2a104", "#5b6770", "#12a150")
BINS = 5

CONDITIONS: tuple[tuple[str, str, Callable[[Record], float]], ...] = (
    ("start height, m", "height", lambda r: r["conditions"]["height_m"]),
    ("wind, m/s", "wind", lambda r: r["conditions"]["wind_mps"]),
    (
        "exposure to decision, ms",
        "latency",
        lambda r: r["conditions"]["camera_delay_ms"] + r["conditions"]["inference_ms"],
    ),
    ("network worse than measured, probits", "segmentation", lambda r: r["conditions"]["model_shift"]),
)
"""Axes that success is drawn against: words on the axis, a short name, the value."""

Records = Sequence[Record]


def by_policy(records: Records) -> dict[str, list[Record]]:
    """Records of each policy, in the order in which they appear."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["policy"], []).append(record)
    return found


def conditions_plot(records: Records) -> str:
    """Share of the scenes with a site that end safely down, against each condition."""
    figure = Figure(figsize=(12.0, 3.4), layout="constrained")
    for axes, (label, _, value) in zip(figure.subplots(1, len(CONDITIONS), sharey=True), CONDITIONS, strict=True):
        for k, (policy, own) in enumerate(by_policy(records).items()):
            with_site = [r for r in own if r["site"] == "site"]
            _binned(axes, with_site, value, policy, POLICY_COLORS[k % len(POLICY_COLORS)], k)
        axes.set_xlabel(label, fontsize=9)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(alpha=0.25)
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("safely down, share", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=6, fontsize=9)
    return _svg(figure)


def _binned(axes: Axes, records: Records, value: Callable[[Record], float], label: str, color: str, k: int) -> None:
    if not records:
        return
    values = np.array([value(r) for r in records])
    safe = np.array([r["verdict"] == "landed-safe" for r in records])
    edges = np.quantile(values, np.linspace(0, 1, min(BINS, max(1, len(values) // 4)) + 1))
    middles, shares = [], []
    for low, high in itertools.pairwise(edges):
        inside = (values >= low) & (values <= high)
        if inside.any():
            middles.append(float(np.median(values[inside])))
            shares.append(share(int(safe[inside].sum()), int(inside.sum())))
    points = np.array([s.count / s.of for s in shares])
    errors = np.array(
        [
            [p - s.low for p, s in zip(points, shares, strict=True)],
            [s.high - p for p, s in zip(points, shares, strict=True)],
        ]
    ).clip(0)
    # A little beside each other, or the bars of five policies hide each other.
    apart = (k - 2) * 0.006 * float(np.ptp(values))
    axes.errorbar(
        np.array(middles) + apart,
        points,
        yerr=errors,
        fmt="o-",
        color=color,
        label=label,
        markersize=4,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
    )


def verdicts_plot(records: Records) -> str:
    """Outcomes of each policy, where a site exists and where none does."""
    kinds = (("site", "a site exists"), ("marginal", "marginal"), ("none", "no site"))
    own = by_policy(records)
    figure = Figure(figsize=(12.0, 0.9 + 0.42 * len(own)), layout="constrained")
    for axes, (kind, title) in zip(figure.subplots(1, 3, sharey=True), kinds, strict=True):
        for row, mine in enumerate(own.values()):
            among = [r for r in mine if r["site"] == kind]
            left = 0.0
            for verdict, color in VERDICT_COLORS.items():
                count = sum(r["verdict"] == verdict for r in among)
                width = count / max(len(among), 1)
                axes.barh(row, width, left=left, color=color, label=verdict if not row else None)
                if width > 0.06:
                    axes.text(left + width / 2, row, str(count), ha="center", va="center", color="white", fontsize=8)
                left += width
        axes.set_yticks(range(len(own)), list(own), fontsize=9)
        number = sum(r["site"] == kind for r in next(iter(own.values()), []))
        axes.set_title(f"{title} ({number} scenes)", fontsize=9)
        axes.set_xlim(0, 1)
        axes.tick_params(labelsize=8)
    figure.axes[0].invert_yaxis()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return _svg(figure)


def distances_plot(records: Records) -> str:
    """Distributions: nearest person and hazard at touchdown, and the reaction to intruders."""
    figure = Figure(figsize=(12.0, 3.2), layout="constrained")
    person, hazard, reaction = figure.subplots(1, 3)
    for k, (policy, own) in enumerate(by_policy(records).items()):
        color = POLICY_COLORS[k % len(POLICY_COLORS)]
        landed = [r["touchdown"] for r in own if r["touchdown"] is not None]
        intruders = [x for r in own for x in r["reactions"] if x["seen_s"] is not None]
        times = [x["seen_reaction_s"] for x in intruders]
        _cumulative(person, [min(d["person_m"], 30.0) for d in landed], color, policy)
        _cumulative(hazard, [min(d["hazard_m"], 10.0) for d in landed], color, policy)
        _cumulative(reaction, [min(t, 3.0) if t is not None else 3.0 for t in times], color, policy)
    person.axvline(PERSON_AWAY_M, color="#d6283b", linewidth=1, linestyle="--")
    reaction.axvline(REACTION_LIMIT_S, color="#d6283b", linewidth=1, linestyle="--")
    for axes, label in (
        (person, "nearest person at touchdown, m (to 30)"),
        (hazard, "nearest hazard at touchdown, m (to 10)"),
        (reaction, "somebody to be seen in the site to target gone, s (3: later or never)"),
    ):
        axes.set_xlabel(label, fontsize=9)
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.25)
        axes.tick_params(labelsize=8)
    person.set_ylabel("share at most", fontsize=9)
    if person.get_legend_handles_labels()[1]:
        person.legend(fontsize=8)
    return _svg(figure)


def _cumulative(axes: Axes, values: Sequence[float], color: str, label: str) -> None:
    if values:
        ordered = np.sort(np.array(values))
        shares = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, shares, where="post", color=color, linewidth=1.4, label=label)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
