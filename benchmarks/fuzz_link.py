"""Ten million hostile bytes on every kind of connection, and hostile values between genuine ones.

    python -m benchmarks.fuzz_link --bytes 10_000_000 --json benchmarks/results/fuzz-link.json

Exit status 1 when anything is not as it must be. `tests/bridge/test_fuzz.py` runs a small part.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe
from tests.bridge.fuzz import AUTOPILOT, Outcome, storm, strange_values
from tests.bridge.peers import PEERS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=10_000_000, help="on each connection")
    parser.add_argument("--messages", type=int, default=50_000, help="with hostile values, each")
    parser.add_argument("--kind", choices=sorted(PEERS), action="append", help="default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    outcomes: list[Outcome] = []
    for kind in args.kind or sorted(PEERS):
        for run in (
            lambda folder, kind=kind: storm(kind, args.bytes, folder, args.seed),
            lambda folder, kind=kind: strange_values(kind, args.messages, folder, None, args.seed),
            lambda folder, kind=kind: strange_values(kind, args.messages, folder, AUTOPILOT, args.seed),
        ):
            with tempfile.TemporaryDirectory() as folder:
                outcome = run(Path(folder))
            outcomes.append(outcome)
            print(
                f"{outcome.kind}: {outcome.bytes_read} bytes in {outcome.seconds:.1f} s, "
                f"{outcome.frames_good} good frames, memory {outcome.rss_growth_kib:+d} KiB, "
                f"{'; '.join(outcome.failures) or 'nothing found'}",
                flush=True,
            )
    if args.json:
        result = {
            "machine": describe(),
            "seed": args.seed,
            "bytes_each": args.bytes,
            "messages_each": args.messages,
            "runs": [vars(o) for o in outcomes],
        }
        args.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return int(any(o.failures for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
