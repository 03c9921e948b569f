"""A world named on a command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from PIL import Image

from landing.errors import DataError
from landing.labels.files import LabelFiles
from landing.picture_files import PICTURE_SUFFIXES
from landing.picture_files import files_of as pictures_of
from sim.world.adversarial import ADVERSARIAL, AdversarialScenario
from sim.world.heights import HEIGHTS, drawn, flown, sloped
from sim.world.model import World
from sim.world.photo import photo
from sim.world.photo_scale import scale_of
from sim.world.procedural import procedural
from sim.world.scenes import FAMILIES, scene
from sim.world.store import load_world

T = TypeVar("T")
D = TypeVar("D")

ALL = "all"
"""Stands for every scenario or family."""

SCALE_KEYS = ("gsd_m", "height_agl_m", "hfov_deg")

_ALIASES = {"worst": "adversarial"}

_KEYS: dict[str, tuple[str, ...]] = {
    "procedural": ("seed", "size_m", "gsd_m", "layout", "heights"),
    "scenes": ("seed", "size_m", "gsd_m", "season", "light", "heights"),
    "adversarial": (),
    "photo": ("gsd_m", "labels", "taxonomy", "size_m", "height_agl_m", "hfov_deg"),
    "folder": (),
}

GRAMMAR = (
    "procedural[?seed=1&size_m=80&gsd_m=0.05&layout=park&heights=banks], "
    "scenes[:FAMILY][?seed=1&size_m=160&gsd_m=0.1&season=snow&light=dusk&heights=banks], adversarial:NAME, "
    "photo:FILE[?gsd_m=0.02&labels=FILE&taxonomy=aeroscapes&size_m=60&height_agl_m=30&hfov_deg=70] (or photo:FOLDER), "
    "or a folder written by save_world"
)


def parse_world_spec(text: str, seed: int = 0) -> World:
    """Makes or reads the world that a specification names.

    Args:
        text: See `GRAMMAR`. A folder may be given as ``folder:PATH`` or just its path.
        seed: Of a procedural world or scene that does not name its own.

    Raises:
        DataError: Not a specification, an unknown key, a bad value or an unusable file.
        TaxonomyError: The taxonomy of a photo is neither built in nor a file.
    """
    kind, rest, options = _split(text)
    if kind == "folder":
        return load_world(rest)
    if kind == "adversarial":
        if rest not in ADVERSARIAL:
            names = ", ".join(ADVERSARIAL)
            raise DataError(f"world {text!r}: scenario {rest!r} is unknown: expected one of {names}")
        return ADVERSARIAL[rest].build()
    if kind == "scenes":
        if rest == ALL:
            raise DataError(f"world {text!r} is many worlds; one of them is scenes:{next(iter(FAMILIES))}")
        seed = _number(text, options, "seed", seed, int)
        made = scene(
            seed=seed,
            family=rest or None,
            size_m=_number(text, options, "size_m", 160.0, float),
            gsd_m=_number(text, options, "gsd_m", 0.1, float),
            season=options.get("season"),
            light=options.get("light"),
        )
        return _raised(text, options, made, seed)
    if kind == "procedural":
        seed = _number(text, options, "seed", seed, int)
        made = procedural(
            seed=seed,
            size_m=_number(text, options, "size_m", 80.0, float),
            gsd_m=_number(text, options, "gsd_m", 0.05, float),
            layout=options.get("layout"),
        )
        return _raised(text, options, made, seed)
    return photo(
        rest,
        gsd_m=_number(text, options, "gsd_m", None, float),
        labels=options.get("labels"),
        taxonomy=options.get("taxonomy", "aeroscapes"),
        size_m=_number(text, options, "size_m", None, float),
        height_agl_m=_number(text, options, "height_agl_m", None, float),
        hfov_deg=_number(text, options, "hfov_deg", None, float),
    )


def heights_of(text: str) -> str | None:
    """Return the heights that the specification of a world names; None of a flat one."""
    return dict(parse_qsl(text.partition("?")[2])).get("heights")


def _raised(text: str, options: dict[str, str], world: World, seed: int) -> World:
    """The world with the heights that its specification names; itself without any."""
    heights = options.get("heights")
    if heights is None:
        return world
    if heights not in HEIGHTS:
        raise DataError(f"world {text!r}: heights {heights!r} is unknown: expected one of {', '.join(HEIGHTS)}")
    raised = {"slopes": sloped, "drawn": drawn}.get(heights)
    return flown(world, seed, heights) if raised is None else raised(world, seed)


def check_world_spec(text: str) -> None:
    """Refuses what is no specification, without making the world.

    Raises:
        DataError: Not of the grammar.
    """
    _split(text)


def expand_world_spec(text: str) -> tuple[str, ...]:
    """One specification for each member of ``adversarial:all``, ``scenes:all``, ``photo:FOLDER``; else the text alone.

    Labels of a folder are a folder too: the label map of a picture has its name but for the suffix. A picture without
    one is flown without labels.

    Raises:
        DataError: A folder without pictures.
    """
    kind, _, rest = text.partition(":")
    kind = _ALIASES.get(kind, kind)
    name, mark, query = rest.partition("?")
    if kind == "photo" and Path(name).is_dir():
        return _photographs(text, Path(name))
    members = {"adversarial": ADVERSARIAL, "scenes": FAMILIES}.get(kind)
    if members is None or name != ALL:
        return (text,)
    return tuple(f"{kind}:{member}{mark}{query}" for member in members)


def files_of(text: str) -> tuple[Path, ...]:
    """Return the files that a specification's worlds are read from, in order; none for a made world.

    Of a photograph: picture, label map and the taxonomy's file. Of a folder: all that it holds.

    Raises:
        DataError: Not a specification, or a folder of photographs without pictures.
    """
    files: list[Path] = []
    for member in expand_world_spec(text):
        kind, name, options = _split(member)
        if kind == "photo":
            named = [Path(options[key]) for key in ("labels", "taxonomy") if key in options]
            # A taxonomy is a file or the name of a built-in one.
            files += [Path(name), *(path for path in named if path.is_file())]
        elif kind == "folder":
            files += sorted(path for path in Path(name).rglob("*") if path.is_file())
    return tuple(files)


def photo_with(text: str, **options: object) -> str:
    """The specification of a photo or a folder of them, with options that it does not have; other text itself."""
    kind, name, given = _split(text) if text.startswith("photo:") else ("", text, {})
    more = {key: str(value) for key, value in options.items() if value is not None and key not in given}
    return f"photo:{name}?{urlencode({**given, **more})}" if kind and more else text


def is_photo(text: str) -> bool:
    """True for the specification of a photograph."""
    return text.startswith("photo:")


def photo_gsd_m(text: str) -> float:
    """Return the ground that a pixel of a photograph shows, m, without reading its pixels.

    Raises:
        DataError: It has no scale, or is no picture.
    """
    _, name, options = _split(text)
    path = Path(name)
    try:
        with Image.open(path) as image:
            size_px = image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"picture {path}: {str(error).lower()}; name a PNG or JPEG file") from error
    return scale_of(path, size_px, *(_number(text, options, key, None, float) for key in SCALE_KEYS)).gsd_m


def _photographs(text: str, folder: Path) -> tuple[str, ...]:
    _, _, options = _split(text)
    pictures = pictures_of(folder)
    if not pictures:
        raise DataError(f"world {text!r}: {folder} holds no pictures ({' '.join(PICTURE_SUFFIXES)})")
    labels = Path(options.pop("labels")) if "labels" in options else None
    if labels is not None and not labels.is_dir():
        raise DataError(f"world {text!r}: labels {labels} is no folder: pictures of a folder need one of label maps")
    maps = None if labels is None else LabelFiles(labels)
    specs = []
    for picture in pictures:
        own = None if maps is None else maps.of(picture)
        specs.append(photo_with(f"photo:{picture}", labels=own, **options))
    return tuple(specs)


def adversarial_scenario(text: str) -> AdversarialScenario | None:
    """The scenario that ``adversarial:NAME`` names; None for another world."""
    kind, _, name = text.partition(":")
    return ADVERSARIAL.get(name) if _ALIASES.get(kind, kind) == "adversarial" else None


def _split(text: str) -> tuple[str, str, dict[str, str]]:
    kind, _, rest = text.partition(":")
    kind = _ALIASES.get(kind, kind)
    if kind not in ("photo", "folder", "adversarial", "scenes") or ":" not in text:
        if text.partition("?")[0] in ("procedural", "scenes"):
            kind = text.partition("?")[0]
            rest = text[len(kind) :]
        elif text and Path(text).is_dir():
            return "folder", text, {}
        else:
            raise DataError(f"world {text!r} is not one we know: expected {GRAMMAR}")
    name, _, query = rest.partition("?")
    if kind in ("photo", "folder", "adversarial") and not name:
        raise DataError(
            f"world {text!r} names no {'scenario' if kind == 'adversarial' else 'file'}: expected {GRAMMAR}"
        )
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _KEYS[kind]:
            known = ", ".join(_KEYS[kind]) or "none"
            raise DataError(f"world {text!r}: key {key!r} is unknown; {kind} takes: {known}")
        if key in options:
            raise DataError(f"world {text!r}: key {key!r} is given twice")
        options[key] = value
    if query and not options:
        raise DataError(f"world {text!r}: expected key=value after '?', got {query!r}")
    return kind, name, options


def _number(text: str, options: dict[str, str], key: str, default: D, kind: Callable[[str], T]) -> T | D:
    value = options.get(key)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise DataError(f"world {text!r}: {key}={value!r}, expected {expected}") from None
