"""Which thresholds fly: the configuration's, the model's own, or the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from landing.settings import FRAME_LANDABLE_LIMITS, DecisionSettings
from landing.spec import OperatingPoint
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
        source: "config", "model" or "default".
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
    settings: DecisionSettings, point: OperatingPoint | None
) -> tuple[DecisionSettings, tuple[Threshold, ...]]:
    """The settings with a model's thresholds where the configuration gives none.

    What the configuration says wins. Else a model may only make the decision more careful than the
    defaults: ask more of landable ground, or see a hazard sooner. So a model file cannot make a
    drone reckless; a higher hazard threshold needs a person who writes it into the configuration.

    `landable_probability` is not touched: it is asked of what many frames add up to. A model's
    threshold is of a single frame, so it becomes the point where a frame's evidence turns from
    against to for, as the hazards' thresholds are. A view that stays the same adds evidence up to
    the limit however little there is in each frame, so in the long run that point decides.

    Args:
        settings: Of the configuration; its `model_fields_set` tells what it says itself.
        point: Of the model; None where it has none.

    Returns:
        The settings to decide with, and where each threshold comes from.
    """
    thresholds = tuple(_threshold(settings, point, role) for role in SETTING_OF)
    values = {SETTING_OF[t.role]: t.value for t in thresholds if t.source == "model"}
    return settings.model_copy(update=values), thresholds


def _threshold(settings: DecisionSettings, point: OperatingPoint | None, role: Role) -> Threshold:
    name = SETTING_OF[role]
    present = float(getattr(settings, name))
    configured = name in settings.model_fields_set
    if point is None:
        return Threshold(role, present, "config" if configured else "default")
    asked = point.of_role(role)
    if configured:
        return Threshold(role, present, "config", asked if asked != present else None)
    if role is Role.LANDABLE:
        used = max(present, min(asked, FRAME_LANDABLE_LIMITS[1]))
    else:
        used = min(present, asked)
    if used == asked:
        return Threshold(role, used, "model")
    return Threshold(role, used, "default" if used == present else "model", asked)


def describe(thresholds: tuple[Threshold, ...]) -> str:
    """One line for people; `landable` is of a single frame."""
    return ", ".join(t.describe() for t in thresholds)
