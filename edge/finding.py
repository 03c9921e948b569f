"""A line of the report of `edge check`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from landing.problems import Problem, with_code


@dataclass
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    warning: bool = False
    problem: Problem | None = None

    @property
    def mark(self) -> str:
        """At the head of its line."""
        if not self.ok:
            return "FAIL"
        return "warn" if self.warning else "ok  "

    @property
    def line(self) -> str:
        """For people; ends with the code of what is wrong."""
        text = self.text if self.problem is None else with_code(self.text, self.problem.value)
        return f"{self.mark} {self.name}: {text}"

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        told: dict[str, Any] = {"ok": self.ok, "text": self.text, **self.data}
        if self.warning:
            told["warning"] = True
        if self.problem is not None:
            told["code"] = self.problem
        return told
