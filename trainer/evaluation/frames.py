"""EvaluationSet of single frames for the report: photo, truth and prediction side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.samples import IGNORE
from trainer.evaluation.measure import EvaluationSet
from trainer.evaluation.results import Column, number
from trainer.evaluation.sites import NEAR_PERSON_M

ClassesOf = Callable[[ByteArray, tuple[int, int]], ByteArray]
"""Gives the most probable classes of a picture at a size (width, height), uint8 (H, W)."""

_PANEL_PX = 400
_GAP_PX = 6
_PER_KIND = 3
_GREEN, _RED, _BLACK = (70, 200, 40), (40, 40, 235), (0, 0, 0)
_UNLABELLED = (90, 90, 90)


@dataclass(frozen=True)
class ReportFrame:
    """One frame of the report: photo, truth and prediction as one JPEG, and its texts."""

    kind: str
    name: str
    caption: str
    alt: str
    jpeg: bytes


def chosen(column: Column) -> list[tuple[str, str]]:
    """Return kind and name of the frames to show: by mIoU, and all whose site holds a hazard."""
    ranked = sorted(column["pictures"], key=lambda p: (-p["miou"], p["name"]))
    count = min(_PER_KIND, -(-len(ranked) // 3))
    middle = max(0, (len(ranked) - count) // 2)
    picked: dict[str, str] = {}
    for kind, part in (
        ("best", ranked[:count]),
        ("worst", ranked[::-1][:count]),
        ("median", ranked[middle : middle + count]),
    ):
        for picture in part:
            picked.setdefault(picture["name"], kind)
    kinds = ("best", "median", "worst")
    shown = [(kind, name) for kind in kinds for name, k in picked.items() if k == kind]
    bad = [p["name"] for p in column["pictures"] if p["site"] and p["site"]["hazard_px"]]
    near = [p["name"] for p in column["pictures"] if p["name"] not in bad and is_near(p["site"])]
    return [("hazard", name) for name in bad] + [("near", name) for name in near] + shown


def is_near(site: Column | None) -> bool:
    """True for a chosen disc with a person nearer than `NEAR_PERSON_M`."""
    return site is not None and site["person_m"] is not None and site["person_m"] < NEAR_PERSON_M


def draw(
    classes_of: ClassesOf, seen: Taxonomy, pictures: EvaluationSet, column: Column, wanted: Sequence[tuple[str, str]]
) -> list[ReportFrame]:
    """Reads the wanted frames again, runs the network on them and draws them.

    Args:
        classes_of: Gives the classes that are found in a picture.
        seen: Their taxonomy.
        pictures: The set, with its own taxonomy.
        column: Figures of the model.
        wanted: Kind and name of each frame.
    """
    samples = {s.name: s for s in pictures.samples}
    about = {p["name"]: p for p in column["pictures"]}
    taxonomy = pictures.data.taxonomy
    made = []
    for kind, name in wanted:
        image, labels = pictures.data.read(samples[name])
        found = classes_of(image, (labels.shape[1], labels.shape[0]))
        record = about[name]
        palettes = taxonomy.palette_bgr, seen.palette_bgr
        strip = side_by_side(image, labels, found, palettes, record["site"])
        ok, jpeg = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 82])
        assert ok
        caption = f"mIoU {number(record['miou'], 2)}; {_decision(record)}"
        alt = (
            f"Frame {name}: photo, true classes and predicted classes side by side. {caption}. "
            f"True classes: {_shares(labels, taxonomy)}. Predicted: {_shares(found, seen)}."
        )
        made.append(ReportFrame(kind, name, caption, alt, jpeg.tobytes()))
    return made


def _decision(record: Column) -> str:
    site = record["site"]
    if site is None:
        return "no site, " + ("though the truth has one" if record["truth_has_site"] else "as the truth does")
    text = f"site with {site['clearance_m']:.1f} m clear"
    if site["hazard_px"]:
        text += f", holding {site['hazard_px']} hazard pixels of {site['disc_px']}"
    elif site["not_landable_px"]:
        text += f", holding {site['not_landable_px']} pixels that are not landable"
    if site["held"]:
        text += f" ({', '.join(site['held'])})"
    if site["person_m"] is not None:
        text += f", {site['person_m']:.1f} m from its rim to the nearest person"
    return text + ("" if record["truth_has_site"] else ", where the truth has none")


def _shares(classes: ByteArray, taxonomy: Taxonomy) -> str:
    counts = np.bincount(classes.ravel(), minlength=256)[: len(taxonomy)]
    total = max(1, int(counts.sum()))
    top = [int(k) for k in np.argsort(-counts)[:3] if counts[k]]
    return ", ".join(f"{taxonomy.classes[k].name} {100 * counts[k] / total:.0f} %" for k in top)


def side_by_side(
    image: ByteArray, labels: ByteArray, found: ByteArray, palettes: tuple[ByteArray, ByteArray], site: Column | None
) -> ByteArray:
    """Return photo, truth and prediction next to each other, each with the chosen disc.

    `palettes` are BGR, uint8 (256, 3): of the truth and of the prediction.
    """
    scale = _PANEL_PX / labels.shape[1]
    size = (_PANEL_PX, max(1, round(labels.shape[0] * scale)))
    truth = palettes[0][labels]
    truth[labels == IGNORE] = _UNLABELLED
    panels = []
    for source, method in (
        (image, cv2.INTER_AREA),
        (truth, cv2.INTER_NEAREST_EXACT),
        (palettes[1][found], cv2.INTER_NEAREST_EXACT),
    ):
        panel = np.asarray(cv2.resize(source, size, interpolation=method), np.uint8)
        if site is not None:
            _draw_disc(panel, site, scale)
        panels += [panel, np.full((size[1], _GAP_PX, 3), 255, np.uint8)]
    return np.asarray(cv2.hconcat(panels[:-1]), np.uint8)


def _draw_disc(panel: ByteArray, site: Column, scale: float) -> None:
    centre = (round((site["u_px"] + 0.5) * scale), round((site["v_px"] + 0.5) * scale))
    radius = max(3, round(site["radius_px"] * scale))
    colour = _RED if site["hazard_px"] or is_near(site) else _GREEN
    for tone, width in ((_BLACK, 5), ((255, 255, 255), 3), (colour, 2)):
        cv2.circle(panel, centre, radius, tone, width, cv2.LINE_AA)
    cv2.drawMarker(panel, centre, _BLACK, cv2.MARKER_CROSS, 12, 3)
    cv2.drawMarker(panel, centre, (255, 255, 255), cv2.MARKER_CROSS, 12, 1)
