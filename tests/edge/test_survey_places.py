"""Surveys near a pole, across the 180th meridian, and of areas far apart: sites lie where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.look.view import Given
from edge.survey.merging import MergeRules, PhotoCandidate, PhotoLook, SurveyLooks
from edge.survey.photographs import UnplacedError, open_photo
from landing.choice.ground_evidence import GroundEvidence, fault_radii_m
from landing.globe import GlobalPlace
from landing.taxonomy import Taxonomy
from tests.edge import fake_model
from tests.edge.geotagged import save_geotagged

CELL_M, HALF_M, ROOM_M = 0.5, 25.0, 8.0
RULES = MergeRules(1.0, 2.0, 2, fault_radii_m(Taxonomy.load("synthetic"), 1.0))


def look(name: str, below: GlobalPlace, lawn: GlobalPlace, bare: GlobalPlace | None = None) -> PhotoLook:
    """A photograph of a lawn in a wood, as seen from above a place; `bare` is where a car stands on it."""
    cells = np.arange(round(2 * HALF_M / CELL_M)) * CELL_M + 0.5 * CELL_M - HALF_M
    north_m, east_m = below.offset_to(lawn)
    away_m = np.hypot(cells[:, None] - north_m, cells[None, :] - east_m)
    bad = away_m > ROOM_M
    if bare is not None:
        north_m, east_m = below.offset_to(bare)
        bad |= np.hypot(cells[:, None] - north_m, cells[None, :] - east_m) < 1.0
    clear = np.where(bad, 0.0, ROOM_M - away_m).astype(np.float32)
    evidence = GroundEvidence(CELL_M, (-HALF_M, -HALF_M), {}, bad, clear, (0, 0))
    return PhotoLook(name, below, "", evidence, tuple(PhotoCandidate(c, None, None) for c in evidence.widest(2.0, 3)))


@pytest.mark.parametrize("latitude_deg", [-88.98, -47.0, 0.0, 60.0, 88.98])
@pytest.mark.parametrize("longitude_deg", [8.0, 180.0, -180.0, 179.99999])
@pytest.mark.parametrize("origin", [None, GlobalPlace(20.0, 3.0), GlobalPlace(-60.0, 175.0)])
def test_looks_at_one_lawn_agree_wherever_it_lies(
    latitude_deg: float, longitude_deg: float, origin: GlobalPlace | None
) -> None:
    lawn = GlobalPlace(latitude_deg, longitude_deg)
    looks = [look(f"{n}", lawn.moved(6.0 * n - 6.0, 9.0 - 6.0 * n), lawn) for n in range(3)]
    if origin is not None:
        looks.insert(0, look("far", origin, origin))
    merged = SurveyLooks(looks, RULES).merge()
    (site,) = merged.sites
    assert site.place.distance_m(lawn) < 0.6 and site.looks == 3 and site.clearance_m > 6.0
    assert abs(site.place.longitude_deg) <= 180.0 and not merged.contradicted
    # A photograph that shows a car there speaks against it, as far as the first one may be.
    against = SurveyLooks([*looks, look("later", lawn.moved(-7.0, -7.0), lawn, lawn.moved(1.0, 1.0))], RULES).merge()
    assert all(site.place.distance_m(lawn.moved(1.0, 1.0)) > 2.0 for site in against.sites)


def test_a_photograph_at_a_pole_is_left_out(tmp_path: Path) -> None:
    photo = save_geotagged(
        tmp_path / "p.jpg",
        fake_model.photograph(160, 120),
        height_m=30.0,
        hfov_deg=70.0,
        heading_deg=0.0,
        below=GlobalPlace(88.9995, 10.0, 5.0),
    )
    with pytest.raises(UnplacedError, match=r"88\.9995 degrees of latitude, too near to a pole"):
        open_photo(photo, Given())
