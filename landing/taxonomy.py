"""Classes of a model and their meaning for landing: ids, names, colours, and a role for each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from landing.errors import TaxonomyError
from landing.reading import read_toml
from landing.types import HAZARD_ORDER, ByteArray

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BUILTIN = ("semantic-drone", "aeroscapes", "uavid", "vdd", "synthetic", "scenes", "roles")


class Role(str, Enum):
    """Meaning of a class for a landing vehicle."""

    LANDABLE = "landable"
    OBSTACLE = "obstacle"
    WATER = "water"
    PERSON = "person"
    VEHICLE = "vehicle"
    IGNORE = "ignore"


HAZARD_ROLES = tuple(Role(name) for name in HAZARD_ORDER)

DEFAULT_CLEARANCE_M: Mapping[Role, float] = {Role.OBSTACLE: 1.0, Role.WATER: 1.5, Role.PERSON: 4.0, Role.VEHICLE: 2.5}
"""Ground to keep free beyond the vehicle's own radius, where a taxonomy file says nothing."""


LAST_PREFERENCE = 4
"""Number of the ground that is chosen only where nothing better is within reach; 1 is the first choice."""

MOST_CAUTION = 40
"""Characters of a caution: with the name of its class it fits into a text to the pilot."""

GUESS = "?"
"""Mark behind a role that nobody has confirmed, as in `role = "landable?"`."""
OPEN = {"guesses": True}
"""Context of `Taxonomy.parse` in which guesses are taken."""


