"""The notebook is stored without outputs, and its cells run in order, as Jupyter would run them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from PIL import Image

from landing.site import LandingSite, NoSite, NoSiteReason

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "landing.ipynb"
DOCUMENT = json.loads(NOTEBOOK.read_text("utf-8"))


def run_cell(source: str, names: dict[str, Any]) -> object:
    """Run a cell; gives the value of its last line, which a notebook shows."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_it_is_a_notebook_without_outputs() -> None:
    assert (DOCUMENT["nbformat"], DOCUMENT["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in DOCUMENT["cells"]]
    assert len(set(ids)) == len(ids) and NOTEBOOK.stat().st_size < 20_000
    for cell in DOCUMENT["cells"]:
        assert cell["cell_type"] in ("markdown", "code") and isinstance(cell["source"], list)
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_its_cells_run_and_show_what_the_text_says() -> None:
    names: dict[str, Any] = {}
    sources = ["".join(cell["source"]) for cell in DOCUMENT["cells"] if cell["cell_type"] == "code"]
    shown = [value for source in sources if (value := run_cell(source, names)) is not None]
    pictures = [value for value in shown if isinstance(value, Image.Image)]
    answers = [value for value in shown if isinstance(value, NoSite)]
    assert [picture.size for picture in pictures] == [(480, 360)] * 2
    assert [answer.reason for answer in answers] == [NoSiteReason.NOTHING_LANDABLE, NoSiteReason.TOO_HIGH]
    assert isinstance(names["chosen"], LandingSite)
