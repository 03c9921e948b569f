"""Whole landings over photographs of real ground, judged by the operator's verdicts on the place of touchdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.runner import Figures
from benchmarks.verdicts import ROOM_M, SAFE, UNSAFE, PictureVerdict, VerdictMap
from landing.camera import CameraModel
from sim.campaign.campaign import run_campaign
from sim.campaign.command import plan_from
from sim.campaign.sensors import PICTURE_PX
from sim.campaign.task import Plan
from sim.campaign.wilson import share
from sim.world.spec import photo_with

RADIUS_M = 0.4
LANDED = {SAFE: "landed safe", UNSAFE: "landed unsafe"}
REFUSED = {True: "given up with room", False: "rightly not landed", None: "not landed at the margin"}
SEED = 1
SHAPE = 0.75
"""Height of the flown camera's picture by its width."""


@dataclass(frozen=True)
class PhotoFlight:
    """One landing over a photograph.

    Attributes:
        place, picture: Names.
        outcome: A value of `LANDED` or `REFUSED`, or "landed, unsure".
        why: Ground of the touchdown, or the reason of giving up and what took the room.
        end_height_m: Height at the end, m.
        seconds: Simulated time.
        person_m: From the touchdown to the nearest person that is known, m.
        story: Events with time, s, and height, m.
    """

    place: str
    picture: str
    outcome: str
    why: str
    end_height_m: float
    seconds: float
    person_m: float | None
    story: tuple[tuple[float, float, str], ...]


def plan_of(pictures: Sequence[Path], facts: dict[str, Any], model: Path, say: Callable[[str], None]) -> Plan:
    """Return the campaign over pictures of one place, each flown once."""
    scale = {"height_agl_m": facts.get("height_m"), "hfov_deg": facts.get("hfov_deg")}
    worlds = ",".join(photo_with(f"photo:{picture.resolve()}", **scale) for picture in pictures)
    return plan_from(
        policies="touchdown", worlds=worlds, say=say, segmentation="model", model=model, seed=SEED, split="test"
    )


def fly_over(
    place: str,
    pictures: Sequence[Path],
    facts: dict[str, Any],
    verdicts: dict[str, PictureVerdict],
    paint: Callable[[Path, PictureVerdict], VerdictMap],
    model: Path,
    out: Path,
    say: Callable[[str], None],
) -> list[PhotoFlight]:
    """Fly one landing over each picture and judge it; what `out` already holds is not flown again.

    Args:
        place: Name of the set.
        pictures: To be flown; those without a verdict or a scale are left out.
        facts: From `set.toml`.
        verdicts: By name of the picture.
        paint: Makes the map of a picture's verdict.
        model: Network.
        out: Folder of the campaign.
        say: Told of what is left out.
    """
    judged = [p for p in pictures if p.name in verdicts]
    if not judged:
        return []
    plan = plan_of(judged, facts, model, say)
    records, _ = run_campaign(plan, out, "processes", 1)
    by_name, flies = {p.name: p for p in judged}, plan.resolved()
    flights = []
    for record in records:
        path = by_name[str(record["world"]).removeprefix("photo ")]
        verdict = verdicts[path.name]
        scale = flies.scale(CameraModel.from_hfov(*PICTURE_PX, record["conditions"]["hfov_deg"]))
        highest_m = math.inf if scale is None else scale.heights_m()[1]
        flights.append(judged_flight(place, record, verdict, paint(path, verdict), highest_m))
    return flights


def judged_flight(
    place: str, record: dict[str, Any], verdict: PictureVerdict, ground: VerdictMap, highest_m: float = math.inf
) -> PhotoFlight:
    """Judge one record of a campaign by the verdict on its photograph.

    Args:
        place: Name of the set.
        record: See `sim.campaign.score`.
        verdict: Of the picture.
        ground: The same, painted.
        highest_m: Height above ground up to which the network's answer counts.
    """
    touchdown, person_m = record["touchdown"], None
    if touchdown is None:
        outcome, why = REFUSED[_room_in_view(record, verdict, ground, highest_m)], _why_not(record)
    else:
        width_m, height_m = record["photograph"]["size_m"]
        north_m, east_m = touchdown["ne_m"]
        found = ground.judge(0.5 + east_m / width_m, 0.5 - north_m / height_m, RADIUS_M / width_m, width_m)
        outcome, why, person_m = LANDED.get(found.ground, "landed, unsure"), found.what, found.person_m
    name = str(record["world"]).removeprefix("photo ")
    story = tuple((float(t), float(h), str(words)) for t, h, words in record["story"])
    return PhotoFlight(place, name, outcome, why, record["end_height_m"], record["seconds"], person_m, story)


def _why_not(record: dict[str, Any]) -> str:
    cause = (record.get("refusal") or {}).get("cause")
    return f"{record['reason']}; in the way: {cause}" if cause else str(record["reason"])


def _room_in_view(record: dict[str, Any], verdict: PictureVerdict, ground: VerdictMap, highest_m: float) -> bool | None:
    """Return the operator's word on room; None where there is some, but too little in the view from the start.

    A start from above `highest_m` goes down to it before anything is looked for.
    """
    if not verdict.room:
        return verdict.room
    width_m, height_m = record["photograph"]["size_m"]
    start = record["conditions"]
    across_m = 2.0 * min(start["height_m"], highest_m) * math.tan(math.radians(start["hfov_deg"]) / 2.0)
    half_u, half_v = min(0.5, across_m / width_m / 2.0), min(0.5, SHAPE * across_m / height_m / 2.0)
    view = (0.5 - half_u, 0.5 - half_v, 0.5 + half_u, 0.5 + half_v)
    return True if ground.room_m(view, width_m) >= ROOM_M else None


def flights_of(flights: Sequence[PhotoFlight]) -> Figures:
    """Return counts by place and over all: landed safe of those with room, unsafe of those landed, reasons.

    The stories are left to the page.
    """
    places = {f.place: _counted([g for g in flights if g.place == f.place]) for f in flights}
    return {"all": _counted(flights), "places": places, "flights": [asdict(replace(f, story=())) for f in flights]}


def _counted(flights: Sequence[PhotoFlight]) -> Figures:
    outcomes = Counter(f.outcome for f in flights)
    safe, unsafe = outcomes["landed safe"], outcomes["landed unsafe"]
    near = [f.person_m for f in flights if f.person_m is not None]
    return {
        "flown": len(flights),
        "landed_with_room": _share(safe, safe + unsafe + outcomes["given up with room"]),
        "unsafe_of_landed": _share(unsafe, safe + unsafe),
        "nearest_person_m": min(near, default=None),
        "outcomes": dict(outcomes),
        "given_up": dict(Counter(f.why for f in flights if f.outcome == "given up with room").most_common()),
    }


def _share(count: int, of: int) -> Figures:
    found = share(count, of)
    return asdict(found) | {"value": found.value}
