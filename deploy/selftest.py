"""A release's decisions on sample pictures, held against the workstation's.

It runs where the release does, in the release's own Python, with the configuration that will fly: `python -m
deploy.selftest CONFIG FOLDER EXPECTATIONS`. So a wrong wheel, a damaged engine or a runtime that computes something
else is found before the release is switched to. Needs what the installer needs, and nothing more.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deploy.manifest import SampleDecision
from edge.config import EdgeConfig, load_config
from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.view import Given
from landing.errors import DataError, TouchdownError
from landing.types import ByteArray

SAMPLE_HEIGHT_M = 12.0
"""From which the generated pictures are taken to be seen."""

_SIDE_PX = 480
_LEAST_TOLERANCE_M = 0.25
"""A quarter of a metre is nothing to a landing, and float16 moves a site by as much."""


def generated_pictures() -> dict[str, ByteArray]:
    """Pictures, ``uint8[H,W,3]`` BGR, that are the same on every machine: meadow, a yard with things on it, noise.

    They test that a release computes what the workstation did; `trainer evaluate` tells a good network from a bad one.
    """
    random = np.random.default_rng(20_240_229)
    width, height = _SIDE_PX * 4 // 3, _SIDE_PX
    coarse = random.normal(0.0, 1.0, (height // 16, width // 16, 1))
    patches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    grain = random.normal(0.0, 6.0, (height, width, 3))
    meadow = np.array([62.0, 132.0, 96.0]) + 12.0 * patches + grain
    yard = np.array([138.0, 140.0, 142.0]) + 4.0 * patches + grain
    for _ in range(14):
        u, v = int(random.integers(0, width - 70)), int(random.integers(0, height - 70))
        w, h = random.integers(18, 70, 2)
        yard[v : v + int(h), u : u + int(w)] = random.integers(0, 256, 3) + grain[:1, :1]
    noise = random.integers(0, 256, (height, width, 3)).astype(np.float64)
    pictures = {"meadow": meadow, "yard": yard, "noise": noise}
    return {name: np.clip(p, 0, 255).astype(np.uint8) for name, p in pictures.items()}


def decide(config: EdgeConfig, pictures: Sequence[tuple[Path, float]]) -> list[SampleDecision]:
    """Decides on pictures seen straight from above, each with its height above ground in metres; one result for each.

    Lens, model, runtime, taxonomy and decision are those of the file, not those that ground stations set on this drone:
    the workstation knows nothing of them.

    Raises:
        TouchdownError: The model or a picture cannot be read.
    """
    found: list[SampleDecision] = []
    for height_m, group in groupby(pictures, key=lambda picture: picture[1]):
        paths = [path for path, _ in group]
        records: list[dict[str, Any]] = []
        options = LookOptions(
            model=config.model.path,
            runtime=config.model.options,
            settings=config.decision,
            taxonomy=config.model.taxonomy,
            given=Given(height_m, config.camera.model().hfov_deg, pitch_deg=-90.0),
        )
        summary = Looker(options, lambda _line: None, records.append).run(paths)
        if summary.skipped:
            raise DataError(summary.skipped[0])
        found += [_expectation(str(record["name"]), height_m, record) for record in records]
    return found


def disagreement(expected: SampleDecision, found: SampleDecision) -> str:
    """Names the difference between two decisions; empty when they agree.

    A site agrees when it lies within the circle that the workstation found free.
    """
    name = Path(expected.path).name
    if expected.site != found.site:
        here = "a site" if found.site else f"no site ({found.reason})"
        there = "a site" if expected.site else f"none ({expected.reason})"
        return f"{name}: {here} here, {there} on the workstation"
    apart_m = math.hypot(found.ahead_m - expected.ahead_m, found.right_m - expected.right_m)
    if apart_m > max(expected.clearance_m, _LEAST_TOLERANCE_M):
        return (
            f"{name}: the site is {apart_m:.1f} m from the workstation's, outside the "
            f"{expected.clearance_m:.1f} m that were free there"
        )
    return ""


def _expectation(name: str, height_m: float, record: dict[str, Any]) -> SampleDecision:
    site = record.get("site")
    if site is None:
        reason = str(record["no_site"]["reason"])
        return SampleDecision(path=name, height_agl_m=height_m, site=False, reason=reason)
    return SampleDecision(
        path=name,
        height_agl_m=height_m,
        site=True,
        ahead_m=site["ahead_m"],
        right_m=site["right_m"],
        clearance_m=site["clearance_m"],
    )


def main(arguments: Sequence[str]) -> int:
    """Runs the self-test of one release and prints one JSON object.

    Args:
        arguments: Configuration file, folder the samples' paths start from, and the expectations as a JSON list.

    Returns:
        0 when all agree, 3 when one does not, 2 when it could not be run.
    """
    config_path, folder, text = arguments
    try:
        # Nothing here needs them, but a release must not be tried whose daemon does not even start, or that could not
        # end its own trial after a power cut.
        for needed in ("edge.serve", "deploy.trial"):
            importlib.import_module(needed)
        expected = [SampleDecision.model_validate(entry) for entry in json.loads(text)]
        config = load_config(Path(config_path))
        pictures = [(Path(folder) / e.path, e.height_agl_m) for e in expected]
        found = decide(config, pictures)
    except TouchdownError as error:
        print(json.dumps({"error": str(error)}))
        return 2
    except ImportError as error:
        reason = f"its software is not complete: {error}. Build its wheel again"
        print(json.dumps({"error": reason}))
        return 2
    wrong = [text for e, f in zip(expected, found, strict=True) if (text := disagreement(e, f))]
    sites = sum(f.site for f in found)
    print(json.dumps({"pictures": len(found), "sites": sites, "wrong": wrong}))
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
