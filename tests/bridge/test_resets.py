"""Estimator resets: recognised at any message rate, of the right size; none in ordinary flight."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.frame_history import KEPT, FrameHistory
from firmware_bridge.pose_history import HeightSource, PoseHistory
from landing.estimator import FIRST_FRAME, FrameShift
from tests.bridge.gusty_flight import EstimatorSample, after_reset, feed, fly, reported

MS = 1_000_000
S = 1_000_000_000
RATES_HZ = (4.0, 10.0, 50.0)
STILL = (0.0, 0.0, 0.0)
HOVER = [EstimatorSample(k * 10 * MS, (3.0, -2.0, -20.0), STILL, (1.0, 0.0, 0.0, 0.0), STILL) for k in range(1000)]
STEPS = [
    *(FrameShift(math.radians(deg)) for deg in (5.0, -8.0, 30.0, 170.0)),
    *(FrameShift(0.0, step) for step in ((1.0, 0.0, 0.0), (0.0, -1.5, 0.0), (7.0, 7.0, 0.0))),
    *(FrameShift(0.0, (0.0, 0.0, down)) for down in (0.5, -0.7, 6.0)),
]


@pytest.fixture(scope="module")
def gusty() -> list[EstimatorSample]:
    return list(fly(60.0, seed=3))


@pytest.fixture(scope="module")
def gusty_hover() -> list[EstimatorSample]:
    return list(fly(12.0, seed=3, hover=True))


def resets_of(history: PoseHistory) -> tuple[int, int]:
    return history.position_resets, history.heading_resets


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("shift", STEPS, ids=FrameShift.describe)
def test_a_step_ends_poses_at_once_and_moves_the_frame(rate_hz, shift, gusty_hover) -> None:
    samples = [s for s, _ in reported(gusty_hover, rate_hz, 1)]
    at = len(samples) // 2
    history = PoseHistory()
    for sample in samples[:at]:
        feed(history, sample)
    assert resets_of(history) == (0, 0)
    before = history.frame
    feed(history, after_reset(samples[at], shift))
    first = history.latest(samples[at].at_ns)
    assert first is not None
    untold = first.ned_from_frd is not None and first.position_ned_m is not None
    assert not untold or first.frame != before  # no pose of the old frame is passed off as new
    for sample in samples[at + 1 : at + 4]:
        feed(history, after_reset(sample, shift))
    assert sum(resets_of(history)) == 1
    moved = before.shift_to(history.frame)
    assert moved is not None
    # A place seen before the step is found at the same body offset after it.
    here = samples[at].ned_m
    place = (here[0] + 8.0, here[1] + 3.0, here[2] + 20.0)
    ahead = FrameShift(shift.yaw_rad).point((8.0, 3.0, 20.0))
    there = after_reset(samples[at], shift).ned_m
    expected = tuple(a + b for a, b in zip(there, ahead, strict=True))
    assert math.dist(moved.point(place), expected) < 0.5


@pytest.mark.parametrize("rate_hz", (4.0, 10.0, 25.0, 50.0))
def test_hard_flying_in_gusts_is_no_reset(rate_hz, gusty) -> None:
    history = PoseHistory()
    for sample, _ in reported(gusty, rate_hz, 2):
        feed(history, sample)
    assert resets_of(history) == (0, 0) and history.frame.epoch == 0


def test_a_step_spread_over_several_samples_has_no_known_size() -> None:
    """ArduPilot takes a small GPS glitch over in a second or two, a part of it by its velocity."""
    history = PoseHistory(HeightSource.LOCAL, ground_down_m=0.0)
    for k, sample in enumerate(s for s, _ in reported(HOVER, 25.0, 4, 0.0)):
        share = min(1.0, max(0.0, (k - 50) / 8))
        feed(history, after_reset(sample, FrameShift(0.0, (1.5 * share, 0.0, 1.2 * share))))
    assert history.position_resets >= 1 and history.frame.epoch >= 1
    pose = history.latest(HOVER[-1].at_ns)
    assert pose.height_agl_m is None  # the ground below is not known either


def test_what_is_pulled_in_after_a_step_moves_the_frame_too() -> None:
    history = PoseHistory()
    for k, sample in enumerate(s for s, _ in reported(HOVER, 50.0, 4, 0.0)):
        late = min(1.0, max(0.0, (k - 101) / 30))
        step_m = 0.0 if k <= 100 else 6.0 + 0.4 * late
        feed(history, after_reset(sample, FrameShift(0.0, (step_m, 0.0, 0.0))))
    assert history.frame.epoch == 0
    assert history.frame.shift.offset_ned_m[0] == pytest.approx(6.4, abs=0.12)


def test_a_step_of_the_velocity_too_has_no_known_size() -> None:
    history = PoseHistory()
    for k, sample in enumerate(HOVER[:400:2]):
        if k >= 100:
            sample = after_reset(sample, FrameShift(0.0, (3.0, 0.0, 0.0)))
            sample = replace(sample, velocity_ned_m_s=(2.0, 0.0, 0.0))
            sample = replace(sample, ned_m=(sample.ned_m[0] + 0.04 * (k - 100), *sample.ned_m[1:]))
        feed(history, sample)
    assert history.frame.epoch == 1


def test_a_lone_outlier_moves_nothing_and_hides_the_pose_for_one_sample() -> None:
    history = PoseHistory()
    samples = [s for s, _ in reported(HOVER, 10.0, 5, 0.0)][:20]
    for k, sample in enumerate(samples):
        feed(history, after_reset(sample, FrameShift(1.0, (9.0, 0.0, 0.0))) if k == 10 else sample)
        pose = history.latest(sample.at_ns)
        assert (pose is None) == (k == 10)
    assert resets_of(history) == (0, 0) and history.frame.epoch == 0


@pytest.mark.parametrize("source", [HeightSource.LOCAL, HeightSource.AUTO])
def test_a_frame_taken_before_a_height_reset_keeps_its_height(source) -> None:
    """The network may be slower than the reset: its pose is asked for afterwards."""
    history = PoseHistory(source, ground_down_m=0.0)
    for k, sample in enumerate(HOVER[:400:4]):
        feed(history, after_reset(sample, FrameShift(0.0, (0.0, 0.0, 6.0 if k >= 50 else 0.0))))
        if source is HeightSource.AUTO and k < 49:
            history.add_range(sample.at_ns, 20.0, 0.1, 40.0)
    for at in (180, 196, 204, 300):
        pose = history.at(HOVER[at].at_ns)
        assert pose.height_agl_m == pytest.approx(20.0, abs=0.01)


def test_after_a_gap_a_step_begins_another_epoch_and_none_keeps_it() -> None:
    for step_m, epochs in ((0.0, 0), (4.0, 1)):
        history = PoseHistory(HeightSource.LOCAL, ground_down_m=0.0)
        for sample in HOVER[:200:4]:
            feed(history, sample)
        for sample in HOVER[500:600:4]:  # 3 s of silence
            feed(history, after_reset(sample, FrameShift(0.0, (step_m, 0.0, 0.0))))
        assert history.frame.epoch == epochs
        assert history.latest(HOVER[599].at_ns).height_agl_m is not None  # its down did not move


def test_a_height_step_of_unknown_size_leaves_no_height() -> None:
    history = PoseHistory(HeightSource.LOCAL, ground_down_m=0.0)
    for sample in HOVER[:200:4]:
        feed(history, sample)
    for sample in HOVER[500:600:4]:
        feed(history, after_reset(sample, FrameShift(0.0, (0.0, 0.0, 4.0))))
    assert history.latest(HOVER[599].at_ns).height_agl_m is None


@pytest.mark.parametrize("position_every", [1, 2, 5])
def test_heading_and_position_may_be_reset_together(position_every, gusty_hover) -> None:
    shift = FrameShift(math.radians(35.0), (4.0, -2.0, 1.5))
    history = PoseHistory()
    samples = [s for s, _ in reported(gusty_hover, 50.0, 6)]
    at = len(samples) // 2
    for k, sample in enumerate(samples[: at + 40]):
        reset = after_reset(sample, shift) if k >= at else sample
        history.add_attitude(reset.at_ns, reset.ned_from_frd, reset.rates_frd_rad_s)
        if k % position_every == 0:
            history.add_position(reset.at_ns, reset.ned_m, reset.velocity_ned_m_s)
    moved = FIRST_FRAME.shift_to(history.frame)
    assert moved is not None and resets_of(history) == (1, 1)
    here, there = samples[at].ned_m, after_reset(samples[at], shift).ned_m
    ahead = FrameShift(shift.yaw_rad).point((8.0, 3.0, 20.0))
    place = tuple(a + b for a, b in zip(here, (8.0, 3.0, 20.0), strict=True))
    expected = tuple(a + b for a, b in zip(there, ahead, strict=True))
    assert math.dist(moved.point(place), expected) < 0.5


def test_what_the_autopilot_tells_makes_a_small_step_count() -> None:
    for told in (False, True):
        history = PoseHistory()
        for k, sample in enumerate(HOVER[:400:4]):
            feed(history, after_reset(sample, FrameShift(0.0, (0.3 if k >= 50 else 0.0, 0.0, 0.0))))
            if told and k == 51:
                history.told_of_reset()
        assert (history.position_resets > 0) is told
        assert history.frame.shift.offset_ned_m[0] == pytest.approx(0.3 if told else 0.0, abs=0.01)


@pytest.mark.parametrize("counts", [False, True])
def test_a_velocity_that_wanders_is_a_reset_only_where_none_is_counted(counts) -> None:
    """As PX4 1.18's simulator hovers: 0.58 m/s that the position denies, for some seconds, and no reset is told."""
    history = PoseHistory()
    for k, sample in enumerate(s for s, _ in reported(HOVER, 25.0, 4, 0.0)):
        wanders = 60 <= k < 120
        feed(history, replace(sample, velocity_ned_m_s=(0.58, 0.0, 0.0)) if wanders else sample)
        if counts and k % 5 == 0:
            history.counts_resets()
    assert (history.position_resets > 0) is not counts


