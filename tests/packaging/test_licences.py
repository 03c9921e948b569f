"""Licences of all that an installation brings: the base and each extra, from the metadata of what is installed here."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.test_distribution import PROJECT

ALLOWED = re.compile(
    r"\b(?:MIT(?:-0|-CMU)?|HPND|BSD|0BSD|Apache|ISC|Unlicense|Zlib|libpng|CC0|PSF|Python-2\.0|"
    r"Python Software Foundation|MPL-2\.0|Mozilla Public License 2\.0|LGPL(?:v?\d)?|GNU Lesser General Public License|"
    r"Boost|BSL-1\.0|Public Domain)\b",
    re.IGNORECASE,
)
"""Licences of parts that may be sold with the product. MPL and LGPL ask for their own files, as they are, alone."""
REFUSED = re.compile(
    r"(?<![L\w])(?:A?GPL(?:v?\d)?|GNU (?:Affero )?General Public|SSPL|BUSL|Commons Clause|CC-BY-NC)", re.I
)
ALSO_FREE = re.compile(r"\bOR\b|dual", re.IGNORECASE)

KNOWN = {
    "apsw": "any licence that the OSI approves, by its own words; over SQLite, which is public domain",
    "cuda-bindings": "NVIDIA's licence: comes with GPU builds of torch; may be passed on with a program",
    "docutils": "public domain and BSD; under the GPL is one file for Emacs, which the wheel does not hold",
    "cuda-pathfinder": "Apache-2.0, not in its metadata",
}
"""Distributions whose metadata do not say it, or say it in a form that no rule reads; each was looked at."""
PROPRIETARY = re.compile(r"^(?:nvidia-|tensorrt)")
"""NVIDIA's own, which GPU builds of torch bring; they may be passed on with a program (their End User Licence)."""
NEVER = {"pillow-heif", "ultralytics", "pyqt5", "opencv-contrib-python", "pyexiv2"}
"""Whose licence, or that of what they bring, would bind a user's product."""

EXTRAS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
del EXTRAS["dev"]


def parts(extra: str) -> dict[str, metadata.Distribution]:
    """Every distribution that the base or an extra brings here, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(canonicalize_name(n.name), frozenset(n.extras)) for n in map(Requirement, EXTRAS[extra])]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another Python or machine
        found[canonicalize_name(name)] = distribution
        for line in distribution.requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in (extras or {""})):
                entry = (canonicalize_name(need.name), frozenset(need.extras))
                if entry not in seen:
                    seen.add(entry)
                    waiting.append(entry)
    return found


def licence_of(distribution: metadata.Distribution) -> str:
    """Licence of a distribution in a line: the expression, else its classifiers, else the first words."""
    about = distribution.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classifiers = [c for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    said = " AND ".join(c.rpartition(" :: ")[2] for c in classifiers if c != "License :: OSI Approved")
    return said or str(about.get("License") or "").strip()[:200]


def problem(name: str, licence: str) -> str | None:
    if name in NEVER:
        return f"{name}: never to be shipped"
    if name in KNOWN or PROPRIETARY.match(name):
        return None
    if REFUSED.search(licence) and not (ALSO_FREE.search(licence) and ALLOWED.search(licence)):
        return f"{name}: {licence}: refused"
    if not ALLOWED.search(licence):
        return f"{name}: {licence or 'says nothing'}: look at it, then name it in KNOWN with the reason"
    return None


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: extra or "base")
def test_everything_that_is_installed_may_be_used_and_sold(extra: str) -> None:
    found = parts(extra)
    assert len(found) >= len(EXTRAS[extra]) - 1  # a part for another Python is not here
    wrong = [line for name, part in sorted(found.items()) if (line := problem(name, licence_of(part)))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("GPL-3.0-or-later", False),
        ("AGPL-3.0", False),
        ("GNU General Public License v2 (GPLv2)", False),
        ("GNU Affero General Public License v3", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("LGPL-3.0-only", True),
        ("MIT OR GPL-2.0", True),
        ("MIT AND GPL-2.0-only", False),
        ("BSD License", True),
        ("Other/Proprietary License", False),
        ("", False),
    ],
)
def test_the_rules(licence: str, good: bool) -> None:
    assert (problem("some", licence) is None) is good
