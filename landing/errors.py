"""Errors a user can act on. The command line prints their text alone, without a traceback."""

from __future__ import annotations

from typing import ClassVar

from landing.problems import Problem


class TouchdownError(Exception):
    """An error that names the thing, the value, what was expected and the next step.

    Args:
        text: One line.
        problem: The kind of trouble, where it is another one than the class says.

    Attributes:
        exit_code: Exit status of a command that ends with this error.
        problem: The kind of trouble, whose code the command line prints.
    """

    exit_code: ClassVar[int] = 2
    problem: Problem = Problem.FAULT

    def __init__(self, text: str = "", problem: Problem | None = None) -> None:
        super().__init__(text)
        if problem is not None:
            self.problem = problem


class InvalidValueError(TouchdownError, ValueError):
    """A value of the wrong shape, type or range was handed to a domain type."""

    problem = Problem.VALUE


class FileError(TouchdownError):
    """A file or folder that cannot be written."""

    problem = Problem.FILE


class ConfigError(TouchdownError):
    """A configuration that must not fly. Exit 78 (EX_CONFIG), so systemd does not restart it."""

    exit_code = 78
    problem = Problem.CONFIGURATION


class TaxonomyError(TouchdownError):
    """A taxonomy file that is unreadable, incomplete or contradicts the model."""

    problem = Problem.TAXONOMY


class ModelError(TouchdownError):
    """A model file that is missing, broken or does not describe itself."""

    problem = Problem.MODEL


class CameraError(TouchdownError):
    """A camera that cannot be opened, has stopped or delivers something else than promised."""

    problem = Problem.CAMERA


class PictureError(CameraError):
    """A picture or video file that cannot be read as one."""

    problem = Problem.PICTURE


class LinkError(TouchdownError):
    """A flight-controller link that cannot be opened or used."""

    problem = Problem.LINK


class SigningError(LinkError):
    """A MAVLink signing key that cannot be used or made."""

    problem = Problem.SIGNING


class DataError(TouchdownError):
    """A data set or picture that cannot be read as what it claims to be."""

    problem = Problem.DATA


def last_lines(text: str) -> str:
    """The end of a program's output, as one line; its last error where one is marked."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if line.lower().startswith("error: ")]
    chosen = marked[-1:] or lines[-2:] or ["no reason given"]
    return " / ".join(chosen).removeprefix("ERROR: ").removeprefix("error: ")[:500]


def first_line(error: BaseException) -> str:
    """The first line of an error's text, at most 200 characters; its name where it says nothing."""
    return (str(error).strip() or repr(error)).splitlines()[0][:200]
