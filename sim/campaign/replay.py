"""Flies one landing of a finished campaign again, and keeps everything that can be seen of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landing.geometry import quaternion_from_euler
from landing.picture_files import write_picture
from landing.types import ByteArray, Pose
from sim.camera import render
from sim.campaign.ranges import stream
from sim.campaign.scene import CampaignError
from sim.campaign.scene_ground import make_scene_ground, over_photo
from sim.campaign.score import Record, score
from sim.campaign.sensors import true_camera
from sim.campaign.store import line_of, read_campaign
from sim.campaign.task import Plan, fly, settle
from sim.campaign.trace import Flown
from sim.flight.picture import FlightPicture, draw_flight
from sim.world import World

SHEET_COLUMNS, SHEET_ROWS = 5, 4
TILE_PX = (384, 288)


def refly(plan: Plan, number: int, policy: str) -> tuple[Record, Flown, World]:
    """Fly one landing of a plan again; record, course, and the world at the end."""
    settle()
    scene, setup = plan.scene(number), plan.setup()
    place = make_scene_ground(scene, setup.decision)
    scene = over_photo(scene, place.world)
    flown, world = fly(plan, scene, place, policy, setup)
    return score(scene, policy, place, world, flown, setup.decision), flown, world


def picture_of(plan: Plan, record: Record) -> bytes:
    """A PNG of a landing of a plan, flown again for it."""
    again, flown, world = refly(plan, record["scene"], record["policy"])
    return _drawn(plan, again, flown, world)


def _drawn(plan: Plan, record: Record, flown: Flown, world: World) -> bytes:
    radius_m = plan.setup().decision.vehicle_radius_m
    sites: list[tuple[float, float]] = []
    for point in flown.track:
        site = point.target_ne_m
        if site is not None and (not sites or math.dist(site, sites[-1]) > 1.0):
            sites.append(site)
    down = record["touchdown"]
    picture = FlightPicture(
        record["verdict"],
        _facts(record),
        [note for event in flown.events for note in _notes(event)],
        flown.track,
        [(*site, radius_m) for site in sites],
        record["start_ne_m"],
        None if down is None else down["ne_m"],
        radius_m,
    )
    return draw_flight(picture, world)


def _notes(event: dict[str, Any]) -> list[str]:
    """An event in words; none for those that are not drawn."""
    words = {
        "transition": "{to_state}: {reason}",
        "command": "{command}: {reason}",
        "intruder": "intruder sets out",
        "pilot": "pilot: {mode}",
    }.get(event["event"])
    return [] if words is None else [f"{event['t_s']:.1f} s {words.format_map({'mode': 'goes down', **event})}"]


def _facts(record: Record) -> list[str]:
    c: dict[str, Any] = record["conditions"]
    lines = [
        f"scene {record['scene']}, {record['policy']}: {record['reason']}".rstrip(": "),
        f"{record['world']} ({record['spec']}, seed {record['world_seed']}); by the truth: {record['site']}",
        f"wind {c['wind_mps']:.1f} m/s, gusts {c['gust_mps']:.1f}; field of view "
        f"{c['hfov_deg']:.0f} deg; inference {c['inference_ms']:.0f} ms; light {c['light']:.2f}",
        f"network {c['model_shift']:+.2f} probits; drift {c['position_wander_m']:.2f} m; attitude "
        f"{c['attitude_noise_deg']:.2f} deg; mount {c['mount_error_deg']:.2f} deg",
    ]
    down = record["touchdown"]
    if down is not None:
        miss = "-" if down["miss_m"] is None else f"{down['miss_m']:.2f} m"
        lines.append(
            f"touchdown on {', '.join(down['classes'])}; hazard {down['hazard_m']:.1f} m, person "
            f"{min(down['person_m'], 999):.1f} m away; {miss} from the site"
        )
    return lines


def replay(folder: Path, number: int, policy: str | None, sheet: bool) -> tuple[Record, Path, bool]:
    """Flies a landing of a campaign's folder again and writes what there is to see.

    Args:
        folder: Of the campaign.
        number: Of the scene.
        policy: Whose; the campaign's first when None.
        sheet: Also what the camera saw, as a contact sheet.

    Returns:
        The record, the folder with picture and trace, and false where the campaign's results hold another record.

    Raises:
        CampaignError: The folder is none, or has no such scene or policy.
    """
    plan, records = read_campaign(folder)
    policy = plan.policies[0] if policy is None else policy
    if not 0 <= number < plan.scenes or policy not in plan.policies:
        raise CampaignError(
            f"{folder} has scenes 0 to {plan.scenes - 1} of {', '.join(plan.policies)}; asked for "
            f"scene {number} of {policy}"
        )
    record, flown, world = refly(plan, number, policy)
    before = next((r for r in records if (r["scene"], r["policy"]) == (number, policy)), None)
    same = before is None or line_of(before) == line_of(record)
    out = folder / "replay" / f"scene-{number}-{policy}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "landing.png").write_bytes(_drawn(plan, record, flown, world))
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    track = [{"event": "moment", **vars(m)} for m in flown.track]
    trace = sorted([*flown.events, *track], key=lambda e: float(e["t_s"]))
    (out / "trace.jsonl").write_text("".join(json.dumps(e) + "\n" for e in trace), "utf-8")
    if sheet:
        write_picture(out / "camera.jpg", contact_sheet(plan, number, flown, world))
    return record, out, same


def contact_sheet(plan: Plan, number: int, flown: Flown, world: World) -> ByteArray:
    """Return pictures of the camera at equal steps of the landing, the target marked; uint8 (h, w, 3)."""
    scene = over_photo(plan.scene(number), world)
    camera = true_camera(scene.conditions, stream(scene.key, "mount")).resized(*TILE_PX)
    count = SHEET_COLUMNS * SHEET_ROWS
    flying = [m for m in flown.track if m.height_m > 0.2] or flown.track
    chosen = [flying[round(k)] for k in np.linspace(0, len(flying) - 1, count)]
    level = quaternion_from_euler(0.0, 0.0, math.radians(scene.conditions.yaw_deg))
    tiles = []
    for moment in chosen:
        ground_m = world.height_at(moment.north_m, moment.east_m)
        down_m = -(moment.height_m + ground_m)
        pose = Pose(0, level, (moment.north_m, moment.east_m, down_m), moment.height_m)
        image, _ = render(world, camera, pose, moment.t_s, labels=False)
        if moment.target_ne_m is not None:
            site = np.array([[*moment.target_ne_m, -world.height_at(*moment.target_ne_m)]])
            u, v = camera.pixel_from_ned(site, pose)[0]
            if math.isfinite(u) and abs(u) < 1e4 and abs(v) < 1e4:
                radius = max(4, round(camera.fx * 0.5 / max(moment.height_m, 0.5)))
                cv2.circle(image, (round(u), round(v)), radius, (80, 255, 80), 2, cv2.LINE_AA)
        words = f"{moment.t_s:.1f} s  {moment.height_m:.1f} m  {moment.state}"
        for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(image, words, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, width, cv2.LINE_AA)
        tiles.append(image)
    rows = [np.hstack(tiles[k : k + SHEET_COLUMNS]) for k in range(0, count, SHEET_COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)
