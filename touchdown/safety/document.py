"""A document of headings, paragraphs, lists and tables, written as Markdown or as one HTML page.

Texts hold `code` and [links](address), and nothing else of Markdown.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

_CODE, _LINK = re.compile(r"`([^`]+)`"), re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}th{background:#eee}code{font-size:.9em;overflow-wrap:anywhere}"
)


@dataclass
class SafetyDocument:
    """Blocks in their order; each method adds one."""

    blocks: list[tuple[str, list[list[str]]]] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; level 1 is the title."""
        self.blocks.append((f"h{level}", [[text]]))

    def paragraph(self, text: str) -> None:
        """Add a paragraph."""
        self.blocks.append(("p", [[text]]))

    def bullets(self, texts: list[str]) -> None:
        """Add a list."""
        self.blocks.append(("ul", [[text] for text in texts]))

    def table(self, heads: list[str], rows: list[list[str]]) -> None:
        """Add a table."""
        self.blocks.append(("table", [heads, *rows]))

    def markdown(self) -> str:
        """Return the document as Markdown."""
        parts = []
        for kind, rows in self.blocks:
            if kind == "table":
                lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
                parts.append("\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines))
            elif kind == "ul":
                parts.append("\n".join(f"* {row[0]}" for row in rows))
            else:
                parts.append(("#" * int(kind[1]) + " " if kind[0] == "h" else "") + rows[0][0])
        return "\n\n".join(parts) + "\n"

    def page(self) -> str:
        """Return the document as one HTML page without scripts or other files."""
        title = _plain(self.blocks[0][1][0][0])
        parts = [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><body>'
        ]
        for kind, rows in self.blocks:
            if kind == "table":
                cells = "".join(f"<th>{_inline(cell)}</th>" for cell in rows[0])
                lines = ["".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in rows[1:]]
                body = "".join(f"<tr>{line}</tr>\n" for line in lines)
                parts.append(f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>")
            elif kind == "ul":
                parts.append("<ul>" + "".join(f"<li>{_inline(row[0])}</li>" for row in rows) + "</ul>")
            else:
                parts.append(f"<{kind}>{_inline(rows[0][0])}</{kind}>")
        return "\n".join(parts) + "\n</body></html>\n"


def _plain(text: str) -> str:
    return html.escape(_LINK.sub(r"\1", text).replace("`", ""))


def _inline(text: str) -> str:
    safe = html.escape(text)
    return _CODE.sub(r"<code>\1</code>", _LINK.sub(r'<a href="\2">\1</a>', safe)).replace("&lt;br&gt;", "<br>")
