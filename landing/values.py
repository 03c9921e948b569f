"""Plain numbers of what a caller gives, so that no other type comes further than the value that holds it."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, cast

from landing.errors import InvalidValueError


def number(name: str, given: SupportsFloat) -> float:
    """Return a number as a plain float, finite or not.

    Raises:
        InvalidValueError: It is no number: a text, an array, None.
    """
    if isinstance(given, float):
        return float(given)
    try:
        if not isinstance(given, (str, bytes)):
            return float(given)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidValueError(f"{name} is {_shown(given)}: expected a number")


def numbers(name: str, given: Iterable[SupportsFloat], count: int) -> tuple[float, ...]:
    """Return so many numbers as plain floats, finite or not.

    Raises:
        InvalidValueError: There are fewer or more, or one of them is no number.
    """
    try:
        values = tuple(given)
    except TypeError:
        raise InvalidValueError(f"{name} is {_shown(given)}: expected {count} numbers") from None
    if len(values) != count:
        raise InvalidValueError(f"{name} {_shown(given)}: expected {count} numbers")
    if set(map(type, values)) == {float}:
        return cast("tuple[float, ...]", values)
    return tuple(number(name, value) for value in values)


def whole(name: str, given: SupportsIndex) -> int:
    """Return a whole number as a plain int.

    Raises:
        InvalidValueError: It is none.
    """
    try:
        return operator.index(given)
    except TypeError:
        raise InvalidValueError(f"{name} is {_shown(given)}: expected a whole number") from None


def instance(name: str, given: Any, kind: type) -> None:
    """Check the type of a value.

    Raises:
        InvalidValueError: It is of another one.
    """
    if not isinstance(given, kind):
        raise InvalidValueError(f"{name} is {_shown(given)}: expected a {kind.__name__}")


def path_of(given: str | Path) -> Path:
    """Return a path.

    Raises:
        InvalidValueError: It is of another type.
    """
    if not isinstance(given, (str, Path)):
        raise InvalidValueError(f"path is {_shown(given)}: expected a text or a Path")
    return Path(given)


def _shown(given: Any) -> str:
    text = " ".join(repr(given).split())
    return text if len(text) <= 80 else f"{text[:76]} ..."
