"""The public API: names and signatures are kept, nothing is imported before its use, and it refuses as flight does."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import touchdown
from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.settings import DecisionSection
from tests.edge import fake_model
from tests.edge.test_blackbox import flown, wait_for
from touchdown import CameraModel, NoSiteReason, Pose, TouchdownError

KEPT = Path(__file__).with_name("public_api.txt")
LEVEL = (1.0, 0.0, 0.0, 0.0)
CAMERA = CameraModel.from_hfov(320, 240, 70.0)
HOVER = Pose(0, LEVEL, (0.0, 0.0, -20.0), 20.0)
CAR = ("car", (20, 20, 60, 60))
LAWN = fake_model.photograph(320, 240, CAR)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    path = fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")
    with touchdown.load_model(path) as loaded:
        yield loaded


def surface() -> list[str]:
    """Every public name with its signature, fields and values, a line each."""
    lines = []
    for name in sorted(set(touchdown.__all__) - {"__version__"}):
        value = getattr(touchdown, name)
        if not inspect.isclass(value):
            lines.append(f"{name}{inspect.signature(value)}")
            continue
        lines.append(name)
        if issubclass(value, NoSiteReason):
            lines += [f"{name}.{one.name} = {one.value}" for one in value]
            continue
        if dataclasses.is_dataclass(value):
            lines += [f"{name}.{f.name}: {f.type}" for f in dataclasses.fields(value) if f.name[0] != "_"]
        ours = [base for base in reversed(value.__mro__) if base.__module__.startswith(("landing.", "touchdown."))]
        for member, what in sorted({name: what for base in ours for name, what in vars(base).items()}.items()):
            if member.startswith("_") and member not in ("__iter__", "__enter__"):
                continue
            if isinstance(what, property):
                lines.append(f"{name}.{member}: {inspect.signature(what.fget).return_annotation}")
            elif isinstance(what, classmethod) or inspect.isfunction(what):
                lines.append(f"{name}.{member}{inspect.signature(getattr(value, member))}")
    return lines


def test_the_public_surface_is_the_one_that_was_promised() -> None:
    """A line that changes or goes needs a new minor version (a major one from 1.0 on); `python -m` writes it anew."""
    assert surface() == KEPT.read_text("utf-8").splitlines(), f"write {KEPT.name} anew, and say it in CHANGELOG.md"


def test_nothing_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, touchdown\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'cv2', 'pydantic', 'edge', 'click')])\n"
        "assert 'load_model' in dir(touchdown)\n"
        "from touchdown import *\nprint(load_model.__name__)\n"
        "try: touchdown.load\nexcept AttributeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["[]", "load_model", "module 'touchdown' has no attribute 'load'"]


def test_types_are_published() -> None:
    for package in ("touchdown", "landing"):
        assert (Path(touchdown.__file__).parents[1] / package / "py.typed").is_file()


def test_one_picture_is_decided_as_by_look(model, tmp_path: Path) -> None:
    answer = model.decide(LAWN, CAMERA, HOVER)
    assert answer.refusal is None and answer.pixel is not None
    cv2.imwrite(str(tmp_path / "lawn.png"), LAWN)
    records: list[dict] = []
    options = LookOptions(
        model._runtime.path, RuntimeOptions(), DecisionSection(), given=Given(20.0, 70.0, assume_nadir=True)
    )
    Looker(options, say=lambda line: None, emit=records.append).run([tmp_path / "lawn.png"])
    site = records[0]["site"]
    assert answer.ahead_right_m == pytest.approx((site["ahead_m"], site["right_m"]), abs=1e-3)
    assert answer.pixel == pytest.approx((site["u_px"], site["v_px"]), abs=0.1)
    assert answer.annotated().shape == LAWN.shape and "grass" in model.classes and model.name == "nearest-colour"


@pytest.mark.parametrize(
    ("image", "pose", "reason"),
    [
        (
            fake_model.photograph(320, 240, ("car", (40, 20, 60, 60)), ground="water"),
            HOVER,
            NoSiteReason.NOTHING_LANDABLE,
        ),
        (np.zeros((240, 320, 3), np.uint8), HOVER, NoSiteReason.BAD_PICTURE),
        (np.repeat(cv2.cvtColor(LAWN, cv2.COLOR_BGR2GRAY)[..., None], 3, 2), HOVER, NoSiteReason.BAD_PICTURE),
        (LAWN, Pose(0, LEVEL, (0.0, 0.0, -20.0)), NoSiteReason.NO_HEIGHT),
        (LAWN, Pose(0), NoSiteReason.NO_POSE),
    ],
)
def test_missing_evidence_is_a_reason(model, image, pose: Pose, reason: NoSiteReason) -> None:
    answer = model.decide(image, CAMERA, pose)
    assert answer.site is None and answer.ahead_right_m is None and answer.pixel is None
    assert answer.refusal.reason is reason and answer.text.startswith(f"no site: {reason.value}: ")


def frames(count: int, first_ns: int = 0) -> list[touchdown.Frame]:
    noise = np.random.default_rng(3)
    pictures = [np.clip(LAWN + noise.normal(0, 4, LAWN.shape), 0, 255).astype(np.uint8) for _ in range(count)]
    return [touchdown.Frame(picture, i, first_ns + i * 100_000_000) for i, picture in enumerate(pictures)]


def test_frames_build_one_map_and_old_ones_give_no_site(model) -> None:
    answers = list(model.follow(frames(25), CAMERA, HOVER))
    assert answers[0].refusal is not None and answers[-1].site is not None
    late_ns = time.monotonic_ns()
    late = list(model.follow(frames(25, late_ns - 60_000_000_000), CAMERA, HOVER, clock_ns=lambda: late_ns))
    assert {answer.refusal and answer.refusal.reason for answer in late} == {NoSiteReason.STALE_FRAME}
    old_pose = list(model.follow(frames(3), CAMERA, lambda at_ns: replace(HOVER, at_ns=at_ns - 400_000_000)))
    assert {answer.refusal and answer.refusal.reason for answer in old_pose} == {NoSiteReason.STALE_POSE}
    blind = list(model.follow(frames(3), CAMERA, lambda at_ns: None))
    assert {answer.refusal and answer.refusal.reason for answer in blind} == {NoSiteReason.NO_POSE}


def test_streams_are_recordings_or_live(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), LAWN)
    with touchdown.open_stream(tmp_path) as stream:
        assert (stream.width_px, stream.height_px, stream.live, stream.fps) == (320, 240, False, 10.0)
        assert [frame.frame_id for frame in stream] == [0, 1]
    with pytest.raises(TouchdownError, match=r"none\.mp4"):
        touchdown.open_stream(tmp_path / "none.mp4")
    source = "pipe:head -c 230400 /dev/zero"
    with touchdown.open_stream(source, width_px=320, height_px=240, timeout_s=0.5) as stream:
        assert stream.live
        with pytest.raises(TouchdownError):
            list(stream)


def test_errors_are_ours(tmp_path: Path) -> None:
    with pytest.raises(TouchdownError, match="did you mean 'vehicle_radius_m'"):
        touchdown.load_model("any.onnx", decision={"vehicle_radius": 1})
    with pytest.raises(TouchdownError, match=r"none\.onnx"):
        touchdown.load_model(tmp_path / "none.onnx")
    with pytest.raises(TouchdownError, match="nothing"):
        touchdown.read_recording(tmp_path / "nothing")


@pytest.mark.parametrize("image", [None, LAWN.tolist(), LAWN.astype(float), LAWN[..., 0], LAWN[:0]])
def test_a_picture_of_another_type_is_refused(model, image) -> None:
    with pytest.raises(TouchdownError, match="frame 0: expected"):
        model.decide(image, CAMERA, HOVER)


@pytest.mark.parametrize(
    ("attitude", "position", "height"),
    [
        ((1.0, 0.0, 0.0), (0, 0, 0), 1.0),
        (LEVEL, (0, 0), 1.0),
        (LEVEL, (0, float("nan"), 0), 1.0),
        (LEVEL, None, np.inf),
    ],
)
def test_a_pose_that_cannot_be_is_refused(attitude, position, height) -> None:
    with pytest.raises(TouchdownError, match="pose"):
        Pose(0, attitude, position, height)


def test_a_frame_again_is_no_evidence(model) -> None:
    one, two = frames(2)
    for sequence in ([one] * 15, [two, one] * 8):
        answers = list(model.follow(sequence, CAMERA, HOVER))
        assert all(answer.site is None for answer in answers)
        assert answers[-1].refusal.reason is NoSiteReason.STALE_FRAME


def test_numbers_and_paths_that_cannot_be_are_refused(tmp_path: Path, model) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), LAWN)
    for wrong in ({"fps": 0.0}, {"fps": np.nan}, {"latency_s": np.nan}, {"latency_s": -1.0}, {"timeout_s": np.nan}):
        with pytest.raises(TouchdownError, match=f"{next(iter(wrong))} is"):
            touchdown.open_stream(tmp_path, **wrong)
    for threads, decision, words in ((-1, None, "threads -1"), (10**6, None, "threads"), (0, "abc", "decision is str")):
        with pytest.raises(TouchdownError, match=words):
            touchdown.load_model(model._runtime.path, threads=threads, decision=decision)
    for path in ("", "a\0b", "x" * 5000, "\udcff", "/dev/zero"):
        with pytest.raises(TouchdownError):
            touchdown.read_recording(path)
        with pytest.raises(TouchdownError):
            touchdown.open_stream(path)


def test_a_camera_of_another_shape_is_refused(model) -> None:
    with pytest.raises(TouchdownError, match="another shape"):
        model.decide(LAWN, CameraModel.from_hfov(320, 320, 70.0), HOVER)
    halved = model.decide(LAWN, CameraModel.from_hfov(640, 480, 70.0), HOVER)
    assert halved.site == model.decide(LAWN, CAMERA, HOVER).site


def test_a_recording_is_read(tmp_path: Path, model) -> None:
    with flown(tmp_path, model._runtime.path) as (rig, _):
        wait_for(lambda: rig.daemon.counters.decisions > 15)
    (folder,) = (tmp_path / "rec" / "flights").iterdir()
    recording = touchdown.read_recording(folder)
    decisions = list(recording.decisions())
    assert recording.model == "nearest-colour" and recording.touchdown_version == touchdown.__version__
    assert len(decisions) > 10 and decisions[-1].site is not None and decisions[0].at_s < decisions[-1].at_s
    at_s, picture = next(recording.pictures())
    assert at_s < 60 and cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).ndim == 3


if __name__ == "__main__":
    KEPT.write_text("\n".join(surface()) + "\n", "utf-8")