class ClassInfo(BaseModel):
    """One class: its id in the label map, its name, its colour and its role.

    `guessed` is True for a role that is written with `GUESS`; only `Taxonomy.load_open` takes such a class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=0, le=254, description="value in the label map")
    name: str = Field(min_length=1)
    color_rgb: tuple[int, int, int] = Field(description="red, green, blue, 0 to 255")
    role: Role
    guessed: bool = Field(default=False, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _guess(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        role = data.get("role")
        if "guessed" in data:
            raise ValueError(f"a guess is written behind the role, as in 'landable{GUESS}'")
        if not isinstance(role, str) or not role.endswith(GUESS) or role[:-1] not in [r.value for r in Role]:
            return data
        if info.context != OPEN:
            raise ValueError(
                f"the role {role!r} of class {data.get('name')!r} is a guess: take the {GUESS} away if it is right, "
                "else name the right role"
            )
        return {**data, "role": role[:-1], "guessed": True}


@dataclass(frozen=True)
class Surface:
    """Ground of a site, as it is told.

    Attributes:
        name: Of its class; of several classes of one preference, joined by "or".
        preference: Number in the taxonomy, 1 for the first choice.
        caution: Reason to expect somebody there; empty where there is none.
    """

    name: str
    preference: int
    caution: str = ""

    @property
    def text(self) -> str:
        """In words, as ``road: traffic may come``."""
        return f"{self.name}: {self.caution}" if self.caution else self.name

    def to_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "preference": self.preference, "caution": self.caution, "text": self.text}


class Taxonomy(BaseModel):
    """The classes of a data set or model, each with its role. Ids run from 0 without a gap.

    Attributes:
        name: Short name, unique among the taxonomies a user has.
        classes: In order of id.
        clearance_m: Distance to keep from hazards of a role, metres beyond the vehicle's radius.
        preference: Number of each landable class by name, 1 for the first choice to `LAST_PREFERENCE` for the last;
            empty: all are alike.
        caution: Reason to expect somebody on a landable class, by name, in a few words.
        ignore_index: Value in a label map that means "not labelled"; never trained or scored on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    description: str = ""
    classes: tuple[ClassInfo, ...] = Field(min_length=2)
    clearance_m: dict[Role, float] = Field(default_factory=lambda: dict(DEFAULT_CLEARANCE_M))
    preference: dict[str, Annotated[int, Field(ge=1, le=LAST_PREFERENCE)]] = Field(default_factory=dict)
    caution: dict[str, Annotated[str, Field(pattern=rf"^[ -~]{{1,{MOST_CAUTION}}}$")]] = Field(default_factory=dict)
    ignore_index: int = Field(default=255, ge=0, le=255)

    @model_validator(mode="after")
    def _consistent(self) -> Taxonomy:
        ids = [c.id for c in self.classes]
        if ids != list(range(len(ids))):
            raise ValueError(f"class ids must run 0, 1, 2 ... without a gap, got {ids}")
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names):
            raise ValueError(f"class names must differ, got {names}")
        if not any(c.role is Role.LANDABLE or c.guessed for c in self.classes):
            raise ValueError("no class has the role 'landable', so no site could ever be chosen")
        for role, clearance_m in self.clearance_m.items():
            if role not in HAZARD_ROLES:
                raise ValueError(f"clearance_m.{role.value}: only hazards have a clearance")
            if not 0.0 <= clearance_m <= 100.0:
                raise ValueError(f"clearance_m.{role.value} = {clearance_m}: expected 0 to 100 m")
        self._check_preference()
        return self

    def _check_preference(self) -> None:
        landable = [c.name for c in self.classes if c.role is Role.LANDABLE]
        for table, of_class in (("preference", self.preference), ("caution", self.caution)):
            for name in of_class:
                if name not in landable:
                    raise ValueError(f"{table}.{name}: expected a landable class: {', '.join(landable)}")
        missing = [name for name in landable if name not in self.preference]
        if missing and (self.preference or self.caution):
            raise ValueError(
                f"preference: class {missing[0]!r} has none; number all landable classes, 1 for the first choice to "
                f"{LAST_PREFERENCE} for the last, or none of them"
            )

    @classmethod
    def parse(cls, data: Mapping[str, Any], origin: str, context: Mapping[str, Any] | None = None) -> Taxonomy:
        """Validates a mapping; `context` is pydantic's.

        Raises:
            TaxonomyError: With the first thing that is wrong, and where.
        """
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise TaxonomyError(f"{origin}: {where}: {first['msg'].removeprefix('Value error, ')}") from error

    @classmethod
    def load_open(cls, path: str | Path) -> Taxonomy:
        """A TOML file whose roles may still be guesses: for looking at data, never to train or fly.

        Raises:
            TaxonomyError: See `load`.
        """
        data = read_toml(path, "taxonomy", TaxonomyError)
        return cls.parse(data, str(path), OPEN)

    @staticmethod
    def builtin_toml(name: str) -> str:
        """The file of a built-in taxonomy (see `BUILTIN`), as text."""
        return resources.files("landing.taxonomies").joinpath(f"{name}.toml").read_text("utf-8")

    @classmethod
    def load(cls, name_or_path: str | Path) -> Taxonomy:
        """A built-in taxonomy by name (see `BUILTIN`) or a TOML file by path.

        Raises:
            TaxonomyError: Unknown name, unreadable file or invalid content.
        """
        text = str(name_or_path)
        if text in BUILTIN:
            return cls.parse(tomllib.loads(cls.builtin_toml(text)), text)
        if not os.path.lexists(text):
            raise TaxonomyError(f"taxonomy {text!r} is neither a file nor built in; built in are {', '.join(BUILTIN)}")
        return cls.parse(read_toml(text, "taxonomy", TaxonomyError), text)

    def to_toml(self) -> str:
        """The text of a file that `load` reads back as the same taxonomy."""
        lines = [
            f"name = {_toml_text(self.name)}",
            f"description = {_toml_text(self.description)}",
            f"ignore_index = {self.ignore_index}",
            "",
            "[clearance_m]",
        ]
        lines += [f"{role.value} = {float(m)}" for role, m in self.clearance_m.items()]
        for table, of_class in (("preference", self.preference), ("caution", self.caution)):
            if of_class:
                lines += ["", f"[{table}]"]
                lines += [f"{_toml_text(k)} = {json.dumps(v)}" for k, v in of_class.items()]
        for c in self.classes:
            lines += [
                "",
                "[[classes]]",
                f"id = {c.id}",
                f"name = {_toml_text(c.name)}",
                f"color_rgb = {list(c.color_rgb)}",
                f'role = "{c.role.value}{GUESS * c.guessed}"',
            ]
        return "\n".join(lines) + "\n"

    @cached_property
    def is_builtin(self) -> bool:
        """True for the classes of a built-in taxonomy, unchanged: a set may well lack some of them."""
        return self.name in BUILTIN and self.classes == Taxonomy.load(self.name).classes

    def __len__(self) -> int:
        return len(self.classes)

    def ids_of(self, role: Role) -> tuple[int, ...]:
        """Ids of the classes of a role, ascending."""
        return tuple(c.id for c in self.classes if c.role is role)

    def clearance_of(self, role: Role) -> float:
        """Clearance of a hazard role in metres, from the file or `DEFAULT_CLEARANCE_M`."""
        return self.clearance_m.get(role, DEFAULT_CLEARANCE_M[role])

    @cached_property
    def landable_lut(self) -> npt.NDArray[np.bool_]:
        """Shape (256,): True where a label value is landable ground."""
        lut = np.zeros(256, dtype=np.bool_)
        lut[list(self.ids_of(Role.LANDABLE))] = True
        return lut

    @cached_property
    def surfaces(self) -> Mapping[int, Surface]:
        """Surfaces by preference, the first choice first; empty where all landable ground is alike."""
        surfaces: dict[int, Surface] = {}
        for number in sorted(set(self.preference.values())):
            names = [name for name, of_class in self.preference.items() if of_class == number]
            cautions = dict.fromkeys(self.caution[name] for name in names if name in self.caution)
            surfaces[number] = Surface(" or ".join(names), number, "; ".join(cautions))
        return surfaces

    @cached_property
    def quality_lut(self) -> ByteArray:
        """Shape (256,): how far each label value comes before the last choice: 1 for that, 0 where not landable."""
        lut = np.zeros(256, dtype=np.uint8)
        for c in self.classes:
            if c.name in self.preference:
                lut[c.id] = LAST_PREFERENCE + 1 - self.preference[c.name]
        return lut

    @cached_property
    def palette_bgr(self) -> ByteArray:
        """Shape (256, 3): colour of each label value, for pictures; unknown ids are black."""
        palette = np.zeros((256, 3), dtype=np.uint8)
        for c in self.classes:
            palette[c.id] = c.color_rgb[::-1]
        return palette

    @cached_property
    def merge_matrix(self) -> npt.NDArray[np.float32]:
        """Shape (1 + 4, classes): row 0 sums landable classes, then a row per `HAZARD_ROLES`.

        Classes of role `ignore` are in no row: their probability is neither landable nor hazard, so ground that looks
        like them stays unknown.
        """
        matrix = np.zeros((1 + len(HAZARD_ROLES), len(self.classes)), dtype=np.float32)
        for row, role in enumerate((Role.LANDABLE, *HAZARD_ROLES)):
            matrix[row, list(self.ids_of(role))] = 1.0
        return matrix


def _toml_text(text: str) -> str:
    """A basic string: JSON escapes the same characters, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
