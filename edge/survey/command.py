"""`touchdown edge survey`, from options to the lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge.blackbox.ring import SUFFIX
from edge.cameras.recordings import PHOTO_SUFFIXES, pictures_in, unread_in
from edge.look.georeference import is_orthophoto
from edge.look.view import Given
from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from edge.survey.merging import MergeRules, PhotoLook, SurveyLooks
from edge.survey.output import write_all
from edge.survey.photographs import judge, open_photo
from edge.survey.sources import sites_of_orthophoto, sites_of_recording
from landing.choice.ground_evidence import fault_radii_m
from landing.choice.known_sites import PLACE_ERROR_M
from landing.choice.site_list import ListedSite, spread
from landing.errors import CameraError, DataError
from landing.picture_files import TIFF_SUFFIXES
from landing.progress import tracked
from landing.reading import absence, sha256_of
from landing.settings import DecisionSection

LOOKS = 3
"""Photographs that must show a site clear: a network that errs on one, or on two side by side, often does not on the
next."""


NO_PLAN = (
    "no plan is, for rally points count from home: say with --rise-m how much higher the ground of the sites lies at "
    "most (0 on level ground)"
)


@dataclass(frozen=True)
class SurveyOptions:
    """Options of `edge survey`.

    Attributes:
        model: Model file; None takes the recorded maps of a flight.
        runtime: How to run it.
        settings: Of the decision, as configured.
        given: What the user says of the views.
        out: Folder for the lists.
        looks: Photographs that must show a site.
        place_error_m: Greatest error of a photograph's place.
        most_rally: Rally points in the plan.
        rise_m: How much higher than home the ground of sites lies at most, m; None for no plan.
        gsd_m: Metres per pixel of orthophotos that do not say it.
        crs: Coordinate system of orthophotos that do not say it.
    """

    model: Path | None
    runtime: RuntimeOptions
    settings: DecisionSection
    given: Given = field(default_factory=Given)
    out: Path = Path("out/survey")
    looks: int = LOOKS
    place_error_m: float = PLACE_ERROR_M
    most_rally: int = 8
    rise_m: float | None = None
    gsd_m: float | None = None
    crs: str | None = None


@dataclass
class SurveyReport:
    """Result of a survey."""

    sites: tuple[ListedSite, ...] = ()
    looked: int = 0
    skipped: list[str] = field(default_factory=list)
    contradicted: int = 0
    seen_once: int = 0
    notes: list[str] = field(default_factory=list)
    rally: int | None = None
    paths: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "sites": len(self.sites)}

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"skipped: {line}" for line in self.skipped[:20]]
        if len(self.skipped) > 20:
            lines.append(f"skipped: {len(self.skipped) - 20} more")
        lines += [f"({note})" for note in self.notes]
        lines.append(
            f"{len(self.sites)} sites; {self.contradicted} places contradicted by another picture, "
            f"{self.seen_once} shown by too few"
        )
        lines += [
            f"  {number}: {site.place.latitude_deg:.7f} {site.place.longitude_deg:.7f}, {site.clearance_m:.1f} m clear"
            f"{', on ' + site.surface if site.surface else ''}{': ' + site.caution if site.caution else ''}"
            for number, site in enumerate(self.sites[:10], 1)
        ]
        if self.paths:
            plan = NO_PLAN if self.rally is None else f"the plan has {self.rally} rally points"
            lines.append(f"{', '.join(self.paths.values())} are written; {plan}")
        return lines


def run(options: SurveyOptions, paths: Sequence[Path], say: Callable[[str], None]) -> SurveyReport:
    """Survey photographs and orthophotos, or a recorded flight, and write the lists.

    Args:
        options: From the command line.
        paths: Photographs, folders of them, orthophotos; or files of the black box.
        say: Takes one line for people.

    Raises:
        TouchdownError: A path or the model cannot be used, or nothing of it can be judged.
    """
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} {absence(path)}: expected photographs, a folder, an orthophoto or a recording")
    recorded = [path for path in paths if _is_recording(path)]
    if recorded and len(recorded) != len(paths):
        raise DataError(f"{recorded[0]} is a recording: survey it without the other paths")
    report = SurveyReport()
    with ExitStack() as stack:
        runtime = None
        if options.model is not None:
            runtime = stack.enter_context(load_runtime(options.model, options.runtime))
            runtime.warm_up()
        if recorded:
            report.sites, book, report.notes = sites_of_recording(recorded, runtime)
            report.contradicted = sum(bool(site.bad) for site in book.sites)
            report.seen_once = sum(not site.bad and not site.confirmed for site in book.sites)
            report.looked = len(recorded)
            report.notes += [book.unplaced] if book.unplaced else []
        elif runtime is None:
            raise DataError("photographs need --model: a file of `touchdown models list`, or one of your own")
        else:
            _survey_pictures(options, paths, runtime, report, say)
    rally = spread(report.sites, options.most_rally)
    report.rally = len(rally) if options.rise_m is not None else None
    report.paths = write_all(options.out, report.sites, rally, options.rise_m)
    return report


def _is_recording(path: Path) -> bool:
    """Tell a file of the black box, or a folder that holds some."""
    if path.is_dir():
        return any(p.name.endswith(SUFFIX) for p in path.iterdir())
    return path.name.endswith(SUFFIX)


def _survey_pictures(
    options: SurveyOptions, paths: Sequence[Path], runtime: Runtime, report: SurveyReport, say: Callable[[str], None]
) -> None:
    flies = resolve_decision(options.settings, runtime.spec)
    say(f"(flight {flies.describe()})")
    required_m = flies.decision.required_radius_m
    least_m = required_m + options.place_error_m
    orthophotos, photographs = (_each_once(found, report) for found in _sorted_out(paths, options.gsd_m, report))
    looks = _looks(options, photographs, runtime, flies, least_m, report)
    rules = MergeRules(required_m, least_m, options.looks, fault_radii_m(flies.classes, required_m))
    together = SurveyLooks(looks, rules)
    merged = together.merge()
    sites = list(merged.sites)
    report.contradicted, report.seen_once = merged.contradicted, merged.seen_once
    for path in orthophotos:
        try:
            found, contradicted = sites_of_orthophoto(path, runtime, flies, options.given, options.gsd_m, options.crs)
        except DataError as error:
            report.skipped.append(str(error))
            continue
        report.looked += 1
        report.contradicted += contradicted
        for site in found:
            clearance_m = together.agreed_m(site.place, site.clearance_m) if site.clearance_m >= least_m else None
            if clearance_m is not None:
                sites.append(replace(site, clearance_m=clearance_m))
            else:
                report.contradicted += site.clearance_m >= least_m
    if not report.looked and report.skipped:
        raise DataError(
            f"none of {len(report.skipped)} pictures can be used for a survey; the first: {report.skipped[0]}"
        )
    report.sites = tuple(sorted(sites, key=lambda s: -s.clearance_m))


def _sorted_out(paths: Sequence[Path], gsd_m: float | None, report: SurveyReport) -> tuple[list[Path], list[Path]]:
    """Return orthophotos and photographs; what is not read is reported."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            pictures = pictures_in(path)
            report.skipped += [f"{unread.name}: {why}" for unread, why in unread_in(path)]
            if not pictures:
                raise DataError(f"{path} holds no pictures ({' '.join(PHOTO_SUFFIXES)})")
            found += pictures
        elif path.suffix.lower() in PHOTO_SUFFIXES:
            found.append(path)
        else:
            raise DataError(f"{path}: expected a photograph ({' '.join(PHOTO_SUFFIXES)}), a folder or a recording")
    orthophotos = [p for p in found if p.suffix.lower() in TIFF_SUFFIXES and (gsd_m is not None or is_orthophoto(p))]
    return orthophotos, [p for p in found if p not in orthophotos]


