"""Preferences among landable classes: how they are written, and what they change in map, choice and tracking."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from landing.decider import Decider
from landing.errors import TaxonomyError
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite
from landing.taxonomy import BUILTIN, LAST_PREFERENCE, Surface, Taxonomy
from landing.types import Segmentation
from tests.landing.worlds import CAMERA, GRASS, ROOF, TAXONOMY, pose_at, seen

S = 1_000_000_000
PAVED = next(c.id for c in TAXONOMY.classes if c.name == "paved")
PAVED_SURFACE = Surface("paved", 3, "people or traffic may come")
ALIKE = Taxonomy.parse({**TAXONOMY.model_dump(), "preference": {}, "caution": {}}, "alike")

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


def lawn_in_paving(north, east, half):
    """Paving without end but for one square of lawn."""
    return lambda n, e: np.where((abs(n - north) <= half) & (abs(e - east) <= half), GRASS, PAVED)


def sites(decider: Decider, frames, height=12.0, start_s=0.0) -> list[LandingSite]:
    """Sites of a hover at 10 Hz over segmentations or worlds."""
    found: list[LandingSite] = []
    for k, frame in enumerate(frames):
        at_ns = round((start_s + k / 10) * S)
        pose = pose_at(height=height, at_ns=at_ns)
        seg = (
            replace(frame, captured_at_ns=at_ns) if isinstance(frame, Segmentation) else seen(frame, pose, at_ns=at_ns)
        )
        selection = decider.observe(seg, pose, at_ns).selection
        if isinstance(selection, LandingSite):
            found.append(selection)
        else:  # the first frames alone are not enough
            assert not found, selection
    return found


def on_lawn(site: LandingSite, north, east, half) -> bool:
    return max(abs(site.position_ned_m[0] - north), abs(site.position_ned_m[1] - east)) <= half


@pytest.mark.parametrize("height", [8.0, 12.0, 20.0])
def test_a_preferred_surface_wins_over_a_bigger_disc_of_a_worse_one(height):
    world = lawn_in_paving(3.0, -3.0, 2.4)
    site = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [world] * 6, height)[-1]
    assert on_lawn(site, 3.0, -3.0, 1.7) and site.surface == Surface("grass", 1)
    alike = sites(Decider(DecisionSettings(), ALIKE, CAMERA), [world] * 6, height)[-1]
    assert not on_lawn(alike, 3.0, -3.0, 1.7) and alike.surface is None


def test_the_last_choice_is_taken_where_nothing_better_is_within_reach():
    lone = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [lawn_in_paving(60.0, 0.0, 4.0)] * 6)[-1]
    assert lone.surface == PAVED_SURFACE and lone.on_words == ", on paved: people or traffic may come"
    narrow = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [lawn_in_paving(2.0, 2.0, 0.5)] * 6)[-1]
    assert narrow.surface == PAVED_SURFACE


@pytest.mark.parametrize("height", [20.0, 30.0, 44.0])
def test_a_speck_of_lawn_does_not_win_over_wide_paving(height):
    """A network that takes a bush for grass must not lead there: the speck has little more than the least room."""
    site = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [lawn_beside_roofs] * 6, height)[-1]
    assert site.surface == PAVED_SURFACE and site.position_ned_m[1] < 4.0


def lawn_beside_roofs(north, east):
    """Paving, and far to the east a strip of lawn 4 m wide between roofs: half of it lies within their clearance."""
    strip, roofs = abs(east - 8.0) <= 2.0, abs(east - 8.0) <= 5.0
    return np.where(strip, GRASS, np.where(roofs, ROOF, PAVED))


def test_lawn_within_a_hazards_clearance_is_no_lawn():
    def world(n, e):
        return np.where(e > 1.0, PAVED, np.where(e > -1.5, GRASS, ROOF))

    site = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [world] * 6, height=5.0)[-1]
    assert site.position_ned_m[1] > 0.4  # the clearance of an obstacle stays what it was


def test_a_site_that_straddles_a_kerb_is_told_as_the_worse_side():
    def world(n, e):
        return np.where((abs(n) > 1.6) | (abs(e) > 1.6), ROOF, np.where(e > 0.4, PAVED, GRASS))

    site = sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [world] * 6, height=20.0)[-1]
    assert site.surface == PAVED_SURFACE


def test_one_landable_class_is_told_and_changes_nothing():
    one = Taxonomy.parse(
        {**TAXONOMY.model_dump(), "preference": dict.fromkeys(TAXONOMY.preference, 4), "caution": {"grass": "x"}}, "one"
    )
    world = lawn_in_paving(3.0, -3.0, 2.4)
    deciders = [Decider(DecisionSettings(), taxonomy, CAMERA) for taxonomy in (one, ALIKE)]
    told, plain = (sites(decider, [world] * 6) for decider in deciders)
    assert [replace(site, surface=None) for site in told] == plain
    assert told[-1].surface is not None and told[-1].surface.text == "grass or gravel or dirt or paved: x"
    assert "map.quality" not in deciders[0].state_dict()


def test_a_decider_goes_on_from_a_state_with_surfaces():
    world = lawn_in_paving(3.0, -3.0, 2.4)
    first, second = (Decider(DecisionSettings(), TAXONOMY, CAMERA) for _ in range(2))
    sites(first, [world] * 5)
    second.load_state_dict(first.state_dict())
    assert sites(first, [world] * 5, start_s=0.5) == sites(second, [world] * 5, start_s=0.5)


def test_wavering_classes_do_not_lead_back_and_forth():
    rng = np.random.default_rng(3)
    true = seen(lawn_in_paving(4.0, 0.0, 3.0), pose_at(height=12.0))

    def wavering() -> Segmentation:
        coarse = (rng.random((15, 20)) < 0.35).astype(np.uint8)
        other = np.kron(coarse, np.ones((16, 16), np.uint8)).astype(bool)
        return replace(true, class_id=np.where(other, GRASS + PAVED - true.class_id, true.class_id).astype(np.uint8))

    places = [
        s.position_ned_m for s in sites(Decider(DecisionSettings(), TAXONOMY, CAMERA), [wavering() for _ in range(200)])
    ]
    moves = sum(np.hypot(a[0] - b[0], a[1] - b[1]) > 1.0 for a, b in pairwise(places))
    assert moves <= 1


def disappointing(height: float) -> list[LandingSite]:
    """Looks like lawn all over for 5 s, then as paving but for one lawn beside."""
    decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
    before = sites(decider, [lambda n, e: np.full(n.shape, GRASS)] * 50, height)
    after = sites(decider, [lawn_in_paving(0.0, 6.5, 2.6)] * 50, height, start_s=5.0)
    return [before[-1], *after]


def test_a_surface_that_comes_out_worse_is_left_for_a_better_one_once():
    first, *rest = disappointing(12.0)
    assert first.surface == Surface("grass", 1) and not on_lawn(first, 0.0, 6.5, 2.0)
    assert not on_lawn(rest[15], 0.0, 6.5, 2.0)  # 2 s of it are asked for
    assert on_lawn(rest[-1], 0.0, 6.5, 2.0) and rest[-1].surface == Surface("grass", 1)


def test_a_committed_site_stays_and_tells_what_it_lies_on():
    first, *rest = disappointing(3.0)
    assert rest[-1].position_ned_m == first.position_ned_m and rest[-1].surface == PAVED_SURFACE


def test_without_landable_ground_there_is_no_site():
    selection = Decider(DecisionSettings(), TAXONOMY, CAMERA).observe(
        seen(lambda n, e: np.full(n.shape, ROOF), pose_at()), pose_at(), 0
    )
    assert isinstance(selection.selection, NoSite)
