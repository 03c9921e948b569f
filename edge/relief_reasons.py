"""Reasons of relief in texts to the pilot: the meaning of each, and the next step; for `edge.pilot_texts`."""

from __future__ import annotations

from edge.pilot_reasons import PilotText

RELIEF = (
    PilotText(
        "not-flat: a slope of <angle> degrees",
        "The ground where it would land is too steep.",
        "Fly on, to level ground.",
    ),
    PilotText(
        "not-flat: something <height> m tall or deep",
        "Something stands, or gapes, where it would land.",
        "Fly on, to open ground.",
    ),
    PilotText(
        "relief-not-known: no parallax yet, fly to the side",
        "It does not know whether the ground is flat, and `decision.relief.known_below_m` asks for it.",
        "Fly a few metres to the side.",
    ),
    PilotText(
        "site-lost: relief at the site, a slope of <angle> degrees; <why no other>",
        "From nearer the ground is steeper than it looked.",
        "Take over if low.",
    ),
    PilotText(
        "site-lost: relief at the site, something <height> m tall or deep; <why no other>",
        "Something stands, or gapes, where you would land.",
        "Take over if low.",
    ),
    PilotText(
        "site-lost: relief at the site, no parallax yet; <why no other>",
        "It does not know whether the ground is flat, and `decision.relief.known_below_m` asks for it.",
        "Fly a few metres to the side.",
    ),
)
"""Reasons for which ground that looks landable is no site: what its relief shows."""
