"""The camera fails: what is promised, and that it is kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.edge import fake_model
from tests.faults.bench import HEIGHT, WIDTH, Bench, wait_for
from tests.faults.matrix import SILENCE_S, Row
from tests.faults.measure import Keep, goes_on, stops

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

CAMERA = [
    (1, "camera unplugged", "gone", "silent; resumes when it is back"),
    (2, "camera runs, delivers nothing", "mute", "silent; resumes when it delivers"),
    (3, "camera delivers black pictures", "black", "silent, says `bad-picture`; resumes"),
    (4, "camera stops within a frame", "half", "silent, nothing of the torn frame is used; started anew"),
]


@pytest.mark.parametrize(("order", "fault", "word", "promise"), CAMERA)
def test_camera(bench: Bench, keep: Keep, order: int, fault: str, word: str, promise: str) -> None:
    silence_s = stops(bench, lambda: bench.order_camera(word), lambda: bench.last_frame_ns)
    if word == "black":
        assert "bad-picture" in {e["reason"] for e in bench.events("no-site")}
    bench.order_camera("good")
    recovery_s = bench.wait_for_targets(5)
    failures = len(bench.events("camera-failed"))
    assert bench.daemon.poll() is None
    happened = f"silent; {failures} attempts to open it failed" if failures else "silent"
    keep(Row(order, fault, promise, happened, silence_s, recovery_s, silence_s <= SILENCE_S))


def test_frozen_camera(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, size=(160, 120), follow=True) as bench:
        bench.descend()  # whether a picture is frozen shows when the vehicle moves
        bench.wait_for_targets(30)
        silence_s = stops(bench, lambda: bench.order_camera("frozen"), lambda: bench.last_frame_ns)
        frozen = [e for e in bench.events("no-site") if "frozen" in e["detail"]]
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
    promise = "silent once the vehicle moved 0.1 m under the same picture; resumes"
    keep(
        Row(
            5,
            "camera delivers the same picture for ever, while landing",
            promise,
            frozen[0]["detail"] if frozen else "nothing was said",
            silence_s,
            recovery_s,
            bool(frozen) and silence_s <= SILENCE_S,
        )
    )


OLD = [
    (
        60,
        "camera delivers one picture with noise, while landing",
        "noisy",
        "silent within 1 s, once the ground must have moved in the picture; resumes",
    ),
    (61, "camera repeats its last 2 s with noise, while landing", "loop", "silent within 1 s; resumes"),
]


@pytest.mark.parametrize(("order", "fault", "word", "promise"), OLD)
def test_old_pictures(
    tmp_path: Path, model_path: Path, keep: Keep, order: int, fault: str, word: str, promise: str
) -> None:
    with Bench(tmp_path, model_path, size=(160, 120), height_m=20.0, follow=True) as bench:
        bench.descend()
        bench.wait_for_targets(60)
        silence_s = stops(bench, lambda: bench.order_camera(word), lambda: bench.last_frame_ns)
        details = [e["detail"] for e in bench.events("no-site") if e["reason"] in ("bad-picture", "picture-motion")]
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
    old = [d for d in details if "frozen" in d or "loop" in d]
    happened = old[0] if old else "nothing was said"
    keep(Row(order, fault, promise, happened, silence_s, recovery_s, bool(old) and silence_s <= 1))


def test_slow_camera(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets(30)
        bench.order_camera("slow")
        time.sleep(1.0)
        count, gap_s = goes_on(bench, 4.0)
        # Whatever is sent rests on a frame that is young enough.
        frames = [int(t) for t in bench.frames_log.read_text().split()]
        ages = [
            (target.at_ns - max(f for f in frames if f <= target.at_ns)) * 1e-9
            for target in bench.wire.targets
            if target.at_ns > bench.since_ns
        ]
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            6,
            "camera three times slower",
            "goes on; no target on a frame older than 0.5 s",
            f"{count} targets in 4 s, longest gap {gap_s:.2f} s, oldest frame {max(ages):.2f} s",
            None,
            recovery_s,
            count > 20 and max(ages) <= SILENCE_S,
        )
    )


def write_pictures(folder: Path, width_px: int, height_px: int, exif: Image.Exif | None) -> None:
    """Seven pictures of grass with a car, each replaced whole."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number in range(7):
        clean = fake_model.paint(width_px, height_px, ("car", (2, 2, width_px // 6, 6)))
        noisy = np.clip(clean + rng.normal(0, 3, clean.shape), 0, 255).astype(np.uint8)
        draft = folder / "draft"
        picture = Image.fromarray(noisy[..., ::-1])
        picture.save(draft, "JPEG", quality=95, **({} if exif is None else {"exif": exif}))
        draft.replace(folder / f"{number}.jpg")


def pictures_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Settings of a daemon whose camera is that folder, again and again."""
    return {"camera": {"source": f"images://{folder}", "loop": True}}


def test_lying_exif(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    folder = tmp_path / "pictures"
    write_pictures(folder, WIDTH, HEIGHT, None)
    lies = Image.Exif()
    lies[ExifTags.Base.Orientation] = 6  # turned by 90 degrees
    lies[ExifTags.Base.DateTime] = "1999:12:31 23:59:59"
    lies.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 800
    with Bench(tmp_path, model_path, pictures_of(folder)) as bench:
        bench.wait_for_targets()
        before = len(bench.events("site-changed"))
        write_pictures(folder, WIDTH, HEIGHT, lies)
        count, gap_s = goes_on(bench, 3.0)
        changes = len(bench.events("site-changed")) - before
    keep(
        Row(
            21,
            "pictures with an EXIF that lies: turned, of 1999, through a lens of 800 mm",
            "goes on: frames are stamped by us, and the lens is the configuration's",
            f"{count} targets in 3 s, longest gap {gap_s:.2f} s, site changed {changes} times",
            None,
            None,
            count > 40 and changes == 0,
        )
    )


def test_wrong_size(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    folder = tmp_path / "pictures"
    write_pictures(folder, WIDTH, HEIGHT, None)
    with Bench(tmp_path, model_path, pictures_of(folder)) as bench:
        bench.wait_for_targets()
        replaced: list[int] = []

        def shrink() -> None:
            write_pictures(folder, WIDTH // 2, HEIGHT // 2, None)
            replaced.append(time.monotonic_ns())
            wait_for(lambda: bench.daemon.poll() is not None, 20, bench.said)

        silence_s = stops(bench, shrink, lambda: replaced[0])
        status, said = bench.daemon.returncode, bench.said()
        assert "one camera has one size" in said and "Traceback" not in said
        write_pictures(folder, WIDTH, HEIGHT, None)
        bench.start_daemon()
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            22,
            "pictures of another size than the camera had",
            "none of them is used; ends with an error, is started again by systemd, resumes",
            f"exit status {status}: one camera has one size",
            max(silence_s, 0.0),
            recovery_s,
            status == 2 and silence_s <= SILENCE_S,
        )
    )
