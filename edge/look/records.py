"""Parts of a line of `results.jsonl`, and the same in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.annotate import way_in_words, way_to
from edge.look.view import View
from landing.choice.obstruction import Gap
from landing.site import radius_in_words
from landing.types import Pose


def view_record(path: Path, name: str, view: View) -> dict[str, Any]:
    """A picture and its view for JSON."""
    return {
        "path": str(path),
        "name": name,
        "height_agl_m": round(view.height_agl_m, 3),
        "hfov_deg": round(view.camera.hfov_deg, 3),
        "pitch_deg": view.camera.mount.pitch_deg,
        "viewpoint": view.source,
        "notes": list(view.notes),
    }


def gap_record(gap: Gap, pose: Pose) -> dict[str, Any]:
    """A gap for JSON; places from the point below the vehicle."""
    ahead_m, right_m = way_to(gap.north_m, gap.east_m, pose)
    bounds = [(o, *way_to(o.north_m, o.east_m, pose)) for o in gap.obstructions]
    return {
        "radius_m": round(gap.radius_m, 3),
        "ahead_m": round(ahead_m, 3),
        "right_m": round(right_m, 3),
        "obstructions": [
            {
                "kind": o.kind,
                "ahead_m": round(ahead, 3),
                "right_m": round(right, 3),
                "distance_m": round(o.distance_m, 3),
                "kept_clear_m": o.kept_clear_m,
            }
            for o, ahead, right in bounds
        ],
    }


def gap_words(gap: Gap, pose: Pose) -> str:
    """A gap for people: where it is, and what bounds it, the tightest first."""
    bounds = []
    for o in gap.obstructions[:3]:
        kept = f" ({o.kept_clear_m:g} m kept clear)" if o.kept_clear_m else ""
        bounds.append(
            f"{o.kind} {o.distance_m:.1f} m from it, {way_in_words(*way_to(o.north_m, o.east_m, pose))}{kept}"
        )
    where = way_in_words(*way_to(gap.north_m, gap.east_m, pose))
    words = f"largest gap {radius_in_words(max(0.0, gap.radius_m))} m, {where}"
    return f"{words}; bounded by {'; '.join(bounds)}" if bounds else words
