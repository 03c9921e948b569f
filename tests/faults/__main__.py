"""Writes docs/faults.md from the rows of the last runs: `python -m tests.faults`."""

from __future__ import annotations

from pathlib import Path

from tests.faults.conftest import ROWS, machine
from tests.faults.matrix import write_table

if __name__ == "__main__":
    table = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
    count = write_table(ROWS, table, machine())
    print(f"{count} faults in {table}")
