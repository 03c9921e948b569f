"""The door of the page: who has no token is asked for it, and BlueOS is told that there is a page.

BlueOS asks each port that is open beyond the loopback for `/` and `/register_service`, without any token, lists what
answers, and shows it in a frame of its own page below `/extensionv2/touchdown/` (`docs/operate/blueos.md`). Neither
answer holds anything of the flight.
"""

from __future__ import annotations

import re
import secrets
from importlib import resources

from aiohttp import web

from edge.web.access import COOKIE
from landing.distribution import VERSION

REGISTER = "/register_service"
_HOST = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?")

REGISTRATION = {
    "name": "Touchdown",
    "description": "Finds a clean place to land below the vehicle and tells the autopilot.",
    "icon": "mdi-airplane-landing",
    "company": "",
    "version": VERSION,
    "webpage": "",
    "api": "",
    "new_page": False,
    "works_in_relative_paths": True,
}
"""Metadata of a service, as `core/services/helper/main.py` of BlueOS reads it."""


def html(name: str, host: str) -> web.Response:
    """Return a page of this folder; it loads nothing from elsewhere, and only pages of the same host may frame it.

    Args:
        name: Of the file.
        host: As the request names it. Its pages at the usual ports may frame ours: BlueOS 1.4 frames it by its port.
    """
    known = _HOST.fullmatch(host)
    frames = f"'self' http://{known[1]} https://{known[1]}" if known else "'self'"
    nonce = secrets.token_urlsafe(16)
    text = resources.files("edge.web").joinpath(name).read_text("utf-8").replace("NONCE", nonce)
    response = web.Response(text=text, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {frames}"
    )
    return response


def remember(response: web.StreamResponse, token: str) -> None:
    """Put the token into a cookie that scripts cannot read, for the folder of the page alone, as browsers see it."""
    response.set_cookie(COOKIE, token, path="", httponly=True, samesite="Strict")


def asks_for_the_page(request: web.Request) -> bool:
    """Tell whether a browser came without a token, to be asked for it; a wrong one is refused."""
    given = "Authorization" in request.headers or "token" in request.query
    return request.path == "/" and request.method == "GET" and not given
