"""Hold the stand-in autopilot against the recorded ArduCopter landings.

    python -m benchmarks.standin_vs_flights [--json FILE] [--plot FILE.png] [CASE ...]

Prints, for each recorded flight, the real and our verdict, how far apart the touchdowns are, by how much the descent
differs (RMS over the recorded heights) and by how much the touchdown time does. The plot shows recorded (dark) and our
(bright) height over time of a few telling cases.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import Figures, benchmark, table
from tests.sim import flights

PLOTTED = (
    "angle_1",
    "none_plnd1",
    "stop6_strict1",
    "stop6_strict2",
    "stop12_strict1",
    "lat500",
    "far",
    "flipx",
    "blind15",
)
PANEL_W, PANEL_H, MARGIN = 520, 300, 44
HIGH_M = 16.0
RECORDED_BGR, OURS_BGR, GRID_BGR = (60, 60, 60), (40, 110, 240), (225, 225, 225)


def compare(flight: flights.Flight) -> tuple[dict[str, Any], flights.Outcome]:
    """One row of the table, and our flight."""
    mine, real = flights.fly(flight), flight.outcome
    later_s = mine.touchdown_s - real.touchdown_s
    return {
        "case": flight.case,
        "verdict_real": real.verdict,
        "verdict_ours": mine.verdict,
        "touchdown_difference_m": round(
            math.hypot(mine.final_n_m - real.final_n_m, mine.final_e_m - real.final_e_m), 3
        ),
        "profile_rms_m": round(flights.profile_rms_m(real, mine), 3),
        "touchdown_later_s": round(later_s, 2) if math.isfinite(later_s) else None,
        "cruise_real_mps": round(flights.cruise_mps(real), 2),
        "cruise_ours_mps": round(flights.cruise_mps(mine), 2),
    }, mine


def plot(pairs: list[tuple[flights.Flight, flights.Outcome]], path: Path) -> None:
    """Draw height over time of each pair into one picture (OpenCV; no plotting library needed)."""
    import cv2
    import numpy as np

    columns = 3
    rows = -(-len(pairs) // columns)
    image = np.full((rows * PANEL_H, columns * PANEL_W, 3), 255, np.uint8)
    for i, (flight, mine) in enumerate(pairs):
        left, top = (i % columns) * PANEL_W, (i // columns) * PANEL_H
        end_s = min(max(mine.track[-1].at_s, flight.outcome.track[-1].at_s), 60.0)

        def pixel(
            at_s: float, height_m: float, left: int = left, top: int = top, end_s: float = end_s
        ) -> tuple[int, int]:
            x = left + MARGIN + at_s / end_s * (PANEL_W - 2 * MARGIN)
            y = top + PANEL_H - MARGIN - height_m / HIGH_M * (PANEL_H - 2 * MARGIN)
            return round(x), round(y)

        def text(words: str, at: tuple[int, int], scale: float = 0.42) -> None:
            cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)

        for height_m in range(0, 17, 4):
            cv2.line(image, pixel(0, height_m), pixel(end_s, height_m), GRID_BGR, 1)
            x, y = pixel(0, height_m)
            text(f"{height_m} m", (x - 38, y + 4), 0.36)
        for at_s in range(0, int(end_s) + 1, 10):
            cv2.line(image, pixel(at_s, 0), pixel(at_s, HIGH_M), GRID_BGR, 1)
            x, y = pixel(at_s, 0)
            text(f"{at_s} s", (x - 10, y + 16), 0.36)
        for outcome, colour, width in ((flight.outcome, RECORDED_BGR, 3), (mine, OURS_BGR, 1)):
            points = [pixel(s.at_s, s.height_m) for s in outcome.track if s.at_s <= end_s]
            cv2.polylines(image, [np.array(points)], False, colour, width, cv2.LINE_AA)
        rms = flights.profile_rms_m(flight.outcome, mine)
        text(f"{flight.case}: height, RMS {rms:.2f} m", (left + MARGIN, top + 24), 0.5)
    text_y = image.shape[0] - 10
    for words, colour, x in (("ArduCopter 4.6.2", RECORDED_BGR, 44), ("stand-in", OURS_BGR, 220)):
        cv2.putText(image, words, (x, text_y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 2, cv2.LINE_AA)
    if not cv2.imwrite(str(path), image):
        raise OSError(f"{path}: the picture could not be written; check folder and suffix")


@benchmark
@click.argument("cases", nargs=-1)
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw descents here, PNG.")
def main(cases: tuple[str, ...], picture: Path | None) -> Figures:
    recorded = flights.load_all()
    if not recorded:
        raise click.ClickException("no recorded flights: set TOUCHDOWN_DATA to the folder with ardupilot-flights/")
    chosen = [f for f in recorded if not cases or f.case in cases]
    if not chosen:
        raise click.ClickException(f"no recorded flight is called {' or '.join(cases)}")
    compared = [(flight, *compare(flight)) for flight in chosen]
    if picture:
        plot([(flight, mine) for flight, _, mine in compared if flight.case in PLOTTED or cases], picture)
    rows = [row for _, row, _ in compared]
    click.echo(table(rows))
    landings = [r for r in rows if r["verdict_real"] != "runaway"]
    return {
        "verdicts_that_agree": sum(r["verdict_real"] == r["verdict_ours"] for r in rows),
        "of": len(rows),
        "runaways_aside": {
            key: {"median": statistics.median(values), "largest": max(values)}
            for key in ("touchdown_difference_m", "profile_rms_m")
            if (values := [r[key] for r in landings])
        },
        "flights": rows,
    }
