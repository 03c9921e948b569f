"""Errors of bundles, on either side."""

from __future__ import annotations

import errno

from landing.errors import TouchdownError
from landing.problems import Problem


class BundleError(TouchdownError):
    """A bundle that must not be taken, or that cannot be made."""

    problem = Problem.BUNDLE


class InstallError(TouchdownError):
    """An installation that did not come about; what flew before still flies."""

    problem = Problem.INSTALL


def disk_words(error: OSError) -> str:
    """Returns an error of the disk in words, with the next step."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{reason}: free some space (`touchdown deploy prune --keep 2`)"
    if error.errno == errno.EROFS:
        return f"{reason}: remount it writable"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{reason}: run it as the owner of the folder (root for /opt/touchdown)"
    return reason
