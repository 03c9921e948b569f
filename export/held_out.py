"""Options of commands that measure finished models on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from trainer.evaluation.cli import view_options
from trainer.options import options, split_options

FILE = click.Path(path_type=Path)


_Command = TypeVar("_Command", bound=Callable[..., Any])


def held_out(*parts: str) -> Callable[[_Command], _Command]:
    """Options of pictures that did not train a model, val by default, and of how they are seen."""
    made: Callable[[_Command], _Command] = options(
        click.option(
            "--data", "folders", multiple=True, metavar="DIR", help="Labelled pictures that did not train it."
        ),
        click.option(
            "--part",
            default="val",
            show_default=True,
            type=click.Choice(parts),
            help="Part of the split; all: of a set that trained nothing.",
        ),
        view_options,
        split_options,
    )
    return made
