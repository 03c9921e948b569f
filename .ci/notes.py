"""Prints the changelog's part of a version; refuses a tag that does not fit version and changelog.

python .ci/notes.py v0.2.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(tag: str, version: str, changelog: str) -> str:
    """Return the notes of a release.

    Args:
        tag: As ``v0.2.0``.
        version: Of `landing.distribution`.
        changelog: Text of CHANGELOG.md.

    Raises:
        ValueError: The tag is not the version's, or the changelog has no dated part of it.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, landing/distribution.py says {version}: expected v{version}")
    parts = re.split(r"^## ", changelog, flags=re.M)
    for part in parts[1:]:
        if re.match(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", part.partition("\n")[0]):
            return part.partition("\n")[2].strip() + "\n"
    raise ValueError(f"CHANGELOG.md has no part `## [{version}] - YYYY-MM-DD`: rename Unreleased, with the date")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from landing.distribution import VERSION

    try:
        print(notes(sys.argv[1], VERSION, (ROOT / "CHANGELOG.md").read_text("utf-8")), end="")
    except (IndexError, ValueError) as problem:
        sys.exit(f"error: {problem}")
