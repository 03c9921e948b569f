"""Guesses of a class's role from its English name, for a person to confirm."""

from __future__ import annotations

import re

from landing.taxonomy import Role

_WORDS: tuple[tuple[Role, str], ...] = (
    (
        Role.PERSON,
        "person persons people human humans pedestrian pedestrians man woman men women child children kid kids boy "
        "girl worker workers crowd rider cyclist swimmer hiker animal animals dog dogs cat cats cow cows cattle horse "
        "horses sheep livestock deer goat",
    ),
    (
        Role.VEHICLE,
        "vehicle vehicles car cars truck trucks lorry bus buses van vans bike bikes bicycle bicycles motorbike "
        "motorcycle scooter tractor trailer caravan train tram boat boats ship ships vessel aircraft airplane "
        "aeroplane plane helicopter drone drones uav excavator bulldozer forklift",
    ),
    (
        Role.WATER,
        "water waters pool pools pond ponds lake river stream creek sea ocean canal puddle puddles swamp marsh wetland "
        "flood reservoir fountain ice",
    ),
    (
        Role.OBSTACLE,
        "obstacle obstacles building buildings house houses roof roofs rooftop wall walls fence fences pole poles post "
        "tower mast antenna tree trees bush bushes shrub shrubs hedge vegetation forest wood woods woodland rock rocks "
        "stone stones boulder boulders wire wires cable cables powerline line lines pylon light lights lamp sign signs "
        "road roads street streets highway railway rail rails track runway parking bridge stairs stair steps crop "
        "crops construction debris rubble slope cliff ditch window door chimney solar panel panels container crane "
        "bench table chair umbrella tent hazard unsafe dangerous structure clutter",
    ),
    (
        Role.LANDABLE,
        "landable landing helipad pad safe grass lawn meadow field pasture turf ground terrain soil dirt earth sand "
        "gravel paved pavement pavers sidewalk footpath concrete plaza",
    ),
    (Role.IGNORE, "sky unknown other others conflicting marker aruco"),
)
"""Words of each role; the first role with a word in the name wins, so that a grass roof is a roof."""
_ROLE_OF = {word: role for role, words in reversed(_WORDS) for word in words.split()}
_ORDER = [role for role, _ in _WORDS]
_DOUBTS = frozenset(
    (
        "no",
        "not",
        "non",
        "tall",
        "high",
        "long",
        "wet",
        "steep",
        "rough",
        "uneven",
        "muddy",
        "soft",
        "frozen",
        "burning",
    )
)
"""Words that make landable ground another thing."""


def guessed_role(name: str) -> Role:
    """Return the likely role of a class; what is not known is an obstacle, and never landable."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    roles = [_ROLE_OF[word] for word in words if word in _ROLE_OF]
    role = min(roles, key=_ORDER.index) if roles else Role.OBSTACLE
    return Role.OBSTACLE if role is Role.LANDABLE and _DOUBTS & set(words) else role
