"""Files and links that one daemon uses alone."""

from __future__ import annotations

from pathlib import Path

from edge.config import EdgeConfig
from firmware_bridge.claims import Claim, holder_of


def claims_of(path: Path, config: EdgeConfig) -> tuple[Claim, ...]:
    """Configuration file, link and recordings folder of a daemon."""
    claims = [Claim.of_path("configuration", path)]
    link = Claim.of_link(config.link.connection, config.expert.link.baud)
    if link is not None:
        claims.append(link)
    if config.recorder.enabled:
        claims.append(Claim.of_path("recordings", config.recorder.folder))
    return tuple(claims)


def held_by(claims: tuple[Claim, ...]) -> str:
    """The first of these that a daemon holds, and who it is; empty when none is held."""
    for claim in claims:
        holder = holder_of(claim)
        if holder:
            return f"{claim} is held by {holder}; stop it first, nothing was opened"
    return ""
