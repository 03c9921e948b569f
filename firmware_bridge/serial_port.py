"""A serial device as a transport. The one door to pyserial."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
import time

import serial

from firmware_bridge.transport import NOTHING, READ_SIZE, Arrival, Outbox, Peer, wait_readable
from landing.errors import LinkError


class SerialTransport:
    """A serial device: exclusive, 8N1, no flow control, non-blocking both ways."""

    waits = False

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._port: serial.Serial | None = None
        self._outbox = Outbox()

    def open(self) -> None:
        """See `Transport`. The device is locked against other programs that lock it too."""
        self.close()
        try:
            port = serial.Serial(self._device, self._baud, timeout=0, write_timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            raise LinkError(self._why(error)) from error
        self._port = port
        # A modem over USB (cdc_acm) counts whole buffers, not bytes, and has no line behind it.
        usb = "ttyACM" in os.path.realpath(self._device)
        self._outbox = Outbox(None if usb else self._baud / 10)
        actual = _baud_of(port.fileno())
        # A divisor of the clock may not hit the rate exactly; beyond 2 % bytes are misread.
        if actual is not None and abs(actual - self._baud) > 0.02 * self._baud:
            self.close()
            raise LinkError(
                f"serial {self._device}: asked for {self._baud} baud, the driver set {actual}; "
                "choose a baud rate that the port supports, and the same in the autopilot"
            )

    def read(self, timeout_s: float) -> Arrival:
        """See `Transport`."""
        if self._port is None:
            raise LinkError(f"serial {self._device}: not open")
        fd = self._port.fileno()
        try:
            if not wait_readable(fd, timeout_s):
                return NOTHING
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return NOTHING
        except OSError as error:
            raise LinkError(f"serial {self._device}: lost ({error.strerror}); check the cable and its power") from error
        if not data:
            raise LinkError(f"serial {self._device}: gone; check the cable and its power")
        return Arrival(data)

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """See `Transport`."""
        if self._port is None:
            return False
        now_ns = time.monotonic_ns()
        if self._outbox.stalled(now_ns):  # the other side sleeps: what waits would come when it wakes
            with contextlib.suppress(OSError, termios.error):
                termios.tcflush(self._port.fileno(), termios.TCOFLUSH)
            self._outbox.forget()
        return self._outbox.write(self._port.fileno(), data, now_ns)

    def close(self) -> None:
        """See `Transport`. Unsent bytes are discarded: draining could wait for half a minute."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            termios.tcflush(port.fileno(), termios.TCIOFLUSH)
            port.close()
        except (OSError, termios.error):
            return  # the device is gone; nothing is left to let go of

    def _why(self, error: Exception) -> str:
        code = getattr(error, "errno", None)
        where = f"serial {self._device}"
        if code == errno.ENOENT:
            return f"{where}: no such device; plug it in, and look at /dev/serial/by-id"
        if code in (errno.EACCES, errno.EPERM):
            return f"{where}: permission denied; add the user to the group that owns it (dialout)"
        if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
            return f"{where}: in use by another program; stop it (getty, ModemManager, a proxy)"
        if isinstance(error, ValueError):
            return f"{where}: baud {self._baud} is not supported; use the autopilot's, e.g. 921600"
        return f"{where}: cannot be opened as a serial port at {self._baud} baud ({error})"


def _baud_of(fd: int) -> int | None:
    """Output speed the driver reports, or None where Linux' TCGETS2 is not answered."""
    tcgets2 = 0x802C542A
    try:
        answer = fcntl.ioctl(fd, tcgets2, bytes(44))
    except OSError:
        return None
    # struct termios2: 4 flags, line and 19 control characters, then input and output speed.
    return int(struct.unpack_from("=I", answer, 40)[0])
