"""Exports of every form come back as the label map they were made of."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from landing.picture_files import as_stored
from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from tests.command import call
from tests.trainer import export_forms as forms
from trainer.data.layouts import open_set
from trainer.data.samples import read_image
from trainer.importers.roles import guessed_role
from trainer.importers.runs import brush_mask

MAPS = {"DJI_0001.jpg": forms.truth(0), "b 2.jpg": forms.truth(2, (112, 80))}


def imported(folder: Path, form: str, *options: object) -> dict[str, ByteArray]:
    """Label maps of an import by the stems of their pictures, with ids in the order of `CLASSES`."""
    out = folder.parent / "out"
    result = call("trainer", "data", "import", form, folder, "--out", out, *options)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    taxonomy = (out / "taxonomy.toml").read_text()
    assert 'role = "landable?"' in taxonomy and 'role = "person?"' in taxonomy
    refused = call("trainer", "data", "split", out, "--out", folder.parent / "split.csv")
    assert refused.returncode == 2 and "is a guess" in refused.stderr  # what trains refuses, until confirmed
    (out / "taxonomy.toml").write_text(taxonomy.replace('?"', '"'))
    data = open_set(out)
    order = [[c.name for c in data.taxonomy.classes].index(name) for name in forms.CLASSES]
    table = np.full(256, 255, np.uint8)
    table[order] = range(len(order))
    return {sample.name: table[data.read(sample)[1]] for sample in data.samples}


def same(found: dict[str, ByteArray], maps: dict[str, ByteArray] = MAPS) -> None:
    assert len(found) == len(maps)
    for name, truth in maps.items():
        (labels,) = [ids for key, ids in found.items() if key.startswith(Path(name).stem)]
        assert labels.shape == truth.shape
        np.testing.assert_array_equal(labels, truth)


EXPORTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "cvat": ("cvat", lambda root: forms.cvat(root, MAPS)),
    "cvat outlines": ("cvat", lambda root: forms.cvat(root, MAPS, outlines=True)),
    "voc": ("voc", lambda root: forms.voc(root, MAPS)),
    "voc of labelme": ("voc", lambda root: forms.voc(root, MAPS, coloured=False)),
    "coco runs": ("coco", lambda root: forms.coco(root / "a.json", MAPS, "runs", root / "images").parent),
    "coco text": ("coco", lambda root: forms.coco(root / "a.json", MAPS, "text", root / "images").parent),
    "labelme": ("labelme", lambda root: forms.labelme(root, MAPS)),
    "labelme embedded": ("labelme", lambda root: forms.labelme(root, MAPS, embedded=True)),
    "roboflow": ("roboflow", lambda root: forms.roboflow(root, MAPS)),
    "label studio": ("label-studio", lambda root: forms.label_studio(root, MAPS)),
    "label studio, min": ("label-studio", lambda root: forms.label_studio(root, MAPS, flat=True)),
    "label studio, png": ("label-studio", lambda root: forms.brush_pngs(root, MAPS)),
    "supervisely outlines": ("supervisely", lambda root: forms.supervisely(root, MAPS, outlines=True)),
    "supervisely": ("supervisely", lambda root: forms.supervisely(root, MAPS)),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("auto", [False, True])
def test_an_export_is_drawn_to_the_pixel(tmp_path: Path, name: str, auto: bool) -> None:
    form, make = EXPORTS[name]
    same(imported(make(tmp_path / "export"), "auto" if auto else form))


def refused(folder: Path, form: str, *options: object) -> str:
    """The one line of a refused import, which leaves nothing behind."""
    out = folder.parent / "refused"
    result = call("trainer", "data", "import", form, folder, "--out", out, *options)
    assert result.returncode == 2, result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    assert not list(folder.parent.glob("*refused*"))
    return lines[0]


def test_smaller_objects_of_coco_lie_on_larger_ones(tmp_path: Path) -> None:
    root = forms.coco(tmp_path / "export" / "instances_val.json", MAPS, "polygons", tmp_path / "export" / "val").parent
    found = imported(root, "auto")
    for name, truth in MAPS.items():
        filled = truth.copy()
        filled[forms.roof_hole(truth)] = 1  # a COCO polygon has no holes
        np.testing.assert_array_equal(found[Path(name).stem], filled)
    rows = (tmp_path / "out" / "split.csv").read_text().splitlines()
    assert rows[0] == "id,split,group" and all(",val," in row for row in rows[1:])


def test_roboflow_coco_has_parts_copies_and_a_category_that_is_none(tmp_path: Path) -> None:
    root = tmp_path / "export"
    stems = {"train": "DJI_1_jpg.rf.aa.jpg", "valid": "DJI_2_jpg.rf.bb.jpg"}
    for part, name in stems.items():
        file = forms.coco(root / part / "_annotations.coco.json", {name: forms.truth(1)}, "text", root / part)
        value = json.loads(file.read_text())
        for category in value["categories"]:
            category["supercategory"] = "objects"
        value["categories"].insert(0, {"id": 0, "name": "objects", "supercategory": "none"})
        file.write_text(json.dumps(value))
    found = imported(root, "roboflow")
    assert all((ids == forms.truth(1)).all() for ids in found.values()) and len(found) == 2
    assert "objects" not in (tmp_path / "out" / "taxonomy.toml").read_text()
    rows = (tmp_path / "out" / "split.csv").read_text().splitlines()[1:]
    assert sorted(rows) == ["DJI_1_jpg.rf.aa,train,DJI_1_jpg", "DJI_2_jpg.rf.bb,val,DJI_2_jpg"]


def test_same_names_in_two_folders_are_two_pictures_and_overlaps_are_told(tmp_path: Path) -> None:
    maps = {"a/x.jpg": forms.truth(0), "b\\X.jpg": forms.truth(1), "Wüste 1.JPG": forms.truth(2)}
    root = forms.cvat(tmp_path / "export", maps, outlines=True)
    for path in root.rglob("W*"):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    result = call("trainer", "data", "import", "cvat", root, "--out", tmp_path / "out")
    assert "objects that lie on each other: roof over grass" in result.stdout
    written = {p.stem: read_labels(p) for p in (tmp_path / "out" / "labels").iterdir()}
    for name, ids in zip(("a-x", "b-X", "Wüste 1"), maps.values(), strict=True):
        np.testing.assert_array_equal(written[name], ids)


def test_parts_and_copies_of_roboflow_become_a_split(tmp_path: Path) -> None:
    imported(forms.roboflow(tmp_path / "export", MAPS), "roboflow")
    rows = [line.split(",") for line in (tmp_path / "out" / "split.csv").read_text().splitlines()[1:]]
    assert {(row[1], row[2]) for row in rows} == {("val", "DJI_0001_jpg"), ("train", "b 2_jpg")}


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_pictures_are_turned_with_their_labels(tmp_path: Path, orientation: int) -> None:
    """CVAT shows what EXIF says, so labels are for that; the new picture has no turn left to be forgotten."""
    ids = forms.truth(1)
    root = forms.cvat(tmp_path / "export", {"x.jpg": ids})
    stored = Image.fromarray(as_stored(forms.photo(ids), orientation)[..., ::-1].copy())
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(root / "images" / "x.jpg", quality=98, subsampling=0, exif=exif)
    same(imported(root, "cvat"), {"x": ids})
    image = read_image(tmp_path / "out" / "images" / "x.jpg")
    assert image.shape[:2] == ids.shape
    assert np.abs(image.astype(int) - forms.photo(ids)).mean() < 10
    with Image.open(tmp_path / "out" / "images" / "x.jpg") as written:
        assert written.getexif().get(0x0112, 1) == 1
    if orientation < 5:
        voc = forms.voc(tmp_path / "voc", {"x.jpg": ids})
        (voc / "JPEGImages" / "x.jpg").write_bytes((root / "images" / "x.jpg").read_bytes())
        assert "--exif-turn" in refused(voc, "voc")  # nobody knows what a VOC mask was drawn on


def test_what_is_not_labelled_is_ignored_or_a_class_as_the_user_says(tmp_path: Path) -> None:
    root = forms.voc(tmp_path / "export", MAPS)
    (labels,) = [ids for name, ids in imported(root, "voc").items() if name == "DJI_0001"]
    assert (labels == 255).any()
    result = call("trainer", "data", "import", "voc", root, "--out", tmp_path / "two", "--unlabelled", "background")
    assert result.returncode == 0 and "they are 'background'" in result.stdout
    taxonomy = Taxonomy.load_open(tmp_path / "two" / "taxonomy.toml")
    ids = read_labels(tmp_path / "two" / "labels" / "DJI_0001.png")
    background = next(c for c in taxonomy.classes if c.name == "background")
    assert ((ids == background.id) == (MAPS["DJI_0001.jpg"] == 255)).all() and background.role is Role.OBSTACLE


def test_a_given_taxonomy_is_taken_by_name(tmp_path: Path) -> None:
    root = forms.cvat(tmp_path / "export", MAPS)
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\n'
        + "".join(
            f'[[classes]]\nid = {k}\nname = "{name}"\ncolor_rgb = [{k}, 0, 0]\nrole = "{role}"\n'
            for k, (name, role) in enumerate(
                (("water", "water"), ("person", "person"), ("grass", "landable"), ("roof", "obstacle"))
            )
        )
    )
    result = call("trainer", "data", "import", "cvat", root, "--out", tmp_path / "out", "--taxonomy", own)
    assert result.returncode == 0 and "?" not in (tmp_path / "out" / "taxonomy.toml").read_text()
    ids = read_labels(tmp_path / "out" / "labels" / "DJI_0001.png")
    assert ((ids == 2) == (MAPS["DJI_0001.jpg"] == 0)).all()
    own.write_text(own.read_text().replace('"roof"', '"building"'))
    assert "'roof'" in refused(root, "cvat", "--taxonomy", own)


def test_a_brush_mask_of_the_browser_has_literal_values() -> None:
    """A series without repetition is written value by value; Python's encoder of the tool never does that."""
    alpha = [0, 255, 0, 255, 255, 255]
    values = [value for a in alpha for value in (7, 8, 9, a)]
    literal = f"0{1:02b}{len(values[:16]) - 1:04b}" + "".join(f"{value:08b}" for value in values[:16])
    rest = f"0{0:02b}{len(values[16:]) - 1:03b}" + "".join(f"{value:08b}" for value in values[16:])
    bits = f"{len(values):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}{literal}{rest}"
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    assert brush_mask(data, 3, 2, "a mask").tolist() == [[False, True, False], [True, True, True]]


