"""Contact sheets show the pictures, the masks, every class that occurs, and replace nothing of the user's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from landing.taxonomy import Taxonomy
from tests.command import call
from tests.trainer import fake_data


def check(root: Path, sheets: Path) -> str:
    result = call("trainer", "data", "check", root, "--pictures", sheets)
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def has_colour(page: Path, rgb: tuple[int, int, int], least: int) -> bool:
    with Image.open(page) as picture:
        away = np.abs(np.asarray(picture.convert("RGB")).astype(int) - rgb).max(axis=2)
    return int((away < 24).sum()) >= least


def test_a_sheet_has_masks_over_pictures_and_a_row_for_each_class(tmp_path: Path) -> None:
    root = fake_data.folder(tmp_path / "set")
    printed = check(root, tmp_path / "sheet.png")
    assert f"contact sheets: {tmp_path / 'sheet.png'}, {tmp_path / 'sheet-2.png'}" in printed
    taxonomy = Taxonomy.load(root / "taxonomy.toml")
    for c in taxonomy.classes:
        for page in ("sheet.png", "sheet-2.png"):
            assert has_colour(tmp_path / page, c.color_rgb, 300)
    check(root, tmp_path / "folder")
    assert (tmp_path / "folder" / "sheet-1.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()
    check(root, tmp_path / "sheet.png")  # a sheet is replaced


def test_a_sheet_has_a_bounded_size_and_replaces_no_picture(tmp_path: Path) -> None:
    root = fake_data.folder(tmp_path / "set", worlds=14)
    large = fake_data.picture(Taxonomy.load(root / "taxonomy.toml"), 7, (2400, 1800))
    fake_data.write_pair(root / "images", root / "labels", "1000_00", large)
    check(root, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width < 2000 and picture.height < 1200
    photo = next((root / "images").iterdir())
    before = photo.read_bytes()
    png = root / "labels" / f"{photo.stem}.png"
    kept = png.read_bytes()
    assert "is no contact sheet" in check(root, png)
    assert png.read_bytes() == kept and photo.read_bytes() == before
    (tmp_path / "x.png").write_text("notes")
    assert "is no contact sheet" in check(root, tmp_path / "x.png")


def test_a_sheet_of_a_set_with_faults_leaves_them_out(tmp_path: Path) -> None:
    root = fake_data.folder(tmp_path / "set")
    first, second, *_ = sorted((root / "images").iterdir())
    first.write_bytes(first.read_bytes()[:200])
    cv2.imwrite(str(root / "labels" / f"{second.stem}.png"), np.zeros((8, 8), np.uint8))
    assert "NOT valid" in check(root, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file()
