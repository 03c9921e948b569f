"""Exports made to harm are answered in a line, in bounded memory and time, and leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import resource
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landing.errors import DataError
from tests.command import call
from tests.trainer import export_forms as forms
from trainer.importers.canvas import fill

MAPS = {"a.jpg": forms.truth(0)}
MOST_S = 5.0
MOST_MB = 700


def cvat(old: str, new: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        file = forms.cvat(root, MAPS) / "annotations.xml"
        text = file.read_text("utf-8-sig")
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return make


def coco(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        file = forms.coco(root / "a.json", MAPS, "runs", root / "images")
        value = json.loads(file.read_text())
        change(value)
        file.write_text(json.dumps(value))

    return make


def first(**fields: object) -> Callable[[Path], None]:
    return coco(lambda value: value["annotations"][0].update(fields))


def labelme(change: Callable[[dict[str, Any]], object], embedded: bool = False) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        file = forms.labelme(root, MAPS, embedded) / "a.json"
        value = json.loads(file.read_text())
        change(value)
        file.write_text(json.dumps(value))

    return make


def supervisely(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        file = forms.supervisely(root, MAPS) / "ds" / "ann" / "a.jpg.json"
        value = json.loads(file.read_text())
        change(value["objects"][0])
        file.write_text(json.dumps(value))

    return make


def studio(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        file = forms.label_studio(root, MAPS) / "export.json"
        value = json.loads(file.read_text())
        change(value[0])
        file.write_text(json.dumps(value))

    return make


def voc(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda root: change(forms.voc(root, MAPS) / name) and None


def written(name: str, data: bytes | str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        root.mkdir()
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def special(name: str, make_it: Callable[[Path], object]) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        root.mkdir()
        make_it(root / name)

    return make


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(10 << 30)


def region(task: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(r for r in task["annotations"][0]["result"] if kind in r["value"])


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


LAUGHS = '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotations>&b;</annotations>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>'
PNG_BOMB = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 99999, 99999, 8, 0, 0, 0, 0, 0)

CASES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "entities": ("cvat", written("a.xml", LAUGHS)),
    "outside entity": ("cvat", written("a.xml", OUTSIDE)),
    "deep XML": ("cvat", written("a.xml", "<annotations>" + "<a>" * 100_000)),
    "cut XML": ("cvat", written("a.xml", "<annotations><image")),
    "XML in UTF-16": ("cvat", written("a.xml", '<?xml version="1.0"?><annotations/>'.encode("utf-16"))),
    "video": ("cvat", cvat("<image ", '<track id="0" label="grass"></track><image ')),
    "no size": ("cvat", cvat('width="96"', "")),
    "size of words": ("cvat", cvat('width="96"', 'width="wide"')),
    "size of nothing": ("cvat", cvat('width="96"', 'width="-5"')),
    "size without end": ("cvat", cvat('width="96"', 'width="1e999"')),
    "mask without end": ("cvat", cvat('rle="0, ', 'rle="0, 99999999999999999999, ')),
    "mask of minus": ("cvat", cvat('rle="0, ', 'rle="0, -7, ')),
    "mask of words": ("cvat", cvat('rle="0, ', 'rle="zero, ')),
    "mask as large as the moon": ("cvat", cvat('top="', 'height="999999999" top="')),
    "z_order of words": ("cvat", cvat('z_order="0"', 'z_order="top"')),
    "unknown shape": ("cvat", cvat("</image>", '<blob label="grass"></blob></image>')),
    "far polygon": ("cvat", cvat("</image>", '<polygon label="roof" points="1,1;9e9,3;4,4"/></image>')),
    "polygon of NaN": ("cvat", cvat("</image>", '<polygon label="roof" points="1,1;nan,3;4,4"/></image>')),
    "polygon of two": ("cvat", cvat("</image>", '<polygon label="roof" points="1,1;2,3"/></image>')),
    "climbing name": ("cvat", cvat('name="a.jpg"', 'name="../../../../etc/passwd"')),
    "absolute name": ("cvat", cvat('name="a.jpg"', 'name="/dev/zero"')),
    "empty name": ("cvat", cvat('name="a.jpg"', 'name=" "')),
    "same name": (
        "cvat",
        cvat(
            "</annotations>",
            '<image id="5" name="a.jpg" width="96" height="64"><box label="roof" '
            'xtl="1" ytl="1" xbr="9" ybr="9"/></image></annotations>',
        ),
    ),
    "deep JSON": ("auto", written("a.json", "[" * 500_000)),
    "many nodes": ("coco", written("a.json", "[" + "[]," * 10_000_001 + "[]]")),
    "long number": ("coco", written("a.json", '{"images": [' + "9" * 6000 + "]}")),
    "JSON of NULs": ("coco", written("a.json", bytes(5000))),
    "sparse": ("coco", special("a.json", sparse)),
    "FIFO": ("auto", special("a.json", os.mkfifo)),
    "FIFO of XML": ("cvat", special("a.xml", os.mkfifo)),
    "device": ("labelme", special("a.json", lambda path: path.symlink_to("/dev/zero"))),
    "nothing": ("auto", special("notes.txt", lambda path: path.write_text("x"))),
    "list of lists": ("label-studio", written("a.json", "[[[]]]")),
    "images of numbers": ("coco", coco(lambda value: value.update(images=[1, 2]))),
    "categories of text": ("coco", coco(lambda value: value.update(categories="grass"))),
    "id of list": ("coco", coco(lambda value: value["images"][0].update(id=[1]))),
    "ids twice": ("coco", coco(lambda value: value["images"].append(value["images"][0]))),
    "runs too many": ("coco", first(segmentation={"size": [64, 96], "counts": [2**62, 2**62, 2**62, 2**62]})),
    "runs of text": ("coco", first(segmentation={"size": [64, 96], "counts": ["a"]})),
    "runs in bad text": ("coco", first(segmentation={"size": [64, 96], "counts": "\x7f\x10oooooooooooooooooooo"})),
    "runs as large as the moon": ("coco", first(segmentation={"size": [10**9, 10**9], "counts": [1]})),
    "long outline": ("coco", first(segmentation=[list(range(400_010))])),
    "panoptic": ("coco", first(segments_info=[])),
    "picture of words": ("labelme", labelme(lambda value: value.update(imageData="x!"), embedded=True)),
    "picture bomb": (
        "labelme",
        labelme(lambda value: value.update(imageData=base64.b64encode(PNG_BOMB).decode()), embedded=True),
    ),
    "mask bomb": (
        "labelme",
        labelme(lambda value: value["shapes"][0].update(mask=base64.b64encode(PNG_BOMB).decode())),
    ),
    "points of words": ("labelme", labelme(lambda value: value["shapes"][0].update(points=[["a", "b"], [1, 2]]))),
    "shape of list": ("labelme", labelme(lambda value: value["shapes"][0].update(shape_type=["mask"]))),
    "zlib bomb": ("supervisely", supervisely(lambda value: value["bitmap"].update(data=packed(bytes(40 << 20))))),
    "zlib cut": ("supervisely", supervisely(lambda value: value["bitmap"].update(data=value["bitmap"]["data"][:40]))),
    "origin of words": ("supervisely", supervisely(lambda value: value["bitmap"].update(origin=["x", 1]))),
    "brush of text": ("label-studio", studio(lambda task: region(task, "rle")["value"].update(rle="abc"))),
    "brush of huge bytes": ("label-studio", studio(lambda task: region(task, "rle")["value"].update(rle=[1, 2, 999]))),
    "brush cut": (
        "label-studio",
        studio(lambda task: region(task, "rle")["value"].update(rle=region(task, "rle")["value"]["rle"][:20])),
    ),
    "two labels": (
        "label-studio",
        studio(lambda task: region(task, "rle")["value"].update(brushlabels=["grass", "roof"])),
    ),
    "turned in the tool": ("label-studio", studio(lambda task: region(task, "rle").update(image_rotation=90))),
    "no picture named": ("label-studio", studio(lambda task: task.update(data={"text": "hello"}))),
    "label map bomb": ("voc", voc("SegmentationClass/a.png", lambda path: path.write_bytes(PNG_BOMB))),
    "label map FIFO": ("voc", voc("SegmentationClass/a.png", lambda path: (path.unlink(), os.mkfifo(path)))),
    "label map of JPEG": (
        "voc",
        voc(
            "SegmentationClass/a.png",
            lambda path: path.write_bytes((path.parents[1] / "JPEGImages" / "a.jpg").read_bytes()),
        ),
    ),
    "picture FIFO": ("voc", voc("JPEGImages/a.jpg", lambda path: (path.unlink(), os.mkfifo(path)))),
    "list of words": ("voc", voc("labelmap.txt", lambda path: path.write_text("grass is green"))),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_export_is_answered_in_a_line(tmp_path: Path, name: str) -> None:
    form, make = CASES[name]
    root = tmp_path / "export"
    make(root)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    result = call("trainer", "data", "import", form, root, "--out", tmp_path / "out")
    assert time.monotonic() - start < MOST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MB << 10
    lines = result.stderr.strip().splitlines()
    assert result.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    assert len(lines[0]) < 1000
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_an_outline_that_crosses_all_rows_again_and_again_is_refused() -> None:
    ring = np.array([[k % 50, 2000 * (k % 2)] for k in range(20_000)], np.float64)
    with pytest.raises(DataError, match="crosses rows of pixels"):
        fill([ring], (50, 2000))
