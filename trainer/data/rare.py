"""Choice of training pictures for rare classes that matter: a class, a picture of it, a pixel in it.

Drawn evenly, a person in one picture of ten, on one pixel of a thousand, is hardly ever seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.taxonomy import ClassInfo, Role, Taxonomy
from trainer.data.roles import role_label

RARE_SHARE = 0.02
"""A class on a smaller share of the labelled pixels is rare."""

_ALWAYS = (Role.PERSON, Role.VEHICLE)


class RarePicker:
    """Picks a rare class, then a picture that has it, then a pixel of it, each with equal chance.

    Rare are people and vehicles, and every class that covers less than `RARE_SHARE`, but never a class of role
    `ignore`:
    annotators' doubts and things of no consequence would take their full share of picks from the people. The role
    labels of people and vehicles (`trainer.data.roles`) are picked like classes.

    `centres` are some pixels of every class for each training picture (`store.centres_of`); `class_pixels` has the
    shape (classes,); `names` are classes to pick instead of these. `classes` are the names of those that occur.

    Raises:
        InvalidValueError: A name that the taxonomy does not have.
    """

    def __init__(
        self,
        centres: Sequence[npt.NDArray[np.int32]],
        class_pixels: npt.NDArray[np.int64],
        taxonomy: Taxonomy,
        names: Sequence[str] = (),
    ) -> None:
        self._centres = centres
        rare = rare_ids(class_pixels, taxonomy, names)
        roles = [role for role in _ALWAYS if set(rare) & set(taxonomy.ids_of(role))]
        name_of = {label: taxonomy.classes[label].name for label in rare}
        name_of |= {role_label(taxonomy, role): role.value for role in roles}
        having: dict[int, list[int]] = {label: [] for label in name_of}
        for number, of_picture in enumerate(centres):
            for class_id in np.unique(of_picture[:, 2]).tolist():
                if class_id in having:
                    having[class_id].append(number)
        self._pictures = [(label, numbers) for label, numbers in having.items() if numbers]
        self.classes = tuple(name_of[label] for label, _ in self._pictures)

    def pick(self, rng: np.random.Generator) -> tuple[int, tuple[int, int]] | None:
        """Return a training picture's number and a pixel (column, row) in it; None if nothing is rare."""
        if not self._pictures:
            return None
        class_id, numbers = self._pictures[int(rng.integers(len(self._pictures)))]
        number = numbers[int(rng.integers(len(numbers)))]
        centres = self._centres[number]
        places = centres[centres[:, 2] == class_id]
        column, row, _ = places[int(rng.integers(len(places)))].tolist()
        return number, (column, row)


def rare_ids(class_pixels: npt.NDArray[np.int64], taxonomy: Taxonomy, names: Sequence[str] = ()) -> tuple[int, ...]:
    """Return the ids of the rare classes, see `RarePicker`.

    Raises:
        InvalidValueError: A name that the taxonomy does not have.
    """
    known = [c.name for c in taxonomy.classes]
    for name in names:
        if name not in known:
            raise InvalidValueError(
                f"rare class {name!r} is not in taxonomy {taxonomy.name!r}; it has {', '.join(known)}"
            )
    total = max(1, int(class_pixels.sum()))

    def wanted(c: ClassInfo) -> bool:
        if names:
            return c.name in names
        few = class_pixels[c.id] < RARE_SHARE * total
        return c.role in _ALWAYS or (bool(few) and c.role is not Role.IGNORE)

    return tuple(c.id for c in taxonomy.classes if wanted(c))