def test_only_known_ground_is_guessed_to_be_landable() -> None:
    landable = ("Grass", "lawn", "gravel_path", "paved-area", "landingPad", "Bare Soil", "meadow")
    others = {
        "car": Role.VEHICLE,
        "ParkedTruck": Role.VEHICLE,
        "swimming pool": Role.WATER,
        "tall-grass": Role.OBSTACLE,
        "grass roof": Role.OBSTACLE,
        "not landable": Role.OBSTACLE,
        "road": Role.OBSTACLE,
        "Klasse 7": Role.OBSTACLE,
        "people": Role.PERSON,
        "person on lawn": Role.PERSON,
        "sky": Role.IGNORE,
    }
    assert {name: guessed_role(name) for name in landable} == dict.fromkeys(landable, Role.LANDABLE)
    assert {name: guessed_role(name) for name in others} == others


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text("utf-8-sig")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def test_what_would_be_lost_is_refused_with_count_and_remedy(tmp_path: Path) -> None:
    root = forms.cvat(tmp_path / "a", MAPS)
    edit(root / "annotations.xml", ("</image>", '<points label="person" points="3,4" z_order="0"></points></image>'))
    assert "2 objects have no area (points person: 2)" in refused(root, "cvat")
    assert (
        call("trainer", "data", "import", "cvat", root, "--skip", "shapeless", "--out", tmp_path / "o").returncode == 0
    )
    (root / "images" / "b 2.jpg").unlink()
    message = refused(root, "cvat", "--skip", "shapeless")
    assert "1 of 2 labelled pictures" in message and "'b 2.jpg'" in message and "--images" in message
    skipped = call(
        "trainer",
        "data",
        "import",
        "cvat",
        root,
        *("--skip", "shapeless", "--skip", "missing", "--out", tmp_path / "p"),
    )
    assert skipped.returncode == 0 and "1 pictures are not there" in skipped.stdout
    forms.write_photo(root / "images" / "b 2.jpg", forms.truth(2, (50, 40)))
    assert "50x40" in refused(root, "cvat", "--skip", "shapeless")
    (root / "images" / "more").mkdir()
    for name in ("b 2.jpg", "DJI_0001.jpg"):
        (root / "images" / "more" / name).write_bytes((root / "images" / name).read_bytes())
    assert "both fit" in refused(root, "cvat", "--skip", "shapeless")
    assert (
        "exists and is not overwritten"
        in call("trainer", "data", "import", "cvat", root, "--out", tmp_path / "o").stderr
    )
    voc = forms.voc(tmp_path / "v", MAPS)
    edit(voc / "labelmap.txt", ("roof:200,0,0", "roof:200,0,1"))
    assert "colours without a class, most of them RGB (200, 0, 0)" in refused(voc, "voc")
    flow = forms.roboflow(tmp_path / "r", MAPS)
    edit(flow / "valid" / "_classes.csv", ("\n3, roof", ""))
    assert "values without a class, as 3" in refused(flow, "roboflow")
    coco = forms.coco(tmp_path / "c" / "a.json", MAPS, "text", tmp_path / "c" / "images").parent
    edit(coco / "a.json", ('"file_name": "b 2.jpg"', '"file_name": "DJI_0001.png"'))
    assert "DJI_0001.jpg is the only file for both" in refused(coco, "coco")


