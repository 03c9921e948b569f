"""Another machine, over the system's ssh: the user's own configuration, never a password."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.environment import last_lines
from deploy.errors import PushError

CONNECT_TIMEOUT_S = 15
STEP_TIMEOUT_S = 120.0
SSH_FAILED = 255

_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])")


class ConnectionLostError(PushError):
    """ssh ended by itself: trying again may help."""


@dataclass(frozen=True)
class Machine:
    """How to reach another machine.

    Attributes:
        host: ``user@host`` or a name of the ssh configuration.
        port: Of its ssh server; None for the configuration's.
        identity: Private key; None for the configuration's.
        config: Another ssh configuration file.
    """

    host: str
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        # What ssh would take for an option, or a shell for more than a name.
        if not _HOST.fullmatch(self.host):
            raise PushError(f"{self.host!r}: expected user@host, as pilot@192.168.1.20")

    def run(self, words: Sequence[str], stdin: IO[bytes] | None = None, timeout_s: float = STEP_TIMEOUT_S) -> str:
        """Runs a command there.

        Args:
            words: Program and arguments; quoted for the shell over there.
            stdin: A file to send, from its position; nothing where None.
            timeout_s: Seconds it may take.

        Returns:
            What it printed.

        Raises:
            ConnectionLostError: ssh could not connect, or lost the connection.
            PushError: The command failed there, or took too long.
        """
        try:
            done = subprocess.run(
                ["ssh", *self._options(), "--", self.host, shlex.join(words)],
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise PushError("ssh is not installed here: apt-get install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise ConnectionLostError(f"{self.host}: no end after {timeout_s:g} s") from None
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode == 0:
            return text
        said = last_lines(done.stderr.decode("utf-8", "replace") or text)
        if done.returncode == SSH_FAILED or done.returncode < 0:
            raise ConnectionLostError(
                f"{self.host} cannot be reached: {said}. Try `ssh {self.host} true`: it must work "
                "without a password (ssh-copy-id)"
            )
        raise PushError(f"{self.host}: {said}")

    def _options(self) -> list[str]:
        words = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
        # A radio link that goes silent in the middle is noticed, and the rest sent again later.
        words += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
        if self.config is not None:
            words += ["-F", str(self.config)]
        if self.identity is not None:
            words += ["-i", str(self.identity)]
        if self.port is not None:
            words += ["-p", str(self.port)]
        return words
