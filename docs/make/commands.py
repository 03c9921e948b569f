"""Commands and their options, as click knows them; no command of them is run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from docs.make.markdown import code, escaped, table
from touchdown.cli import cli

PAGES = ("edge", "bridge", "trainer", "export", "deploy", "sim")
"""Commands that have a page of their own below `docs/reference/commands/`."""


def commands(group: str = "") -> str:
    """Write all commands of a group; without one, those that have no page of their own."""
    root = click.Context(cli, info_name="touchdown", show_default=True)
    names = [group] if group else [name for name in cli.list_commands(root) if name not in PAGES]
    found = [part for name in names for part in _walk(_get(cli, root, name), root, name)]
    own = [] if group else [_described(cli, root)]
    return "\n".join([*own, *found])


def overview() -> str:
    """Write the list of all commands, with a line and a link each."""
    root = click.Context(cli, info_name="touchdown", show_default=True)
    rows = []
    for name in cli.list_commands(root):
        page = f"{name}.md" if name in PAGES else ""
        for command, context in _leaves(_get(cli, root, name), root, name):
            path = context.command_path
            rows.append([f"[{code(path)}]({page}#{path.replace(' ', '-')})", escaped(command.get_short_help_str(100))])
    return table(("command", "what it does"), rows)


def _get(group: click.Group, context: click.Context, name: str) -> click.Command:
    command = group.get_command(context, name)
    if command is None:
        raise ValueError(f"{context.command_path} has no command {name!r}")
    return command


def _leaves(command: click.Command, parent: click.Context, name: str) -> Iterator[tuple[click.Command, click.Context]]:
    context = click.Context(command, info_name=name, parent=parent, show_default=True)
    if not isinstance(command, click.Group):
        yield command, context
        return
    for inner in command.list_commands(context):
        yield from _leaves(_get(command, context, inner), context, inner)


def _walk(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    for leaf, context in _leaves(command, parent, name):
        if not leaf.hidden:
            yield _described(leaf, context)


def _described(command: click.Command, context: click.Context) -> str:
    """Write one command: usage, what it does, and a table of its options."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.opts != context.help_option_names and parameter.name != "help":
            names, text = record
            meaning, more = _apart(text)
            rows.append(
                [code(re.sub(r"\b(FLOAT|INTEGER) RANGE|\bFLOAT\b|\bINTEGER\b", "N", names)), more, escaped(meaning)]
            )
    head = ("option", "default and range", "meaning")
    parts = [f"## {context.command_path}", f"<!-- output -->\n```text\n{usage}\n```", _text(command.help or "")]
    return "\n\n".join([*parts, table(head, rows) if rows else ""]).rstrip() + "\n"


def _apart(text: str) -> tuple[str, str]:
    """Return an option's meaning, and what click adds in brackets."""
    found = re.match(r"(.*?)\s*((?:\s*\[[^\[\]]*\])*)$", text, re.S)
    assert found
    more = "; ".join(re.findall(r"\[([^\[\]]*)\]", found[2])).replace("default: ", "")
    return found[1], code(more) if more and more != "required" else more


def _text(text: str) -> str:
    """Return a command's help as paragraphs; those that click keeps as they are become blocks."""
    parts = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            parts.append("<!-- output -->\n```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```")
        else:
            parts.append(escaped(paragraph))
    return "\n\n".join(parts)
