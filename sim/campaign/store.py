"""The folder of a campaign: its plan, a journal that survives a kill, the results in order.

campaign.json   the plan and the digest of the code; a folder holds one campaign
journal.jsonl   records as they came in, in any order; a torn last line is dropped results.jsonl   the same, sorted and
complete: equal bytes for equal plan and code timings.jsonl   what the machine took; never equal
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from landing.reading import take_name
from sim.campaign.code import code_digest
from sim.campaign.scene import CampaignError
from sim.campaign.score import Record
from sim.campaign.task import Plan, Task, TaskResult
from sim.world.spec import files_of

PLAN, JOURNAL, RESULTS, TIMINGS = ("campaign.json", "journal.jsonl", "results.jsonl", "timings.jsonl")


def line_of(value: Any) -> str:
    """A value as one line of JSON, always the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def inputs_of(plan: Plan) -> dict[str, str]:
    """Digests of the files that a plan names, by file name; those of its worlds by specification.

    Raises:
        CampaignError: One of them cannot be read.
    """
    files = [Path(name) for name in (plan.model, plan.errors) if name is not None]
    try:
        found = {file.name: _digest((file,)) for file in files}
        return found | {spec: _digest(of_world) for spec in plan.worlds if (of_world := files_of(spec))}
    except OSError as error:
        raise CampaignError(f"a file of the campaign cannot be read: {error}") from error


def _digest(files: tuple[Path, ...]) -> str:
    """Digest of files: of one the SHA-256 of its bytes, of several that of their names and digests."""
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    if len(files) > 1:
        text = "".join(f"{file} {digest}\n" for file, digest in zip(files, digests, strict=True))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests[0][:16]


class CampaignFolder:
    """Keeps a campaign on disk.

    Args:
        path: Folder; made when missing.
        plan: Of the campaign.

    Raises:
        CampaignError: The folder holds another campaign, or one of other code.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan
        head = {
            "plan": asdict(plan),
            "code": code_digest(),
            "inputs": inputs_of(plan),
            "flight": plan.resolved().report(),
        }
        path.mkdir(parents=True, exist_ok=True)
        file = path / PLAN
        if file.exists():
            self._check(json.loads(file.read_text("utf-8")), json.loads(line_of(head)))
        else:
            replace_text(file, json.dumps(head, indent=1, sort_keys=True) + "\n")
        self._records = {(r["scene"], r["policy"]): r for r in _lines(path / JOURNAL)}
        self._journal = _appending(path / JOURNAL)
        self._timings = _appending(path / TIMINGS)

    def _check(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        differing = [
            f"{name} {before['plan'].get(name)!r} (asked now: {value!r})"
            for name, value in now["plan"].items()
            if before["plan"].get(name) != value
        ]
        if differing:
            raise CampaignError(
                f"{self.path} holds another campaign: {'; '.join(differing)}. "
                "Give another --out, or the same options to go on with it."
            )
        kept, inputs = before.get("inputs", {}), now["inputs"]
        changed = sorted(name for name in kept.keys() | inputs.keys() if kept.get(name) != inputs.get(name))
        if changed:
            raise CampaignError(
                f"{self.path}: the content of {', '.join(changed)} has changed since the "
                "campaign was begun. Give another --out."
            )
        if before["code"] != now["code"]:
            raise CampaignError(
                f"{self.path} was begun with other code ({before['code']}, now {now['code']}): "
                "results of two versions do not mix. Give another --out."
            )

    def missing(self) -> tuple[Task, ...]:
        """Return the tasks that are still to be flown."""
        tasks = []
        for number in range(self._plan.scenes):
            policies = tuple(p for p in self._plan.policies if (number, p) not in self._records)
            if policies:
                tasks.append(Task(self._plan, number, policies))
        return tuple(tasks)

    @property
    def done(self) -> int:
        """Landings that are in the journal."""
        return len(self._records)

    def add(self, outcome: TaskResult) -> None:
        """Keeps what came of a task; on the disk before this returns.

        Raises:
            CampaignError: It was flown with other code, as on a machine that was not updated.
        """
        if outcome.code != code_digest():
            raise CampaignError(
                f"a worker has other code ({outcome.code}) than this ({code_digest()}): install "
                "the same version on every machine, then call again to go on"
            )
        for record in outcome.records:
            self._records[record["scene"], record["policy"]] = record
            self._journal.write(line_of(record) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        for timing in outcome.timings:
            self._timings.write(line_of(timing) + "\n")
        self._timings.flush()

    def finish(self) -> list[Record]:
        """Writes the results in their order and gives them back."""
        order = {name: k for k, name in enumerate(self._plan.policies)}
        records = sorted(self._records.values(), key=lambda r: (r["scene"], order[r["policy"]]))
        replace_text(self.path / RESULTS, "".join(line_of(r) + "\n" for r in records))
        self.close()
        return records

    def close(self) -> None:
        """Closes the files."""
        self._journal.close()
        self._timings.close()


def _appending(path: Path) -> IO[str]:
    """Opened to append, behind the last whole line."""
    if path.exists():
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with path.open("r+b") as stream:
                stream.truncate(whole)
    return path.open("a", encoding="utf-8")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield json.loads(line)


def replace_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".part")
    temporary.write_text(text, "utf-8")
    take_name(temporary, path)


@dataclass(frozen=True)
class Cost:
    """Cost of a campaign.

    Attributes:
        simulated_s: Time that was flown.
        flight_cpu_s: CPU time of the landings; worlds and scores are in `all_cpu_s` only.
        all_cpu_s: With the making of the worlds.
        peak_rss_mb: Largest memory of a worker.
    """

    simulated_s: float
    flight_cpu_s: float
    all_cpu_s: float
    peak_rss_mb: int

    @property
    def words(self) -> str:
        """For people."""
        flight = self.simulated_s / max(self.flight_cpu_s, 1e-9)
        everything = self.simulated_s / max(self.all_cpu_s, 1e-9)
        return (
            f"{self.simulated_s / 3600:.1f} h flown at {flight:.1f} times real time per core "
            f"({everything:.1f} with the making of the worlds); workers took {self.peak_rss_mb} MB"
        )


def cost_of(path: Path) -> Cost | None:
    """Return the cost of the landings of a folder; None if nothing is written of it."""
    timings = list(_lines(path / TIMINGS))
    if not timings:
        return None
    places = {t["scene"]: t["place_cpu_s"] for t in timings}
    flight_s = sum(t["flight_cpu_s"] for t in timings)
    return Cost(
        sum(t["simulated_s"] for t in timings),
        flight_s,
        flight_s + sum(places.values()),
        max(t["peak_rss_mb"] for t in timings),
    )


def read_campaign(path: Path) -> tuple[Plan, list[Record]]:
    """The plan and the finished results of a folder.

    Raises:
        CampaignError: The folder has none.
    """
    try:
        head = json.loads((path / PLAN).read_text("utf-8"))
        plan = head["plan"]
        for name in ("worlds", "policies"):
            plan[name] = tuple(plan[name])
        return Plan(**plan), list(_lines(path / RESULTS))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CampaignError(
            f"{path} is not a campaign's folder ({error}); make one with `touchdown sim campaign`"
        ) from error
