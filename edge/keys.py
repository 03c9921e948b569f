"""Keys of ``edge.toml``: those an integrator chooses, those under ``[expert]``, and the new places of old keys.

A key of `BASIC` is written in its own table, one of `EXPERT` below ``[expert.TABLE]``. Every other setting is fixed:
``sim campaign --set`` alone changes it. ``[link]`` and ``[expert.link]`` are of `firmware_bridge.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from firmware_bridge.settings import LinkExpert

BASIC = {
    "model": ("path", "threads"),
    "camera": (
        *("source", "width_px", "height_px", "fps", "hfov_deg", "calibration", "mount", "gimbal", "gimbal_down"),
        *("latency_ms", "loop", "calibrated"),
    ),
    "depth": (
        *("source", "width_px", "height_px", "fps", "hfov_deg", "calibration", "mount", "on_gimbal", "latency_ms"),
        *("unit_m", "error_share", "max_m"),
    ),
    "decision": ("vehicle_radius_m", "commit_height_m", "strictness", "relief"),
    "pad": ("dictionary", "id", "edge_m", "surface_m", "max_speed_mps"),
    "authority": ("level", "look_height_m", "failsafe"),
    "log": ("events",),
    "recorder": ("folder",),
    "preview": ("listen", "token_file"),
    "ros2": ("enabled", "namespace", "map_frame"),
}
"""Keys that an integrator chooses, by table."""

EXPERT = {
    "model": ("runtime", "precision", "providers", "allow_failed_gate", "taxonomy"),
    "camera": ("fx", "fy", "cx", "cy", "distortion", "max_frame_age_ms", "start_timeout_ms", "stall_timeout_ms"),
    "picture": (
        *("least_brightness", "most_brightness", "least_contrast", "least_detail", "least_sharpness"),
        *("least_colour", "most_haze"),
        *("frozen_after_s", "frozen_after_m", "frozen_after_deg"),
    ),
    "decision": (
        *(
            "margin_m",
            "max_height_m",
            "max_distance_m",
            "landable_probability",
            "frame_landable_probability",
            "obstacle_probability",
        ),
        *("water_probability", "person_probability", "person_at_most", "vehicle_probability"),
    ),
    "director": ("confirm_s", "max_pose_age_s", "max_decision_age_s", "max_evidence_age_s", "hold_timeout_s"),
    "authority": (
        *("rearm", "begin_in_air", "look_s", "alert_height_m", "clear_height_m", "climb_m", "ceiling_m"),
        *("over_height_m", "wait_s"),
        *(
            "search_s",
            "search_radius_m",
            "max_tries",
            "max_total_s",
            "when_spent",
            "stick_dead_zone",
            "start_modes",
            "start_height_m",
        ),
        "announce_s",
    ),
    "health": ("camera_timeout_ms", "pipeline_timeout_ms", "pose_timeout_ms", "min_rate_hz", "hang_timeout_ms"),
    "log": ("level", "events_mb", "status_period_s"),
    "recorder": ("enabled", "budget_mb", "ring_s", "before_s", "after_s", "segment_s", "free_mb", "image_quality"),
    "preview": ("enabled", "fps", "width_px", "history_s"),
    "ros2": ("body_frame", "picture_fps"),
}
"""Keys whose defaults fit nearly everybody, by table; written below ``[expert.TABLE]``."""

MOVED = {
    "decision.reach_m": "decision.reach.base_m",
    "decision.reach_per_height": "decision.reach.per_height",
    "decision.travel_cost": "decision.score.travel_cost",
    "decision.enough_room_m": "decision.score.enough_clearance_m",
    "decision.room_per_height": "decision.score.clearance_per_height",
    "decision.lately_s": "decision.recent_hazard.memory_s",
    "decision.lately_m": "decision.recent_hazard.radius_m",
    "decision.lately_cost": "decision.recent_hazard.cost_m",
    "decision.lost_s": "decision.blacklist.memory_s",
    "decision.lost_m": "decision.blacklist.radius_m",
    "decision.lost_per_height": "decision.blacklist.radius_per_height",
    "decision.lost_cost": "decision.blacklist.cost_m",
    "decision.shift_m": "decision.shift.base_m",
    "decision.shift_per_height": "decision.shift.per_height",
    "decision.switch_gain_m": "decision.switch.gain_m",
    "decision.switch_after_s": "decision.switch.after_s",
    "decision.switch_within_s": "decision.switch.within_s",
    "decision.smoothing_px": "decision.evidence.smoothing_px",
    "decision.smallest_person_m": "decision.evidence.smallest_person_m",
    "decision.evidence_gain": "decision.evidence.hazard_gain",
    "decision.nobody_frames": "decision.evidence.no_person_frames",
    "decision.ground_evidence_gain": "decision.evidence.ground_gain",
    "decision.evidence_limit": "decision.evidence.hazard_limit",
    "decision.ground_evidence_limit": "decision.evidence.ground_limit",
    "decision.evidence_decay_s": "decision.evidence.decay_s",
    "decision.plain_person_px": "decision.evidence.plain_person_px",
    "decision.near_height_m": "decision.standing_clearance.near_height_m",
    "decision.far_height_m": "decision.standing_clearance.far_height_m",
    "decision.hazard_memory_s": "decision.hidden_hazard.memory_s",
    "decision.hazard_speed_mps": "decision.hidden_hazard.speed_mps",
    "decision.hazard_growth_limit_m": "decision.hidden_hazard.growth_limit_m",
    "decision.approach_s": "decision.approach.within_s",
    "decision.approach_mps": "decision.approach.slowest_mps",
    "decision.nearer_memory_s": "decision.unsafe_memory.memory_s",
    "decision.nearer_factor": "decision.unsafe_memory.factor",
    "decision.grid_cells": "decision.grid.cells",
    "decision.cell_m": "decision.grid.cell_m",
    "decision.max_cell_age_s": "decision.grid.max_age_s",
    "decision.max_view_angle_deg": "decision.view.max_angle_deg",
    "decision.max_tilt_deg": "decision.view.max_tilt_deg",
    "decision.min_height_m": "decision.view.min_height_m",
    "decision.watch_height_m": "decision.view.watch_height_m",
    "director.commit_height_m": "decision.commit_height_m",
    "director.commit_evidence_age_s": "decision.commit_max_age_s",
    **{f"link.{name}": f"expert.link.{name}" for name in LinkExpert.model_fields},
}
"""New places of old keys."""


def from_file(data: Mapping[str, Any], config: type[BaseModel]) -> dict[str, Any]:
    """Return the tables of a file as the configuration's model has them: ``[expert.X]`` joins X.

    Raises:
        ValueError: A key lies at another place than its own; names that place.
    """
    tables = {name: dict(table) if isinstance(table, Mapping) else table for name, table in data.items()}
    expert = tables.pop("expert", {})
    if not isinstance(expert, dict):
        raise ValueError("expert: expected tables such as [expert.director]")
    for name, table in tables.items():
        for key in table if isinstance(table, dict) else ():
            _check_place(name, key, config, below_expert=False)
    for name, table in expert.items():
        if name == "link":
            tables["expert"] = {"link": table}
        elif name not in EXPERT or not isinstance(table, dict):
            raise ValueError(f"unknown table [expert.{name}]; expected one of {', '.join((*EXPERT, 'link'))}")
        else:
            for key in table:
                _check_place(name, key, config, below_expert=True)
            tables[name] = {**tables.get(name, {}), **table}
    return tables


def _check_place(table: str, key: str, config: type[BaseModel], below_expert: bool) -> None:
    """Check that a key of a file is at its own place; unknown names are for the model to refuse."""
    old = f"{table}.{key}"
    new = MOVED.get(old, old)
    if new == old and key in (EXPERT if below_expert else BASIC).get(table, ()):
        return
    known = config.model_fields.get(table)
    if new == old and (table == "link" or known is None or key not in getattr(known.annotation, "model_fields", ())):
        return
    here = f"expert.{old}" if below_expert else old
    raise ValueError(f"{here} {place_of(new)}")


def place_of(new: str) -> str:
    """Say where a setting is written, for messages."""
    table, _, key = new.partition(".")
    if table == "expert":
        return f"is an expert's key: write it as [{new.rpartition('.')[0]}] {new.rpartition('.')[2]}"
    if key in BASIC.get(table, ()):
        return f"has another place: write it as [{table}] {key}"
    if key in EXPERT.get(table, ()):
        return f"is an expert's key: write it as [expert.{table}] {key}"
    return f"is fixed in edge.toml; `touchdown sim campaign --set {new}=VALUE` tries another value"


def to_file(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the tables of a file for sections as `edge.config.EdgeConfig` has them: the inverse of `from_file`."""
    tables: dict[str, dict[str, Any]] = {}
    for name, values in sections.items():
        for key, value in values.items():
            expert = key in EXPERT.get(name, ()) or (name == "link" and key in LinkExpert.model_fields)
            table = tables.setdefault("expert", {}).setdefault(name, {}) if expert else tables.setdefault(name, {})
            table[key] = value
    return tables
