"""`deploy list`: the releases on this machine, and which of them flies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.layout import Root


def listing(path: Path) -> dict[str, Any]:
    """All releases under a root, the latest first, as JSON can hold it."""
    root = Root(path)
    current = root.current()
    order = [entry.release for entry in reversed(root.history())]
    releases = []
    for name in sorted(root.names(), key=lambda n: order.index(n) if n in order else -1):
        record, last = root.record(name), root.verdict(name)
        releases.append(
            {
                "name": name,
                "current": name == current,
                "complete": record is not None,
                "verdict": last.verdict if last is not None else "",
                "at": last.at if last is not None else "",
                "why": last.why if last is not None else "",
                "touchdown": record.touchdown if record is not None else "",
                "model": record.model if record is not None else "",
                "engine": (record.engine or "") if record is not None else "",
                "signed_by": record.signed_by if record is not None else "",
            }
        )
    return {
        "root": str(path),
        "current": current,
        "rollback_to": root.last_good(),
        "on_trial": root.on_trial,
        "releases": releases,
    }


def lines_of(found: dict[str, Any]) -> list[str]:
    """A listing for people."""
    if not found["releases"]:
        return [f"no releases under {found['root']}"]
    width = max(len(release["name"]) for release in found["releases"])
    lines = []
    for release in found["releases"]:
        mark = "*" if release["current"] else " "
        state = release["verdict"] or "never flown"
        if not release["complete"]:
            state = "incomplete"
        engine = f", {release['engine']} engine" if release["engine"] else ""
        what = f"touchdown {release['touchdown']}, {release['model']}{engine}"
        lines.append(
            f"{mark} {release['name']:{width}}  {state:11}  {release['at']:25}  "
            f"{what if release['complete'] else ''}".rstrip()
        )
    back = found["rollback_to"]
    lines.append(f"rollback goes to {back}" if back else "there is no release to roll back to")
    if found["on_trial"]:
        lines.append("a trial was interrupted: `touchdown deploy settle` ends it")
    return lines
