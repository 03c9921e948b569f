"""The confidence in a site: its score, the curve of a model, and what is printed of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from landing.camera import CameraModel
from landing.decider import Decider
from landing.ground.site_score import site_score
from landing.model.confidence import SiteConfidence
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.types import Segmentation
from tests.landing.worlds import CAMERA, GRASS, ROOF, TAXONOMY, pose_at, seen

SETTINGS = DecisionSettings().single_look()


def curve(*steps: tuple[float, int, int], **more: Any) -> SiteConfidence:
    values = {"disc_m": 1.0, "disc_px": 10.0, "pictures": 10, "scenes": 5} | more
    return SiteConfidence.model_validate(
        {"steps": [{"score_from": s, "sites": n, "safe": k} for s, n, k in steps], **values}
    )


RISING = curve((0.0, 100, 5), (0.5, 50, 30), (0.9, 200, 199))


def test_a_score_gets_the_share_and_the_count_of_its_step() -> None:
    for score, sites, share in ((0.0, 100, 6 / 102), (0.4999, 100, 6 / 102), (0.5, 50, 31 / 52), (1.0, 200, 200 / 202)):
        found = RISING.at(score)
        assert (found.sites, found.share, found.score) == (sites, share, score)
    assert RISING.at(0.95).text == "safe in 99 % of 200 such sites"
    assert RISING.at(float("nan")).share == RISING.at(0.0).share
    assert RISING.sites == 350


def test_a_few_safe_sites_are_no_certainty() -> None:
    assert curve((0.0, 5, 5)).at(1.0).text == "safe in 85 % of 5 such sites"
    assert curve((0.0, 99_999, 99_999)).at(1.0).text == "safe in 99 % of 99999 such sites"


@pytest.mark.parametrize(
    ("steps", "more", "said"),
    [
        ((), {}, "at least 1 item"),
        (((0.1, 5, 1),), {}, "expected 0"),
        (((0.0, 5, 6),), {}, "6 of 5 sites safe"),
        (((0.0, 0, 0),), {}, "greater than or equal to 1"),
        (((0.0, 50, 1), (0.0, 50, 40)), {}, "scores must rise"),
        (((0.0, 50, 40), (0.5, 50, 1)), {}, "shares must rise"),
        (((0.0, 50, 40), (0.5, 50, 40)), {}, "shares must rise"),
        (((0.0, 50, 1), (1.5, 50, 40)), {}, "less than or equal to 1"),
        (((0.0, 50, 1), (float("nan"), 50, 40)), {}, "less than or equal to 1"),
        (((0.0, 5, 1),), {"disc_m": 0.0}, "greater than 0"),
        (((0.0, 5, 1),), {"scenes": 11}, "11 scenes in 10 pictures"),
        (((0.0, 5, 1),), {"ece": 1.5}, "less than or equal to 1"),
        (((0.0, 5, 1),), {"ece": float("nan")}, "finite"),
        (((0.0, 5, 1),), {"ece_interval": [0.3, 0.1]}, "two rising numbers"),
        (((0.0, 5, 1),), {"measured_on": "x" * 401}, "at most 400"),
        (tuple((k / 100, 10 + k, k) for k in range(65)), {}, "at most 64"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(
    steps: tuple[tuple[float, int, int], ...], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        curve(*steps, **more)


def test_a_curve_survives_its_text() -> None:
    full = curve((0.0, 10, 1), (0.7, 90, 88), ece=0.02, ece_interval=(0.01, 0.04), measured_on="val")
    assert SiteConfidence.model_validate_json(full.model_dump_json()) == full
    assert json.loads(full.model_dump_json())["steps"][1]["safe"] == 88
    assert "calibration error 2.0 % (1.0 to 4.0 %)" in full.describe()


def test_a_curve_of_one_step_is_told_as_one_share() -> None:
    assert curve((0.0, 126, 87)).describe().startswith("68.8 % safe by score")
    assert curve((0.0, 10, 1), (0.7, 90, 88)).describe().startswith("17 to 96.7 % safe by score")


def test_a_wider_vehicle_has_no_confidence() -> None:
    assert RISING.for_radius(1.0) is RISING
    assert RISING.for_radius(0.4) is RISING
    assert RISING.for_radius(1.2) is None


def test_the_score_is_the_least_within_the_disc_alone() -> None:
    pose = pose_at(height=10.0)
    landable = np.full((120, 160), 240, np.uint8)
    planes = Segmentation(np.zeros_like(landable), landable, np.zeros((4, 120, 160), np.uint8), 0)
    mask = CAMERA.resized(160, 120)

    def at(radius_m: float) -> float | None:
        return site_score(planes, CAMERA, pose, (1.0, -2.0, 0.0), radius_m, 1)

    assert at(1.0) == 240 / 255
    u, v = np.rint(mask.pixel_from_ned(np.array([[1.0, -2.0 + 0.8, 0.0]]), pose)[0]).astype(int)
    landable[v, u] = 51
    assert at(1.0) == 0.2
    assert at(0.6) == 240 / 255
    # The noise filter is that of the decision: a mean of the surroundings.
    smooth = site_score(planes, CAMERA, pose, (1.0, -2.0, 0.0), 1.0, 3)
    assert smooth == round((8 * 240 + 51) / 9) / 255


def test_there_is_no_score_of_what_the_frame_does_not_show() -> None:
    pose = pose_at(height=10.0)
    ground = seen(lambda n, e: np.full(n.shape, GRASS), pose)
    across_m = 10.0 * np.tan(np.radians(40.0))
    assert site_score(ground, CAMERA, pose, (0.0, across_m - 1.1, 0.0), 1.0, 3) == 1.0
    assert site_score(ground, CAMERA, pose, (0.0, across_m - 0.9, 0.0), 1.0, 3) is None
    assert site_score(ground, CAMERA, pose, (0.0, 0.0, -20.0), 1.0, 3) is None  # above the camera
    distorted = CameraModel(
        CAMERA.width_px, CAMERA.height_px, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy, (-0.2, 0.05, 0.0, 0.0, 0.0)
    )
    assert site_score(ground, distorted, pose, (0.5, 1.0, 0.0), 1.0, 3) == 1.0


def test_a_decision_has_the_confidence_of_the_model_or_none() -> None:
    pose = pose_at(height=10.0)
    frame = seen(lambda n, e: np.where(np.hypot(n, e) < 4.0, GRASS, ROOF), pose)
    for given, text in ((RISING, "safe in 99 % of 200 such sites"), (None, None)):
        site = Decider(SETTINGS, TAXONOMY, CAMERA, confidence=given).observe(frame, pose, 0).selection
        assert isinstance(site, LandingSite)
        assert (site.confidence.text if site.confidence else None) == text
    # From so high the disc's radius is 8.3 px, then 7.6 px; 10 px were measured.
    for height_m, known in ((23.0, True), (25.0, False)):
        high = pose_at(height=height_m)
        frame = seen(lambda n, e: np.where(np.hypot(n, e) < 4.0, GRASS, ROOF), high)
        site = Decider(SETTINGS, TAXONOMY, CAMERA, confidence=RISING).observe(frame, high, 0).selection
        assert isinstance(site, LandingSite) and (site.confidence is not None) is known
