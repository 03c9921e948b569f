"""`edge look` and the flying runtime on real pictures, with the shipped model of real ground.

None of these places was trained on. The bounds are below what `benchmarks/results` records, far enough that another
build of a library does not break them, near enough that a regression does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.runtimes import RuntimeOptions, load_runtime
from landing.taxonomy import Role, Taxonomy
from landing.types import Frame

pytestmark = pytest.mark.realdata
ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "semantic-drone-fast.onnx"
SEEN_FROM = ["--height-agl-m", "14", "--hfov-deg", "77"]
"""Of sequence 001101, from lane width and motorbike length."""


def look(*arguments: str) -> tuple[list[dict], str]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "touchdown",
            "edge",
            "look",
            "--model",
            str(MODEL),
            "--json",
            "--threads",
            "1",
            "--assume-nadir",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [r for r in records if "name" in r], done.stderr


def test_network_on_a_place_it_never_saw(real_data):
    """Roads, people and vehicles of AeroScapes, whose classes are others: judged by their roles."""
    folder = real_data / "aeroscapes"
    pictures = sorted((folder / "images").glob("001101_*.jpg"))
    assert len(pictures) == 37
    labels = Taxonomy.load("aeroscapes")
    seen: Counter[str] = Counter()
    with load_runtime(MODEL, RuntimeOptions(threads=1)) as runtime:
        own = runtime.spec.taxonomy
        for number, path in enumerate(pictures):
            truth = cv2.imread(str(folder / "labels" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
            result = runtime.segment(Frame(cv2.imread(str(path)), number, 0))
            size = (truth.shape[1], truth.shape[0])
            said = cv2.resize(result.class_id, size, interpolation=cv2.INTER_NEAREST)
            free = np.isin(said, own.ids_of(Role.LANDABLE))
            for role in (Role.LANDABLE, Role.PERSON, Role.VEHICLE):
                of_role = np.isin(truth, labels.ids_of(role))
                seen[role] += int(of_role.sum())
                seen[f"free {role}"] += int((free & of_role).sum())
    share_free = {role: seen[f"free {role}"] / seen[role] for role in (Role.LANDABLE, Role.PERSON, Role.VEHICLE)}
    print(share_free)
    assert share_free[Role.LANDABLE] > 0.85
    assert share_free[Role.PERSON] < 0.12
    assert share_free[Role.VEHICLE] < 0.2


def test_no_chosen_site_holds_a_hazard_pixel(real_data, tmp_path):
    """The held-out sequence, each picture decided on by itself, judged by its labels."""
    folder = real_data / "aeroscapes"
    held_out = sorted(str(p) for p in (folder / "images").glob("001101_*.jpg"))
    records, _ = look(
        *held_out,
        *SEEN_FROM,
        "--labels",
        str(folder / "labels"),
        "--label-taxonomy",
        "aeroscapes",
        "--out",
        str(tmp_path),
    )
    assert len(records) == 37
    sites = [r for r in records if "site" in r]
    assert all(("site" in r) != ("no_site" in r) for r in records)
    assert all(r["no_site"]["reason"] for r in records if "no_site" in r)
    assert len(sites) >= 3
    holding = [r["name"] for r in sites if r["hazard_px"]]
    assert holding == []
    assert len(list(tmp_path.glob("*.jpg"))) == 37


@pytest.mark.parametrize(("folder", "height_m", "count"), [("brighton", 40, 18), ("caliterra", 80, 25)])
def test_real_flights_are_looked_at_whole(real_data, tmp_path, folder, height_m, count):
    """No labels: every picture gives a site inside the picture or a reason, and a picture."""
    records, _ = look(str(real_data / folder), "--height-agl-m", str(height_m), "--out", str(tmp_path))
    assert len(records) == count
    for record in records:
        if "site" in record:
            assert record["site"]["clearance_m"] >= 1.0
            assert record["site"]["u_px"] > 0 and record["site"]["v_px"] > 0
        else:
            assert record["no_site"]["detail"]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == count
    assert len(list(tmp_path.glob("*.jpg"))) == count


def test_gps_altitude_is_not_taken_for_height(real_data, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "touchdown",
            "edge",
            "look",
            "--model",
            str(MODEL),
            str(sorted((real_data / "caliterra").glob("*.[jJ]*"))[0]),
            "--out",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "--height-agl-m" in done.stderr and "above the sea" in done.stderr
