"""The classes of scenes and traps: those of the synthetic taxonomy, and three more."""

from __future__ import annotations

from functools import lru_cache

from landing.taxonomy import ClassInfo, Role, Taxonomy


@lru_cache(maxsize=1)
def scene_taxonomy() -> Taxonomy:
    """The synthetic taxonomy, and ground that looks landable but must not be used.

    Ids 0 to 11 mean what they mean there, so labels can be compared with the demo model's.
    """
    base = Taxonomy.load("synthetic")
    more = (
        ClassInfo(id=12, name="slope", color_rgb=(120, 60, 140), role=Role.OBSTACLE),
        ClassInfo(id=13, name="road", color_rgb=(70, 70, 80), role=Role.OBSTACLE),
        ClassInfo(id=14, name="crop", color_rgb=(170, 190, 40), role=Role.OBSTACLE),
    )
    described = "Synthetic, with steep slopes, roads and tracks in use, and standing crops"
    return base.model_copy(
        update={
            "name": "scenes", "description": described, "classes": (*base.classes, *more),
        }
    )  # fmt: skip
