"""The service manager's notification protocol (sd_notify(3)), in a few lines and without a library.

Outside systemd `NOTIFY_SOCKET` is not set and every call does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class ServiceNotifier:
    """Tells the service manager how this process is.

    Args:
        environment: Where `NOTIFY_SOCKET` and `WATCHDOG_USEC` are looked up; the process's by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        values = os.environ if environment is None else environment
        address = values.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the NUL byte of Linux's abstract socket names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog_us = values.get("WATCHDOG_USEC", "")
        self._watchdog_us = int(watchdog_us) if watchdog_us.isdigit() else 0
        self._last_status = ""

    @property
    def enabled(self) -> bool:
        """True when a service manager listens."""
        return bool(self._address)

    @property
    def watchdog_period_ns(self) -> int | None:
        """Period of watchdog messages: half its limit, ns; None if it is off."""
        return self._watchdog_us * 1000 // 2 if self._watchdog_us and self._address else None

    def send(self, state: str) -> bool:
        """Sends one datagram, for example ``READY=1``; False when it did not get through."""
        if not self._address:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.setblocking(False)
            try:
                door.sendto(state.encode(), self._address)
            except OSError:
                return False  # a deaf service manager must not stop the flight
        return True

    def ready(self) -> None:
        """Start-up is complete."""
        self.send("READY=1")

    def watchdog(self) -> None:
        """There is evidence of progress."""
        self.send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``; sent only when it differs from the last one."""
        line = " ".join(text.split())
        if line != self._last_status:
            self._last_status = line
            self.send(f"STATUS={line}")

    def reloading(self, now_us: int) -> None:
        """Configuration is being read again; `ready` follows. Monotonic time in us."""
        self.send(f"RELOADING=1\nMONOTONIC_USEC={now_us}")

    def stopping(self) -> None:
        """Shutdown has begun."""
        self.send("STOPPING=1")
