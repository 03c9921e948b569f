"""`touchdown export`: sub-commands by name, imported when they are called."""

from __future__ import annotations

import importlib

import click
from click.shell_completion import CompletionItem

COMMANDS = {
    "onnx": ("export.cli_make", "Checkpoint to ONNX, or other roles for a finished ONNX."),
    "adopt": ("export.cli_make", "Make somebody else's segmentation ONNX fly."),
    "range": ("export.cli_make", "Say from how near and far a finished model was trained to see the ground."),
    "thresholds": ("export.cli_thresholds", "Choose a finished model's thresholds for landings; the model keeps them."),
    "confidence": ("export.cli_confidence", "Measure how often sites are safe, by score; the model keeps it."),
    "int8": ("export.cli_make", "Quantise a model, keeping in float what needs it."),
    "ncnn": ("export.cli_make", "Convert a model for ncnn, the runtime of small boards."),
    "rknn": ("export.rknn.cli", "Compile a model for the NPU of a Rockchip chip."),
    "hailo": ("export.hailo.cli", "Write what Hailo's compiler needs, or wrap what it made."),
    "trt": ("export.trt.cli", "Build a TensorRT engine, here or on the Jetson over ssh."),
    "verify": ("export.cli_prove", "Compare the decisions of two models on real frames."),
    "evaluate": ("export.cli_thresholds", "Judge finished models on labelled pictures, and write a report."),
    "bench": ("export.cli_prove", "Latency, throughput and memory, next to the roofline."),
    "info": ("export.cli_prove", "Print the description in a model file."),
}
"""Module that defines the command, and its help, by name."""


class LazyCommands(click.Group):
    """A group that lists its sub-commands without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the module that defines the sub-command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of sub-commands for a shell, without importing any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(n, help=text) for n, (_, text) in COMMANDS.items() if n.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the sub-commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(name="export", cls=LazyCommands)
def cli() -> None:
    """Turn a checkpoint into what flies, prove that it decides the same, and measure it."""
