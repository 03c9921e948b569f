"""`touchdown explain`: a code, or words of a refusal, told with what to do. Works without a network, on the drone."""

from __future__ import annotations

import difflib
import json
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources

import click

from landing.errors import InvalidValueError
from landing.site import NoSiteReason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE, SEEN = "docs/troubleshooting/errors.md", "index.md"
_GROUPS = {
    "1": "The command and this machine",
    "2": "Configuration",
    "3": "Model",
    "4": "Camera and pictures",
    "5": "Link to the autopilot",
    "6": "No site, no target",
    "7": "Data, training, recordings",
    "8": "Bundles and releases",
    "9": "Simulation",
}
"""Headings of the page, by the first digit of a code."""
_MARKUP = re.compile(r"[`*]")


@dataclass(frozen=True)
class Explanation:
    """One entry of `problems.toml`.

    Attributes:
        code: As ``TD-603``.
        title: A few words.
        when: The situation in which it is said.
        remedy: Markdown, one bullet for each thing to do.
        names: Other words under which it is shown: reasons for no site, gates.
        see: Section of the page of what is seen; empty where none is about it.
    """

    code: str
    title: str
    when: str
    remedy: str
    names: tuple[str, ...] = ()
    see: str = ""

    @property
    def place(self) -> str:
        """Section of the page."""
        return f"{PAGE}#{self.code.lower()}"

    def as_text(self) -> str:
        """For a terminal."""
        said = f"\nSaid as: {', '.join(self.names)}." if self.names else ""
        remedy = _MARKUP.sub("", self.remedy)
        return f"{self.code}  {self.title}\n\n{_MARKUP.sub('', self.when)}{said}\n\n{remedy}\n({self.place})"

    def as_section(self) -> str:
        """For the page."""
        said = f" Said as: {', '.join(f'`{name}`' for name in self.names)}." if self.names else ""
        words = textwrap.fill(f"**{self.title}.** {self.when}{said}", 130, break_on_hyphens=False)
        more = f"- By what is seen: [{self.see.replace('-', ' ')}]({SEEN}#{self.see}).\n" if self.see else ""
        return f"### {self.code}\n\n{words}\n\n{self.remedy}{more}"


def explanations() -> dict[str, Explanation]:
    """Return all entries by code, in order."""
    text = resources.files("touchdown").joinpath("problems.toml").read_text("utf-8")
    found = {}
    for code, entry in tomllib.loads(text).items():
        reasons = [reason.value for reason in NoSiteReason if reason.problem == code]
        names = tuple(reasons) + tuple(name for name in entry.get("names", ()) if name.replace(" ", "-") not in reasons)
        found[code] = Explanation(
            code, entry["title"], entry["when"], entry["remedy"].strip() + "\n", names, entry.get("see", "")
        )
    return found


def errors_page() -> str:
    """Return the page of all codes, Markdown."""
    entries = explanations()
    lines = [
        "<!-- made by docs/make/errors.py of touchdown/problems.toml -->",
        "# Codes",
        "",
        "An error ends with its code, as `[touchdown explain TD-603]`. Type that command, and it prints the section of",
        "this page, also on a drone without a network. Words of a refusal work too, as `touchdown explain",
        "no-height`, and so does a whole line in quotation marks.",
        "A code keeps its meaning. `--json` gives it as `code`.",
        "",
        "You see something wrong and have no code? Go by [what is seen](index.md).",
    ]
    for first, heading in _GROUPS.items():
        mine = [entry for code, entry in entries.items() if code[3] == first]
        lines += ["", f"## {heading}", "", "| code | what |", "|---|---|"]
        lines += [f"| [{entry.code}](#{entry.code.lower()}) | {entry.title} |" for entry in mine]
        for entry in mine:
            lines += ["", entry.as_section().rstrip()]
    return "\n".join(lines) + "\n"


def find(word: str, entries: dict[str, Explanation]) -> Explanation:
    """Return the entry that a user names by its code, by a reason or gate, by its title, or by a whole line with one.

    Raises:
        InvalidValueError: There is none; names the nearest ones.
    """
    wanted = _plain(word)
    coded = re.search(r"\bTD-\d{3}\b", word, re.IGNORECASE)
    if coded and coded[0].upper() in entries:
        return entries[coded[0].upper()]
    known: dict[str, str] = {}
    for code, entry in entries.items():
        for name in (code, code.removeprefix("TD-"), entry.title, *entry.names):
            known.setdefault(_plain(name), code)
    if wanted in known:
        return entries[known[wanted]]
    inside = [name for name in known if " " in name and re.search(rf"\b{re.escape(name)}\b", wanted)]
    if inside:
        return entries[known[max(inside, key=len)]]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    near += [name for name in known if wanted in name and wanted and name not in near][:3]
    codes = list(dict.fromkeys(known[name] for name in near))
    hint = f"near are {', '.join(f'{code} ({entries[code].title})' for code in codes)}" if codes else "there is none"
    raise InvalidValueError(f"{word!r} is no code or reason: {hint}; `touchdown explain` lists all")


@click.command(name="explain")
@click.argument("words", nargs=-1, metavar="[CODE|REASON|TEXT]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of entries.")
def cli(words: tuple[str, ...], as_json: bool) -> None:
    """Tell what an error's code, a reason, or a text of the ground station means, and what to do.

    CODE: as TD-603. REASON: as the daemon, the page and the ground station say it: no-height, "too small", intruder.
    TEXT: a whole one in quotes, "Landing hold: no-height: height above ground is not known". Without one, all codes are
    listed.
    """
    from edge.pilot_texts import explain as texts_of  # it brings the whole decision with it

    entries = explanations()
    told = [(word, texts_of(word)) for word in words]
    texts = [text for _, found in told for text in found]
    chosen: Sequence[Explanation] = [
        entry
        for word, found in told
        for entry in ([entries[text.code] for text in found if text.code] if found else [find(word, entries)])
    ]
    if not words:
        chosen = list(entries.values())
    if as_json:
        of_texts = [{"text": t.pattern, "meaning": t.meaning, "action": t.action} for t in texts]
        click.echo(json.dumps([*of_texts, *({**asdict(entry), "page": entry.place} for entry in chosen)], indent=2))
    elif words:
        said = [f"{t.pattern}\n  {t.meaning} {t.action}".rstrip() for t in texts]
        click.echo("\n\n".join([*said, *(entry.as_text() for entry in chosen)]))
    else:
        click.echo("\n".join(f"{entry.code}  {entry.title}" for entry in chosen))


def _plain(name: str) -> str:
    return re.sub(r"[-_\s]+", " ", name).strip().casefold()
