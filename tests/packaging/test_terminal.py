"""The terminal of the base install: help of each command, versions, completion, and what scripts read."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest

from landing.distribution import VERSION
from tests.command import ROOT, call
from touchdown import version
from touchdown.cli import SUBCOMMANDS, cli

EVERY_HELP = """
import importlib.abc, sys

EXTRAS = set(sys.argv[1].split(","))

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import click
from touchdown.cli import cli

def show(command, path):
    context = click.Context(command, info_name=path[-1])
    assert "Usage:" in command.get_help(context), path
    print(" ".join(path))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            show(command.get_command(context, name), [*path, name])

show(cli, ["touchdown"])
"""
EXTRAS = [
    *("torch", "torchvision", "segmentation_models_pytorch", "lightning", "torchmetrics", "tensorboard", "webdataset"),
    *("safetensors", "matplotlib", "jinja2", "tqdm", "onnx", "onnxscript", "cryptography"),
    *("pi_heif", "rasterio", "openvino", "ncnn", "rich", "distributed", "tensorrt"),
]
"""Packages that only extras bring."""


def test_each_command_tells_its_help_with_the_base_install_alone() -> None:
    words = [sys.executable, "-c", EVERY_HELP, ",".join(EXTRAS)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert len(shown) > 40 and {"touchdown trainer fit", "touchdown export evaluate", "touchdown deploy bundle"} <= {
        *shown
    }


def test_the_version_names_the_runtimes_without_importing_one() -> None:
    code = (
        "import sys\nfrom touchdown.version import version_text\nprint(version_text())\n"
        f"print([m for m in {list(version.RUNTIMES)!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    first, *others, loaded = done.stdout.splitlines()
    assert first == f"touchdown {VERSION}" and loaded == "[]"
    named = {line.partition(" ")[0] for line in others}
    assert {"Python", *version.RUNTIMES} == named
    assert call("--version").stdout == done.stdout.rpartition("[]")[0]


def test_a_runtime_of_the_system_has_no_metadata(monkeypatch) -> None:
    monkeypatch.setattr(version, "RUNTIMES", {"json": ("no-such-distribution",), "no_such_runtime": ("nothing",)})
    assert version.runtimes() == {"json": "version not known", "no_such_runtime": "not installed"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_program(shell) -> None:
    script = call("completion", shell)
    assert script.returncode == 0
    for program in ("touchdown", "trainer", "edge"):
        assert f"_{program.upper()}_COMPLETE={shell}_complete" in script.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=script.stdout, text=True, check=False).returncode == 0


def test_a_shell_is_given_names_without_importing_what_they_name() -> None:
    code = (
        "import sys\nfrom touchdown.cli import main\nsys.argv = ['touchdown']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('trainer.cli', 'edge.cli', 'sim.cli') if m in sys.modules])"
    )
    asked = {"_TOUCHDOWN_COMPLETE": "bash_complete", "COMP_WORDS": "touchdown ", "COMP_CWORD": "1"}
    environment = {**os.environ, **asked}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=True)
    *names, loaded = done.stdout.splitlines()
    assert [name.removeprefix("plain,") for name in names] == list(SUBCOMMANDS) and loaded == "[]"


SCRIPTED = (
    "edge check",
    "edge look",
    "edge replay",
    "edge mine",
    "edge calibrate",
    "bridge doctor",
    "bridge monitor",
    "export info",
    "export verify",
    "export bench",
    "export evaluate",
    "trainer evaluate",
    "trainer data check",
    "sim land",
    "sim campaign",
    "deploy list",
    "explain",
)
"""Commands whose result a script wants."""


@pytest.mark.parametrize("words", SCRIPTED)
def test_commands_that_scripts_read_speak_json(words) -> None:
    command: click.Command = cli
    for name in words.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    assert [option for option in command.params if "--json" in option.opts and option.is_flag]


def test_json_of_explain_is_one_value_alone() -> None:
    done = call("explain", "--json")
    assert done.stderr == "" and isinstance(json.loads(done.stdout), list)
