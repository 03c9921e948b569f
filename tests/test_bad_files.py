"""Every file that a command reads may be something else: it is answered in words, at once."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from landing.errors import ConfigError, DataError
from landing.picture_files import MOST_PIXELS, picture_size, size_of
from landing.reading import read_toml
from tests.edge import fake_model
from tests.trainer.fake_data import picture, write_pair
from touchdown.cli import cli, run

pytestmark = pytest.mark.timeout(240)

SPARSE_BYTES = 10 << 30


def write_socket(path: Path, stack: ExitStack) -> None:
    door = stack.enter_context(socket.socket(socket.AF_UNIX))
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        door.bind(path.name)
    finally:
        os.chdir(here)


def write_sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(SPARSE_BYTES)


KINDS: dict[str, Callable[[Path, ExitStack], object]] = {
    "FIFO": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: path.mkdir(),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
    "socket": write_socket,
    "dangling": lambda path, _: path.symlink_to("nowhere"),
    "circle": lambda path, _: path.symlink_to(path.name),
    "empty": lambda path, _: path.write_bytes(b""),
    "random": lambda path, _: path.write_bytes(np.random.default_rng(1).bytes(5000)),
    "UTF-16": lambda path, _: path.write_text("[model]\nx = 1\n", "utf-16"),
    "nested": lambda path, _: path.write_text("a=" + "[" * 100_000),
    "NULs": lambda path, _: path.write_bytes(bytes(3000)),
    "sparse": lambda path, _: write_sparse(path),
}


@dataclass(frozen=True)
class Case:
    """A command that reads a file.

    Attributes:
        words: Of the command line; `{bad}` is the file, `{folder}` where it lies.
        name: Of the file.
        fine: Kinds that are nothing wrong.
    """

    words: str
    name: str
    fine: frozenset[str] = frozenset()


CASES = [
    Case("edge check -c {bad}", "edge.toml"),
    Case("edge serve -c {bad}", "edge.toml"),
    Case("edge look {folder}/good.png -m {bad} --no-pictures", "model.onnx"),
    Case("edge look {folder}/good.png -m {bad} --no-pictures", "model.engine"),
    Case("edge look {bad} -m {model} --height-agl-m 20 --hfov-deg 70 --assume-nadir --no-pictures", "photo.jpg"),
    Case("edge look {bad} -m {model} --height-agl-m 20 --hfov-deg 70 --assume-nadir --no-pictures", "clip.mp4"),
    Case("edge look {folder}/good.png -m {model} --height-agl-m 20 --assume-nadir --calibration {bad}", "c.yaml"),
    Case(
        "edge look {folder}/good.png -m {model} --height-agl-m 9 --hfov-deg 70 --assume-nadir --no-pictures "
        "--labels {folder} --label-taxonomy {bad}",
        "classes.toml",
    ),
    Case("edge replay {bad}", "flight.mcap"),
    Case("edge mine {bad} --out {folder}/mined", "flight.mcap"),
    Case("edge tlog {bad} --out {folder}/x.tlog", "flight.mcap"),
    Case("edge calibrate {bad} --out {folder}/x.png", "flight.mcap"),
    Case("edge check --skip-link -c {folder}/camera.toml", "clip.mp4"),
    Case("edge serve -c {folder}/kept.toml", "kept.json"),
    Case("edge serve -c {folder}/key.toml", "link.key"),
    Case("edge serve -c {folder}/token.toml", "token"),
    Case("trainer data check {data}", "data/images/a.jpg"),
    Case("trainer data check {data}", "data/labels/a.png"),
    Case("trainer data check {data}", "data/taxonomy.toml"),
    Case("trainer data check {data} --split {bad}", "split.csv"),
    Case("trainer data check {folder}/set", "set/shards.json"),
    Case("trainer predict {bad} {folder}/good.png --out {folder}/p", "model.pt"),
    Case("export info {bad}", "model.onnx"),
    Case("export info {bad}", "model.engine"),
    Case("export onnx {bad} -o {folder}/x.onnx", "model.pt"),
    Case("export adopt {bad} -o {folder}/x.onnx --taxonomy synthetic", "model.onnx"),
    Case("export int8 {bad} --calibrate {folder}/pictures", "model.onnx"),
    Case("export verify {model} {bad} --data {folder}/pictures", "model.onnx"),
    Case("export verify {model} {model} --data {folder}/pictures", "pictures/b.png"),
    Case("export verify {model} {model} --data {folder}/pictures --split {bad} --split-column s", "split.csv"),
    Case("deploy install {bad} --root {folder}/root --trusted-key {folder}/key.pub", "b.tar.zst"),
    Case("deploy install {folder}/good.png --root {folder}/root --trusted-key {bad}", "k.pub"),
    Case("deploy bundle -m {model} -c {bad} --key {folder}/key --out {folder}/o.tar.zst", "e.toml"),
    Case("bridge monitor --config {bad} --seconds 0.1 --plain", "edge.toml", frozenset({"empty"})),
    Case("bridge doctor --config {bad} --link udpin:127.0.0.1:0 --listen 0", "edge.toml", frozenset({"empty"})),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Good files beside the bad one."""
    from landing.taxonomy import Taxonomy

    fake_model.save(tmp_path / "good.onnx")
    cv2.imwrite(str(tmp_path / "good.png"), fake_model.photograph(160, 120))
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), fake_model.photograph(160, 120))
    (tmp_path / "set").mkdir()
    taxonomy = Taxonomy.load("synthetic")
    data = tmp_path / "data"
    for seed, name in enumerate(("a", "b", "c")):
        write_pair(data / "images", data / "labels", name, picture(taxonomy, seed))
    (data / "taxonomy.toml").write_text(taxonomy.to_toml())
    base = (
        f'[model]\npath = "{tmp_path}/good.onnx"\n[camera]\nwidth_px = 160\nheight_px = 120\n'
        'hfov_deg = 70\nsource = "file://clip.mp4"\n[link]\nconnection = "udpin:127.0.0.1:0"\n'
    )
    (tmp_path / "camera.toml").write_text(base)
    (tmp_path / "kept.toml").write_text(base + '[expert.link]\nparameters = "kept.json"\n')
    (tmp_path / "key.toml").write_text(base + 'signing_key = "link.key"\n')
    (tmp_path / "token.toml").write_text(base + '[preview]\ntoken_file = "token"\n')
    with pytest.raises(SystemExit):
        run(cli, "touchdown", ["deploy", "keygen", "--out", str(tmp_path / "key")])
    yield tmp_path


