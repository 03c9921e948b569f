"""Confidence in sites, measured with a finished model and written into it: its graph and its proofs stay."""

from __future__ import annotations

import json
from pathlib import Path

from edge.runtimes import load_runtime
from export.files import read_model, redescribe, require_onnx, require_target, spec_of, write_model
from landing.errors import DataError, FileError
from landing.model.confidence import SiteConfidence
from landing.progress import say
from landing.settings import DecisionSettings
from landing.types import Frame
from trainer.data.choice import open_and_split
from trainer.evaluation import plots
from trainer.evaluation.confidence import JudgedSite, check_left_out, fit_confidence, judged_sites
from trainer.evaluation.measure import EvaluationSet
from trainer.evaluation.report import require_folder
from trainer.evaluation.seen import flattered
from trainer.evaluation.view import view_of
from trainer.recipe import DataChoice


def write_confidence(
    source: Path,
    output: Path,
    choice: DataChoice,
    part: str,
    height_m: float | None,
    hfov_deg: float | None,
    settings: DecisionSettings,
    report: Path | None = None,
) -> SiteConfidence:
    """Measure a model on labelled pictures and write it with the curve. Returns the curve.

    Args:
        source: ONNX file of ours.
        output: File to write; the source itself is replaced whole or not at all.
        choice: Labelled pictures. The roles of their own classes say what is safe.
        part: Of the split, "val" or "all".
        height_m: Of the camera above the ground; None for what is assumed of the data set.
        hfov_deg: Likewise.
        settings: The vehicle's size.
        report: Folder for the reliability diagram and its figures; None writes none.

    Raises:
        ModelError: The file is no ONNX model of ours, or does not run.
        DataError: The part is empty, or no disc in it can be judged.
        TouchdownError: A file cannot be written.
    """
    require_onnx(source, "confidence")
    require_target(output)
    if report is not None:
        require_folder(report, "--report")
    model = read_model(source)
    spec = spec_of(model, source)
    data, split = open_and_split(choice)
    column = choice.split_column if choice.split_files else ""
    samples = data.samples if part == "all" else split.val
    pictures = EvaluationSet(data, samples, part, split.describe(), column)
    own = {"trained_on": spec.provenance.trained_on, "recipe": spec.provenance.recipe}
    if why := flattered(own, part, data.name, split, column):
        say(why)
    view = view_of(data, samples, data.taxonomy, height_m, hfov_deg)
    sites: list[JudgedSite] = []
    with load_runtime(source) as runtime:
        for number, (sample, image, labels) in enumerate(pictures.read(f"looking at {part}")):
            runtime.submit(Frame(image, number, number))
            sites += judged_sites(runtime.result(), labels, data.taxonomy, view.of(sample.name), settings, sample.group)
    words = f"{pictures.describe()}, seen from {view.height_m:.3g} m"
    curve = fit_confidence(sites, len(samples), words, settings.required_radius_m)
    if curve is None:
        raise DataError(
            f"no disc of {settings.required_radius_m:g} m in the {len(samples)} pictures of {part} can be judged; a "
            f"picture is taken to show {view.describe()}"
        )
    redescribe(model, spec.model_copy(update={"site_confidence": curve}))
    write_model(model, output)
    if report is not None:
        _write_report(report, spec.name, part, column, curve, sites)
    return curve


def _write_report(
    folder: Path, name: str, part: str, split_column: str, curve: SiteConfidence, sites: list[JudgedSite]
) -> None:
    check = check_left_out(sites)
    column = {
        "name": name,
        "part": part,
        "split_column": split_column,
        "site_confidence": None if check is None else vars(check),
    }
    figures = {**column, "curve": curve.model_dump(mode="json")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site-confidence.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
        if check is not None:
            (folder / plots.SITE_CONFIDENCE).write_bytes(plots.site_confidence([column]))
    except OSError as error:
        raise FileError(f"--report {folder}: {error.strerror or error}") from error
