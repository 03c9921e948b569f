"""Bytes to and from the flight controller: serial, UDP and TCP behind one small contract.

Connection strings are pymavlink's: ``/dev/ttyTHS1``, ``/dev/ttyACM0,921600``, ``udpin:host:port`` (also ``udp:``),
``udpout:host:port``, ``tcp:host:port``, ``tcpin:host:port``. pymavlink's own transports are not used: they write
blocking, open without a timeout and are not thread-safe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from firmware_bridge.serial_port import SerialTransport
from firmware_bridge.sockets import TcpClient, TcpServer, UdpClient, UdpServer
from firmware_bridge.transport import Transport
from landing.errors import LinkError

FORMS = (
    "/dev/ttyTHS1, /dev/ttyACM0,921600, udpin:0.0.0.0:14550, udpout:192.168.1.10:14550, "
    "tcp:127.0.0.1:5760 or tcpin:0.0.0.0:5760"
)


@dataclass(frozen=True)
class Endpoint:
    """A parsed connection string."""

    kind: str  # ``serial``, ``udpin``, ``udpout``, ``tcp`` or ``tcpin``
    device: str = ""  # Path of the serial device
    baud: int = 0  # Speed of the serial device
    host: str = ""  # Host name or address
    port: int = 0  # Port number


def parse_connection(text: str, baud: int = 921_600) -> Endpoint:
    """Read a connection string; `baud` is the speed of a serial device whose string names none.

    Raises:
        LinkError: It is in none of the forms, or a number in it is out of range.
    """
    if text.startswith("/"):
        device, _, speed = text.partition(",")
        if speed and not (speed.isascii() and speed.isdigit()):
            raise LinkError(f"connection '{text}': baud '{speed}' is no number, e.g. {device},921600")
        if re.search(r":\d{4,}$", device):
            raise LinkError(f"connection '{text}': write the baud rate after a comma, e.g. /dev/ttyACM0,115200")
        chosen = int(speed) if speed else baud
        if not 1200 <= chosen <= 12_000_000:
            raise LinkError(f"connection '{text}': baud {chosen} is not between 1200 and 12000000")
        return Endpoint("serial", device=device, baud=chosen)
    kind, _, rest = text.partition(":")
    kind = {"udp": "udpin"}.get(kind, kind)
    if kind not in ("udpin", "udpout", "tcp", "tcpin"):
        raise LinkError(f"connection '{text}': unknown form, expected one like {FORMS}")
    if rest.startswith("//"):
        raise LinkError(f"connection '{text}': write it without slashes, {kind}:host:port")
    host, _, number = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (number.isascii() and number.isdigit()):
        raise LinkError(f"connection '{text}': expected {kind}:host:port")
    port = int(number)
    lowest = 0 if kind in ("udpin", "tcpin") else 1
    if not lowest <= port <= 65_535:
        raise LinkError(f"connection '{text}': port {port} is not between 1 and 65535")
    return Endpoint(kind, host=host, port=port)


def make_transport(endpoint: Endpoint) -> Transport:
    """The transport for an endpoint, not yet open."""
    if endpoint.kind == "serial":
        return SerialTransport(endpoint.device, endpoint.baud)
    if endpoint.kind == "udpin":
        return UdpServer(endpoint.host, endpoint.port)
    if endpoint.kind == "udpout":
        return UdpClient(endpoint.host, endpoint.port)
    if endpoint.kind == "tcp":
        return TcpClient(endpoint.host, endpoint.port)
    return TcpServer(endpoint.host, endpoint.port)
