"""Writes docs/troubleshooting/errors.md of touchdown/problems.toml."""

from pathlib import Path

from touchdown.explain import PAGE, errors_page

if __name__ == "__main__":
    (Path(__file__).resolve().parents[2] / PAGE).write_text(errors_page(), "utf-8")
