"""Access to the page: anybody on the loopback, elsewhere whoever has the token.

The token comes as `Authorization: Bearer TOKEN`, once as `?token=TOKEN` (then it is a cookie), and is compared in
constant time. On the loopback the request must name the loopback: a page of another site that points a name of its own
at 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

from edge.validation import is_loopback
from landing.errors import ConfigError
from landing.reading import TEXT_BYTES, open_file, read_text

COOKIE = "touchdown_token"
LEAST_CHARACTERS = 16


class Access:
    """Decides about requests.

    Args:
        host: Address that is listened on.
        token: Needed wherever it is given; must be given beyond the loopback.

    Raises:
        ConfigError: Beyond the loopback without a token, or with one that can be guessed.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self.loopback = is_loopback(host)
        if token is None and not self.loopback:
            raise ConfigError(
                f"preview.listen {host}: beyond the loopback a token is needed; set "
                "preview.token_file, e.g. to a file made by `openssl rand -hex 16`, mode 0600"
            )
        if token is not None and len(token) < LEAST_CHARACTERS:
            raise ConfigError(
                f"the preview token has {len(token)} characters, at least {LEAST_CHARACTERS} "
                "expected; `openssl rand -hex 16` makes one"
            )
        self._token = token

    def host_allowed(self, host_header: str) -> bool:
        """Tell whether a request's Host may be answered."""
        return not self.loopback or is_loopback(_without_port(host_header))

    def allowed(self, authorization: str, cookie: str, query: str) -> bool:
        """Tell whether a request with these credentials may be answered."""
        if self._token is None:
            return True
        bearer = authorization[7:] if authorization.lower().startswith("bearer ") else ""
        given = (bearer, cookie, query)
        return any([hmac.compare_digest(_bytes(g), _bytes(self._token)) for g in given])

    @property
    def token(self) -> str | None:
        """Access token, or None if none is required."""
        return self._token


def read_token(path: Path) -> str:
    """The token in a file that only its owner can read.

    Raises:
        ConfigError: It cannot be read, others can read it, or it is empty.
    """
    remedy = "`openssl rand -hex 16` makes one, mode 0600"
    with open_file(path, "preview.token_file", ConfigError, TEXT_BYTES, remedy) as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
    text = read_text(path, "preview.token_file", ConfigError, encoding="ascii").strip()
    if mode & 0o077:
        raise ConfigError(f"preview.token_file {path} has mode {mode:04o}, so others can read it; chmod 0600 {path}")
    if not text:
        raise ConfigError(f"preview.token_file {path} is empty; `openssl rand -hex 16` makes one")
    return text


def _bytes(text: str) -> bytes:
    """Encode credentials; bytes of a request that are no UTF-8 reach us as surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    return host.rsplit(":", 1)[0] if host.count(":") == 1 else host
