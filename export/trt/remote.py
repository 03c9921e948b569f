"""Builds an engine on the machine it will fly on, over ssh, and brings it home.

The system's ssh and scp do it, with the user's own configuration and known hosts, and never ask for a password
(BatchMode). Every step has a timeout, and what was put there is removed again.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from export.trt.job import CACHE_NAME, GRAPH_NAME, JOB_NAME, read_job
from landing.errors import ModelError, TouchdownError
from landing.manifest import EngineManifest, manifest_path, read_engine

CONNECT_TIMEOUT_S = 15
STEP_TIMEOUT_S = 60.0
COPY_TIMEOUT_S = 900.0
_GRACE_S = 30.0
"""How much longer than the build itself its connection may take."""

_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])")
_FOLDER = re.compile(r"/[A-Za-z0-9_./-]+/touchdown-trt-[A-Za-z0-9]+")
_SSH_FAILED = 255
_TIMED_OUT = 124
_NOT_FOUND = (126, 127)


class RemoteError(TouchdownError):
    """The other machine cannot be reached, or what ran there failed."""


@dataclass(frozen=True)
class Remote:
    """How to reach the machine that builds.

    Attributes:
        host: ``user@host`` or a name of the ssh configuration.
        python: Python there that has touchdown and sees TensorRT.
        port: Of its ssh server; None for the configuration's.
        identity: Private key; None for the configuration's.
        config: Another ssh configuration file.
        build_timeout_s: How long the build may take.
    """

    host: str
    python: str = "python3"
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None
    build_timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise RemoteError(f"--host {self.host!r}: expected user@host, as jetson@192.168.1.20")

    def build(self, folder: Path, name: str, say: Callable[[str], None]) -> tuple[EngineManifest, bytes, bytes | None]:
        """Builds the job in a folder over there.

        Args:
            folder: Holds graph, job and perhaps a timing cache; the results are put there too.
            name: Of the engine, as it is to be called.
            say: Told of each step.

        Returns:
            Manifest, engine and timing cache, if any.

        Raises:
            RemoteError: Unreachable, out of time, or the build failed there; says why.
            ModelError: What came back is damaged or not what was asked for.
        """
        with ExitStack() as stack:
            there = self._run(["mktemp", "-d", "/tmp/touchdown-trt-XXXXXXXXXX"]).strip()
            if not _FOLDER.fullmatch(there):
                raise RemoteError(f"{self.host}: mktemp gave {there[:80]!r}, expected a folder")
            stack.callback(self._remove, there, say)
            with_cache = (folder / CACHE_NAME).is_file()
            names = [GRAPH_NAME, JOB_NAME, *([CACHE_NAME] if with_cache else [])]
            files = [folder / name for name in names]
            say(f"copying {sum(p.stat().st_size for p in files) / 1e6:.1f} MB to {self.host}")
            self._copy([*map(str, files), f"{self.host}:{there}/"])
            say(f"building on {self.host}: this takes minutes on a Jetson")
            say(self._build_there(there, name, with_cache).strip())
            with tempfile.TemporaryDirectory(dir=folder) as back:
                wanted = [name, manifest_path(Path(name)).name]
                wanted += [CACHE_NAME] if with_cache else []
                self._copy([*(f"{self.host}:{there}/{n}" for n in wanted), back])
                manifest, engine = read_engine(Path(back) / name)
                _require_same_job(folder, manifest)
                cache = (Path(back) / CACHE_NAME).read_bytes() if with_cache else None
                return manifest, engine, cache

    def _build_there(self, there: str, name: str, with_cache: bool) -> str:
        words = [self.python, "-m", "export", "trt", JOB_NAME, "--out", name]
        if with_cache:
            words += ["--timing-cache", CACHE_NAME]
        limit = round(self.build_timeout_s)
        # timeout ends the build over there even when this end is gone; exec keeps its pid.
        script = f"cd {shlex.quote(there)} && echo $$ > pid && exec timeout --kill-after=10 {limit} {shlex.join(words)}"
        try:
            return self._run(["sh", "-c", script], self.build_timeout_s + _GRACE_S)
        except _StatusError as error:
            if error.status == _TIMED_OUT:
                raise RemoteError(
                    f"{self.host}: the build took longer than {limit} s; raise --build-timeout"
                ) from error
            if error.status in _NOT_FOUND or "No module named" in error.text:
                raise RemoteError(
                    f"{self.host}: {self.python} has no touchdown ({error.text}). Install it there "
                    "in a venv made with --system-site-packages and name it: --remote-python "
                    "/home/USER/touchdown/bin/python"
                ) from error
            raise RemoteError(f"{self.host}: the build failed there: {error.text}") from error

    def _remove(self, there: str, say: Callable[[str], None]) -> None:
        """Ends what still runs and removes the folder; a failure is said, not raised."""
        folder = shlex.quote(there)
        script = f"test -f {folder}/pid && kill $(cat {folder}/pid) 2>/dev/null; rm -rf -- {folder}"
        try:
            self._run(["sh", "-c", script])
        except RemoteError as error:
            say(f"warning: {there} is left on {self.host} ({error})")

    def _options(self, port_flag: str) -> list[str]:
        words = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}"]
        # A connection that goes silent in the middle of a build is noticed.
        words += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]
        if self.config is not None:
            words += ["-F", str(self.config)]
        if self.identity is not None:
            words += ["-i", str(self.identity)]
        if self.port is not None:
            words += [port_flag, str(self.port)]
        return words

    def _run(self, words: Sequence[str], timeout_s: float = STEP_TIMEOUT_S) -> str:
        return self._call(["ssh", *self._options("-p"), "--", self.host, shlex.join(words)], timeout_s)

    def _copy(self, paths: Sequence[str]) -> None:
        try:
            self._call(["scp", "-q", *self._options("-P"), "--", *paths], COPY_TIMEOUT_S)
        except _StatusError as error:
            raise RemoteError(f"{self.host}: copying failed: {error.text}") from error

    def _call(self, words: Sequence[str], timeout_s: float) -> str:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                text=True,
                errors="replace",
            )
        except FileNotFoundError:
            raise RemoteError(f"{words[0]} is not installed here: apt-get install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise RemoteError(f"{self.host}: {words[0]} took longer than {timeout_s:g} s") from None
        if done.returncode == 0:
            return done.stdout
        text = _last_lines(done.stderr) or _last_lines(done.stdout) or "no reason given"
        if done.returncode == _SSH_FAILED:
            raise RemoteError(
                f"{self.host} cannot be reached: {text}. Try `ssh {self.host} true`: it must work "
                "without a password (ssh-copy-id)"
            )
        raise _StatusError(f"{self.host}: {text}", done.returncode, text)


class _StatusError(RemoteError):
    """Something ran over there and failed."""

    def __init__(self, message: str, status: int, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.text = text


def _require_same_job(folder: Path, manifest: EngineManifest) -> None:
    job, _ = read_job(folder / JOB_NAME)
    asked = (job.onnx_sha256, job.precision, job.model)
    if (manifest.onnx_sha256, manifest.precision, manifest.model) != asked:
        raise ModelError(
            f"the engine that came back was made of {manifest.onnx_name} in {manifest.precision} "
            f"(SHA-256 {manifest.onnx_sha256[:12]}...), not of what was sent; nothing was written"
        )


def _last_lines(text: str) -> str:
    """The end of an output, as one line; the last error where one is marked."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return " / ".join(marked[-1:] or lines[-3:])[:600]