def _each_once(paths: Sequence[Path], report: SurveyReport) -> list[Path]:
    """Leave out copies: a picture that counts twice would agree with itself."""
    alike: dict[int, dict[str, Path]] = {}  # by size, for a digest of a mosaic takes long
    kept: list[Path] = []
    for path in paths:
        same_size = alike.setdefault(path.stat().st_size if path.is_file() else -1 - len(kept), {})
        if "" in same_size:
            alone = same_size.pop("")
            same_size[sha256_of(alone, "picture", DataError)] = alone
        digest = sha256_of(path, "picture", DataError) if same_size else ""
        first = same_size.setdefault(digest, path)
        if first is path and path not in kept:
            kept.append(path)
        else:
            report.skipped.append(f"{path.name}: the same picture as {first}")
    return kept


def _looks(
    options: SurveyOptions,
    photographs: Sequence[Path],
    runtime: Runtime,
    flies: ResolvedDecision,
    least_m: float,
    report: SurveyReport,
) -> list[PhotoLook]:
    settings = flies.decision.single_look()
    looks, assumed = [], 0
    for path in tracked("looking", photographs, len(photographs)):
        try:
            photo = open_photo(path, options.given)
            looks.append(judge(photo, runtime, flies, settings, least_m))
            assumed += not photo.measured
        except CameraError as error:
            report.skipped.append(f"{path.name}: {error}")
            continue
        report.looked += 1
    if assumed:
        report.notes.append(
            f"the heights of {assumed} photographs count from the take-off: where their ground lies higher, it is "
            "narrower than it seems, and where it lies lower, wider; give --height-agl-m for another ground"
        )
    return looks
