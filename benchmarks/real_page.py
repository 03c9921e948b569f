"""One page of pictures: what was decided on real ground and why, the wrong ones first, filtered by a click."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.real_flights import PhotoFlight
from benchmarks.verdicts import OPEN, RIGHT, SAFE, WRONG, Answer, PictureVerdict
from landing.errors import FileError
from landing.types import ByteArray

WIDTH_PX = 640
ORDER = (*WRONG, *OPEN, *RIGHT)
COLOURS = {"safe": (90, 200, 60), "unsafe": (40, 40, 235)}
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Real ground</title>
<style>
body {{ font: 15px sans-serif; margin: 16px; background: #fff; color: #111; }}
figure {{ display: inline-block; width: 420px; margin: 0 12px 16px 0; vertical-align: top; }}
figure[hidden] {{ display: none; }}
img {{ width: 100%; display: block; }}
.wrong {{ color: #b00020; font-weight: bold; }}
button {{ font: inherit; padding: 4px 10px; margin: 0 6px 6px 0; }}
</style></head><body>
<h1>Real ground</h1>
<p>Outlines are the operator's: green safe, red unsafe, a cross somebody. {count} pictures.</p>
<p>{buttons}</p>
{figures}
{flights}
<script>
function show(key, value) {{
  document.querySelectorAll("figure").forEach(f => {{ f.hidden = value !== "" && f.dataset[key] !== value; }});
}}
</script></body></html>
"""


def write_page(
    out: Path,
    answers: Sequence[Answer],
    verdicts: Mapping[tuple[str, str], PictureVerdict],
    flights: Sequence[PhotoFlight] = (),
) -> Path:
    """Write `index.html` and its small pictures.

    Args:
        out: Folder that the pictures of the answers are in.
        answers: All of a run.
        verdicts: By place and picture, to be outlined.
        flights: Whole landings, told below the pictures.
    """
    ordered = sorted(answers, key=lambda a: (ORDER.index(a.outcome), a.place, a.picture))
    figures = [_figure(out, answer, verdicts.get((answer.place, answer.picture))) for answer in ordered]
    buttons = [_button("all", "outcome", "", len(answers))]
    buttons += [_button(o, "outcome", o, sum(a.outcome == o for a in answers)) for o in ORDER]
    places = sorted({a.place for a in answers})
    buttons += [_button(p, "place", p, sum(a.place == p for a in answers)) for p in places]
    page = out / "index.html"
    text = PAGE.format(
        count=len(answers), buttons="".join(buttons), figures="\n".join(figures), flights=_flights(flights)
    )
    try:
        page.write_text(text, "utf-8")
    except OSError as error:
        raise FileError(f"{page} cannot be written: {error.strerror}") from error
    return page


def _flights(flights: Sequence[PhotoFlight]) -> str:
    """Return a table of whole landings, those that did not land safe first."""
    if not flights:
        return ""
    rows = []
    for flight in sorted(flights, key=lambda f: (f.outcome == "landed safe", f.place, f.picture)):
        story = "".join(f"<li>{t:.1f} s, {h:.1f} m: {html.escape(words)}</li>" for t, h, words in flight.story)
        cells = (flight.place, flight.picture, flight.outcome, flight.why)
        told = f"<details><summary>{len(flight.story)} events</summary><ol>{story}</ol></details>"
        rows.append("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + f"<td>{told}</td></tr>")
    heads = "".join(f"<th>{h}</th>" for h in ("place", "picture", "outcome", "why", "story"))
    return f"<h2>Whole landings</h2><table><tr>{heads}</tr>{''.join(rows)}</table>"


def _button(text: str, key: str, value: str, count: int) -> str:
    return f"<button onclick=\"show('{key}', '{html.escape(value)}')\">{html.escape(text)} {count}</button>"


def _figure(out: Path, answer: Answer, verdict: PictureVerdict | None) -> str:
    image = ""
    if answer.shown:
        small = out / answer.place / "small" / (Path(answer.shown).stem + ".jpg")
        small.parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.imread(str(out / answer.shown))
        if picture is not None:
            cv2.imwrite(str(small), outlined(picture, verdict, answer.window), [cv2.IMWRITE_JPEG_QUALITY, 80])
            image = f'<img loading="lazy" src="{html.escape(small.relative_to(out).as_posix())}" alt="">'
    near = "" if answer.person_m is None else f", a person {answer.person_m:.1f} m away"
    mark = ' class="wrong"' if answer.outcome in WRONG else ""
    lower = answer.seen_from_m < answer.height_m
    seen = f"{answer.height_m:.0f} m" + (f", its middle as from {answer.seen_from_m:.0f} m" if lower else "")
    return (
        f'<figure data-outcome="{answer.outcome}" data-place="{html.escape(answer.place)}">{image}<figcaption>'
        f"<span{mark}>{answer.outcome}</span>: {html.escape(answer.why)}{near}<br>"
        f"{html.escape(answer.place)}, {html.escape(answer.picture)}, {seen}</figcaption></figure>"
    )


def outlined(
    picture: ByteArray, verdict: PictureVerdict | None, window: tuple[float, float, float, float]
) -> ByteArray:
    """Return a picture made small, with an operator's areas as outlines.

    Args:
        picture: (H, W, 3).
        verdict: None: without outlines.
        window: What the picture shows of the photograph that the verdict is on.
    """
    size = (WIDTH_PX, max(1, round(picture.shape[0] * WIDTH_PX / picture.shape[1])))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    for row in [] if verdict is None else verdict.rows:
        colour = COLOURS["safe" if row.ground == SAFE else "unsafe"]
        corners = np.array(row.corners).reshape(-1, 2)
        within = (corners - window[:2]) / (np.array(window[2:]) - window[:2])
        points = (within * size).round().astype(np.int32)
        if len(points) == 1:
            cv2.drawMarker(small, points[0].tolist(), colour, cv2.MARKER_TILTED_CROSS, 14, 3)
        elif len(points) == 2:
            cv2.rectangle(small, points[0].tolist(), points[1].tolist(), colour, 2)
        elif len(points) > 2:
            cv2.polylines(small, [points], True, colour, 2)
    return small
