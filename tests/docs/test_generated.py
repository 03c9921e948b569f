"""Pages that code writes say what the code says."""

from __future__ import annotations

import re

import click
import pytest

from docs.make import commands, mavlink, results, settings
from docs.make.markdown import attributes, escaped
from docs.make.reference import GENERATORS, expand
from edge.check import key_lines
from landing.types import Segmentation
from tests.docs.pages import ROOT, text_of
from touchdown.cli import cli

REFERENCE = ROOT / "docs" / "reference"


def test_results_are_those_of_the_raw_figures() -> None:
    assert results.PAGE.read_text("utf-8") == results.page(), "python -m docs.make.results writes docs/results.md anew"


def test_every_generator_has_its_place() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert not [name for name in GENERATORS if f"<!-- generated: {name} -->" not in pages]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing named 'weather' is generated; expected one of settings"):
        expand("<!-- generated: weather -->")


def test_settings_has_every_key_of_the_file() -> None:
    text = text_of(REFERENCE / "settings.md")
    table, count = "", 0
    for line in key_lines():
        if head := re.match(r"\[([\w.]+)\]", line):
            table = head[1]
        elif key := re.match(r"(\w+) = ", line):
            count += 1
            name = f"{table}.{key[1]}"
            anchor = settings.slug(name)
            assert f"`{key[1]}`{{#{anchor}}}" in text or f"`[{name}]`" in text, name
    assert count > 80


def test_commands_have_every_command_and_option() -> None:
    pages = "\n".join(text_of(path) for path in (REFERENCE / "commands").glob("*.md"))
    found = list(leaves(cli, click.Context(cli, info_name="touchdown")))
    assert len(found) > 30
    for command, context in found:
        assert re.search(rf"^## {context.command_path}$", pages, re.M), context.command_path
        part = pages.partition(f"## {context.command_path}\n")[2].partition("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden and "--help" not in option.opts:
                assert option.opts[0] in part, f"{context.command_path} {option.opts[0]}"


def leaves(command: click.Command, context: click.Context):
    if not isinstance(command, click.Group):
        yield command, context
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        if not inner.hidden:
            yield from leaves(inner, click.Context(inner, info_name=name, parent=context))


def test_each_group_with_a_page_is_one() -> None:
    assert {path.stem for path in (REFERENCE / "commands").glob("*.md")} == {"index", *commands.PAGES}


def test_every_message_and_command_has_its_words() -> None:
    for words, names in (
        (mavlink.SENT, mavlink.sent_names()),
        (mavlink.READ, mavlink.read_names()),
        (mavlink.COMMANDS, mavlink.command_names()),
    ):
        assert set(words) == names, "docs/make/mavlink.py says what each is for"
    assert {"LANDING_TARGET", "MISSION_REQUEST_INT"} <= mavlink.sent_names() and "HEARTBEAT" in mavlink.read_names()


def test_parameters_of_doctor_and_daemon_are_there() -> None:
    text = text_of(REFERENCE / "parameters.md")
    assert all(f"`{name}`" in text for name in ("TD_ENABLE", "TD_PERSON_P", "PLND_ENABLED", "PLD_BTOUT"))


def test_text_is_escaped_but_for_code() -> None:
    assert escaped("a_b <c> `x_y`  *d*") == r"a\_b \<c\> `x_y` \*d\*"


def test_attributes_of_a_docstring() -> None:
    found = attributes(Segmentation)
    assert set(found) == {"class_id", "landable", "hazards", "captured_at_ns"}
    assert found["captured_at_ns"] == "Capture time of the frame it was made from."


def test_a_series_of_flights_names_no_commit_that_flew_none_of_it() -> None:
    for name, series, _ in results.SITL:
        for version, flights in results.flights_of(name, series).items():
            commits = {flight["commit"] for flight in flights}
            named = results.flown_by(name, series, version).rpartition(", ")[2]
            assert named in (f"{len(commits)} commits", *(f"`{commit}`" for commit in commits if len(commits) == 1))


def test_each_version_that_flew_a_series_has_a_row_of_its_own() -> None:
    written = results.autopilots()
    for autopilot, series in (("ArduCopter", "ardupilot"), ("PX4", "px4")):
        versions = results.flights_of("sitl-network.json", series)
        assert len(versions) > 1
        for version, flights in versions.items():
            safe = sum(flight["verdict"] == "landed-safe" for flight in flights)
            assert f"| {autopilot} {version} | the demo network itself" in written
            assert f"**{safe} of {len(flights)}**" in written
