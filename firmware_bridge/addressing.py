"""Senders and addressees of messages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Address:
    """A system and a component; 0 stands for all of them where it is a target."""

    system: int  # MAVLink system id
    component: int  # MAVLink component id

    def __str__(self) -> str:
        return f"{self.system}/{self.component}"


def sender_of(message: Any) -> Address:
    """Return the sender that a message names."""
    return Address(message.get_srcSystem(), message.get_srcComponent())


def target_of(message: Any) -> Address | None:
    """Return the addressee; None for a message without one, as a heartbeat."""
    system = getattr(message, "target_system", None)
    if system is None:
        return None
    return Address(system, getattr(message, "target_component", 0))


def is_for(target: Address, own: Address) -> bool:
    """Return whether exactly this component is addressed."""
    return target.system in (0, own.system) and target.component == own.component


def is_for_all(target: Address, own: Address) -> bool:
    """Return whether all components, and so this one, are addressed."""
    return target.system in (0, own.system) and target.component == 0


def whole_number(value: float) -> int | None:
    """A command's float parameter as the number it stands for; None when it is none."""
    if not math.isfinite(value) or value != int(value):
        return None
    return int(value)
