"""Command lines of documents, held against the real commands: names, options, their values, and what is required."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from touchdown.cli import cli

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
BEFORE = ("sudo", "time", "exec", "nohup", "then", "do", "else", "!", "if", "while", "until")
"""Words that stand before a command."""


class WrongLineError(Exception):
    """A line that the command would refuse; its text says why."""


def check_line(line: str, *, whole: bool = True) -> bool:
    """Hold a line's commands of ours against the real ones.

    Args:
        line: As it is typed; a continued one is joined before.
        whole: Also ask for what is required. False for mentions in a sentence.

    Returns:
        Whether the line holds a command of ours.

    Raises:
        WrongLineError: A command, option or value is not one of the real command's.
    """
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError as error:
        if re.search(r"\b(touchdown|trainer|edge) ", line):
            raise WrongLineError(f"no shell line: {error}") from error
        return False
    return any([_check_command(part, whole) for part in _parts(words)])


def _parts(words: list[str]) -> Iterator[list[str]]:
    """The simple commands of a line, without redirections."""
    part: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word and set(word) <= set("<>&") and set(word) & set("<>"):
            skip = True
            if part and part[-1] in ("1", "2"):
                part.pop()
        elif word and set(word) <= set("|&;()"):
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _check_command(words: list[str], whole: bool) -> bool:
    words = list(words)
    if words[:1] == ["$"]:
        words = words[1:]
    while words and (words[0] in BEFORE or ASSIGNMENT.match(words[0])):
        words.pop(0)
    if words[:1] == ["nice"]:
        words = words[3:] if words[1:2] == ["-n"] else words[1:]
    if not words:
        return False
    name = words[0].rpartition("/")[2] if "/bin/" in words[0] else words[0]
    if name == "make" and words[1:2] == ["-C"]:
        return False  # of another folder
    if name == "make":
        _check_make(words[1:])
        return True
    if words[1:3] == ["-m", "touchdown"]:
        name, words = "touchdown", words[2:]
    if name not in ("touchdown", "trainer", "edge"):
        return False
    _check_click(words[1:] if name == "touchdown" else [name, *words[1:]], whole)
    return True


def _check_make(words: list[str]) -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for word in words:
        if ASSIGNMENT.match(word):
            name = word.partition("=")[0]
            if not re.search(rf"^{name} *[?:]?=|ifdef {name}$|\$\({name}\)|\$\(if \$\({name}\)", text, re.M):
                raise WrongLineError(f"make knows no variable {name}")
        elif word.startswith("-"):
            continue
        elif not re.search(rf"^{re.escape(word)}:", text, re.M):
            raise WrongLineError(f"make has no target {word}")


def _check_click(words: list[str], whole: bool) -> None:
    """Walk to the command, then let its own parser read the rest; no file is looked for and nothing is run."""
    command: click.Command = cli
    path = ["touchdown"]
    context = click.Context(cli, info_name="touchdown")
    while isinstance(command, click.Group):
        if not words:
            if whole:
                raise WrongLineError(f"{' '.join(path)} needs a command")
            return
        if words[0].startswith("-"):
            _parse(command, context, words[:1], whole=False)
            return
        found = command.get_command(context, words[0])
        if found is None:
            raise WrongLineError(f"{' '.join(path)} has no command {words[0]!r}")
        path.append(words.pop(0))
        command = found
        context = click.Context(command, info_name=path[-1], parent=context)
    if not whole and not any(word.startswith("-") for word in words):
        return  # a mention with words after it
    _parse(command, context, words, whole)


def _parse(command: click.Command, context: click.Context, words: list[str], whole: bool) -> None:
    for word in (w.partition("=")[0] for w in words):
        if word.startswith("--"):  # click would take the beginning of an option for it
            known = {o for p in command.get_params(context) for o in (*p.opts, *p.secondary_opts)}
            if word not in known:
                raise WrongLineError(f"{context.command_path} has no option {word}")
    if any(word in context.help_option_names for word in words):
        return
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        if whole or "requires" not in error.format_message():
            raise WrongLineError(f"{context.command_path}: {error.format_message()}") from error
        return
    if rest and not context.allow_extra_args and whole:
        raise WrongLineError(f"{context.command_path} takes no {rest[0]!r}")
    eager = any(p.is_eager and values.get(p.name or "") for p in command.get_params(context))
    for parameter in command.get_params(context):
        given = values.get(parameter.name or "")
        if _missing(given):
            if whole and parameter.required and not eager:
                raise WrongLineError(f"{context.command_path} needs {parameter.human_readable_name}")
        elif not isinstance(parameter.type, click.Path | click.File):
            _convert(parameter, given, context, whole)


def _missing(given: object) -> bool:
    return given is None or given == () or given == [] or type(given).__name__ == "Sentinel"


def _convert(parameter: click.Parameter, given: object, context: click.Context, whole: bool) -> None:
    if not whole and isinstance(given, str) and given.isupper():
        return  # a place to fill, in a sentence
    try:
        parameter.type_cast_value(context, given)
    except click.UsageError as error:
        raise WrongLineError(f"{context.command_path}: {error.format_message()}") from error


def lines_of(text: str) -> Iterator[str]:
    """Lines of a block as a shell takes them: continued ones joined, those of here-documents left out."""
    until = None
    for line in text.replace("\\\n", " ").splitlines():
        if until is not None:
            if line.strip() == until:
                until = None
            continue
        here = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", line)
        until = here[1] if here else None
        yield line.strip()
