"""A world in a folder, so that separate processes look at the same one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError, TouchdownError
from landing.picture_files import decode, read_picture_bytes
from landing.taxonomy import Taxonomy
from sim.world.actors import Sun, actor_from_json, actor_to_json
from sim.world.model import World
from sim.world.pad import GroundPad
from sim.world.photo import read_labels, read_picture
from sim.world.photograph import Photograph

FORMAT = "touchdown-world-2"


def save_world(world: World, folder: str | Path) -> None:
    """Writes ``world.json``, ``ortho.png``, ``labels.png``, and of a world with heights ``heights.png``; the JSON last.

    Heights are stored in millimetres, at most 65.5 m.

    Raises:
        DataError: The folder cannot be written.
    """
    target = Path(folder)
    data = {
        "format": FORMAT,
        "name": world.name,
        "gsd_m": world.gsd_m,
        "origin_px": list(world.origin_px),
        "photograph": None if world.photograph is None else asdict(world.photograph),
        "detail_seed": world.detail_seed,
        "sun": asdict(world.sun),
        "pad": None if world.pad is None else world.pad.to_json(),
        "heights": world.heights_m is not None,
        "looks": world.looks is not None,
        "actors": [actor_to_json(actor) for actor in world.actors],
        "taxonomy": world.taxonomy.model_dump(mode="json"),
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        rasters: dict[str, Any] = {"ortho.png": world.ortho_bgr, "labels.png": world.labels}
        if world.heights_m is not None:
            rasters["heights.png"] = np.rint(1000.0 * world.heights_m).clip(0, 65535).astype(np.uint16)
        if world.looks is not None:
            rasters["looks.png"] = world.looks
        for name, raster in rasters.items():
            done, png = cv2.imencode(".png", raster, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            if not done:
                raise DataError(f"world folder {target}: {name} could not be encoded")
            (target / name).write_bytes(png.tobytes())
        (target / "world.json").write_text(json.dumps(data, indent=1), "utf-8")
    except OSError as error:
        raise DataError(f"world folder {target}: {error.strerror or error}") from error


def load_world(folder: str | Path) -> World:
    """Reads what `save_world` wrote.

    Raises:
        DataError: Missing or damaged files.
    """
    source = Path(folder)
    path = source / "world.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(
            f"world folder {source}: world.json: {(error.strerror or str(error)).lower()}; "
            "expected a folder written by save_world"
        ) from error
    except ValueError as error:
        raise DataError(f"world folder {source}: world.json is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"world folder {source}: world.json is not of format {FORMAT!r}")
    try:
        taxonomy = Taxonomy.parse(data["taxonomy"], str(path))
        actors = tuple(actor_from_json(a) for a in data["actors"])
        light = dict(data["sun"])
        if "daylight_bgr" in light:
            light["daylight_bgr"] = tuple(float(c) for c in light["daylight_bgr"])
        u0, v0 = data["origin_px"]
        return World(
            name=str(data["name"]),
            ortho_bgr=read_picture(source / "ortho.png", "picture"),
            labels=read_labels(source / "labels.png", taxonomy),
            gsd_m=float(data["gsd_m"]),
            taxonomy=taxonomy,
            origin_px=(float(u0), float(v0)),
            actors=actors,
            sun=Sun(**light),
            photograph=None if data["photograph"] is None else Photograph(**data["photograph"]),
            detail_seed=data["detail_seed"],
            heights_m=_heights(source / "heights.png") if data.get("heights") else None,
            looks=read_labels(source / "looks.png", taxonomy) if data.get("looks") else None,
            pad=None if data.get("pad") is None else GroundPad.from_json(data["pad"]),
        )
    except TouchdownError as error:
        raise DataError(f"world folder {source}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"world folder {source}: world.json lacks or garbles {error}: save it again") from error


def _heights(path: Path) -> npt.NDArray[np.float32]:
    """Heights of the ground, m.

    Raises:
        DataError: The file is missing or damaged.
    """
    stored = decode(read_picture_bytes(path, "heights", DataError), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16:
        raise DataError(f"{path}: no picture of heights in millimetres, uint16: save the world again")
    return np.asarray(stored, np.float32) / np.float32(1000.0)
