"""The largest gap of a map that holds no site, and what bounds it."""

from __future__ import annotations

import numpy as np
import pytest

from edge.look.records import gap_words
from landing.choice.obstruction import NOT_LANDABLE, UNSEEN, largest_gap
from landing.decider import Decider
from landing.settings import DecisionSettings
from landing.site import NoSite, NoSiteReason, radius_in_words
from landing.taxonomy import Role
from tests.landing.worlds import CAMERA, GRASS, PERSON, ROOF, TAXONOMY, TREE, pose_at, seen


def gap_over(labels_at, height_m: float = 12.0, needed_m: float | None = None):
    settings = DecisionSettings().single_look()
    decider = Decider(settings, TAXONOMY, CAMERA)
    pose = pose_at(height=height_m)
    decision = decider.observe(seen(labels_at, pose), pose, 0)
    assert isinstance(decision.selection, NoSite) and decision.selection.reason is NoSiteReason.TOO_SMALL
    assert decider.last_view is not None and decider.last_clearance_m is not None
    needed_m = needed_m or settings.required_radius_m
    return largest_gap(decider.last_view, decider.last_clearance_m, TAXONOMY, needed_m), settings


def test_a_person_and_a_wall_of_trees_are_named_with_their_places() -> None:
    def labels(north, east):
        ground = np.where(np.hypot(north, east + 3.0) < 0.6, PERSON, GRASS)
        return np.where((np.abs(north) > 3.0) | (np.abs(east) > 3.5), TREE, ground)

    gap, settings = gap_over(labels)
    assert gap.radius_m < settings.required_radius_m
    kinds = [o.kind for o in gap.obstructions]
    assert set(kinds) == {"person", "obstacle"}
    person = gap.obstructions[kinds.index("person")]
    assert person.kept_clear_m == TAXONOMY.clearance_of(Role.PERSON)
    assert person.east_m == pytest.approx(-2.4, abs=0.8) and abs(person.north_m) < 0.8
    assert gap.east_m > 0  # away from the person
    for obstruction in gap.obstructions:
        true_m = np.hypot(obstruction.north_m - gap.north_m, obstruction.east_m - gap.east_m)
        assert obstruction.distance_m == pytest.approx(true_m, abs=0.2)
        assert obstruction.leaves_m < settings.required_radius_m
    assert gap.radius_m <= min(o.leaves_m for o in gap.obstructions) + 0.2  # bounds are what the disc touches


def test_the_tightest_comes_first_and_what_leaves_room_is_left_out() -> None:
    def labels(north, east):
        return np.where((np.abs(north) < 1.2) & (np.abs(east) < 1.2), GRASS, ROOF)

    gap, _ = gap_over(labels)
    leaves = [o.leaves_m for o in gap.obstructions]
    assert leaves == sorted(leaves) and gap.obstructions[0].kind == "obstacle"
    assert not {"person", UNSEEN, NOT_LANDABLE} & {o.kind for o in gap.obstructions}


def test_a_gap_that_just_fails_names_what_bounds_it_and_never_reads_like_the_needed_radius() -> None:
    def labels(north, east):
        return np.where((np.abs(north) < 2.2) & (np.abs(east) < 2.2), GRASS, ROOF)

    gap, _ = gap_over(labels, needed_m=0.85)
    assert gap.radius_m < 0.85 < gap.obstructions[0].leaves_m and gap.obstructions[0].kind == "obstacle"
    assert "largest gap 0.8 m" in (words := gap_words(gap, pose_at(height=12.0))) and "bounded by obstacle" in words
    assert [radius_in_words(r) for r in (0.96, 0.6999999, 1.0)] == ["0.9", "0.7", "1.0"]
