"""Draw the pre-flight card, one page of A5, from the same list as its page.

python docs/make/card.py
"""

from __future__ import annotations

from pathlib import Path

from docs.make.svg import BAD, INK, PAPER, QUIET, Drawing

FILE = Path(__file__).resolve().parent.parent / "pictures" / "pre-flight-card.svg"
WIDTH, HEIGHT = 592, 840
"""A5 at 4 px a millimetre."""

CARD: dict[str, tuple[str, ...]] = {
    "At home": (
        "touchdown edge check: each line says ok",
        "touchdown bridge doctor --test-target: no FAIL",
        "authority is the level I mean (first flights: advise)",
        "touchdown edge look on pictures of this ground: the places are good",
        "I may fly here; nobody will be below",
    ),
    "On the field, propellers off": (
        "lens clean, cap off; the live page is sharp and new",
        "I walk to the nose: up in the picture; to the right: right",
        "lifted by hand to 2 m: the page says 2 m",
        "tilted and turned by hand: the place on the page stays on its ground",
    ),
    "Before take-off": (
        "I know my switch: position hold here, LAND there; tried now",
        "my height is inside the model's range (edge check: scale)",
        "wind and light are fine; battery for the flight and 5 min more",
        "the helper watches people and says STOP",
    ),
    "In the air, before LAND": (
        "I hover above open ground; I get texts “Landing ...”",
        "the text has said track for 3 s",
        "the room it says looks right to my own eyes",
        "nobody is below or on the way",
    ),
}
"""Headings and points to tick off."""

TAKE_OVER = (
    "the text says hold or abort, or is red",
    "the drone goes somewhere else than to the place",
    "somebody comes, whatever the text says",
    "the helper says STOP",
    "I do not understand what it does",
)
"""Reasons to take over, one is enough."""


def draw() -> str:
    """Return the card as SVG."""
    paper = Drawing(WIDTH, HEIGHT, "Pre-flight card: points to tick off, and when to take over")
    paper.text(32, 48, "Touchdown: pre-flight card", 22, bold=True)
    paper.text(32, 74, "date ____________   place __________________   pilot __________________", 13, QUIET)
    y = 106.0
    for heading, points in CARD.items():
        paper.text(32, y, heading, 16, bold=True)
        for point in points:
            y += 22
            paper.box(34, y - 13, 15, 15, PAPER, INK, radius=2)
            paper.text(60, y, point, 14)
        y += 31
    bottom = len(TAKE_OVER) * 22 + 68
    paper.box(24, y - 16, WIDTH - 48, bottom, "#fdf1f0", BAD)
    paper.text(40, y + 10, "TAKE OVER at once when", 17, BAD, bold=True)
    for number, reason in enumerate(TAKE_OVER):
        paper.text(40, y + 34 + 22 * number, f"•  {reason}", 14)
    last = "Switch to position hold. In GUIDED the sticks do nothing."
    paper.text(40, y + 40 + 22 * len(TAKE_OVER), last, 14, bold=True)
    return str(paper).replace(f'width="{WIDTH}" height="{HEIGHT}"', 'width="148mm" height="210mm"', 1)


def lists() -> str:
    """Return the same points as Markdown."""
    parts = [f"**{heading}**\n\n" + "".join(f"- {point}\n" for point in points) for heading, points in CARD.items()]
    parts.append("**Take over at once when**\n\n" + "".join(f"- {reason}\n" for reason in TAKE_OVER))
    return "\n".join(parts)


def main() -> None:
    """Write the card."""
    FILE.write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
