"""Figures of real ground: counts by place, shares over places, and the same as a page of Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.runner import Figures, share_words, table
from benchmarks.verdicts import RIGHT, WRONG, Answer
from sim.campaign.wilson import share

GOOD = 0.8
"""Share of right answers from which a place counts as good."""


@dataclass
class PlaceFigures:
    """Counts of one place."""

    outcomes: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    heights_m: list[float] = field(default_factory=list)

    @property
    def judged(self) -> int:
        return sum(self.outcomes[o] for o in (*RIGHT, *WRONG))

    @property
    def right(self) -> int:
        return sum(self.outcomes[o] for o in RIGHT)

    def to_mapping(self) -> Figures:
        """For JSON."""
        sites = self.outcomes["safe site"] + self.outcomes["unsafe site"]
        room = self.outcomes["safe site"] + self.outcomes["wrong refusal"]
        return {
            "pictures": sum(self.outcomes.values()),
            "height_m": round(statistics.median(self.heights_m), 1) if self.heights_m else None,
            "right": asdict(share(self.right, self.judged)) | {"value": share(self.right, self.judged).value},
            "unsafe": asdict(share(self.outcomes["unsafe site"], sites)),
            "refused_with_room": asdict(share(self.outcomes["wrong refusal"], room)),
            "causes": dict(self.causes.most_common()),
            "outcomes": dict(self.outcomes),
        }


def by_place(answers: Sequence[Answer]) -> dict[str, PlaceFigures]:
    """Count the answers of each place."""
    places: dict[str, PlaceFigures] = {}
    for answer in answers:
        figures = places.setdefault(answer.place, PlaceFigures())
        figures.outcomes[answer.outcome] += 1
        figures.heights_m.append(answer.height_m)
        if answer.outcome == "wrong refusal":
            figures.causes[answer.why] += 1
        elif answer.outcome == "unsafe site":
            figures.causes[f"unsafe: {answer.why}"] += 1
    return places


def over_places(places: dict[str, PlaceFigures]) -> Figures:
    """Return the figures of a group of places: a place counts once, however many pictures it has."""
    judged = [p for p in places.values() if p.judged]
    shares = [p.right / p.judged for p in judged]
    return {
        "places": len(judged),
        "mean_of_places": round(statistics.mean(shares), 4) if shares else None,
        "worst_place": round(min(shares), 4) if shares else None,
        "places_right_in_80_percent": _share(sum(s >= GOOD for s in shares), len(judged)),
        "places_without_unsafe_site": _share(sum(not p.outcomes["unsafe site"] for p in judged), len(judged)),
        "outcomes": dict(sum((p.outcomes for p in places.values()), Counter())),
        "causes": dict(sum((p.causes for p in places.values()), Counter()).most_common()),
    }


def _share(count: int, of: int) -> Figures:
    found = share(count, of)
    return asdict(found) | {"value": found.value}


def markdown(
    groups: dict[str, Figures],
    places: dict[str, Figures],
    flights: Figures,
    sets: Sequence[Mapping[str, Any]],
    model: str,
) -> str:
    """Return the figures as a page of Markdown."""
    lines = ["# Real ground", "", f"Model `{model}`. A place counts once; in brackets Wilson's interval.", ""]
    for name, group in groups.items():
        if not group["places"]:
            continue
        lines += [
            f"- **{name}**: {group['places']} places, right answers {100 * group['mean_of_places']:.0f} % in the mean "
            f"of places, {100 * group['worst_place']:.0f} % in the worst; "
            f"places without an unsafe site {share_words(group['places_without_unsafe_site'])}."
        ]
    rows = [
        {
            "place": name,
            "height m": f"{figures['height_m']:g}",
            "pictures": figures["pictures"],
            "right": share_words(figures["right"]),
            "unsafe of sites": f"{figures['unsafe']['count']} of {figures['unsafe']['of']}",
            "refused with room": f"{figures['refused_with_room']['count']} of {figures['refused_with_room']['of']}",
            "what was wrong": ", ".join(f"{kind} {count}" for kind, count in figures["causes"].items()),
        }
        for name, figures in places.items()
    ]
    lines += ["", table(rows), ""]
    if flights["flights"]:
        lines += ["## Whole landings", "", _landings({"all": flights["all"], **flights["places"]}), ""]
    lines += ["## Sets", ""]
    heads = ("set", "place", "camera", "licence", "source")
    lines += [table([{h: facts.get(h, "") for h in heads} for facts in sets]), ""]
    return "\n".join(lines)


def _landings(groups: dict[str, Figures]) -> str:
    rows = [
        {
            "place": name,
            "flown": figures["flown"],
            "landed safe, with room": share_words(figures["landed_with_room"]),
            "unsafe": figures["unsafe_of_landed"]["count"],
            "given up because": "; ".join(f"{why} {count}" for why, count in figures["given_up"].items()),
        }
        for name, figures in groups.items()
    ]
    return table(rows)
