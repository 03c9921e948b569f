"""Which thresholds fly: the configuration's, the model's own, or the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from landing.settings import FRAME_LANDABLE_LIMITS, DecisionSection, DecisionSettings
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
        source: "config", "model", "default", or the name of a parameter that was kept.
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
    """The settings to decide with: a model's thresholds where the configuration gives none.

    What the configuration says wins. Else a model may only make the decision more careful than the
    defaults: ask more of landable ground, or see a hazard sooner. So a model file cannot make a drone reckless; a
    higher hazard threshold needs a person who writes it into the configuration. `person_at_most` bounds what came of
    that.

    `landable_probability` is not touched: it is asked of what many frames add up to. A model's threshold is of a single
    frame, so it becomes the point where a frame's evidence turns from against to for, as the hazards' thresholds are. A
    view that stays the same adds evidence up to the limit however little there is in each frame, so in the long run
    that point decides.

    Args:
        section: Of the configuration; None is what it does not say.
        point: Of the model; None where it has none.

    Returns:
        The settings to decide with, and where each threshold comes from.
    """
    thresholds = tuple(_threshold(section, point, role) for role in SETTING_OF)
    values = section.model_dump(exclude={*SETTING_OF.values(), "person_at_most"})
    values.update({SETTING_OF[t.role]: t.value for t in thresholds})
    return DecisionSettings.model_validate(values), thresholds


def _threshold(section: DecisionSection, point: OperatingPoint | None, role: Role) -> Threshold:
    name = SETTING_OF[role]
    configured: float | None = getattr(section, name)
    default = float(DecisionSettings.model_fields[name].default)
    asked = None if point is None else point.of_role(role)
    if configured is not None:
        value, source = configured, "config"
    elif asked is None:
        value, source = default, "default"
    else:
        value = max(default, min(asked, FRAME_LANDABLE_LIMITS[1])) if role is Role.LANDABLE else min(default, asked)
        source = "default" if value == default and value != asked else "model"
    most = section.person_at_most
    if role is Role.PERSON and most is not None and most < value:
        value, source = most, "config"
    return Threshold(role, value, source, asked if asked != value else None)


def describe(thresholds: tuple[Threshold, ...]) -> str:
    """One line for people; `landable` is of a single frame."""
    return ", ".join(t.describe() for t in thresholds)