@pytest.mark.parametrize(
    "person",
    [
        '<polygon label="person" points="1,1;20,1;20,20" z_order="-1"></polygon>',
        '<polygon label="person" points="300,1;320,1;320,20" z_order="3"></polygon>',
        '<polygon label="person" points="0.1,0.1;0.4,0.1;0.4,0.3" z_order="3"></polygon>',
    ],
    ids=("below", "outside", "parts-of-1"),
)
def test_a_class_that_is_drawn_and_not_to_be_seen_is_refused(tmp_path: Path, person: str) -> None:
    root = tmp_path / "export"
    forms.write_photo(root / "images" / "a.png", np.zeros((40, 60), np.uint8))
    ground = "".join(
        f'<box label="{label}" xtl="{x}" ytl="0" xbr="{x + 30}" ybr="40" z_order="0"></box>'
        for label, x in (("grass", 0), ("tree", 30))
    )
    (root / "annotations.xml").write_text(
        f'<annotations><image id="0" name="a.png" width="60" height="40">{ground}{person}</image></annotations>'
    )
    message = refused(root, "cvat")
    assert "a.png: 1 objects of 'person' have no pixel" in message and "--skip shapeless" in message
    result = call("trainer", "data", "import", "cvat", root, "--skip", "shapeless", "--out", tmp_path / "out")
    assert result.returncode == 0 and "left out: 'person'" in result.stdout


