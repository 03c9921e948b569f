"""Real ground, judged like an outsider: `edge look` on photographs of many places, scored by place, not by picture.

    python -m benchmarks.real_ground --sets FOLDER [--model FILE] [--only PLACE] [--verdicts FOLDER] [--markdown FILE]

FOLDER holds a folder for each place: `images/`, `set.toml` (place, licence, camera, and `height_m`, `hfov_deg`,
`pitch_deg`, `assume_nadir` where the files do not say them), an operator's `verdicts.csv` (benchmarks/verdicts.py
says its form), and `labels/` with `taxonomy` in `set.toml`, if there are any. A page of all
pictures, the wrong ones first, is written to `--out`.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from benchmarks.real_page import write_page
from benchmarks.runner import ROOT, Figures, benchmark, share_words, table
from benchmarks.verdicts import (
    RIGHT,
    SAFE,
    UNSAFE,
    WRONG,
    Answer,
    PictureVerdict,
    VerdictMap,
    read_labels,
    read_verdicts,
)
from edge.cameras.recordings import pictures_in
from edge.look.looker import Looker, LookOptions, parse_decision
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.errors import DataError
from landing.pictures import picture_size
from landing.reading import read_toml
from landing.taxonomy import Taxonomy
from sim.campaign.wilson import share

VERDICTS = "verdicts.csv"
FLOWN_M = 60.0
"""Highest pictures of the range that the vehicle flies in; higher ones are a group of their own."""

GOOD = 0.8
"""Share of right answers from which a place counts as good."""

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


@dataclass
class PlaceFigures:
    """Counts of one place."""

    outcomes: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    heights_m: list[float] = field(default_factory=list)

    @property
    def judged(self) -> int:
        return sum(self.outcomes[o] for o in (*RIGHT, *WRONG))

    @property
    def right(self) -> int:
        return sum(self.outcomes[o] for o in RIGHT)

    def to_mapping(self) -> Figures:
        """For JSON."""
        sites = self.outcomes["safe site"] + self.outcomes["unsafe site"]
        room = self.outcomes["safe site"] + self.outcomes["wrong refusal"]
        return {
            "pictures": sum(self.outcomes.values()),
            "height_m": round(statistics.median(self.heights_m), 1) if self.heights_m else None,
            "right": asdict(share(self.right, self.judged)) | {"value": share(self.right, self.judged).value},
            "unsafe": asdict(share(self.outcomes["unsafe site"], sites)),
            "refused_with_room": asdict(share(self.outcomes["wrong refusal"], room)),
            "causes": dict(self.causes.most_common()),
            "outcomes": dict(self.outcomes),
        }


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
    pictures = tuple(pictures_in(folder / "images"))
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


def look_at(real: RealSet, model: Path, out: Path) -> list[dict[str, Any]]:
    """Return the records of `edge look` over a place's pictures."""
    records: list[dict[str, Any]] = []
    options = LookOptions(
        model=model, runtime=RuntimeOptions(threads=1), settings=parse_decision(()), given=real.given, out=out
    )
    Looker(options, lambda _line: None, records.append).run(list(real.pictures))
    return records


def answer_of(real: RealSet, record: dict[str, Any], radius_m: float) -> Answer:
    """Judge one record of `edge look`.

    Args:
        real: The place.
        record: Of one picture.
        radius_m: Of the vehicle.
    """
    path = Path(record["path"])
    height_m = float(record["height_agl_m"])
    shown = f"{real.name}/{record['picture']}" if "picture" in record else ""
    verdict = real.verdicts.get(path.name)

    def answer(outcome: str, why: str, person_m: float | None = None) -> Answer:
        return Answer(real.name, path.name, outcome, why, height_m, person_m, shown)

    site = record.get("site")
    if site is None:
        reason = cause_of(record)
        if verdict is None:
            return answer("not judged", reason)
        outcomes = {True: "wrong refusal", False: "right refusal", None: "refused at the margin"}
        return answer(outcomes[verdict.room], reason)
    if verdict is None:
        return answer("not judged", "a site")
    size = picture_size(path, "picture", DataError)
    width_m = 2.0 * height_m * math.tan(math.radians(record["hfov_deg"]) / 2.0)
    judged = painted(real, path, verdict, size).judge(
        site["u_px"] / size[0], site["v_px"] / size[1], radius_m / width_m, width_m
    )
    outcome = {SAFE: "safe site", UNSAFE: "unsafe site"}.get(judged.ground, "unsure")
    return answer(outcome, judged.what, judged.person_m)


def painted(real: RealSet, picture: Path, verdict: PictureVerdict, size: tuple[int, int]) -> VerdictMap:
    """Return the map of a picture's verdict and of its label map, if it has one."""
    labels = None if real.labels is None else real.labels / f"{picture.stem}.png"
    if labels is None or not labels.exists():
        return VerdictMap(verdict, size)
    taxonomy = Taxonomy.load(real.facts["taxonomy"])
    return VerdictMap(verdict, size, (read_labels(labels, taxonomy), taxonomy))