@pytest.mark.parametrize("silent", [False, True])
def test_a_large_step_bit_by_bit_counts_whatever_is_counted(silent) -> None:
    history = PoseHistory()
    step_m = 0.8 if silent else 2.5  # a count that is no longer reported says nothing
    for k, sample in enumerate(s for s, _ in reported(HOVER, 25.0, 4, 0.0)):
        feed(history, after_reset(sample, FrameShift(0.0, (step_m * min(1.0, max(0.0, (k - 80) / 8)), 0.0, 0.0))))
        if k % 5 == 0 and not (silent and k > 50):
            history.counts_resets()
    assert history.position_resets >= 1 and history.frame.epoch >= 1


def test_an_estimator_without_a_position_gives_none_and_comes_back_in_another_frame() -> None:
    history = PoseHistory()
    for k, sample in enumerate(HOVER[:400:4]):
        if k in (40, 60):
            history.set_valid(k == 60)
        feed(history, sample)
        pose = history.latest(sample.at_ns)
        assert (pose.position_ned_m is None) == (40 <= k < 60)
    assert history.frame.epoch == 1


def test_a_time_before_all_resets_that_are_kept_has_no_frame() -> None:
    """Else a picture from before would be placed by the frame after some of them."""
    frames = FrameHistory()
    first = frames.newest
    for number in range(KEPT - 1):
        frames.move(number, FrameShift(0.0, (1.0, 0.0, 0.0)))
    assert frames.at(-1) is first
    frames.move(KEPT - 1, FrameShift(0.0, (1.0, 0.0, 0.0)))
    assert frames.at(-1) is None and frames.at(0) is not None