def test_run_lengths_of_another_size_are_refused(tmp_path: Path) -> None:
    path = forms.coco(tmp_path / "c" / "a.json", MAPS, "text", tmp_path / "c" / "images")
    coco = json.loads(path.read_text())
    size = coco["annotations"][0]["segmentation"]["size"]
    size[:] = size[::-1]
    path.write_text(json.dumps(coco))
    assert f"run lengths are of {size[1]}x{size[0]} pixels" in refused(path.parent, "coco")
    for image in coco["images"]:
        del image["width"], image["height"]
    path.write_text(json.dumps(coco))
    assert "run lengths are of" in refused(path.parent, "coco")


def test_class_names_with_control_characters_are_refused(tmp_path: Path) -> None:
    path = forms.coco(tmp_path / "c" / "a.json", MAPS, "text", tmp_path / "c" / "images")
    edit(path, ('"roof"', '"roof\\u001b[2J"'))
    assert r"'roof\x1b[2J' has control characters" in refused(path.parent, "coco")


def test_unused_classes_and_pictures_are_left_out_with_a_word(tmp_path: Path) -> None:
    root = forms.cvat(tmp_path / "export", {**MAPS, "empty.jpg": forms.truth(4)})
    text = (root / "annotations.xml").read_text("utf-8-sig")
    head, tail = text.split('<image id="2"')
    text = head + '<image id="2"' + tail.split(">", 1)[0] + "></image></annotations>"
    text = text.replace("<labels>", "<labels><label><name>barn</name><color>#112233</color></label>")
    (root / "annotations.xml").write_text(text)
    result = call("trainer", "data", "import", "cvat", root, "--out", tmp_path / "out")
    assert "1 pictures have nothing labelled" in result.stdout and "left out: 'barn'" in result.stdout
    assert "barn" not in (tmp_path / "out" / "taxonomy.toml").read_text()
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "labels" / "DJI_0001.png"), MAPS["DJI_0001.jpg"])


def read_labels(path: Path) -> ByteArray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


