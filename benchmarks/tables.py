"""Cells of the tables that campaigns are told in."""

from __future__ import annotations

from typing import Any


def share_words(share: dict[str, Any], digits: int = 0) -> str:
    """Count, percent and Wilson's interval of a share of `sim.campaign.summary`."""
    if not share["of"]:
        return "-"
    value, low, high = (f"{100 * share[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{share['count']}/{share['of']} = {value} % ({low} to {high})"
