"""Thresholds in force: the configuration's, the model's own, or those of the level of strictness."""

from __future__ import annotations

from dataclasses import dataclass

from landing.model.spec import OperatingPoint
from landing.settings import FRAME_LANDABLE_LIMITS, DecisionSection, DecisionSettings, Strictness, threshold_at
from landing.taxonomy import HAZARD_ROLES, Role

SETTING_OF = {
    Role.LANDABLE: "frame_landable_probability",
    **{role: f"{role.value}_probability" for role in HAZARD_ROLES},
}
"""Field of `DecisionSettings` that a model's threshold of a role stands for."""


@dataclass(frozen=True)
class Threshold:
    """One threshold of the decision and where it comes from.

    Attributes:
        role: What it is of.
        value: What is used.
        source: "config", "model", "default", "strictness LEVEL", or the name of a parameter that was kept.
        asked: What the model asks for where that is not what is used; None otherwise.
    """

    role: Role
    value: float
    source: str
    asked: float | None = None

    def describe(self) -> str:
        """For people, such as `person 0.12 (model)`."""
        asked = f"; the model asks for {self.asked:.3g}" if self.asked is not None else ""
        return f"{self.role.value} {self.value:.3g} ({self.source}{asked})"


def thresholds_in_force(
    section: DecisionSection, point: OperatingPoint | None
) -> tuple[DecisionSettings, tuple[Threshold, ...]]:
    """Return the settings to decide with: a model's thresholds where the configuration gives none.

    A threshold written into the configuration wins. Otherwise the level of strictness gives it, and a model may only
    make it stricter: ask more of landable ground, or see a hazard sooner. So a model file cannot make a drone reckless.
    `person_at_most` bounds the result.

    `landable_probability` is of all frames together, so no model changes it. A model's threshold is of a single frame,
    the point where a frame's evidence turns from against to for. A view that stays the same adds evidence up to the
    limit however little there is in each frame, so in the long run that point decides.

    Args:
        section: Of the configuration; None is what it does not say.
        point: Of the model; None where it has none.

    Returns:
        The settings to decide with, and where each threshold comes from.
    """
    thresholds = tuple(_threshold(section, point, role) for role in SETTING_OF)
    values = section.model_dump(exclude={*SETTING_OF.values(), "person_at_most", "strictness"})
    if section.landable_probability is None:
        values["landable_probability"] = threshold_at("landable_probability", section.strictness)
    values.update({SETTING_OF[t.role]: t.value for t in thresholds})
    return DecisionSettings.model_validate(values), thresholds


def origin_of(strictness: Strictness) -> str:
    """Return the source of the thresholds of a level: "default" or "strictness LEVEL"."""
    return "default" if strictness is Strictness.NORMAL else f"strictness {strictness.value}"


def _threshold(section: DecisionSection, point: OperatingPoint | None, role: Role) -> Threshold:
    name = SETTING_OF[role]
    configured: float | None = getattr(section, name)
    default, origin = threshold_at(name, section.strictness), origin_of(section.strictness)
    asked = None if point is None else point.of_role(role)
    if configured is not None:
        value, source = configured, "config"
    elif asked is None:
        value, source = default, origin
    else:
        value = max(default, min(asked, FRAME_LANDABLE_LIMITS[1])) if role is Role.LANDABLE else min(default, asked)
        source = origin if value == default and value != asked else "model"
    most = section.person_at_most
    if role is Role.PERSON and most is not None and most < value:
        value, source = most, "config"
    return Threshold(role, value, source, asked if asked != value else None)


def describe(thresholds: tuple[Threshold, ...]) -> str:
    """One line for people; `landable` is of a single frame."""
    return ", ".join(t.describe() for t in thresholds)
