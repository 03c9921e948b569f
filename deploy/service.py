"""The service that flies: restarting it, and watching its health."""

from __future__ import annotations

import http.client
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from deploy.errors import InstallError
from deploy.units import UNIT_NAME

_COMMAND_TIMEOUT_S = 120.0
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "NRestarts", "ExecMainStatus", "StatusText")


class Service(Protocol):
    """Starts and stops the daemon."""

    def restart(self) -> None:
        """Starts it anew with the current release, or for the first time; does not wait."""

    def stop(self) -> None:
        """Stops it."""


@dataclass(frozen=True)
class ProbeResult:
    """The finding of a probe.

    Attributes:
        ready: The daemon works as it should.
        failed: It will not become ready by waiting.
        text: In words.
    """

    ready: bool
    failed: bool
    text: str


class Probe(Protocol):
    """One way to tell whether the daemon is well."""

    def look(self) -> ProbeResult:
        """Return the daemon's current state."""


class Systemd:
    """The daemon as a systemd unit: both the service and a probe of it.

    `Type=notify`: the unit is active only once the daemon has said that it decides on frames.
    """

    def __init__(self, unit: str = UNIT_NAME, systemctl: str = "systemctl") -> None:
        self._unit = unit
        self._systemctl = systemctl
        self._restarts = 0

    def restart(self) -> None:
        """See `Service`."""
        self._run("daemon-reload")
        # Clears the count of a release that was restarted too often.
        self._run("reset-failed", self._unit, check=False)
        self._restarts = int(self._show().get("NRestarts") or 0)
        self._run("restart", "--no-block", self._unit)

    def stop(self) -> None:
        """See `Service`."""
        self._run("stop", self._unit)

    def look(self) -> ProbeResult:
        """See `Probe`."""
        values = self._show()
        state = f"{values.get('ActiveState')} ({values.get('SubState')})"
        text = f"{self._unit} is {state}"
        if values.get("StatusText"):
            text += f": {values['StatusText']}"
        restarts = int(values.get("NRestarts") or 0)
        if values.get("LoadState") == "not-found":
            return ProbeResult(False, True, f"{self._unit} is not known to systemd: install --systemd")
        if values.get("ActiveState") == "failed" or restarts > self._restarts:
            status = values.get("ExecMainStatus", "")
            return ProbeResult(
                False,
                True,
                f"{text}, restarted {restarts} times, last exit status {status}. "
                f"`journalctl -u {self._unit} -n 50` says why",
            )
        return ProbeResult(values.get("ActiveState") == "active", False, text)

    def _show(self) -> dict[str, str]:
        output = self._run("show", f"--property={','.join(_PROPERTIES)}", self._unit)
        pairs = (line.partition("=") for line in output.splitlines())
        return {name: value for name, _, value in pairs}

    def _run(self, *words: str, check: bool = True) -> str:
        try:
            done = subprocess.run(
                [self._systemctl, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT_S,
                check=False,
            )
        except OSError as error:
            raise InstallError(
                f"{self._systemctl}: {error.strerror or error}; without systemd use --service none"
            ) from error
        except subprocess.TimeoutExpired:
            raise InstallError(f"{self._systemctl} {words[0]} took too long") from None
        if check and done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise InstallError(f"{self._systemctl} {' '.join(words)}: {' '.join(reason)}")
        return done.stdout


class ReadyPage:
    """The daemon's own word, over HTTP on this machine, as ``http://127.0.0.1:8080/readyz``: 200 is ready.

    Raises:
        InstallError: Not on this machine.
    """

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise InstallError(f"--ready-url {url}: expected http://127.0.0.1:PORT/PATH")
        self._url = url
        # A proxy of the environment has no business between us and the daemon.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def look(self) -> ProbeResult:
        """See `Probe`."""
        try:
            with self._opener.open(self._url, timeout=2.0) as answer:
                return ProbeResult(answer.status == 200, False, f"{self._url}: {answer.status}")
        except urllib.error.HTTPError as error:
            reason = error.read(200).decode("utf-8", "replace").strip()
            return ProbeResult(False, False, f"{self._url}: {error.code} {reason}")
        except (OSError, http.client.HTTPException) as error:
            return ProbeResult(False, False, f"{self._url}: {error!r}")


@dataclass(frozen=True)
class Patience:
    """Seconds that a release may take to become ready, that it must then stay ready, and between two looks."""

    ready_s: float = 90.0
    hold_s: float = 20.0
    period_s: float = 0.5


def watch(
    probes: Sequence[Probe],
    patience: Patience,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ProbeResult:
    """Waits until all probes are ready, and that they stay so for `hold_s` without a gap."""
    began_s = clock_s()
    ready_since_s: float | None = None
    while True:
        found = [probe.look() for probe in probes]
        now_s = clock_s()
        text = "; ".join(health.text for health in found)
        if any(health.failed for health in found):
            return ProbeResult(False, True, text)
        if all(health.ready for health in found):
            ready_since_s = now_s if ready_since_s is None else ready_since_s
            if now_s - ready_since_s >= patience.hold_s:
                return ProbeResult(True, False, f"{text}, well for {patience.hold_s:g} s")
        elif ready_since_s is not None:
            return ProbeResult(False, True, f"no longer ready after {now_s - ready_since_s:.1f} s: {text}")
        elif now_s - began_s >= patience.ready_s:
            return ProbeResult(False, True, f"not ready after {patience.ready_s:g} s: {text}")
        sleep(patience.period_s)