def cause_of(record: dict[str, Any]) -> str:
    """Name what took the room: the kind of ground that bounds the largest gap tightest, else the reason."""
    refusal = record["no_site"]
    bounds = refusal.get("gap", {}).get("obstructions", [])
    return str(bounds[0]["kind"] if bounds else refusal["reason"])


def by_place(answers: Sequence[Answer]) -> dict[str, PlaceFigures]:
    """Count the answers of each place."""
    places: dict[str, PlaceFigures] = {}
    for answer in answers:
        figures = places.setdefault(answer.place, PlaceFigures())
        figures.outcomes[answer.outcome] += 1
        figures.heights_m.append(answer.height_m)
        if answer.outcome == "wrong refusal":
            figures.causes[answer.why] += 1
        elif answer.outcome == "unsafe site":
            figures.causes[f"unsafe: {answer.why}"] += 1
    return places


def over_places(places: dict[str, PlaceFigures]) -> Figures:
    """Return the figures of a group of places: a place counts once, however many pictures it has."""
    judged = [p for p in places.values() if p.judged]
    shares = [p.right / p.judged for p in judged]
    return {
        "places": len(judged),
        "mean_of_places": round(statistics.mean(shares), 4) if shares else None,
        "worst_place": round(min(shares), 4) if shares else None,
        "places_right_in_80_percent": _share(sum(s >= GOOD for s in shares), len(judged)),
        "places_without_unsafe_site": _share(sum(not p.outcomes["unsafe site"] for p in judged), len(judged)),
        "outcomes": dict(sum((p.outcomes for p in places.values()), Counter())),
        "causes": dict(sum((p.causes for p in places.values()), Counter()).most_common()),
    }


def _share(count: int, of: int) -> Figures:
    found = share(count, of)
    return asdict(found) | {"value": found.value}


def markdown(groups: dict[str, Figures], places: dict[str, Figures], sets: Sequence[RealSet], model: str) -> str:
    """Return the figures as a page of Markdown."""
    lines = ["# Real ground", "", f"Model `{model}`. A place counts once; in brackets Wilson's interval.", ""]
    for name, group in groups.items():
        if not group["places"]:
            continue
        lines += [
            f"- **{name}**: {group['places']} places, right answers {100 * group['mean_of_places']:.0f} % in the mean "
            f"of places, {100 * group['worst_place']:.0f} % in the worst; "
            f"places without an unsafe site {share_words(group['places_without_unsafe_site'])}."
        ]
    rows = [
        {
            "place": name,
            "height m": f"{figures['height_m']:g}",
            "right": share_words(figures["right"]),
            "unsafe of sites": f"{figures['unsafe']['count']} of {figures['unsafe']['of']}",
            "refused with room": f"{figures['refused_with_room']['count']} of {figures['refused_with_room']['of']}",
            "what was wrong": ", ".join(f"{kind} {count}" for kind, count in figures["causes"].items()),
        }
        for name, figures in places.items()
    ]
    lines += ["", table(rows), "", "## Sets", ""]
    heads = ("place", "camera", "licence", "source")
    lines += [table([{"set": s.name, **{h: s.facts.get(h, "") for h in heads}} for s in sets]), ""]
    return "\n".join(lines)


@benchmark
@click.option("--sets", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--only", multiple=True, help="Names of places; all without.")
@click.option("--verdicts", type=click.Path(path_type=Path), help="Folder of NAME.csv for sets without their own.")
@click.option("--model", type=click.Path(path_type=Path), default=ROOT / "models" / "semantic-drone-fast.onnx")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "real-ground", help="For the page.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Also write the tables here.")
def main(
    sets: Path, only: tuple[str, ...], verdicts: Path | None, model: Path, out: Path, markdown_path: Path | None
) -> Figures:
    folders = sorted(f for f in sets.iterdir() if (f / "set.toml").exists() and (not only or f.name in only))
    if not folders:
        raise click.UsageError(f"--sets {sets}: no folder with a set.toml in it")
    radius_m = parse_decision(()).vehicle_radius_m
    reals = [read_set(folder, verdicts) for folder in folders]
    answers: list[Answer] = []
    for real in reals:
        click.echo(f"{real.name}: {len(real.pictures)} pictures", err=True)
        answers += [answer_of(real, record, radius_m) for record in look_at(real, model, out / real.name)]
    write_page(out, answers, {(r.name, name): v for r in reals for name, v in r.verdicts.items()})
    places = by_place(answers)
    low = {n: p for n, p in places.items() if statistics.median(p.heights_m) <= FLOWN_M}
    high = {n: p for n, p in places.items() if n not in low}
    groups = {f"at most {FLOWN_M:g} m": over_places(low), f"above {FLOWN_M:g} m": over_places(high)}
    mappings = {name: figures.to_mapping() for name, figures in places.items()}
    if markdown_path is not None:
        markdown_path.write_text(markdown(groups, mappings, reals, model.name), "utf-8")
    return {
        "model": model.name,
        "groups": groups,
        "places": mappings,
        "nearest_person_m": min((a.person_m for a in answers if a.person_m is not None), default=None),
        "answers": [asdict(a) for a in answers],
    }
