"""`python -m trainer`."""

from trainer.cli import cli

if __name__ == "__main__":
    cli(prog_name="trainer")
