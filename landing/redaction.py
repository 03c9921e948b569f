"""Takes secrets out of whatever is printed, written or sent.

One function for all doors: text log, event log, recordings, STATUSTEXT, web page, command line. It knows a secret by
where it stands: the user info of an address, the value of a word such as ``token`` or ``password``. What a child
process prints of a secret it was given is known by value.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"

_WORD = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|user-?_?pw|proxy-?_?pw|token|secret|credentials?|"
    r"api-?_?key|(?:access|secret|private|auth|stream|session)-?_?key|auth|authorization|"
    r"signature|sig)"
)
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"'&;,|!)}\]\\]+)"

_SCHEME = r"\b((?!(?:file|images)\b)[a-zA-Z][a-zA-Z0-9+.-]{0,30}:\\{0,4}/\\{0,4}/)"
_USER_INFO = re.compile(_SCHEME + r"[^\s\"<>/?#]+@")
# A slash, a space, ? or # in a password, where it does not belong but is found: what follows the colon up to the last @
# is no port.
_LOOSE_USER_INFO = re.compile(
    _SCHEME + r"(?!\[|[^\s\"<>:/?#]*:\d{1,5}(?:[/?#\s\"]|$))"
    r"[^\s\"<>:/?#]*:(?:[^\s\"<>]*|[^\n@]{0,64})@"
)
_ENCODED_USER_INFO = re.compile(r"\b([a-z][a-z0-9+.-]{0,30}%3A%2F%2F)[^\s\"&]*%40", re.IGNORECASE)
# As in tcp:USER:PASSWORD@HOST:PORT.
_BARE_USER_INFO = re.compile(r"(?<![^\s\"'=(,])((?:[a-z]+:)?(?://)?)[^\s:@/\"'=]+:[^\s@/\"']+@(?=[\w\[])")
_QUERY = re.compile(
    r"([?&;#][\w.-]*(?:pw|pas|key|sid|jwt|sess|session|session_?id|otp|ticket|hash)=)([^\s\"'&;#]+)", re.IGNORECASE
)
_COOKIE = re.compile(r"(\bcookie: ?)([^\r\n\"']+)", re.IGNORECASE)
_DIGEST = re.compile(r"(\bDigest\s+(?=\w+=))([^\r\n]+)")
_OF_SSHPASS = re.compile(r"(\bsshpass\s+-p\s*)(" + _VALUE + ")")
_ASSIGNED = re.compile(
    rf"(?<![a-zA-Z])({_WORD}\\*[\"']?\s?[=:]\s?\\*)(?:(Basic|Bearer|Digest)\s+)?({_VALUE})", re.IGNORECASE
)
_OPTION = re.compile(rf"((?<![^\s\"'])--?[\w-]*?{_WORD}\s+)({_VALUE})", re.IGNORECASE)
_LOGIN = re.compile(r"((?<![^\s\"'])(?:-u[ =]?|--(?:proxy-)?user[ =])[\"']?)([^\s\"':]+:[^\s\"']+)")
_USER_INFOS = _USER_INFO, _LOOSE_USER_INFO, _ENCODED_USER_INFO, _BARE_USER_INFO
_VALUES = _QUERY, _COOKIE, _OF_SSHPASS, _OPTION, _LOGIN
_BEARER = re.compile(r"\b(Bearer|Basic)\s+([A-Za-z0-9._~+/=-]{8,})")
_HINTS = re.compile(rf"@|%40|[?&;#]\w|bearer|basic|digest|cookie|\s-u|-user|sshpass|{_WORD}", re.IGNORECASE)


def redact(text: str, known: frozenset[str] = frozenset()) -> str:
    """The text without secrets.

    Args:
        text: Whatever is to leave the process.
        known: Values that are secret wherever they stand; see `secrets_in`.
    """
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    if _HINTS.search(text) is None:
        return text
    for pattern in _USER_INFOS:
        text = pattern.sub(r"\1", text)
    text = _DIGEST.sub(_without_last, text)
    text = _ASSIGNED.sub(_without_value, text)
    for pattern in _VALUES:
        text = pattern.sub(_without_last, text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def redact_all(value: Any) -> Any:
    """A value made of mappings, lists and plain values, with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(item) for item in value]
    return value


def secrets_in(text: str) -> frozenset[str]:
    """The secrets that stand in a text, as written and percent-decoded; very short ones are not."""
    found: set[str] = set()
    for pattern in _USER_INFOS:
        for match in pattern.finditer(text):
            info = match.group(0)[len(match.group(1)) :].removesuffix("@").removesuffix("%40")
            found |= {info, info.partition(":")[2]}
    for pattern in (_DIGEST, _ASSIGNED, *_VALUES, _BEARER):
        for match in pattern.finditer(text):
            value = match.group(match.lastindex or 0).strip("\"'")
            found |= {value, value.partition(":")[2]}
    found |= {unquote(value) for value in found}
    return frozenset(value for value in found if len(value) >= 4)


def _without_value(match: re.Match[str]) -> str:
    value = match.group(3)
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match.group(1)}{quote}{HIDDEN}{quote}"


def _without_last(match: re.Match[str]) -> str:
    return match.group(1) + HIDDEN
