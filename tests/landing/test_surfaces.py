"""Preferences among landable classes: how they are written."""

from __future__ import annotations

import pytest

from landing.errors import TaxonomyError
from landing.taxonomy import BUILTIN, LAST_PREFERENCE, Surface, Taxonomy

MINE = {
    "name": "mine",
    "classes": [
        {"id": 0, "name": "lawn", "color_rgb": [0, 200, 0], "role": "landable"},
        {"id": 1, "name": "street", "color_rgb": [90, 90, 90], "role": "landable"},
        {"id": 2, "name": "tree", "color_rgb": [0, 80, 0], "role": "obstacle"},
    ],
}
PREFERENCE = {"lawn": 1, "street": 4}
CAUTION = {"street": "cars may come"}


def mine(**tables: object) -> Taxonomy:
    return Taxonomy.parse({**MINE, **tables}, "mine.toml")


def test_surfaces_are_told_first_choice_first():
    taxonomy = mine(preference=PREFERENCE, caution=CAUTION)
    assert list(taxonomy.surfaces.values()) == [Surface("lawn", 1), Surface("street", 4, "cars may come")]
    assert [s.text for s in taxonomy.surfaces.values()] == ["lawn", "street: cars may come"]
    assert taxonomy.quality_lut[:4].tolist() == [LAST_PREFERENCE, 1, 0, 0]


def test_classes_of_one_preference_are_one_surface():
    taxonomy = mine(preference={"lawn": 2, "street": 2}, caution=CAUTION)
    assert taxonomy.surfaces == {2: Surface("lawn or street", 2, "cars may come")}


def test_without_preferences_all_are_alike():
    assert mine().surfaces == {} and not mine().quality_lut.any()


def test_a_file_reads_back_the_same(tmp_path):
    taxonomy = mine(preference=PREFERENCE, caution=CAUTION)
    path = tmp_path / "mine.toml"
    path.write_text(taxonomy.to_toml())
    assert Taxonomy.load(path) == taxonomy


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"preference": {"lawn": 1}}, "preference: class 'street' has none; number all landable classes"),
        ({"caution": CAUTION}, "preference: class 'lawn' has none"),
        ({"preference": {**PREFERENCE, "tree": 2}}, "preference.tree: expected a landable class: lawn, street"),
        ({"preference": PREFERENCE, "caution": {"tree": "x"}}, "caution.tree: expected a landable class"),
        ({"preference": {"lawn": 0, "street": 4}}, "preference.lawn: Input should be greater than or equal to 1"),
        ({"preference": {"lawn": 1, "street": 5}}, "preference.street: Input should be less than or equal to 4"),
        ({"preference": PREFERENCE, "caution": {"street": "x" * 41}}, "caution.street: String should match"),
        ({"preference": PREFERENCE, "caution": {"street": "a\nb"}}, "caution.street: String should match"),
    ],
)
def test_what_makes_no_sense_is_refused(tables, words):
    with pytest.raises(TaxonomyError) as caught:
        mine(**tables)
    assert words in str(caught.value) and "mine.toml" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in BUILTIN if name != "roles"])
def test_every_builtin_taxonomy_that_knows_surfaces_numbers_them(name):
    surfaces = Taxonomy.load(name).surfaces
    assert surfaces
    if "road" in Taxonomy.load(name).preference:
        assert surfaces[LAST_PREFERENCE] == Surface("road", LAST_PREFERENCE, "traffic may come")
