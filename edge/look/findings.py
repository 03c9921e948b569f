"""Findings of `edge look`: a record and a line for each picture, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.annotate import annotate_refusal, way_to
from edge.log import plain
from edge.look.options import LookOptions
from edge.look.output import LookOutput
from edge.look.records import gap_record, gap_words, view_record
from edge.look.view import View
from edge.pipeline import Step
from edge.resolved import ResolvedDecision
from edge.timings import Timings
from landing.camera import CameraModel
from landing.choice.obstruction import Gap, largest_gap
from landing.ground.scale import axis_down
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.terminal import printable
from landing.types import ByteArray, Pose


@dataclass
class Summary:
    """Result of a run."""

    looked: int = 0
    sites: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused_views: int = 0
    skipped: list[str] = field(default_factory=list)
    judged: int = 0
    sites_with_hazard: int = 0
    vehicle_discs_with_hazard: int = 0
    surfaces: Counter[str] = field(default_factory=Counter)
    labels_under_vehicle: Counter[str] = field(default_factory=Counter)
    timings: Timings = field(default_factory=Timings)
    notes: list[str] = field(default_factory=list)
    flies: ResolvedDecision | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "looked": self.looked,
            "sites": self.sites,
            "no_site": dict(self.reasons),
            "refused_views": self.refused_views,
            "skipped": self.skipped,
            "judged": self.judged,
            "sites_with_hazard": self.sites_with_hazard,
            "vehicle_discs_with_hazard": self.vehicle_discs_with_hazard,
            "surfaces": dict(self.surfaces),
            "labels_under_vehicle": dict(self.labels_under_vehicle),
            "timings_ms": plain(self.timings.percentiles()),
            "flight": None if self.flies is None else self.flies.report(),
        }


class LookFindings:
    """Notes what was found in each picture, says it, and writes it where an output is given.

    Args:
        options: From the command line.
        say: Takes one line for people.
        emit: Takes one JSON object per picture.

    Attributes:
        summary: Of all so far.
        output: Folder for pictures and records; None writes none.
    """

    def __init__(
        self, options: LookOptions, say: Callable[[str], None], emit: Callable[[dict[str, Any]], None]
    ) -> None:
        self.summary = Summary()
        self.output: LookOutput | None = None
        self._options = options
        self._say_line = say
        self._emit_line = emit

    def note(self, text: str) -> None:
        """Says something once."""
        if text not in self.summary.notes:
            self.summary.notes.append(text)
            self.say(f"({text})")

    def skip(self, path: Path, why: str) -> None:
        """Say that a file is not decided on, and why."""
        self.summary.skipped.append(why if path.name in why else f"{path.name}: {why}")
        self.say(f"{path.name}: skipped: {why.removeprefix(f'{path.name}: ')}")

    def refuse(self, path: Path, name: str, view: View, image_bgr: ByteArray | None = None) -> None:
        """Say that a view is not decided on, and why; on its picture too."""
        self.summary.looked += 1
        self.summary.refused_views += 1
        self.summary.reasons["view"] += 1
        record = {**view_record(path, name, view), "no_site": {"reason": "view", "detail": view.refused}}
        if image_bgr is not None and self.output is not None:
            record["picture"] = self.output.picture(path, annotate_refusal(image_bgr, view.refused or ""))
        self.say(f"{name}: no site: view: {view.refused}")
        self.emit(record)

    def record(
        self, path: Path, name: str, view: View, lens: CameraModel, step: Step, labelled: bool = True
    ) -> dict[str, Any]:
        """Return what a step found in a picture, for `results.jsonl`.

        Args:
            path: Of the file.
            name: Of the picture; frames of one file have names of their own.
            view: Of the picture.
            lens: That it was decided with.
            step: Its decision.
            labelled: Whether a label map may judge the site.
        """
        selection = step.decision.selection
        record = view_record(path, name, view)
        record["timings_ms"] = {k: round(v, 3) for k, v in step.timings_ms.items() if k != "age"}
        scale = None if self.summary.flies is None else self.summary.flies.scale(lens)
        if scale is not None and step.pose is not None:
            down = axis_down(lens, step.pose)
            record["pixel_mm"] = round(scale.pixel_mm(view.height_agl_m / down), 2)
            record["notes"] += [note for note in (scale.too_fine(view.height_agl_m, down),) if note is not None]
        if isinstance(selection, LandingSite):
            assert step.pose is not None  # a site was found from it
            centre = np.array([selection.position_ned_m])
            u, v = lens.pixel_from_ned(centre, step.pose)[0]
            ahead_m, right_m = way_to(*selection.position_ned_m[:2], step.pose)
            record["site"] = {
                "ahead_m": round(ahead_m, 3),
                "right_m": round(right_m, 3),
                "u_px": round(float(u), 1),
                "v_px": round(float(v), 1),
                "clearance_m": round(selection.clearance_m, 3),
                "area_m2": round(selection.area_m2, 2),
            }
            if selection.surface is not None:
                record["site"]["surface"] = selection.surface.to_mapping()
            if selection.confidence is not None:
                record["site"]["confidence"] = selection.confidence.to_mapping()
            if labelled:
                record.update(self._judged(path, lens, step.pose, selection))
        else:
            code = selection.reason.problem.value
            record["no_site"] = {"reason": selection.reason.value, "detail": selection.detail, "code": code}
            if selection.descend_to_m is not None:
                record["no_site"]["descend_to_m"] = round(selection.descend_to_m, 2)
            gap = self._gap(selection, step)
            if gap is not None and step.pose is not None:
                record["no_site"]["gap"] = gap_record(gap, step.pose)
                record["notes"].append(gap_words(gap, step.pose))
        return record

    def done(self, record: dict[str, Any], step: Step) -> None:
        """Count a record (see `record`) with its step, say it, and emit it."""
        summary = self.summary
        summary.looked += 1
        summary.timings.add({k: v for k, v in step.timings_ms.items() if k != "age"})
        if "site" in record:
            summary.sites += 1
            site = record["site"]
            text = (
                f"site {_way(site['ahead_m'], 'ahead', 'behind')}, "
                f"{_way(site['right_m'], 'right', 'left')}, clear {site['clearance_m']:.1f} m, "
                f"area {site['area_m2']:.0f} m2"
            )
            if "surface" in site:
                summary.surfaces[site["surface"]["name"]] += 1
                text += f", on {site['surface']['text']}"
            if "confidence" in site:
                text += f", {site['confidence']['text']}"
            if record.get("judged"):
                summary.judged += 1
                summary.sites_with_hazard += record["hazard_px"] > 0
                summary.labels_under_vehicle[record["label_under_vehicle"]] += 1
                summary.vehicle_discs_with_hazard += record["hazard_px_under_vehicle"] > 0
                text += f", {record['hazard_px']} hazard px by label"
        else:
            reason = record["no_site"]
            summary.reasons[reason["reason"]] += 1
            text = f"no site: {reason['reason']}: {reason['detail']}"
            if "gap" in reason:
                text += f"; {record['notes'][-1]}"
        self.say(f"{record['name']}: {text}")
        self.emit(record)

    def emit(self, record: dict[str, Any]) -> None:
        """Write one JSON object, and hand it on."""
        if self.output is not None:
            self.output.record(record)
        self._emit_line(record)

    def say(self, line: str) -> None:
        """Say a line, made printable."""
        self._say_line(printable(line))

    def _gap(self, selection: NoSite, step: Step) -> Gap | None:
        """The largest gap and what bounds it, where no disc was wide enough."""
        flies, view, clearance_m = self.summary.flies, step.view, step.clearance_m
        if selection.reason is not NoSiteReason.TOO_SMALL or view is None or clearance_m is None or flies is None:
            return None
        return largest_gap(view, clearance_m, flies.classes, flies.decision.required_radius_m)

    def _judged(self, path: Path, lens: CameraModel, pose: Pose, site: LandingSite) -> dict[str, Any]:
        """Hazard pixels of the ground truth within the chosen disc, if there are labels."""
        labels = self._options.labels
        if labels is None:
            return {}
        found = labels.path_of(path)
        if found is None:
            self.note(f"no label map {path.stem}.png for {path.name}")
            return {}
        verdict = labels.judge(found, path, site, self._options.settings.vehicle_radius_m, lens, pose)
        if isinstance(verdict, str):
            self.note(f"{path.name}: site not judged: {verdict}")
            return {"judged": False}
        if not verdict.certain:
            self.note(f"{found.name}: {verdict.unknown_px} px of the disc have no class: site not judged")
            return {"judged": False, "unlabelled_px": verdict.unknown_px}
        return {
            "judged": True,
            "hazard_px": verdict.hazard_px,
            "hazard_px_under_vehicle": verdict.hazard_px_under_vehicle,
            "label_under_vehicle": verdict.under_vehicle,
        }


def _way(value_m: float, positive: str, negative: str) -> str:
    return f"{abs(value_m):.1f} m {positive if value_m >= 0 else negative}"
