"""Pictures and labels of every kind that users have: taken for what they are, or named with count, example, remedy."""

from __future__ import annotations

import json
import os
import socket
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landing.errors import DataError
from landing.picture_files import orientation_of, upright
from landing.taxonomy import Taxonomy
from tests.command import call
from tests.trainer import fake_data
from trainer.data.class_lists import ListedClass, read_class_list
from trainer.data.layouts import find_layout, open_pair, open_set
from trainer.data.survey import Asked

TOY = Taxonomy.parse(
    {
        "name": "toy",
        "classes": [
            {"id": 0, "name": "grass", "color_rgb": (0, 180, 0), "role": "landable"},
            {"id": 1, "name": "house", "color_rgb": (200, 0, 0), "role": "obstacle"},
            {"id": 2, "name": "person", "color_rgb": (250, 250, 0), "role": "person"},
        ],
    },
    "toy",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fake_data.folder(tmp_path / "set", worlds=3, per_world=2, split=False)


def images(root: Path) -> list[Path]:
    return sorted((root / "images").iterdir())


def labels(root: Path) -> list[Path]:
    return sorted((root / "labels").iterdir())


def check(root: Path, *more: object) -> tuple[int, str]:
    done = call("trainer", "data", "check", root, "--threads", 1, *more)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def refused(root: Path, kind: str, words: str = "", tell: bool = True) -> str:
    """Checks that a kind of fault is named with its count, example and remedy, by `check` and by what opens a set."""
    status, printed = check(root)
    assert status == 2 and f"\n{kind}: " in printed, printed
    line, example = printed.split(f"\n{kind}: ")[1].splitlines()[:2]
    assert line[0].isdigit() and "; " in line and example.startswith("  ")
    if tell:
        with pytest.raises(DataError, match=rf"{kind}: \d+, the first is .*; .*trainer data check lists all") as caught:
            open_set(root)
        assert words in str(caught.value) and "\n" not in str(caught.value)
    assert words in printed
    return printed


def change(paths: list[Path], made: Callable[[Image.Image], Image.Image], **options: object) -> None:
    for path in paths:
        with Image.open(path) as picture:
            changed = made(picture.copy())
        changed.save(path, **options)


def as_array(made: Callable[[np.ndarray], np.ndarray]) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: Image.fromarray(np.ascontiguousarray(made(np.asarray(picture))))


def coloured(root: Path) -> None:
    change(labels(root), as_array(lambda ids: TOY.palette_bgr[ids][..., ::-1]))


def test_masks_of_0_and_255_are_refused_until_the_user_says_what_they_are(root):
    two = TOY.model_copy(update={"classes": TOY.classes[:2]})
    (root / "taxonomy.toml").write_text(two.to_toml())
    change(labels(root), as_array(lambda ids: np.where(ids > 0, 255, 0).astype(np.uint8)))
    refused(root, "uncertain reading", "--labels-as binary: 0 = grass, 255 = house")
    status, printed = check(root, "--labels-as", "binary")
    assert status == 0 and "labels read as 0 and 255 (binary)" in printed
    data = open_set(root, asked=Asked("binary"))
    assert set(np.unique(data.read(data.samples[0])[1])) <= {0, 1}
    assert check(root, "--labels-as", "index")[0] == 2  # the class that is then in no picture
    split = call("trainer", "data", "split", root, "--out", root / "s.csv")
    assert split.returncode == 2 and "uncertain reading" in split.stderr
    split = call("trainer", "data", "split", root, "--out", root / "s.csv", "--labels-as", "binary")
    assert split.returncode == 0 and "(binary)" in split.stdout


def test_colours_that_are_nearly_the_taxonomys_are_named(root):
    coloured(root)
    assert check(root)[0] == 0
    change(labels(root)[:2], as_array(lambda rgb: np.where(rgb == 180, 178, rgb).astype(np.uint8)))
    printed = refused(root, "near-miss colours", "near grass")
    assert "near-miss colours: 2;" in printed


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_jpeg_compressed_label_maps_are_named(root, suffix):
    coloured(root)
    path = labels(root)[0]
    with Image.open(path) as picture:
        picture.save(path.with_suffix(suffix), "JPEG", quality=85)
    if suffix == ".jpg":
        path.unlink()
        refused(root, "label map of another kind", "1000_00.jpg")
        return
    refused(root, "compressed label map", "its content is JPEG")
    with Image.open(path) as picture:
        picture.copy().save(path, "PNG")  # the damage stays
    refused(root, "compressed label map", "values without a class")


def test_wrong_suffixes_are_named(root):
    picture, label = images(root)[0], labels(root)[1]
    with Image.open(picture) as opened:
        opened.copy().save(picture, "PNG")
    with Image.open(label) as opened:
        opened.copy().save(label, "TIFF")
    assert "wrong suffix: 2;" in refused(root, "wrong suffix", "its content is PNG")


def test_classes_that_no_picture_shows_are_named(root):
    change(labels(root), as_array(lambda ids: np.where(ids == 2, 0, ids)))
    refused(root, "absent class", "person: 0 of 6 pictures", tell=False)
    status, printed = check(root, "--absent-classes", "allow")
    assert status == 0 and "class not shown: 1" in printed


def test_labels_of_no_class_are_named(root):
    change(labels(root)[:3], as_array(lambda ids: np.where(ids == 2, 77, ids)))
    assert "label 77 has no class" in refused(root, "unknown labels", "77 (")
    status, printed = check(root, "--unknown-labels", "ignore", "--absent-classes", "allow")
    assert status == 0 and "label 77 has no class" in printed


def test_sizes_that_differ_are_named(root):
    change(labels(root)[:2], lambda mask: mask.resize((48, 32)))
    assert "label map of another size: 2;" in refused(root, "label map of another size", "48x32, picture 96x64")


def test_one_name_written_in_two_ways_is_one_name(root):
    for path in images(root):
        path.rename(path.with_name(unicodedata.normalize("NFD", f"caf\u00e9{path.name}")))
    for path in labels(root):
        path.rename(path.with_name(unicodedata.normalize("NFC", f"caf\u00e9{path.name}")))
    assert check(root)[0] == 0
    table = root / "split.csv"
    names = [unicodedata.normalize("NFD", sample.name) for sample in open_set(root).samples]
    table.write_text("id,split\n" + "".join(f"{name},train\n" for name in names), "utf-8")
    assert check(root)[0] == 0
    twin = images(root)[0]
    twin.with_name(unicodedata.normalize("NFC", twin.name)).write_bytes(twin.read_bytes())
    refused(root, "name used twice", "caf")


def test_names_that_differ_in_case_are_named(root):
    for path in images(root)[:2]:
        path.rename(path.with_name(f"IMG_{path.name}"))
    for path in labels(root)[:2]:
        path.rename(path.with_name(f"img_{path.name}"))
    assert "names differ in case: 2;" in refused(root, "names differ in case", "its picture is IMG_1000_00.jpg")


def test_pictures_of_kinds_that_are_not_read_are_named(root):
    first, second = images(root)[:2]
    first.rename(first.with_suffix(".heic"))
    second.with_suffix(".dng").write_bytes(b"raw beside its JPEG")
    (root / "images" / "Thumbs.db").write_bytes(b"x")
    assert "picture of another kind: 1;" in refused(root, "picture of another kind", "1000_00.heic")


def test_tiff_pictures_and_label_maps_are_read(root):
    expected = [open_set(root).read(s) for s in open_set(root).samples]
    for path in (*images(root), *labels(root)):
        with Image.open(path) as picture:
            picture.save(path.with_suffix(".tif"))
        path.unlink()
    assert check(root)[0] == 0
    data = open_set(root)
    for sample, pair in zip(data.samples, expected, strict=True):
        for mine, theirs in zip(data.read(sample), pair, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    with Image.open(images(root)[0]) as picture:
        picture.convert("L").save(images(root)[0])
    refused(root, "unreadable picture", "1 band of 8 bits", tell=False)


def turned(root: Path, orientation: int, shown: bool, count: int = 6) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    change(images(root)[:count], lambda picture: picture, exif=exif, quality=95)
    if shown:
        change(labels(root)[:count], as_array(lambda ids: upright(ids, orientation)))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("shown", [True, False])
def test_pictures_with_an_exif_orientation(root, orientation, shown):
    expected = open_set(root).read(open_set(root).samples[0])
    turned(root, orientation, shown)
    if orientation >= 5 and not shown:  # sizes tell
        status, printed = check(root)
        assert status == 0 and f"6 of 6 pictures have EXIF orientation {orientation}: left as stored" in printed
        data = open_set(root)
    else:
        refused(root, "uncertain EXIF turn", f"EXIF orientation {orientation}")
        word = "apply" if shown else "ignore"
        status, printed = check(root, "--exif-turn", word)
        assert status == 0 and "as asked for" in printed
        data = open_set(root, asked=Asked(exif_turn=word))
    image, ids = data.read(data.samples[0])
    assert image.shape[:2] == ids.shape and data.size_wh(data.samples[0]) == (ids.shape[1], ids.shape[0])
    back = {6: 8, 8: 6}.get(orientation, orientation)
    np.testing.assert_array_equal(upright(ids, back) if shown else ids, expected[1])
    difference = (upright(image, back) if shown else image).astype(int) - expected[0]
    assert np.abs(difference).mean() < 3  # saved as JPEG twice


def test_turned_tiff_pictures_are_read_as_stored_until_asked(root):
    data = open_set(root)
    expected = data.read(data.samples[0])[0]
    path = images(root)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(expected[..., ::-1]).save(path.with_suffix(".tif"), exif=exif)
    path.unlink()
    data = open_set(root)
    np.testing.assert_array_equal(data.read(data.samples[0])[0], expected)


def test_a_turned_picture_that_tells_decides_for_those_that_do_not(root):
    turned(root, 6, shown=False)
    exif = Image.Exif()
    exif[0x0112] = 3
    change(images(root)[:2], lambda picture: picture, exif=exif)
    assert orientation_of(images(root)[0].read_bytes()) == 3
    status, printed = check(root)
    assert status == 0 and "EXIF orientation 3, 6: left as stored, as 4 label maps" in printed


@pytest.mark.parametrize(
    ("folders", "name", "text"),
    [
        (
            ("JPEGImages", "SegmentationClass"),
            "labelmap.txt",
            "# label:color_rgb:parts:actions\nsky:0,0,0::\nlawn:0,9,0::\n",
        ),
        (("JPEGImages", "SegmentationClass"), "", ""),
        (("images", "labels"), "classes.csv", "id,name,r,g,b\n0,grass,0,180,0\n1,house,200,0,0\n2,person,250,250,0\n"),
        (("original_images", "label_images_semantic"), "", ""),
        (("low_res_images", "gt/semantic/low_res_label_images"), "", ""),
        (("train/src", "train/gt"), "", ""),
        (("train/seq1/Images", "train/seq1/Labels"), "", ""),
        (("images", "gt/semantic/label_images"), "gt/semantic/class_dict.csv", "name, r, g, b\ngrass, 0, 180, 0\n"),
    ],
)
@pytest.mark.parametrize("by_colour", [False, True])
def test_own_classes_in_a_published_sets_folders_are_not_that_set(root, folders, name, text, by_colour):
    if by_colour:
        coloured(root)
    for old, new in zip(("images", "labels"), folders, strict=True):
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)
    (root / "taxonomy.toml").rename(root.parent / "own.toml")
    if name:
        (root / name).write_text(text)
    status, printed = check(root)
    assert status == 2 and "--taxonomy FILE" in printed
    status, printed = check(root, "--taxonomy", root.parent / "own.toml")
    assert "set: 6 pictures, taxonomy toy" in printed and status == 0
    data = open_set(root, taxonomy_name=str(root.parent / "own.toml"))
    assert (data.name, data.terms) == ("set", "")


def test_a_published_set_is_recognised_by_its_list_or_its_colours_or_named(tmp_path):
    voc = fake_data.aeroscapes(tmp_path / "voc", original=True)
    assert find_layout(voc).evidence == "taken for aeroscapes: classes.csv lists its 12 classes"
    (voc / "classes.csv").unlink()
    with pytest.raises(DataError, match=r"nothing in it says its classes: .* --layout aeroscapes-original"):
        find_layout(voc)
    assert find_layout(voc, "aeroscapes-original").evidence.endswith("named by --layout")
    assert "colours of" in find_layout(fake_data.uavid(tmp_path / "uavid")).evidence
    (voc / "classes.csv").write_text("id,name\n0,person\n1,background\n")
    with pytest.raises(DataError, match=r"classes.csv lists classes of its own \(person, background\)"):
        find_layout(voc, "aeroscapes-original")


@pytest.mark.parametrize(
    "text",
    [
        "id;name;r;g;b\r\n4;lawn;1;2;3\r\n7;pond;0;0;200\r\n",
        "class_id\tclass_name\tcolour\n4\tlawn\t#010203\n7\tpond\t#0000C8\n",
        "label_name,hex,value\nlawn,010203,4\npond,0000c8,7\n",
    ],
)
def test_class_lists_of_spreadsheets_are_read(tmp_path, text):
    (tmp_path / "classes.csv").write_bytes(text.encode("utf-8-sig"))
    listed = read_class_list(tmp_path / "classes.csv").classes
    assert listed == (ListedClass("lawn", 4, (1, 2, 3)), ListedClass("pond", 7, (0, 0, 200)))


def test_a_class_list_that_contradicts_the_taxonomy_is_named(root):
    (root / "classes.csv").write_text("\ufeffid,name\n0,grass\n1,person\n2,house\n", "utf-8")
    refused(root, "class list of other classes", "person is 1 there and 2 in toy")
    (root / "classes.csv").write_text("id,name\n0,lawn\n1,house\n2,person\n")
    status, printed = check(root)
    assert status == 0 and "class names differ: 1" in printed


@pytest.mark.parametrize("parts", [("",), ("train", "valid", "test")])
def test_label_maps_beside_their_pictures(root, parts):
    out = root.parent / "beside"
    for part, picture, label in zip(parts * 6, images(root), labels(root), strict=False):
        (out / part).mkdir(parents=True, exist_ok=True)
        picture.rename(out / part / f"{picture.stem}_jpg.rf.01ab.jpg")
        label.rename(out / part / f"{picture.stem}_jpg.rf.01ab_mask.png")
        (out / part / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, house\n2, person\n")
    with pytest.raises(DataError, match=r"lists classes of its own \(background, house, person\)"):
        open_set(out)
    own = root / "taxonomy.toml"
    status, printed = check(out, "--taxonomy", own)
    assert status == 0 and "6 pictures" in printed
    data = open_set(out, taxonomy_name=str(own))
    parted = None if parts == ("",) else {"train": "train", "valid": "val", "test": "test"}
    assert data.own_split is None if parted is None else set(data.own_split.values()) == set(parted.values())
    pair = open_pair(out / parts[0], out / parts[0], str(own))
    assert len(pair.samples) == 6 // len(parts)


def png(width: int, height: int, content: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(path))


def _link(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(400 << 20)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HOSTILE: dict[str, Callable[[Path], object]] = {
    "orthophoto": lambda path: path.write_bytes(png(14000, 14000)),
    "bomb": lambda path: path.write_bytes(png(100_000, 100_000)),
    "unkept promise": lambda path: path.write_bytes(png(96, 64, zlib.compress(bytes(50)))),
    "fifo": _fifo,
    "socket": _socket,
    "device": _link("/dev/zero"),
    "circle": _link("loop.png"),
    "nowhere": _link("gone"),
    "sparse": _sparse,
    "folder": _folder,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "text": lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("part", ["picture", "label map"])
def test_files_that_are_no_pictures_are_findings(root, kind, part, monkeypatch):
    monkeypatch.chdir(root)
    path = images(root)[0] if part == "picture" else labels(root)[0]
    if kind == "circle":
        path.with_name("loop.png").symlink_to("loop.png")
        path.with_name("loop.png").unlink()
    HOSTILE[kind](path)
    name = f"unreadable {part}"
    if kind == "unkept promise" and part == "picture":
        name = "wrong suffix"  # a PNG called .jpg; OpenCV takes the rest for black
    printed = refused(root, name, tell=name != "unreadable picture" or kind not in ("cut", "unkept promise"))
    assert f"{path.parent.name}/{path.name}" in printed


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("taxonomy.toml", "a = " + "[" * 100_000),
        ("shards.json", "[" * 100_000),
        ("classes.csv", "id,name\n" + "".join(f"{i},c{i}\n" for i in range(5000))),
        ("labelmap.txt", "a\0b\n"),
        ("split.csv", "id,split\n" + "x" * 200_000 + ",train\n"),
    ],
)
def test_texts_without_end_are_refused_in_a_line(root, name, text):
    (root / name).write_text(text)
    status, printed = check(root)
    assert status == 2 and printed.startswith("error: ") and printed.count("\n") == 1


@pytest.mark.parametrize("name", [b"a\xff", b"a\nb", b"a\x1b[31m"])
def test_names_that_are_no_text_are_named_in_one_line(root, name):
    for path in (images(root)[0], labels(root)[0]):
        path.rename(path.with_name(os.fsdecode(name) + path.suffix))
    printed = refused(root, "name that is no text", "images/a\\")
    assert printed.isprintable() or all(line.isprintable() for line in printed.splitlines())


def test_a_folder_of_very_many_files_is_listed_in_bounded_output(root):
    picture = images(root)[0]
    for number in range(1000):
        (root / "images" / f"x{number:06d}.jpg").symlink_to(picture.name)
    status, printed = check(root)
    assert status == 2 and "picture without label map: 1000;" in printed and len(printed.splitlines()) < 30
    assert len(json.loads(check(root, "--json")[1])[0]["findings"]) == 1000
