"""One picture of a landing: the ground from above with everything that mattered, and the height."""

from __future__ import annotations

import io
import math
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from landing.types import ByteArray
from sim.campaign.score import PERSON_AWAY_M, Record
from sim.campaign.trace import Flown, TrackPoint
from sim.world import World

STATE_COLORS = {
    "search": "#9aa0a6",
    "confirm": "#f4b942",
    "track": "#4aa3ff",
    "descend": "#2ecc71",
    "commit": "#0b8f4d",
    "landed": "#0b8f4d",
    "hold": "#ff7043",
    "abort": "#d81b60",
}
VERDICT_COLORS = {"landed-safe": "#1b9e4b", "landed-unsafe": "#d6283b", "no-site": "#e0a100", "timeout": "#6c757d"}
GROUND_PX = 1600
MARGIN_M = 12.0
ROLE_LETTERS = {"person": "P", "car": "C"}


def draw_landing(record: Record, flown: Flown, world: World, vehicle_radius_m: float) -> bytes:
    """A PNG of a landing.

    Args:
        record: Its line of the results.
        flown: What happened.
        world: As it was at the end.
        vehicle_radius_m: Of the vehicle.
    """
    figure = Figure(figsize=(11.4, 6.6), dpi=100, layout="constrained")
    ground, side = figure.subplots(1, 2, width_ratios=(1.55, 1.0))
    _draw_ground(ground, record, flown, world, vehicle_radius_m)
    _draw_heights(side, record, flown)
    figure.suptitle(_title(record), fontsize=11, color=VERDICT_COLORS[record["verdict"]])
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _title(record: Record) -> str:
    words = f"scene {record['scene']}, {record['policy']}: {record['verdict']}"
    return f"{words}, {record['reason']}"[:150] if record["reason"] else words


def _draw_ground(axes: Axes, record: Record, flown: Flown, world: World, vehicle_radius_m: float) -> None:
    end = flown.track[-1]
    picture, _ = world.picture(GROUND_PX, t_s=end.t_s)
    _shade_unlandable(picture, world)
    south, north, west, east = world.extent_m
    axes.imshow(picture[..., ::-1], extent=(west, east, south, north), interpolation="bilinear")
    points = np.array([[m.east_m, m.north_m] for m in flown.track])
    colors = [STATE_COLORS.get(m.state, "#ffffff") for m in flown.track[:-1]]
    segments = np.stack([points[:-1], points[1:]], axis=1)
    outline = LineCollection(list(segments), colors="#000000", linewidths=4.5, alpha=0.6)
    axes.add_collection(outline)
    axes.add_collection(LineCollection(list(segments), colors=colors, linewidths=2.6))
    for number, site in enumerate(_sites(flown.track), start=1):
        axes.plot(site[1], site[0], "+", color="white", markersize=9, markeredgewidth=2.2)
        axes.annotate(
            str(number),
            (site[1], site[0]),
            xytext=(4, 4),
            textcoords="offset points",
            color="white",
            fontsize=9,
            fontweight="bold",
        )
    for state in world.actors_at(end.t_s):
        person = state.kind == "person"
        color = "#ff2fd0" if person else "#ffd166"
        axes.add_patch(Circle((state.east_m, state.north_m), PERSON_AWAY_M, fill=False, edgecolor=color, linewidth=1.3))
    start = record["start_ne_m"]
    axes.plot(start[1], start[0], "^", color="white", markeredgecolor="black", markersize=10)
    touchdown = record["touchdown"]
    where = touchdown["ne_m"] if touchdown else (end.north_m, end.east_m)
    axes.add_patch(
        Circle(
            (where[1], where[0]),
            vehicle_radius_m,
            alpha=0.95,
            edgecolor="white",
            facecolor=VERDICT_COLORS[record["verdict"]],
            linewidth=1.6,
            zorder=5,
        )
    )
    _zoom(axes, points, start, world)
    axes.set_xlabel("east, m (north is up; red tint: not landable; rings: 2 m around people, cars)", fontsize=8)
    axes.set_ylabel("north, m", fontsize=8)
    axes.tick_params(labelsize=8)


def _zoom(axes: Axes, points: np.ndarray, start: list[float], world: World) -> None:
    """Shows the flight with some ground around it, as a square within the world."""
    every = np.vstack([points, [[start[1], start[0]]]])
    low, high = every.min(axis=0) - MARGIN_M, every.max(axis=0) + MARGIN_M
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 18.0)
    south, north, west, east = world.extent_m
    axes.set_xlim(max(west, middle[0] - half), min(east, middle[0] + half))
    axes.set_ylim(max(south, middle[1] - half), min(north, middle[1] + half))


def _shade_unlandable(picture: ByteArray, world: World) -> None:
    size = (picture.shape[1], picture.shape[0])
    labels = cv2.resize(world.labels, size, interpolation=cv2.INTER_NEAREST)
    bad = ~world.taxonomy.landable_lut[labels]
    tinted = picture[bad].astype(np.float32) * 0.66 + np.array([14, 0, 62], np.float32)
    picture[bad] = np.clip(tinted, 0, 255).astype(np.uint8)


def _sites(track: list[TrackPoint]) -> list[tuple[float, float]]:
    """Places that were sent one after the other, each once."""
    sites: list[tuple[float, float]] = []
    for moment in track:
        site = moment.target_ne_m
        if site is not None and (not sites or np.hypot(*np.subtract(site, sites[-1])) > 1.0):
            sites.append(site)
    return sites


def _draw_heights(axes: Axes, record: Record, flown: Flown) -> None:
    times = np.array([m.t_s for m in flown.track])
    heights = np.array([m.height_m for m in flown.track])
    order = np.argsort(times, kind="stable")
    for state, color in STATE_COLORS.items():
        mask = np.array([flown.track[k].state == state for k in order])
        if mask.any():
            axes.scatter(times[order][mask], heights[order][mask], s=5, color=color, label=state)
    said_s = -math.inf
    for event in flown.events:
        if event["event"] in ("intruder", "command", "pilot"):
            said = {"intruder": "intruder sets out", "pilot": f"pilot {event.get('mode')}"}
            words = said.get(event["event"], f"{event.get('command')}: {event.get('reason')}")
            axes.axvline(event["t_s"], color="#888888", linewidth=0.6)
            # One right after another would be printed over it; lower down is room.
            top = 0.99 if event["t_s"] - said_s > 0.03 * times[-1] else 0.55
            said_s = event["t_s"] if top > 0.9 else -math.inf
            axes.annotate(
                words[:46],
                (event["t_s"], top),
                xycoords=("data", "axes fraction"),
                rotation=90,
                va="top",
                ha="right",
                fontsize=6,
                color="#333333",
            )
    axes.set_xlabel("time, s", fontsize=8)
    axes.set_ylabel("height, m", fontsize=8)
    axes.set_ylim(bottom=-1.0)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=7, markerscale=2.5, loc="center right")
    axes.set_title(_facts(record), fontsize=7.5, loc="left")


def _facts(record: Record) -> str:
    c: dict[str, Any] = record["conditions"]
    lines = [
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
    return "\n".join(lines)
