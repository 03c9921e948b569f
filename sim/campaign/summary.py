"""A campaign in figures: shares with their intervals, distances, times, by policy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sim.campaign.score import Record
from sim.campaign.wilson import Share, share
from sim.flight.plan import PERSON_AWAY_M

REACTION_LIMIT_S = 0.3


def summarize(records: Sequence[Record]) -> dict[str, Any]:
    """The figures of every policy, in the order in which they appear."""
    policies = list(dict.fromkeys(r["policy"] for r in records))
    return {p: of_policy([r for r in records if r["policy"] == p]) for p in policies}


def of_policy(records: Sequence[Record]) -> dict[str, Any]:
    """The figures of one policy.

    ``success``: of the landings that were begun and ended where a site exists, those that are safe (anything but an
    "no site" counts as an end). ``landed_safe``: of all scenes with a site, those that ended safely down.
    ``false_no_site``: of those with a site, those given up. ``landed_without_site_overall``: of all landings, those
    where there is no site at all, safe or not. ``struck``: those that met somebody or something on their way.
    ``unsafe``: these and unsafe touchdowns: all, those that looks can tell from safe ones, and those only relief can.
    ``unsafe_on``: how many unsafe touchdowns were near a person or on each class; one may be on several.
    """
    with_site, without = ([r for r in records if r["site"] == site] for site in ("site", "none"))
    landed = [r for r in records if r["touchdown"] is not None]
    ended = [r for r in with_site if r["verdict"] != "no-site"]

    def count(among: Sequence[Record], verdict: str) -> int:
        return sum(r["verdict"] == verdict for r in among)

    unsafe = [r for r in records if r["verdict"] in ("landed-unsafe", "struck")]
    by_relief = sum(r["touchdown"]["only_relief"] for r in unsafe if not r.get("met"))
    on_nothing = sum(r["touchdown"] is not None for r in without)
    near_person = sum(r["touchdown"]["person_m"] < PERSON_AWAY_M for r in landed)
    intruders = [x for r in records for x in r["reactions"]]
    seen = [x["seen_reaction_s"] for x in intruders if x["seen_s"] is not None]
    soon = sum(s is not None and s <= REACTION_LIMIT_S for s in seen)
    shares: dict[str, Share] = {
        "success": share(count(ended, "landed-safe"), len(ended)),
        "landed_safe": share(count(with_site, "landed-safe"), len(with_site)),
        "false_no_site": share(count(with_site, "no-site"), len(with_site)),
        "landed_without_site": share(on_nothing, len(without)),
        "landed_without_site_overall": share(on_nothing, len(records)),
        "unsafe": share(len(unsafe), len(records)),
        "struck": share(sum(bool(r.get("met")) for r in records), len(records)),
        "unsafe_by_looks": share(len(unsafe) - by_relief, len(records)),
        "unsafe_by_relief": share(by_relief, len(records)),
        "person_within_2m": share(near_person, len(landed)),
        "reaction_within_300ms": share(soon, len(seen)),
        "timeout": share(count(records, "timeout"), len(records)),
    }
    shares |= _failsafe_shares(records) | _mistake_shares(records) | _scenario_shares(records)
    return {
        "scenes": len(records),
        "with_site": len(with_site),
        "without_site": len(without),
        "marginal": len(records) - len(with_site) - len(without),
        "shares": {name: {**asdict(s), "value": s.value} for name, s in shares.items()},
        "unsafe_on": _grounds(unsafe),
        "truth_only": sorted({name for r in records for name in r["truth_only"]}),
        "touchdown_person_m": spread(landed, lambda r: r["touchdown"]["person_m"], low=True),
        "touchdown_hazard_m": spread(landed, lambda r: r["touchdown"]["hazard_m"], low=True),
        "last_5m_person_m": spread(landed, lambda r: r["last"]["person_m"], low=True),
        "last_5m_hazard_m": spread(landed, lambda r: r["last"]["hazard_m"], low=True),
        "miss_m": spread(landed, lambda r: r["touchdown"]["miss_m"]),
        "seconds": spread(landed, lambda r: r["seconds"]),
        "path_m": spread(landed, lambda r: r["path_m"]),
        "switches": spread(landed, lambda r: r["switches"]),
        "manual_takeovers": spread(records, lambda r: r["manual_takeovers"]),
        "reaction_s": _reaction([x["reaction_s"] for x in intruders]),
        "seen_reaction_s": _reaction(seen),
    }


def _grounds(unsafe: Sequence[Record]) -> dict[str, int]:
    """Count what made touchdowns unsafe, by name."""
    return dict(sorted(Counter(name for r in unsafe if r["touchdown"] for name in r["touchdown"]["unsafe_on"]).items()))


def _scenario_shares(records: Sequence[Record]) -> dict[str, Share]:
    """Share of the adversarial scenarios that were passed; none without any."""
    scenarios = [r["scenario"] for r in records if r.get("scenario") is not None]
    return {"scenarios_passed": share(sum(t["passed"] for t in scenarios), len(scenarios))} if scenarios else {}


def _failsafe_shares(records: Sequence[Record]) -> dict[str, Share]:
    """Shares of the landings that a failsafe ordered; none without any."""
    records = [r for r in records if r.get("emergency") is not None]
    if not records:
        return {}
    on_nothing = [r["touchdown"]["person_m"] for r in records if r["touchdown"] is not None and r["site"] == "none"]
    return {
        "held_too_long": share(sum(r["emergency"]["held_too_long"] for r in records), len(records)),
        "battery_empty": share(sum(r["verdict"] == "battery-empty" for r in records), len(records)),
        "person_within_2m_without_site": share(sum(m < PERSON_AWAY_M for m in on_nothing), len(on_nothing)),
    }


def _mistake_shares(records: Sequence[Record]) -> dict[str, Share]:
    """Shares of the flights with a mistake of set-up that name it, and that name another at the end; none without any.

    What was named last counts: more evidence may change the kind.
    """
    records = [r for r in records if r.get("mistake") is not None]
    if not records:
        return {}
    called = [(r["mistake"]["kind"], r["mistake"]["named"][-1][1]) for r in records if r["mistake"]["named"]]
    rightly = sum(made == named for made, named in called)
    return {
        "mistake_named": share(rightly, len(records)),
        "mistake_named_wrongly": share(len(called) - rightly, len(records)),
    }


def _reaction(times_s: Sequence[float | None]) -> dict[str, Any]:
    """Count, count without any reaction, and quantiles; no reaction counts as the worst."""
    known = [s for s in times_s if s is not None]
    figures: dict[str, Any] = {"count": len(times_s), "never": len(times_s) - len(known)}
    ranked = sorted(known) + [math.inf] * (len(times_s) - len(known))
    for percent in (50, 95, 99):
        if ranked:
            value = ranked[min(len(ranked) - 1, math.ceil(percent / 100 * len(ranked)) - 1)]
            figures[f"p{percent}"] = round(value, 3) if math.isfinite(value) else None
    return figures


def spread(
    records: Sequence[Record], value: Callable[[Record], float | None], low: bool = False
) -> dict[str, float] | None:
    """Median and the bad end (p5 and least, or p95 and largest) of a figure; None of nothing."""
    values = [v for v in map(value, records) if v is not None]
    if not values:
        return None
    figures = _quantiles(values, (5, 50) if low else (50, 95))
    figures["least" if low else "largest"] = round(float(min(values) if low else max(values)), 3)
    return figures


def _quantiles(values: Sequence[float], percents: Sequence[int]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 3) for p in percents}


def words(name: str, figures: dict[str, Any]) -> str:
    """A few lines for a terminal."""
    s = figures["shares"]

    def said(key: str) -> str:
        x = s[key]
        if not x["of"]:
            return "none"
        return f"{x['count']}/{x['of']} = {x['value']:.1%} [{x['low']:.1%}, {x['high']:.1%}]"

    unknown = ", ".join(figures["truth_only"])
    judged = f"\n  the network does not know {unknown}: they are judged by alone" if unknown else ""
    scenarios = f"; adversarial scenarios passed {said('scenarios_passed')}" if "scenarios_passed" in s else ""
    seen, entered = figures["seen_reaction_s"], figures["reaction_s"]
    return (
        f"{name}: safe of ended where a site exists {said('success')}; "
        f"no site though there is one {said('false_no_site')}\n"
        f"  landed without a site {said('landed_without_site')}; person within 2 m {said('person_within_2m')}\n"
        f"  flew into somebody or something {said('struck')}\n"
        f"{_failsafes(said) if 'held_too_long' in s else ''}"
        f"{_mistakes(said) if 'mistake_named' in s else ''}"
        f"  unsafe, as looks can tell {said('unsafe_by_looks')}; as only relief can {said('unsafe_by_relief')}"
        f"{_listed(figures['unsafe_on'])}\n"
        f"  reaction to who is in the site and can be seen: p95 {_seconds(seen)} of "
        f"{seen['count']}; from the entry, seen or not: {_seconds(entered)} of {entered['count']}"
        f"{scenarios}{judged}"
    )


def _failsafes(said: Callable[[str], str]) -> str:
    return (
        f"  failsafes: held up for longer than the battery allows {said('held_too_long')}; "
        f"battery empty in the air {said('battery_empty')}; "
        f"where no site is within reach, person within 2 m {said('person_within_2m_without_site')}\n"
    )


def _mistakes(said: Callable[[str], str]) -> str:
    return f"  mistakes of set-up: named {said('mistake_named')}; another named {said('mistake_named_wrongly')}\n"


def _listed(counts: dict[str, int]) -> str:
    """Counts by name in words; nothing of none."""
    return f": {', '.join(f'{name} {number}' for name, number in counts.items())}" if counts else ""


def _seconds(reaction: dict[str, Any]) -> str:
    """The p95 in words."""
    value = reaction.get("p95")
    if value is not None:
        return f"{value:.2f} s"
    return "never" if reaction["count"] else "none"
