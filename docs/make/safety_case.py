r"""Read the figures of the safety case from results, and write its page: `python -m docs.make.safety_case`.

A figure of `touchdown/safety/claims.toml` names a file and a place in it: `count` and `of` (a share, or with `rest`
what is left of it) or `value`, each a path of keys with dots between (`\.` for a dot in a key, `*` for all of a list,
then `pick = "largest"`); of a text, the number of `rows` that match, or the last `match`. `--check` writes nothing.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from sim.campaign.wilson import share
from touchdown.safety.claims import EVIDENCE, Figure, FigureSource, load_claims
from touchdown.safety.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "safety-case.md"


def evidence() -> str:
    """Return the text of `evidence.json` as the results say now."""
    figures = {name: figure_of(source) for name, source in load_claims().figures.items()}
    return json.dumps({n: f.model_dump(exclude_defaults=True) for n, f in figures.items()}, indent=1) + "\n"


def figure_of(source: FigureSource) -> Figure:
    """Read a figure."""
    text = (ROOT / source.file).read_text("utf-8")
    known = {"file": source.file, "model": source.model or ""}
    if source.rows is not None:
        return Figure(value=str(len(re.findall(source.rows, text, re.M))), **known)
    if source.match is not None:
        return Figure(value=str(re.findall(source.match, text)[-1]), **known)
    data = json.loads(text)
    if source.value is not None:
        found = at(data, source.value)
        if source.pick == "largest":
            found = max(found)
        return Figure(value=found if isinstance(found, str | float) else str(found), **known)
    assert source.count is not None and source.of is not None
    count, of = at(data, source.count), at(data, source.of)
    part = share(of - count if source.rest else count, of)
    return Figure(count=part.count, of=part.of, low=round(part.low, 6), high=round(part.high, 6), **known)


def at(data: Any, path: str) -> Any:
    """Return what lies at a path of keys."""
    keys = [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path)]
    for place, key in enumerate(keys):
        if key == "*":
            rest = ".".join(k.replace(".", "\\.") for k in keys[place + 1 :])
            return [at(item, rest) for item in data]
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def page() -> str:
    """Return the page of the shipped configuration, as the command writes it."""
    result = CliRunner().invoke(cli, ["--links", "../"])
    if result.exit_code != 0:
        raise SystemExit(f"touchdown safety-case: {result.output}{result.exception}")
    return result.stdout


def main(arguments: list[str]) -> int:
    """Write what has changed, or name it with `--check`."""
    check, changed = "--check" in arguments, False
    for path, make in ((EVIDENCE, evidence), (PAGE, page)):
        text = make()
        if not path.exists() or path.read_text("utf-8") != text:
            changed = True
            print(("differs: " if check else "wrote ") + str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, "utf-8")
    return int(check and changed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
