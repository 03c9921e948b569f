"""Real ground, judged like an outsider: `edge look` on photographs of many places, scored by place, not by picture.

    python -m benchmarks.real_ground --sets FOLDER [--model FILE] [--only PLACE] [--fly 4] [--markdown FILE]

FOLDER holds a folder for each place: `images/`, `set.toml` (place, licence, camera, and `height_m`, `hfov_deg`,
`pitch_deg`, `assume_nadir` where the files do not say them), an operator's `verdicts.csv` (benchmarks/verdicts.py
says its form), and `labels/` with `taxonomy` in `set.toml`, if there are any. A page of all
pictures, the wrong ones first, is written to `--out`. `--fly` adds whole landings over so many pictures of each place.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import cv2

from benchmarks.real_figures import by_place, markdown, over_places
from benchmarks.real_flights import PhotoFlight, flights_of, fly_over
from benchmarks.real_page import write_page
from benchmarks.runner import ROOT, Figures, benchmark
from benchmarks.verdicts import ROOM_M, SAFE, UNSAFE, Answer, PictureVerdict, VerdictMap, read_labels, read_verdicts
from edge.cameras.recordings import pictures_in, read_picture
from edge.look.looker import Looker
from edge.look.options import LookOptions, parse_decision
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.errors import DataError
from landing.picture_files import picture_size
from landing.reading import read_text, read_toml
from landing.taxonomy import Taxonomy

VERDICTS = "verdicts.csv"
FLOWN_M = 60.0
"""Highest pictures of the range that the vehicle flies in; higher ones are a group of their own."""

NEARER = 0.95
"""Part of the height to come down to, from which a picture that was too high is looked at again."""

FACTS = {"place", "licence", "source", "commit", "camera", "note", "may_train", "held_back"}
GIVEN = {"height_m", "hfov_deg", "pitch_deg", "assume_nadir", "taxonomy"}


@dataclass(frozen=True)
class RealSet:
    """Photographs of one place.

    Attributes:
        name: Of its folder.
        facts: From `set.toml`.
        pictures: Files.
        verdicts: By name of the picture.
        labels: Folder of label maps; None without.
    """

    name: str
    facts: dict[str, Any]
    pictures: tuple[Path, ...]
    verdicts: dict[str, PictureVerdict]
    labels: Path | None

    @property
    def given(self) -> Given:
        """Facts of the views for `edge look`."""
        facts = self.facts
        return Given(
            facts.get("height_m"),
            facts.get("hfov_deg"),
            pitch_deg=facts.get("pitch_deg"),
            assume_nadir=bool(facts.get("assume_nadir")),
        )


def read_set(folder: Path, verdicts: Path | None) -> RealSet:
    """Read a place's folder.

    Args:
        folder: With `images` and `set.toml`.
        verdicts: Folder of NAME.csv for places without verdicts of their own.

    Raises:
        DataError: Something in it cannot be used.
    """
    facts = read_toml(folder / "set.toml", "set", DataError)
    unknown = sorted(facts.keys() - FACTS - GIVEN)
    if unknown:
        raise DataError(f"set {folder / 'set.toml'}: {unknown[0]} is not one of {', '.join(sorted(FACTS | GIVEN))}")
    for key in ("height_m", "hfov_deg", "pitch_deg"):
        if isinstance(facts.get(key, 0.0), bool) or not isinstance(facts.get(key, 0.0), int | float):
            raise DataError(f"set {folder / 'set.toml'}: {key} = {facts[key]!r} is not a number")
    images = folder / "images"
    pictures = tuple(pictures_in(images)) if images.is_dir() else ()
    if not pictures:
        raise DataError(f"set {folder}: images holds no pictures")
    own = folder / VERDICTS
    found = own if own.exists() or verdicts is None else verdicts / f"{folder.name}.csv"
    labels = folder / "labels"
    said = read_verdicts(found) if found.exists() else {}
    strangers = sorted(said.keys() - {p.name for p in pictures})
    if strangers:
        raise DataError(f"verdicts {found}: no picture {strangers[0]} in {folder / 'images'}")
    return RealSet(folder.name, facts, pictures, said, labels if labels.is_dir() else None)


@dataclass(frozen=True)
class Look:
    """One answer of `edge look`.

    Attributes:
        picture: The whole photograph.
        record: Of it, or of its middle as it is seen from lower.
        window: Left, top, right and bottom of what was looked at, in parts of the photograph.
        height_m: Of the photograph.
    """

    picture: Path
    record: dict[str, Any]
    window: tuple[float, float, float, float]
    height_m: float


WHOLE = (0.0, 0.0, 1.0, 1.0)


def look_at(real: RealSet, model: Path, out: Path, again: bool = False) -> list[Look]:
    """Look at a place's pictures; a picture that is too high is looked at again from where it says to come down to.

    Its middle, cut out, is what the same camera sees from there, but for detail that the photograph lacks. What is too
    high stays it where the network's range is not known. With `again` the records in `out` are taken as they are.
    """
    looks = [
        Look(Path(r["path"]), r, WHOLE, r["height_agl_m"])
        for r in _records(real.pictures, model, real.given, out / real.name, again)
    ]
    high = [k for k in looks if k.record.get("no_site", {}).get("descend_to_m") is not None]
    if not high:
        return looks
    lower_m = NEARER * min(k.record["no_site"]["descend_to_m"] for k in high)
    below = [_from_lower(k, lower_m, out / real.name / "lower") for k in high]
    given = replace(real.given, height_agl_m=lower_m, hfov_deg=high[0].record["hfov_deg"], assume_nadir=True)
    records = _records([path for path, _ in below], model, given, out / real.name / "lower", again)
    nearer = [Look(k.picture, r, window, k.height_m) for k, r, (_, window) in zip(high, records, below, strict=True)]
    return [k for k in looks if k not in high] + nearer


def _records(pictures: Sequence[Path], model: Path, given: Given, out: Path, again: bool) -> list[dict[str, Any]]:
    written = out / "results.jsonl"
    if again and written.exists():
        return [json.loads(line) for line in read_text(written, "results", DataError).splitlines()]
    records: list[dict[str, Any]] = []
    options = LookOptions(
        model=model, runtime=RuntimeOptions(threads=1), settings=parse_decision(()), given=given, out=out
    )
    Looker(options, lambda _line: None, records.append).run(list(pictures))
    return records


def _from_lower(look: Look, lower_m: float, folder: Path) -> tuple[Path, tuple[float, float, float, float]]:
    """Cut a photograph's middle out, in as many pixels as the camera has: its file, and its place in the photograph."""
    part = lower_m / look.height_m
    low, high = 0.5 - part / 2.0, 0.5 + part / 2.0
    image = read_picture(look.picture)
    height_px, width_px = image.shape[:2]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{look.picture.stem}.png"
    cut = image[round(low * height_px) : round(high * height_px), round(low * width_px) : round(high * width_px)]
    if not cv2.imwrite(str(path), cv2.resize(cut, (width_px, height_px), interpolation=cv2.INTER_LINEAR)):
        raise DataError(f"{path} cannot be written: is the disk full or the folder read-only?")
    return path, (low, low, high, high)


