"""Ten million hostile bytes on every kind of connection, and hostile values between genuine ones.

    python -m benchmarks.fuzz_link --bytes 10000000 --json benchmarks/results/fuzz-link.json

Exit status 1 when anything is not as it must be. `tests/bridge/test_fuzz.py` runs a small part.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import click

from benchmarks.runner import Figures, benchmark
from tests.bridge.fuzz import AUTOPILOT, Outcome, storm, strange_values
from tests.bridge.peers import PEERS


@benchmark
@click.option("--bytes", "count", default=10_000_000, show_default=True, help="On each connection.")
@click.option("--messages", default=50_000, show_default=True, help="With hostile values, each.")
@click.option("--kind", "kinds", type=click.Choice(sorted(PEERS)), multiple=True, help="All by default.")
@click.option("--seed", default=1, show_default=True)
def main(count: int, messages: int, kinds: tuple[str, ...], seed: int) -> Figures:
    logging.disable(logging.CRITICAL)
    outcomes: list[Outcome] = []
    for kind in kinds or sorted(PEERS):
        for run in (
            lambda folder, kind=kind: storm(kind, count, folder, seed),
            lambda folder, kind=kind: strange_values(kind, messages, folder, None, seed),
            lambda folder, kind=kind: strange_values(kind, messages, folder, AUTOPILOT, seed),
        ):
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(run(Path(folder)))
    return {
        "seed": seed,
        "bytes_each": count,
        "messages_each": messages,
        "runs": [vars(o) for o in outcomes],
        "within_limits": not any(o.failures for o in outcomes),
    }
