"""Relative links of every page lead to a file, and to a heading that it has."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from tests.docs.pages import ROOT, anchors, links, pages


def test_links_lead_somewhere() -> None:
    wrong, count = [], 0
    for page in pages():
        for link in links(page):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            name = page.relative_to(ROOT)
            if not target.exists():
                wrong.append(f"{name}: {link}: no such file")
            elif not target.is_relative_to(ROOT):
                wrong.append(f"{name}: {link}: outside of the repository")
            elif parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
                wrong.append(f"{name}: {link}: no such heading; there are {', '.join(sorted(anchors(target)))[:300]}")
    assert not wrong, "\n".join(wrong)
    assert count > 0