def answer_of(real: RealSet, look: Look, radius_m: float) -> Answer:
    """Judge one answer.

    Args:
        real: The place.
        look: Of one picture.
        radius_m: Of the vehicle.
    """
    path, record, window = look.picture, look.record, look.window
    below = "" if window == WHOLE else "lower/"
    shown = f"{real.name}/{below}{record['picture']}" if "picture" in record else ""
    verdict = real.verdicts.get(path.name)

    def answer(outcome: str, why: str, person_m: float | None = None) -> Answer:
        return Answer(
            real.name, path.name, outcome, why, look.height_m, record["height_agl_m"], person_m, shown, window
        )

    site = record.get("site")
    if verdict is None:
        return answer("not judged", "a site" if site is not None else cause_of(record))
    size = picture_size(path, "picture", DataError)
    ground = painted(real, path, verdict, size)
    width_m = 2.0 * look.height_m * math.tan(math.radians(record["hfov_deg"]) / 2.0)
    if site is None:
        room = verdict.room
        if room and window != WHOLE and ground.room_m(window, width_m) < ROOM_M:
            room = None
        outcomes = {True: "wrong refusal", False: "right refusal", None: "refused at the margin"}
        return answer(outcomes[room], cause_of(record))
    part = window[2] - window[0]
    u, v = window[0] + part * site["u_px"] / size[0], window[1] + part * site["v_px"] / size[1]
    judged = ground.judge(u, v, radius_m / width_m, width_m)
    outcome = {SAFE: "safe site", UNSAFE: "unsafe site"}.get(judged.ground, "unsure")
    return answer(outcome, judged.what, judged.person_m)


