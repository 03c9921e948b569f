"""Options and conversions that several commands of the trainer share. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import BaseModel, ValidationError

from landing.errors import InvalidValueError
from landing.labels.maps import READINGS
from trainer.data.layouts import LAYOUT_NAMES
from trainer.recipe import OPTION_OF, DataChoice

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Parsed(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A text that a function makes a tuple of; `expected` describes it.

    The function raises ValueError for another text.
    """

    def __init__(self, name: str, parse: Callable[[str], tuple[Any, ...]], expected: str) -> None:
        self.name = name
        self._parse = parse
        self._expected = expected

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        """Parses the text."""
        try:
            return value if isinstance(value, tuple) else self._parse(str(value))
        except ValueError:
            self.fail(f"{value!r}: expected {self._expected}")


def _size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.lower().split("x"))
    return width, height


def _names(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


SIZE = Parsed("WxH", _size, "WIDTHxHEIGHT in pixels, such as 512x288")
NAMES = Parsed("NAME,NAME,...", _names, "names with commas between them")


def _numbers(kind: type[int] | type[float]) -> Parsed:
    return Parsed("N,N,...", lambda text: tuple(kind(p) for p in text.split(",")), "numbers with commas between them")


NUMBERS = _numbers(float)


def _words(_ctx: Any, _param: Any, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in _names(value))


def options(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Several options as one decorator, shown in the given order."""

    def apply(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _pattern_option(part: str, meaning: str) -> Any:
    return click.option(
        f"--{part}",
        multiple=True,
        callback=_words,
        metavar="PATTERN,...",
        help=f"{meaning}: name prefixes or globs, such as 040001,041007 or '*_01?'.",
    )


reading_options = options(
    click.option(
        "--labels-as",
        default="auto",
        show_default=True,
        type=click.Choice(("auto", *READINGS)),
        help="Meaning of label maps: class ids, palette colours, RGB colours, or 0 and 255 as two classes; auto: by "
        "the evidence of all of them, refused where it is not certain.",
    ),
    click.option(
        "--exif-turn",
        default="auto",
        show_default=True,
        type=click.Choice(("auto", "apply", "ignore")),
        help="Pictures with an EXIF orientation: apply, if label maps were drawn on them as shown, or ignore, if as "
        "stored.",
    ),
    click.option(
        "--unknown-labels",
        default="refuse",
        show_default=True,
        type=click.Choice(("refuse", "ignore")),
        help="Policy for label values that the taxonomy does not know.",
    ),
)
"""Options of how label maps and pictures are to be read."""

split_options = options(
    reading_options,
    click.option(
        "--absent-classes",
        default="refuse",
        show_default=True,
        type=click.Choice(("refuse", "allow")),
        help="Policy of fit and check for classes that no picture shows.",
    ),
    click.option(
        "--layout",
        default="auto",
        show_default=True,
        type=click.Choice(("auto", *LAYOUT_NAMES)),
        help="How the data lies in --data.",
    ),
    click.option(
        "--images",
        default="",
        metavar="DIR",
        help="Pictures of a data set of no known layout; with --labels and --taxonomy.",
    ),
    click.option(
        "--labels",
        default="",
        metavar="DIR",
        help="Label maps for --images, of the same names, or NAME_mask; may be the same folder.",
    ),
    click.option(
        "--taxonomy",
        default="",
        metavar="NAME|FILE",
        help="Meaning of the labels, by default the layout's own; roles: merge classes by their role.",
    ),
    click.option(
        "--split",
        "split_files",
        multiple=True,
        metavar="[SOURCE=]CSV",
        help="File with columns id and --split-column that says train, val or test; may "
        "have a column group. One for each source, or one with ids SOURCE/id.",
    ),
    click.option("--split-column", default="split", show_default=True, metavar="NAME", help="Column of --split."),
    _pattern_option("train", "Training pictures (default: all that are in no other part)"),
    _pattern_option("val", "Pictures that choose the checkpoint (default: cut from training)"),
    _pattern_option("test", "Pictures that are reported and choose nothing (default: none)"),
    click.option(
        "--val-fraction",
        default=0.15,
        show_default=True,
        metavar="SHARE",
        help="Share of training pictures cut off for val, 0 to 0.9.",
    ),
    click.option(
        "--limit",
        default=0,
        show_default=True,
        metavar="N",
        help="At most so many pictures per part, for a smoke test; 0 for all.",
    ),
)


training_options = options(
    click.option(
        "--also",
        multiple=True,
        metavar="DIR",
        help="Labelled pictures of other classes: they teach roles (landable, person, ...) and choose nothing. Of "
        "their own split the training part, or all.",
    ),
    click.option(
        "--ground-width-m",
        type=NUMBERS,
        default=None,
        metavar="LEAST,GREATEST",
        help="Ground across the pictures, m: 2 x height x tan(half the field of view). From it the model knows from "
        "how high its answer counts.  [default: the data set's, where it is known]",
    ),
)
"""Options of the pictures that train, besides their split."""


def data_choice(folders: Sequence[str], options: dict[str, Any]) -> DataChoice:
    """Takes the choice of data out of a command's options."""
    fields = {name: options.pop(name) for name in DataChoice.model_fields if name in options}
    choice: DataChoice = checked(DataChoice, folders=tuple(folders), **fields)
    return choice


def checked(kind: Any, **fields: Any) -> Any:
    """Return a pydantic model of fields.

    Raises:
        InvalidValueError: Names the option whose value is not valid, and the reason.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = OPTION_OF.get(field, field).replace("_", "-")
        given_value = fields[field] if field in fields else first["input"]
        raise InvalidValueError(
            f"--{name} {_shown(given_value)}: {first['msg'].removeprefix('Value error, ')}"
        ) from error


def model_options(*models: type[BaseModel], without: Sequence[str] = ()) -> Callable[[_Command], _Command]:
    """Click options for the fields of pydantic models, with their descriptions as help.

    A field becomes `--its-name`; one that is not given is None, so that presets and defaults can fill it in (`given`).
    """
    made = []
    for model in models:
        for name, field in model.model_fields.items():
            if name in without or not field.description:
                continue
            option = "--" + OPTION_OF.get(name, name).replace("_", "-")
            kind, shown = _kind_of(field.annotation), _shown(field.default)
            text = field.description + (f"  [default: {shown}]" if shown else "")
            if kind is bool:
                made.append(click.option(option, name, is_flag=True, default=None, help=text))
            else:
                made.append(click.option(option, name, type=kind, default=None, help=text))
    return options(*made)


def given(model: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Takes the given fields of a model out of a command's options."""
    taken = {name: values.pop(name) for name in model.model_fields if name in values}
    return {name: value for name, value in taken.items() if value is not None}


def _kind_of(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return click.Choice([str(choice) for choice in inner])
    if origin is tuple:
        kind = get_args(inner[0])[0] if get_origin(inner[0]) is Annotated else inner[0]
        return NAMES if kind is str else _numbers(kind)
    return annotation


def _shown(default: Any) -> str:
    if default is None or default == "" or default is False or default == ():
        return ""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
