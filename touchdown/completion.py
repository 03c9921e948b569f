"""`touchdown completion`: prints what makes a shell complete our commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAMS = ("touchdown", "trainer", "edge")


HELP = """Print the script that makes a shell complete our commands.

\b
bash: echo 'eval "$(touchdown completion bash)"' >> ~/.bashrc
zsh:  echo 'eval "$(touchdown completion zsh)"' >> ~/.zshrc
fish: touchdown completion fish > ~/.config/fish/conf.d/touchdown.fish
"""


@click.command(name="completion", help=HELP)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def cli(shell: str) -> None:
    """Print the script for each of our programs."""
    kind = get_completion_class(shell)
    assert kind is not None
    for program in PROGRAMS:
        made = kind(click.Command(program), {}, program, f"_{program.upper()}_COMPLETE")
        click.echo(made.source_template % made.source_vars())
