"""The script that makes the README's moving picture, on the first seconds of its flight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docs.make.landing_gif import SHOWN_PX, LivePage, film, save
from tests.browser.test_page import browser

__all__ = ["browser"]

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1_500_000
pytestmark = pytest.mark.browser


def test_it_films_a_flight_on_the_live_page(browser: Any, tmp_path: Path) -> None:
    page = LivePage(browser)
    assert film(page, tmp_path / "flight", until_s=2.6) is None
    assert page.words() == ("confirm", "site found, confirming")
    save(page.shots, tmp_path / "part.webp")
    with Image.open(tmp_path / "part.webp") as part:
        assert part.format == "WEBP" and part.size == SHOWN_PX and part.n_frames == len(page.shots) >= 3
        part.seek(part.n_frames - 1)
        corner = part.convert("RGB").getpixel((5, 5))
    assert max(corner) < 60  # the page's dark header: not white, as an empty page is


def test_the_picture_of_the_readme_is_small_and_moves() -> None:
    path = ROOT / "docs" / "pictures" / "landing.webp"
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as moving:
        assert moving.n_frames > 40
