"""Another machine over the system's ssh and scp: the user's own configuration and known hosts, never a password."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from landing.errors import TouchdownError, last_lines
from landing.problems import Problem

CONNECT_TIMEOUT_S = 15
STEP_TIMEOUT_S = 120.0
COPY_TIMEOUT_S = 900.0
SSH_FAILED = 255

_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])")


class SshError(TouchdownError):
    """A command failed on the other machine.

    Attributes:
        status: Exit status; None where it did not run.
        text: The end of what it printed.
    """

    problem = Problem.SSH

    def __init__(self, message: str, status: int | None = None, text: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.text = text


class ConnectionLostError(SshError):
    """ssh did not connect, lost the connection or fell silent: another try may help."""


@dataclass(frozen=True)
class SshHost:
    """A machine that ssh reaches.

    Attributes:
        name: ``user@host`` or a name of the ssh configuration.
        port: Of its ssh server; None for the configuration's.
        identity: Private key; None for the configuration's.
        config: Another ssh configuration file.
    """

    name: str
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        # A leading dash would be an option of ssh, and a shell would read more than a name.
        if not _HOST.fullmatch(self.name):
            raise SshError(f"{self.name!r}: expected user@host, as pilot@192.168.1.20")

    def run(self, words: Sequence[str], stdin: IO[bytes] | None = None, timeout_s: float = STEP_TIMEOUT_S) -> str:
        """Runs a command there and returns what it printed.

        Args:
            words: Program and arguments; quoted for the shell over there.
            stdin: A file to send, from its position; nothing where None.
            timeout_s: Seconds it may take.

        Raises:
            ConnectionLostError: ssh could not connect, lost the connection or took too long.
            SshError: The command failed there.
        """
        return self._call(["ssh", *self._options("-p"), "--", self.name, shlex.join(words)], timeout_s, stdin)

    def send(self, files: Sequence[Path], folder: str) -> None:
        """Copies files into a folder there; see `run`."""
        self._copy([*map(str, files), f"{self.name}:{folder}/"])

    def fetch(self, paths: Sequence[str], folder: Path) -> None:
        """Copies files from there into a folder here; see `run`."""
        self._copy([*(f"{self.name}:{path}" for path in paths), str(folder)])

    def _copy(self, words: Sequence[str]) -> None:
        try:
            self._call(["scp", "-q", *self._options("-P"), "--", *words], COPY_TIMEOUT_S)
        except ConnectionLostError:
            raise
        except SshError as error:
            raise SshError(f"{self.name}: copying failed: {error.text}", error.status, error.text) from error

    def _options(self, port_flag: str) -> list[str]:
        words = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
        # A link that goes silent is noticed after half a minute.
        words += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
        words += ["-F", str(self.config)] if self.config is not None else []
        words += ["-i", str(self.identity)] if self.identity is not None else []
        words += [port_flag, str(self.port)] if self.port is not None else []
        return words

    def _call(self, words: list[str], timeout_s: float, stdin: IO[bytes] | None = None) -> str:
        given = stdin if stdin is not None else subprocess.DEVNULL
        try:
            done = subprocess.run(words, stdin=given, capture_output=True, timeout=timeout_s, check=False)
        except FileNotFoundError:
            raise SshError(f"{words[0]} is not installed here: apt-get install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise ConnectionLostError(f"{self.name}: {words[0]} took longer than {timeout_s:g} s") from None
        printed = done.stdout.decode("utf-8", "replace")
        if done.returncode == 0:
            return printed
        text = last_lines(done.stderr.decode("utf-8", "replace") or printed)
        if done.returncode == SSH_FAILED or done.returncode < 0:
            raise ConnectionLostError(
                f"{self.name} cannot be reached: {text}. Try `ssh {self.name} true`: it must work without a password "
                "(ssh-copy-id)",
                done.returncode,
                text,
            )
        raise SshError(f"{self.name}: {text}", done.returncode, text)


def ssh_options(command: click.decorators.FC) -> click.decorators.FC:
    """Adds the options that `SshHost` takes beside the name."""
    for option in (
        click.option("--ssh-config", type=click.Path(path_type=Path), help="Configuration for ssh."),
        click.option("--ssh-identity", type=click.Path(path_type=Path), help="Private key for ssh."),
        click.option("--ssh-port", type=click.IntRange(1, 65535), help="Port of the ssh server there."),
    ):
        command = option(command)
    return command