def test_a_reboot_is_another_epoch() -> None:
    history = PoseHistory()
    feed(history, HOVER[0])
    before = history.frame
    history.clear()
    feed(history, HOVER[0])
    assert before.shift_to(history.frame) is None


def test_recorded_landings_of_ardupilot_hold_no_reset(real_data: Path) -> None:
    flights = sorted((real_data / "ardupilot-flights").glob("*.json"))
    counted = 0
    for path in flights:
        track = [row for row in json.loads(path.read_text("utf-8"))["track"] if None not in row[:4]]
        if track[1][0] - track[0][0] > 600:
            continue  # one flight was noted once a second: its velocities cannot be told from it
        history = PoseHistory()
        stamped = [(row[0] * MS, (row[1], row[2], -row[3])) for row in track]
        speeds = [
            tuple((q - p) * S / max(1, b - a) for p, q in zip(x, y, strict=True))
            for (a, x), (b, y) in pairwise(stamped)
        ]
        for k in range(1, len(stamped) - 1):  # velocity from the neighbours: none is recorded
            mean = tuple(0.5 * (v + w) for v, w in zip(speeds[k - 1], speeds[k], strict=True))
            history.add_position(*stamped[k], (mean[0], mean[1], mean[2]))
            counted += 1
        assert history.position_resets == 0, path.name
    assert counted > 1000
