"""`data check` finds everything that is wrong, at once."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.trainer import fake_data
from trainer.data.check import DataReport, check_folder
from trainer.data.layouts import find_layout, open_set
from trainer.data.prepared import prepare
from trainer.data.splitfile import read_split_file


def check(root) -> DataReport:
    table = root / "split.csv"
    return check_folder(find_layout(root), read_split_file(table) if table.exists() else None, absent="allow")


def files(report: DataReport, kind: str) -> list[str]:
    return [finding.file for finding in report.findings if finding.kind == kind]


def detail(report: DataReport, kind: str) -> str:
    return next(finding.detail for finding in report.findings if finding.kind == kind)


def test_a_valid_set_is_valid_and_its_classes_are_counted(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    done = []
    report = check_folder(find_layout(root), done=lambda: done.append(1))
    assert report.valid, report.findings
    assert len(done) == report.pictures == 15
    assert report.sizes == {"96x64": 15}
    rows = report.classes()
    assert sum(row["pixels"] for row in rows) == 15 * 96 * 64
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    data = open_set(root)
    people = [s for s in data.samples if (data.read(s)[1] == 2).any()]
    assert rows[2]["pictures"] == len(people)


def test_everything_that_is_wrong_is_found_in_one_run(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    images, labels = root / "images", root / "labels"
    names = sorted(path.stem for path in images.iterdir())
    (labels / f"{names[0]}.png").unlink()
    (images / f"{names[1]}.jpg").unlink()
    (labels / "stray.png").write_bytes((labels / f"{names[2]}.png").read_bytes())
    whole = (images / f"{names[2]}.jpg").read_bytes()
    (images / f"{names[2]}.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    (labels / f"{names[3]}.png").write_bytes(b"")
    cv2.imwrite(str(labels / f"{names[4]}.png"), np.zeros((32, 48), np.uint8))
    odd = np.zeros((64, 96), np.uint8)
    odd[0, :7], odd[1, :2] = 9, 200
    for name in names[5:7]:
        cv2.imwrite(str(labels / f"{name}.png"), odd)
    cv2.imwrite(str(labels / f"{names[7]}.png"), np.full((64, 96), 255, np.uint8))
    Image.fromarray(np.zeros((64, 96), np.uint16)).save(labels / f"{names[8]}.png")
    shutil.copy(images / f"{names[9]}.jpg", images / f"{names[14]}.jpg")
    cut = (labels / f"{names[10]}.png").read_bytes()
    (labels / f"{names[10]}.png").write_bytes(cut[: len(cut) // 2])
    shutil.copy(images / f"{names[11]}.jpg", images / f"{names[11]}.png")
    with (root / "split.csv").open("a") as table:
        table.write("gone,train\n")

    report = check(root)
    assert not report.valid
    assert files(report, "picture without label map") == [f"images/{names[0]}.jpg"]
    assert files(report, "label map without picture") == [f"labels/{names[1]}.png", "labels/stray.png"]
    assert files(report, "unreadable picture") == [f"images/{names[2]}.jpg"]
    assert "ends too early" in detail(report, "unreadable picture")
    assert files(report, "unreadable label map") == [f"labels/{names[i]}.png" for i in (3, 8, 10)]
    assert files(report, "label map of another size") == [f"labels/{names[4]}.png"]
    assert detail(report, "label map of another size") == "48x32, picture 96x64"
    assert files(report, "unknown labels") == [f"labels/{n}.png" for n in names[5:7]]
    assert detail(report, "unknown labels") == "9 of 6144 px: 9 (7), 200 (2)"
    assert report.unknown == {"9": (14, 2), "200": (4, 2)}
    assert files(report, "nothing labelled") == [f"labels/{names[7]}.png"]
    assert files(report, "same picture in two parts") == [names[9]]
    assert f"{names[14]} (test)" in detail(report, "same picture in two parts")
    assert files(report, "name used twice") == [f"images/{names[11]}.png"]
    assert files(report, "only in the split") == ["1000_00", "1000_01", "gone"]
    json.dumps(report.to_mapping())


def test_unknown_colours_are_named_with_their_pixels_and_files(tmp_path):
    root = fake_data.semantic_drone_low_res(tmp_path / "set")
    for path in sorted(root.rglob("*.png"))[:2]:
        stored = cv2.imread(str(path))
        stored[0, :3] = (3, 2, 1)
        cv2.imwrite(str(path), stored)
    report = check(root)
    assert report.label_format == "rgb"
    assert report.unknown == {"rgb(1,2,3)": (6, 2)}
    assert report.counts["near-miss colours"] == 2


def test_an_empty_folder_and_a_single_picture(tmp_path):
    root = fake_data.folder(tmp_path / "set", worlds=2, per_world=1, split=False)
    first, second = sorted((root / "images").iterdir())
    second.unlink()
    (root / "labels" / f"{second.stem}.png").unlink()
    assert check(root).valid
    first.unlink()
    (root / "labels" / f"{first.stem}.png").unlink()
    assert check(root).counts == {"no pictures": 1}


def test_hardly_present_classes_and_harmless_doubles_are_notes(tmp_path):
    root = fake_data.folder(tmp_path / "set", split=False)
    for path in sorted((root / "labels").iterdir()):
        cv2.imwrite(str(path), np.zeros((64, 96), np.uint8))
    spot = np.zeros((64, 96), np.uint8)
    spot[3, 3] = 2
    cv2.imwrite(str(root / "labels" / "1000_00.png"), spot)
    shutil.copy(root / "images" / "1000_00.jpg", root / "images" / "1000_01.jpg")
    report = check(root)
    assert report.valid
    assert files(report, "class hardly there") == ["person"]
    assert detail(report, "class hardly there") == "1 pictures, 1 px"
    assert report.counts["same picture twice"] == 1
    report = check_folder(find_layout(root))
    assert not report.valid
    assert files(report, "absent class") == ["house"]
    assert detail(report, "absent class") == "0 of 15 pictures"


@pytest.mark.parametrize(("part", "kind"), [("images", "unreadable picture"), ("labels", "unreadable label map")])
def test_one_wrong_bit_in_a_prepared_set_is_found(tmp_path, part, kind):
    data = open_set(fake_data.folder(tmp_path / "set"))
    prepare(data, tmp_path / "copy", (48, 48))
    assert check(tmp_path / "copy").valid
    path = tmp_path / "copy" / part / f"{data.samples[-1].name}.png"
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 30] ^= 1
    path.write_bytes(content)
    assert files(check(tmp_path / "copy"), kind) == [f"{part}/{path.name}"]