def painted(real: RealSet, picture: Path, verdict: PictureVerdict, size: tuple[int, int]) -> VerdictMap:
    """Return the map of a picture's verdict and of its label map, if it has one."""
    labels = None if real.labels is None else real.labels / f"{picture.stem}.png"
    if labels is None or not labels.exists():
        return VerdictMap(verdict, size)
    taxonomy = Taxonomy.load(real.facts["taxonomy"])
    return VerdictMap(verdict, size, (read_labels(labels, taxonomy), taxonomy))


def flown(real: RealSet, model: Path, most: int, out: Path) -> list[PhotoFlight]:
    """Fly over pictures of a place, spread evenly.

    Args:
        real: The place.
        model: Network.
        most: Number of pictures.
        out: Folder; what it holds already is not flown again.
    """
    if not most:
        return []
    named = [p for p in real.pictures if p.name in real.verdicts]
    chosen = [named[i * len(named) // most] for i in range(most)] if len(named) > most else named

    def paint(picture: Path, verdict: PictureVerdict) -> VerdictMap:
        return painted(real, picture, verdict, picture_size(picture, "picture", DataError))

    folder = out / real.name / f"flights-{model.stem}"
    return fly_over(real.name, chosen, real.facts, real.verdicts, paint, model, folder, partial(click.echo, err=True))


def cause_of(record: dict[str, Any]) -> str:
    """Name what took the room: the kind of ground that bounds the largest gap tightest, else the reason."""
    refusal = record["no_site"]
    bounds = refusal.get("gap", {}).get("obstructions", [])
    return str(bounds[0]["kind"] if bounds else refusal["reason"])


@benchmark
@click.option("--sets", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--only", multiple=True, help="Names of places; all without.")
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path),
    default=ROOT / "benchmarks" / "judged",
    help="Folder of NAME.csv for sets without their own.",
)
@click.option("--model", type=click.Path(path_type=Path), default=ROOT / "models" / "semantic-drone-fast.onnx")
@click.option("--fly", type=click.IntRange(0), default=0, help="Whole landings over so many pictures of each place.")
@click.option("--again", is_flag=True, help="Judge the answers that --out holds once more, by verdicts that changed.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "real-ground", help="For the page.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Also write the tables here.")
def main(
    sets: Path,
    only: tuple[str, ...],
    verdicts: Path | None,
    model: Path,
    fly: int,
    again: bool,
    out: Path,
    markdown_path: Path | None,
) -> Figures:
    folders = sorted(f for f in sets.iterdir() if (f / "set.toml").exists() and (not only or f.name in only))
    if not folders:
        raise click.UsageError(f"--sets {sets}: no folder with a set.toml in it")
    radius_m = parse_decision(()).vehicle_radius_m
    reals = [read_set(folder, verdicts) for folder in folders]
    answers: list[Answer] = []
    for real in reals:
        click.echo(f"{real.name}: {len(real.pictures)} pictures", err=True)
        answers += [answer_of(real, look, radius_m) for look in look_at(real, model, out, again)]
    places = by_place(answers)
    low = {n: p for n, p in places.items() if statistics.median(p.heights_m) <= FLOWN_M}
    high = {n: p for n, p in places.items() if n not in low}
    groups = {f"at most {FLOWN_M:g} m": over_places(low), f"above {FLOWN_M:g} m": over_places(high)}
    mappings = {name: figures.to_mapping() for name, figures in places.items()}
    landings = [flight for real in reals for flight in flown(real, model, fly, out)]
    flights = flights_of(landings)
    write_page(out, answers, {(r.name, name): v for r in reals for name, v in r.verdicts.items()}, landings)
    if markdown_path is not None:
        markdown_path.write_text(
            markdown(groups, mappings, flights, [{"set": r.name, **r.facts} for r in reals], model.name), "utf-8"
        )
    return {
        "model": model.name,
        "groups": groups,
        "places": mappings,
        "landings": flights,
        "nearest_person_m": min((a.person_m for a in answers if a.person_m is not None), default=None),
        "answers": [asdict(a) for a in answers],
    }