def overlap(found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def test_boxes_circles_and_turned_shapes_of_each_tool(tmp_path: Path) -> None:
    """A lawn, and a roof of each shape on it, held against the shape's own formula."""
    width, height = 120, 80
    y, x = np.mgrid[:height, :width] + 0.5
    disc = (x - 60) ** 2 + (y - 40) ** 2 < 20**2
    oval = ((x - 60) / 30) ** 2 + ((y - 40) / 15) ** 2 < 1
    box = (abs(x - 60) < 30) & (abs(y - 40) < 10)
    upright = (abs(x - 60) < 10) & (abs(y - 40) < 30)
    blank = np.full((height, width), 255, np.uint8)

    def roof(form: str, root: Path) -> npt.NDArray[np.bool_]:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        result = call("trainer", "data", "import", form, root, "--out", out)
        assert result.returncode == 0, result.stderr
        names = [c.name for c in Taxonomy.load_open(out / "taxonomy.toml").classes]
        ids = read_labels(out / "labels" / "a.png")
        assert (ids != 255).all() and (ids == names.index("grass")).any()
        return np.asarray(ids == names.index("roof"))

    def cvat(shape: str) -> Path:
        root = tmp_path / f"cvat-{len(list(tmp_path.iterdir()))}"
        forms.write_photo(root / "a.png", blank)
        lawn = '<box label="grass" xtl="0" ytl="0" xbr="120" ybr="80" z_order="0"/>'
        image = f'<image id="0" name="a.png" width="{width}" height="{height}">{shape}{lawn}</image>'
        (root / "a.xml").write_text(f"<annotations>{image}</annotations>")
        return root

    box_of_cvat = '<box label="roof" xtl="30" ytl="30" xbr="90" ybr="50" rotation="{}" z_order="1"/>'
    assert (roof("cvat", cvat(box_of_cvat.format("0"))) == box).all()
    assert overlap(roof("cvat", cvat(box_of_cvat.format("90"))), upright) > 0.97
    ellipse = '<ellipse label="roof" cx="60" cy="40" rx="30" ry="15" z_order="1"/>'
    assert overlap(roof("cvat", cvat(ellipse)), oval) > 0.98

    def studio(**value: object) -> Path:
        root = tmp_path / f"studio-{len(list(tmp_path.iterdir()))}"
        forms.write_photo(root / "a.png", blank)
        lawn = {"x": 0, "y": 0, "width": 100, "height": 100, "rotation": 0, "rectanglelabels": ["grass"]}
        common = {"original_width": width, "original_height": height, "image_rotation": 0}
        regions = [{**common, "value": lawn}, {**common, "value": value}]
        task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": regions}]}
        (root / "a.json").write_text(json.dumps([task]))
        return root

    corner = {"x": 25, "y": 37.5, "width": 50, "height": 25}
    assert (roof("label-studio", studio(**corner, rotation=0, rectanglelabels=["roof"])) == box).all()
    # Label Studio turns about the box's first corner: here (70, 10)
    turned = {"x": 7000 / width, "y": 1000 / height, "width": 6000 / width, "height": 2000 / height}
    assert overlap(roof("label-studio", studio(**turned, rotation=90, rectanglelabels=["roof"])), upright) > 0.97
    radii = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 1500 / height, "rotation": 0}
    assert overlap(roof("label-studio", studio(**radii, ellipselabels=["roof"])), oval) > 0.98
    bitmask = np.zeros((height, width, 4), np.uint8)
    bitmask[disc, 3] = 255
    url = "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", bitmask)[1].tobytes()).decode()
    assert (roof("label-studio", studio(imageDataURL=url, bitmasklabels=["roof"])) == disc).all()

    def labelme(kind: str, points: list[list[float]]) -> Path:
        root = tmp_path / f"labelme-{len(list(tmp_path.iterdir()))}"
        forms.write_photo(root / "a.png", blank)
        lawn = {"label": "grass", "shape_type": "rectangle", "points": [[120, 80], [0, 0]]}
        shapes = [lawn, {"label": "roof", "shape_type": kind, "points": points}]
        (root / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png", "imageData": None}))
        return root

    assert overlap(roof("labelme", labelme("circle", [[60, 40], [60, 60]])), disc) > 0.93
    assert (roof("labelme", labelme("rectangle", [[89, 49], [30, 30]])) == box).all()
    assert (roof("labelme", labelme("polygon", [[30, 30], [89, 30], [89, 49], [30, 49]])) == box).all()
