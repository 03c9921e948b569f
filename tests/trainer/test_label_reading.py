"""The evidence that decides how label maps are read, over a whole set; what is not certain is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from landing.errors import DataError
from landing.labels.maps import MaskFacts, decode_labels, read_mask_facts
from landing.labels.reading import LabelReading, decide, voc_colour
from landing.taxonomy import ClassInfo, Role, Taxonomy
from landing.types import ByteArray
from tests.trainer import fake_data
from trainer.data.choice import open_data
from trainer.data.layouts import open_set
from trainer.recipe import DataChoice, Recipe

IDS = np.repeat(np.array([[0, 1], [2, 3]], np.uint8), 8, axis=0).repeat(8, axis=1)
"""A label map with four classes."""


def taxonomy(*colours: tuple[int, int, int]) -> Taxonomy:
    roles = (Role.LANDABLE, Role.OBSTACLE, Role.PERSON, Role.WATER)
    classes = tuple(ClassInfo(id=i, name=f"c{i}", color_rgb=c, role=roles[i]) for i, c in enumerate(colours))
    return Taxonomy(name="mine", classes=classes)


FOUR = taxonomy((0, 200, 0), (0, 80, 0), (200, 0, 0), (0, 0, 200))
BLACK_WHITE = taxonomy((0, 0, 0), (255, 255, 255))
RED_BLUE = taxonomy((200, 0, 0), (0, 0, 200))


def indexed(ids: ByteArray, colours: list[tuple[int, int, int]]) -> Image.Image:
    picture = Image.fromarray(ids, "P")
    picture.putpalette([v for colour in colours for v in colour])
    return picture


def in_colours(ids: ByteArray, classes: Taxonomy) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(classes.palette_bgr[ids][..., ::-1]))


def facts(folder: Path, *pictures: Image.Image) -> list[MaskFacts]:
    found = []
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
        found.append(read_mask_facts(folder / f"{number}.png"))
    return found


def read(folder: Path, reading: LabelReading, classes: Taxonomy, number: int = 0) -> ByteArray:
    path = folder / f"{number}.png"
    return decode_labels(path.read_bytes(), path, classes, reading.reading)


COLOURS = [c.color_rgb for c in FOUR.classes]
REORDERED = COLOURS[::-1]


@pytest.mark.parametrize(
    ("picture", "classes", "reading"),
    [
        (Image.fromarray(IDS), FOUR, "index"),
        (Image.fromarray(np.where(IDS == 1, 255, IDS).astype(np.uint8)), FOUR, "index"),
        (Image.fromarray(np.repeat(IDS[..., None], 3, axis=2)), FOUR, "index"),
        (indexed(IDS, COLOURS), FOUR, "index"),
        (indexed(3 - IDS, REORDERED), FOUR, "palette"),
        (indexed(IDS, [voc_colour(i) for i in range(4)]), FOUR, "index"),
        (indexed(IDS + 40, [(9, 9, 9)] * 40 + COLOURS), FOUR, "palette"),
        (in_colours(IDS, FOUR), FOUR, "rgb"),
        (in_colours(IDS, FOUR).convert("RGBA"), FOUR, "rgb"),
        (Image.fromarray(IDS < 2), BLACK_WHITE, "rgb"),
        (Image.fromarray(IDS < 2), RED_BLUE, "binary"),
        (
            Image.fromarray(np.array([0, 128, 255], np.uint8)[IDS.clip(0, 2)]),
            taxonomy(*[(v, v, v) for v in (0, 128, 255)]),
            "rgb",
        ),
    ],
)
def test_a_certain_reading_gives_every_pixel_its_class(tmp_path, picture, classes, reading):
    found = decide(facts(tmp_path, picture), classes)
    assert (found.reading, found.doubt) == (reading, "")
    assert "\n" not in str(found) and "1 " in found.evidence
    ids = read(tmp_path, found, classes)
    assert ids.dtype == np.uint8 and ids.shape == IDS.shape
    if len(classes) == 4:
        np.testing.assert_array_equal(ids[ids != 255], IDS[ids != 255])
    elif len(classes) == 3:
        np.testing.assert_array_equal(ids, IDS.clip(0, 2))
    else:
        np.testing.assert_array_equal(ids, IDS < 2)


@pytest.mark.parametrize(
    ("pictures", "classes", "words"),
    [
        ([Image.fromarray(IDS // 2 * 255)], RED_BLUE, ["--labels-as index: 0 = c0, 255 = not labelled", "255 = c1"]),
        ([Image.fromarray(IDS // 2 * 255)], BLACK_WHITE, ["no c1 anywhere", "--labels-as rgb"]),
        ([Image.fromarray(IDS // 2 * 255)], FOUR, ["0 and 255 alone", "its 128 px are lost"]),
        (
            [Image.fromarray(IDS // 2), Image.fromarray(IDS // 2 * 255)],
            BLACK_WHITE,
            ["1 label maps hold 0 and 255 alone"],
        ),
        ([Image.fromarray(IDS // 2 * 255), Image.fromarray(np.array([0, 0, 1, 255], np.uint8)[IDS])], RED_BLUE, []),
        (
            [Image.fromarray(np.array([0, 1, 255, 255], np.uint8)[IDS])],
            taxonomy((9, 0, 0), (0, 9, 0), (255,) * 3),
            ["its id 2"],
        ),
        ([indexed(IDS, [COLOURS[0], COLOURS[2], (7, 99, 7), (99, 7, 7)])], FOUR, ["index 1 (c1) has the colour of c2"]),
        (
            [indexed(IDS, [COLOURS[0], (198, 3, 1), (7, 99, 7), (99, 7, 7)])],
            FOUR,
            ["index 1 (c1) has the colour of c2"],
        ),
        ([indexed(IDS, [(9, 50, 9)] * 4), indexed(IDS, [(50, 9, 9)] * 4)], FOUR, ["palettes differ: index 0"]),
        ([indexed(IDS, REORDERED), Image.fromarray(IDS)], FOUR, ["colour of c3"]),
        ([indexed(IDS * 0, [COLOURS[3]])], FOUR, ["--labels-as index: 0 rgb(0,0,200) = c0", "= c3"]),
        ([Image.fromarray(IDS < 2)], taxonomy((255, 255, 255), (0, 0, 0)), ["--labels-as binary"]),
        (
            [indexed(IDS, [voc_colour(i) for i in range(4)])],
            taxonomy(*[voc_colour(i) for i in (3, 1, 2, 0)]),
            ["can be read in 2 ways"],
        ),
    ],
)
def test_what_is_not_certain_is_refused_with_the_setting_that_decides(tmp_path, pictures, classes, words):
    found = decide(facts(tmp_path, *pictures), classes)
    if not words:  # a set with the id itself shows that 255 is "not labelled"
        assert (found.reading, found.doubt) == ("index", "")
        return
    assert found.doubt and "--labels-as" in found.doubt and "\n" not in found.doubt
    for word in words:
        assert word in found.doubt
    decided = decide(facts(tmp_path, *pictures), classes, "index")
    assert (decided.reading, decided.doubt) == ("index", "")


def test_some_files_with_another_palette_are_read_by_colour(tmp_path):
    masks = facts(tmp_path, indexed(IDS, COLOURS), indexed(3 - IDS, REORDERED))
    found = decide(masks, FOUR)
    assert found.reading == "palette" and not found.doubt
    for number in (0, 1):
        np.testing.assert_array_equal(read(tmp_path, found, FOUR, number), IDS)


def test_a_colour_of_two_classes_is_no_class(tmp_path):
    twice = replace_colours(FOUR, [COLOURS[0], COLOURS[0], COLOURS[2], COLOURS[3]])
    found = decide(facts(tmp_path, in_colours(IDS, twice)), twice)
    with pytest.raises(DataError, match="colours that taxonomy 'mine' does not know"):
        read(tmp_path, found, twice)


def replace_colours(classes: Taxonomy, colours: list[tuple[int, int, int]]) -> Taxonomy:
    changed = tuple(c.model_copy(update={"color_rgb": v}) for c, v in zip(classes.classes, colours, strict=True))
    return classes.model_copy(update={"classes": changed})


def test_one_odd_file_of_many_is_seen(tmp_path):
    pictures = [indexed(IDS, COLOURS)] * 40 + [indexed(IDS, [*COLOURS[:3], (0, 199, 0)])]
    assert "palettes differ: index 3" in decide(facts(tmp_path, *pictures), FOUR).doubt


def test_the_choice_is_part_of_the_recipe_and_of_what_is_cached(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    choice = DataChoice(folders=(str(root),), labels_as="index", exif_turn="ignore", absent_classes="allow")
    command = Recipe(data=choice).command()
    for words in ("--labels-as index", "--exif-turn ignore", "--absent-classes allow"):
        assert words in command
    data = open_data(choice)
    assert data.remarks[0].startswith("labels read as class ids (index): as asked for")
    sample = data.samples[0]
    assert isinstance(data, type(open_set(root)))
    assert data.digest(sample) != replace(data, label_format="rgb").digest(sample)
    assert data.digest(sample) != replace(data, exif_turn="apply").digest(sample)


def test_what_would_be_read_in_part_is_refused(tmp_path):
    deep, pages, frames = tmp_path / "deep.png", tmp_path / "pages.tif", tmp_path / "frames.png"
    assert cv2.imwrite(str(deep), IDS.astype(np.uint16)[..., None].repeat(3, axis=2))
    empty, full = Image.fromarray(np.zeros_like(IDS)), Image.fromarray(IDS)
    empty.save(pages, save_all=True, append_images=[full])
    empty.save(frames, save_all=True, append_images=[full])
    for path, words in ((deep, "16 bits"), (pages, "2 pages"), (frames, "2 pages|is an animation")):
        assert re.search(words, read_mask_facts(path).problem[1])
        with pytest.raises(DataError, match=words):
            decode_labels(path.read_bytes(), path, FOUR, "index")
