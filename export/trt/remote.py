"""Builds an engine on the machine it will fly on, over ssh, and brings it home.

The system's ssh and scp do it, with the user's own configuration and known hosts, and never ask for a password
(BatchMode). Every step has a timeout, and what was put there is removed again.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from export.ssh import ConnectionLostError, SshError, SshHost
from export.trt.job import CACHE_NAME, GRAPH_NAME, JOB_NAME, read_job
from landing.errors import ModelError
from landing.model.manifest import EngineManifest, manifest_path, read_engine

_GRACE_S = 30.0
"""Seconds that the connection may last beyond the build itself."""

_FOLDER = re.compile(r"/[A-Za-z0-9_./-]+/touchdown-trt-[A-Za-z0-9]+")
_TIMED_OUT = 124
_NOT_FOUND = (126, 127)


@dataclass(frozen=True)
class Remote:
    """The machine that builds.

    Attributes:
        host: Over ssh.
        python: Python there that has touchdown and sees TensorRT.
        build_timeout_s: Seconds the build may take.
    """

    host: SshHost
    python: str = "python3"
    build_timeout_s: float = 3600.0

    def build(self, folder: Path, name: str, say: Callable[[str], None]) -> tuple[EngineManifest, bytes, bytes | None]:
        """Builds the job in a folder over there; the results are put into the folder too.

        Returns:
            Manifest, engine and timing cache, if any.

        Raises:
            SshError: Unreachable, out of time, or the build failed there; says why.
            ModelError: What came back is damaged or not what was asked for.
        """
        with ExitStack() as stack:
            there = self.host.run(["mktemp", "-d", "/tmp/touchdown-trt-XXXXXXXXXX"]).strip()
            if not _FOLDER.fullmatch(there):
                raise SshError(f"{self.host.name}: mktemp gave {there[:80]!r}, expected a folder")
            stack.callback(self._remove, there, say)
            with_cache = (folder / CACHE_NAME).is_file()
            names = [GRAPH_NAME, JOB_NAME, *([CACHE_NAME] if with_cache else [])]
            files = [folder / name for name in names]
            say(f"copying {sum(p.stat().st_size for p in files) / 1e6:.1f} MB to {self.host.name}")
            self.host.send(files, there)
            say(f"building on {self.host.name}: this takes minutes on a Jetson")
            say(self._build_there(there, name, with_cache).strip())
            with tempfile.TemporaryDirectory(dir=folder) as back:
                wanted = [name, manifest_path(Path(name)).name]
                wanted += [CACHE_NAME] if with_cache else []
                self.host.fetch([f"{there}/{n}" for n in wanted], Path(back))
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
            return self.host.run(["sh", "-c", script], timeout_s=self.build_timeout_s + _GRACE_S)
        except ConnectionLostError:
            raise
        except SshError as error:
            if error.status == _TIMED_OUT:
                raise SshError(
                    f"{self.host.name}: the build took longer than {limit} s; raise --build-timeout"
                ) from error
            if error.status in _NOT_FOUND or "No module named" in error.text:
                raise SshError(
                    f"{self.host.name}: {self.python} has no touchdown ({error.text}). Install it there "
                    "in a venv made with --system-site-packages and name it: --remote-python "
                    "/home/USER/touchdown/bin/python"
                ) from error
            raise SshError(f"{self.host.name}: the build failed there: {error.text}") from error

    def _remove(self, there: str, say: Callable[[str], None]) -> None:
        """Ends what still runs and removes the folder; a failure is said, not raised."""
        folder = shlex.quote(there)
        script = f"test -f {folder}/pid && kill $(cat {folder}/pid) 2>/dev/null; rm -rf -- {folder}"
        try:
            self.host.run(["sh", "-c", script])
        except SshError as error:
            say(f"warning: {there} is left on {self.host.name} ({error})")


def _require_same_job(folder: Path, manifest: EngineManifest) -> None:
    job, _ = read_job(folder / JOB_NAME)
    asked = (job.onnx_sha256, job.precision, job.model)
    if (manifest.onnx_sha256, manifest.precision, manifest.model) != asked:
        raise ModelError(
            f"the engine that came back was made of {manifest.onnx_name} in {manifest.precision} "
            f"(SHA-256 {manifest.onnx_sha256[:12]}...), not of what was sent; nothing was written"
        )
