"""The classes of scenes and traps: the built-in taxonomy `scenes`, read once."""

from __future__ import annotations

from functools import lru_cache

from landing.taxonomy import Taxonomy

RELIEF_ONLY = frozenset({"slope"})
"""Classes that pictures do not tell from landable ground, only relief does: a bank is drawn as the grass on it."""


@lru_cache(maxsize=1)
def scene_taxonomy() -> Taxonomy:
    """The synthetic taxonomy, and ground that looks landable but must not be used.

    Ids 0 to 13 mean what they mean there: one network serves scenes and procedural worlds.
    """
    return Taxonomy.load("scenes")
