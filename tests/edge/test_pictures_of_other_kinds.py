"""Pictures that are no 8-bit colour JPEG: read where that is certain, else refused in one line."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.cameras.recordings import read_picture
from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.photo import read_facts
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.errors import CameraError
from landing.settings import DecisionSection

HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0006AZDn*}000000000XXk=`10000000000aA{+700000000000000000000Mrmws"
    "V*mgE07O6l0{{U400002EC2xj00000001li0ssI200LM50RR9100000N&o`@00002q5uH^00000004Oa003fXX>Mi!000000{{R3"
    "6=`l}WdZ;I000310BCk&F#rGn02OI&W@Q2Z00963002dJX=VTb001g!Zf0cy000310{{SRX>DZyVQ_G4X=7n@X>V>Xa%5&Jcx`L|"
    "000004sdC7Z2$lO00031008}IaB^?}007--aAR)(004Gqc4I>U18@KU0FVFx0000U@BsY%`1k+-4+CHT0RR|40Sp2E{{wIU00RJ!"
    "0009300RIXx&lC90096hLID8-Z~y=U0FVFx0{{R603M(qfd!W8<fgf}2xu@M00096AOHXZ03l)k0RRR>0l{;?i2wiq6Ju{|a&BX6"
    "cmM$a4FCp!0000KX>)L8000000000$0000$0000eV{Bn?0000$000010000m000010000000002|NsB+000020000GaA|mH00000"
    "0|*ER0000OX>e^}0000000001009Mo0s{qv0000eX>w&|000000000EV`Ot<00IC30096101jhhb7KGl009620002@ZDe6|0000e"
    "C;_ht;3GA8f9Ze!>v8|{3B+{n@6@CJ2y*GSZ{T^g_vt59R330300006MR;ju002!*04e|g00;m9hiL!=000010000Q0000000NQ<"
    "01N;C00961063%t00RI30096P00000002M|00000002CAI(ThxZDn*}Ab4$TZgV<#JtARbZ(?OSZgV<qWprULB0fBFWM(=<WpiV4"
    "X>fFDZ*CxDI#Ok9VRUJBWkGCoX>@gDWj!J*GcYbNA|PZsM`>+hVQf%obYo~lWoL3_Wj!J-IWR6TA}>BXFL*k5ZE$U6bYVU"
)
"""64x48 px, green over red, by libheif, with EXIF (35 mm equivalent 24 mm) and DJI's XMP: 30 m, straight down."""


def test_heif_is_read_with_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "p.HEIC"
    path.write_bytes(HEIC)
    image = read_picture(path)
    assert image.shape == (48, 64, 3) and image[5, 5, 1] > image[5, 5, 2] and image[40, 5, 2] > image[40, 5, 1]
    facts = read_facts(path)
    assert facts.above_take_off_m is not None and facts.above_take_off_m.value == 30.0
    assert facts.pitch_deg is not None and "35 mm" in facts.focals_px[0].source


def test_heif_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.heic"
    path.write_bytes(HEIC)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(CameraError, match=r'pip install "touchdown-landing\[heif\]"'):
        read_picture(path)


@pytest.mark.parametrize("cut", [0, 40, 400, len(HEIC) - 20])
def test_damaged_heif_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "p.heic"
    path.write_bytes(HEIC[:cut])
    with pytest.raises(CameraError):
        read_picture(path)


def test_bands_and_depths_that_are_no_colour_picture_are_refused(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
    for name, image, words in (
        ("grey.jpg", grey, "1 band of 8 bits"),
        ("band.tif", grey.astype(np.uint16) * 200, "1 band of 16 bits"),
        ("deep.png", np.dstack([grey.astype(np.uint16)] * 3), "3 bands of 16 bits"),
        ("float.tif", grey.astype(np.float32), "1 band of 32 bits"),
    ):
        assert cv2.imwrite(str(tmp_path / name), image)
        with pytest.raises(CameraError, match=words):
            read_picture(tmp_path / name)


def test_alpha_and_palettes_are_colour(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), np.dstack([colour, np.full((30, 40), 9, np.uint8)]))
    assert np.array_equal(read_picture(tmp_path / "a.png"), colour)
    Image.fromarray(colour[..., ::-1].copy()).quantize(16).save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png").shape == (30, 40, 3)


@pytest.mark.parametrize("side", [(1, 1), (2, 1), (1, 5000), (7, 400)])
def test_a_picture_without_room_for_a_person_is_refused(side: tuple[int, int], tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "p.png"), np.full((*side, 3), 90, np.uint8))
    with pytest.raises(CameraError, match=f"has {side[1]}x{side[0]} pixels, at least 8"):
        read_picture(tmp_path / "p.png")


@pytest.mark.parametrize(("suffix", "rows"), [("png", 24), ("webp", 24), ("png", 48)])
def test_pixels_that_are_hidden_are_no_ground(suffix: str, rows: int, tmp_path: Path) -> None:
    hidden = np.full((48, 64, 4), 255, np.uint8)
    hidden[:rows, :, 3] = 0
    Image.fromarray(hidden).save(tmp_path / f"p.{suffix}", lossless=True)
    with pytest.raises(CameraError, match=f" {100 * rows // 48} % of its pixels are transparent"):
        read_picture(tmp_path / f"p.{suffix}")


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.DNG", "undeveloped (raw): develop"), ("a.Avif", "of a kind that is not read (.avif): convert")],
)
def test_pictures_of_a_folder_that_are_not_read_are_named(
    name: str, words: str, tmp_path: Path, model_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"II*\0")
    assert cv2.imwrite(str(tmp_path / "b.png"), np.full((48, 64, 3), 90, np.uint8))
    said: list[str] = []
    records: list[Any] = []
    options = LookOptions(model_path, RuntimeOptions(), DecisionSection(), given=Given(20.0, 70.0, pitch_deg=-90.0))
    summary = Looker(options, said.append, records.append).run([tmp_path])
    assert summary.looked == 1 and any(f"{name}: skipped: {words}" in line for line in said)
    assert len(summary.skipped) == 1 and summary.skipped[0].startswith(f"{name}: {words}")
    with pytest.raises(CameraError, match=re.escape(words)):
        read_picture(tmp_path / name)
