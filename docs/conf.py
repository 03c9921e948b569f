"""Sphinx's configuration of the documentation site: Markdown pages, offline, every warning an error (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from sphinx.application import Sphinx  # noqa: E402

from docs.make.links import beyond_docs  # noqa: E402
from docs.make.reference import expand  # noqa: E402
from landing.distribution import VERSION  # noqa: E402

project = "Touchdown"
author = "the Touchdown contributors"
copyright = author
version = release = VERSION

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["make", "README.md"]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4

nitpicky = True
# Signatures name types of numpy, OpenCV and our own inner modules, which have no page here.
nitpick_ignore_regex = [("py:.*", ".*")]
default_role = "code"  # docstrings write `name` for code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"Touchdown {VERSION}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False
templates_path = ["_templates"]


def _prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Write the generated parts into a page, and make links to files beside `docs/` lead to the repository."""
    source[0] = beyond_docs(expand(source[0]), DOCS / f"{page}.md")


def setup(app: Sphinx) -> None:
    """Join the building of the site."""
    app.connect("source-read", _prepare)
