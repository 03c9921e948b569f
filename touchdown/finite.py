"""Numbers of the command line: `nan` and `inf` are none, and no range of click's refuses `nan`."""

from __future__ import annotations

import functools
import math
from typing import Any

import click


class _FiniteRange(click.FloatRange):
    """A range of numbers that holds none but numbers."""

    name = "float range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fails as click does."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class _Finite(click.types.FloatParamType):
    """Any finite number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fails as click does."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def with_finite_numbers(command: click.Command | None) -> click.Command | None:
    """Return a command whose numbers, and those of its sub-commands, must be finite."""
    if command is None:
        return None
    for parameter in command.params:
        kind = parameter.type
        if isinstance(kind, click.FloatRange):
            parameter.type = _FiniteRange(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)
        elif isinstance(kind, click.types.FloatParamType):
            parameter.type = _Finite()
    if isinstance(command, click.Group):
        find = type(command).get_command

        @functools.wraps(find)
        def get_command(ctx: click.Context, name: str) -> click.Command | None:
            return with_finite_numbers(find(command, ctx, name))

        setattr(command, "get_command", get_command)  # noqa: B010  # the group may be lazy: each is made finite when asked
    return command