def answer(command: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run(cli, "touchdown", command.split())
    said = capfd.readouterr()
    status = ended.value.code
    return (status if isinstance(status, int) else 1), said.out + said.err


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.words.split(' {')[0]}-{c.name}")
def test_a_file_of_another_kind(case: Case, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad = folder / case.name
    command = case.words.format(bad=bad, folder=folder, model=folder / "good.onnx", data=folder / "data")
    wrong = []
    for kind, write in KINDS.items():
        if kind in case.fine:
            continue
        if bad.is_dir():
            bad.rmdir()
        bad.unlink(missing_ok=True)
        with ExitStack() as stack:
            write(bad, stack)
            status, said = answer(command, capfd)
        if status == 0 or bad.name not in said or "Traceback" in said:
            wrong.append(f"{kind}: {status} {said[-300:]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("words", "name", "good"),
    [
        (
            "edge look {bad} -m {model} --height-agl-m 20 --hfov-deg 70 --assume-nadir --no-pictures",
            "photo.png",
            "good.png",
        ),
        (
            "edge look {folder}/good.png -m {bad} --height-agl-m 20 --hfov-deg 70 --assume-nadir",
            "cut.onnx",
            "good.onnx",
        ),
        ("trainer data check {data}", "data/images/a.jpg", "data/images/b.jpg"),
        ("trainer data check {data}", "data/labels/a.png", "data/labels/b.png"),
        ("trainer data check {data}", "data/taxonomy.toml", "data/taxonomy.toml"),
        ("export info {bad}", "cut.onnx", "good.onnx"),
        ("export verify {model} {model} --data {folder}/pictures", "pictures/a.png", "good.png"),
        ("deploy install {folder}/good.png --root {folder}/root --trusted-key {bad}", "k.pub", "key.pub"),
    ],
)
def test_a_file_that_was_not_copied_whole(
    words: str, name: str, good: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, bad = (folder / good).read_bytes(), folder / name
    command = words.format(bad=bad, folder=folder, model=folder / "good.onnx", data=folder / "data")
    for share in (0.02, 0.3, 0.9):
        bad.write_bytes(whole[: int(share * len(whole))])
        status, said = answer(command, capfd)
        assert status != 0 and bad.name in said, (share, said)
        assert "Traceback" not in said


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
def test_a_picture_with_too_many_pixels_is_not_decoded(
    suffix: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Headers of orthophotos: nothing would have to follow for a decoder to ask for the memory.
    side = 14_000
    headers = {
        ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", side, side) + b"\x08\2\0\0\0",
        ".jpg": b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x11\x08" + struct.pack(">HH", side, side),
        ".tif": b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHIIHHII", 256, 4, 1, side, 257, 4, 1, side),
        ".bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, side, -side),
        ".webp": b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0" + (side - 1).to_bytes(3, "little") * 2,
    }
    data = headers[suffix] + bytes(40) + b"\xff\xd9IEND"
    assert size_of(data) == (side, side)
    photo = folder / f"ortho{suffix}"
    photo.write_bytes(data)
    shown = f"{side}x{side} pixels, at most {MOST_PIXELS // 1_000_000} million"
    look = f"edge look {photo} -m {folder}/good.onnx --height-agl-m 20 --hfov-deg 70 --assume-nadir --no-pictures"
    status, said = answer(look, capfd)
    assert status == 2 and shown in said
    (folder / "data" / "images" / "a.jpg").write_bytes(data)
    (folder / "data" / "labels" / "b.png").write_bytes(data)
    status, said = answer(f"trainer data check {folder}/data", capfd)
    assert status != 0 and said.count(shown) == 2, said


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_an_animation_is_no_photograph(suffix: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pages = [Image.fromarray(np.full((240, 320, 3), 40 * k, np.uint8)) for k in range(3)]
    photo = folder / f"loop{suffix}"
    pages[0].save(photo, save_all=True, append_images=pages[1:])
    options = f"-m {folder}/good.onnx --height-agl-m 20 --hfov-deg 70 --assume-nadir --no-pictures"
    status, said = answer(f"edge look {photo} {options}", capfd)
    assert status == 2 and "is an animation: give one of its pictures, or a video" in said
    pages[0].save(photo)
    status, said = answer(f"edge look {photo} {options}", capfd)
    assert "animation" not in said


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp"])
@pytest.mark.parametrize("shape", [(37, 90), (300, 1), (5, 4097)])
def test_the_size_in_a_header_is_that_of_the_picture(suffix: str, shape: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), np.full((*shape, 3), 90, np.uint8))
    assert picture_size(path, "picture", DataError) == (shape[1], shape[0])


def test_dots_in_words_and_comments_are_no_key(tmp_path: Path) -> None:
    dots = "." * 150
    path = tmp_path / "a.toml"
    path.write_text(f"# {dots}\na = \"{dots}\"  # {dots}\nb = '{dots}'\n")
    assert read_toml(path, "config", ConfigError) == {"a": dots, "b": dots}
    path.write_text(".".join(['"a"'] * 150) + " = 1\n")
    with pytest.raises(ConfigError, match="a key of more than 100 parts"):
        read_toml(path, "config", ConfigError)
