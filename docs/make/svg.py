"""Simple shapes as SVG: the drawings of the documentation share one look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK, QUIET, PAPER, PANEL = "#1c2733", "#5b6875", "#ffffff", "#eef2f6"
GOOD, BAD, GROUND, SKY = "#14763d", "#b3261e", "#dfead9", "#cfe3f7"
Point = tuple[float, float]


class Drawing:
    """Shapes in pixels, x right, y down, on white paper, so that it reads on a dark page too.

    Args:
        width, height: Of the paper.
        title: One sentence for those who cannot see it.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = width, height
        self._title = title
        self._parts: list[str] = []
        self.box(0.5, 0.5, width - 1, height - 1, PAPER, "#c9d2db", radius=10)

    def _add(self, tag: str, content: str = "", **attributes: object) -> None:
        words = " ".join(
            f'{name.strip("_").replace("_", "-")}="{escape(_number(value))}"'
            for name, value in attributes.items()
            if value is not None
        )
        self._parts.append(f"<{tag} {words}>{content}</{tag}>" if content else f"<{tag} {words}/>")

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, line: str | None = None, radius: float = 6
    ) -> None:
        """A rectangle with round corners."""
        self._add("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, stroke=line)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 14,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
        turn: str | None = None,
    ) -> None:
        """A line of text with its baseline at y."""
        weight = "bold" if bold else None
        self._add(
            "text",
            escape(words),
            x=x,
            y=y,
            font_size=size,
            fill=fill,
            text_anchor=anchor,
            font_weight=weight,
            transform=turn,
        )

    def lines(self, x: float, y: float, lines: Sequence[str], size: float = 14, fill: str = INK) -> None:
        """Lines of text below each other; the first baseline at y."""
        for number, words in enumerate(lines):
            self.text(x, y + number * size * 1.4, words, size, fill)

    def path(
        self,
        points: Sequence[Point],
        line: str = INK,
        width: float = 2,
        fill: str = "none",
        dash: str | None = None,
        closed: bool = False,
        turn: str | None = None,
    ) -> None:
        """Straight pieces through points."""
        data = "M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points) + (" Z" if closed else "")
        joins = {"stroke_linejoin": "round", "stroke_linecap": "round"}
        self._add(
            "path", d=data, stroke=line, stroke_width=width, fill=fill, stroke_dasharray=dash, transform=turn, **joins
        )

    def arrow(self, start: Point, end: Point, line: str = INK, width: float = 2.5) -> None:
        """A line with a head at its end."""
        (x, y), (dx, dy) = end, (end[0] - start[0], end[1] - start[1])
        length = (dx * dx + dy * dy) ** 0.5
        ux, uy = dx / length, dy / length
        base = (x - 9 * ux, y - 9 * uy)
        self.path([start, base], line, width)
        head = [(x, y), (base[0] - 5 * uy, base[1] + 5 * ux), (base[0] + 5 * uy, base[1] - 5 * ux)]
        self.path(head, line, 1, fill=line, closed=True)

    def circle(self, x: float, y: float, radius: float, fill: str, line: str | None = None, width: float = 2) -> None:
        """A circle."""
        self._add("circle", cx=x, cy=y, r=radius, fill=fill, stroke=line, stroke_width=width if line else None)

    def verdict(self, x: float, y: float, good: bool) -> None:
        """A green tick or a red cross, with its word: colour alone would not do."""
        colour, word = (GOOD, "right") if good else (BAD, "wrong")
        self.circle(x, y, 13, colour)
        mark = [(x - 6, y), (x - 1, y + 5), (x + 7, y - 5)] if good else [(x - 5, y - 5), (x + 5, y + 5)]
        self.path(mark, PAPER, 3)
        if not good:
            self.path([(x - 5, y + 5), (x + 5, y - 5)], PAPER, 3)
        self.text(x + 20, y + 5, word, 15, colour, bold=True)

    def __str__(self) -> str:
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'role="img" font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif">'
        )
        return "\n".join([head, f"<title>{escape(self._title)}</title>", *self._parts, "</svg>", ""])


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
