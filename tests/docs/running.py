"""Blocks marked `run:`, as one bash script, and the order in which a reader meets them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.docs.pages import Block

LIMIT_S = 540


def named_runs(found: Iterable[Block]) -> dict[str, list[Block]]:
    """Return the blocks of a page that run, by the name of their run."""
    runs: dict[str, list[Block]] = {}
    for block in found:
        if block.kind == "run":
            runs.setdefault(block.about, []).append(block)
    return runs


def toctree(index: Path) -> list[Path]:
    """Return the pages of an index's tables of contents, in their order."""
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", index.read_text("utf-8"), re.M | re.S)
    names = [line for tree in trees for line in tree.splitlines() if re.fullmatch(r"[\w/-]+", line)]
    return [page for name in names if (page := index.parent / f"{name}.md").is_file()]


def script(blocks: list[Block]) -> str:
    """Return one bash script; each line that stops it is named by its page and line."""
    lines = ["set -euo pipefail"]
    for block in blocks:
        lines.append(f"trap 'echo \"{block.place}: line $((LINENO - {len(lines) + 1})) of the block failed\" >&2' ERR")
        text = block.text.rstrip("\n")
        if block.language == "python":
            text = f"python - <<'END-OF-BLOCK'\n{text}\nEND-OF-BLOCK"
        lines += re.sub(r"^\$ ", "", text, flags=re.M).split("\n")
    return "\n".join(lines) + "\n"


def run_blocks(blocks: list[Block], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the blocks of one name in a folder."""
    return subprocess.run(
        ["bash", "-c", script(blocks)],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
