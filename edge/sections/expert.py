"""Settings of ``[expert]`` that have a model of their own."""

from __future__ import annotations

from pydantic import Field

from edge.sections.base import Section
from firmware_bridge.settings import LinkExpert


class ExpertSection(Section):
    """``[expert]``: tables of numbers whose defaults fit."""

    link: LinkExpert = Field(default_factory=LinkExpert)
