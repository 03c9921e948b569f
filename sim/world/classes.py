"""The classes of scenes and traps: the built-in taxonomy `scenes`, read once."""

from __future__ import annotations

from functools import lru_cache

from landing.taxonomy import Taxonomy


@lru_cache(maxsize=1)
def scene_taxonomy() -> Taxonomy:
    """The synthetic taxonomy, and ground that looks landable but must not be used.

    Ids 0 to 11 mean what they mean there: one network serves scenes and procedural worlds.
    """
    return Taxonomy.load("scenes")
