"""The ordinary `edge serve` of a simulated flight: its configuration, its process, its events."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge.keys import to_file
from firmware_bridge import events
from sim.flight.plan import FlightPlan
from sim.vehicle.home import Home
from sim.vehicle.processes import FlightError, start_process

ORDERS = "camera-orders.jsonl"


def toml_value(value: Any) -> str:
    """A TOML literal; strings and numbers look the same as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)


def daemon_config(
    plan: FlightPlan, world_folder: Path, daemon_link: str, camera_link: str, home: Home | None = None
) -> str:
    """The `edge.toml` of a simulated flight."""
    where = home or Home()
    options = {
        "world": world_folder,
        "autopilot": camera_link,
        "seed": plan.seed,
        "home": f"{where.lat_deg},{where.lon_deg},{where.alt_m}",
        "width": plan.width_px,
        "height": plan.height_px,
        "hfov-deg": plan.hfov_deg,
        "fps": plan.fps,
        "latency": plan.camera_latency_s,
        "shake-deg": plan.attitude_noise_deg,
        "orders": (plan.out / ORDERS).resolve(),
    }
    camera = [sys.executable, "-m", "sim.camera.process"]
    camera += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    camera += [part for name, value in plan.effects.items() for part in ("--effect", f"{name}={value}")]
    camera += ["--painted"] if plan.painted else []
    camera += ["--gimbal"] if plan.gimbal else []
    sections: dict[str, dict[str, Any]] = {
        "model": {"path": plan.model.resolve(), "threads": plan.threads},
        "camera": {
            "source": "pipe:" + shlex.join(camera),
            "width_px": plan.width_px,
            "height_px": plan.height_px,
            "fps": plan.fps,
            "hfov_deg": plan.hfov_deg,
            "latency_ms": 1000.0 * plan.camera_latency_s,
            "start_timeout_ms": 30000.0,
            **({"gimbal": "mavlink", "gimbal_down": True} if plan.gimbal else {}),
        },
        "link": {"connection": daemon_link},
        "decision": {"vehicle_radius_m": plan.vehicle_radius_m},
        "picture": {"least_sharpness": 0.0},  # from near a world is coarser than the camera
        "log": {"events": "events.jsonl"},
    }
    if plan.painted:  # one flat colour over the whole picture, be it dark, is no fault there
        unchecked = dict.fromkeys(("least_brightness", "least_contrast"), 0.0)
        sections["picture"] |= {**unchecked, "frozen_after_m": 10.0, "frozen_after_deg": 90.0}
    if plan.authority != "advise":
        # The stand-in's flight begins in the air.
        sections["authority"] = {"level": plan.authority, "begin_in_air": True}
        if plan.guard_s is not None:
            sections["authority"]["max_total_s"] = plan.guard_s
    if plan.pad is not None:
        sections["pad"] = plan.pad.settings.model_dump(exclude_none=True)
    for name, values in plan.settings.items():
        sections.setdefault(name, {}).update(values)
    lines = ["# Written by touchdown sim land."]
    for name, values in to_file(sections).items():
        lines += ["", f"[{name}]", *(f"{key} = {toml_value(v)}" for key, v in values.items())]
    return "\n".join(lines) + "\n"


class DaemonEvents:
    """Reads the daemon's event log while it grows."""

    def __init__(self, path: Path) -> None:
        self._tail = events.EventTail(path, first_bytes=sys.maxsize)
        self.events: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        new = self._tail.read()
        self.events += new
        return new

    def last(self, *names: str) -> dict[str, Any] | None:
        """The newest event with one of these names."""
        return next((e for e in reversed(self.events) if e["event"] in names), None)

    @property
    def state(self) -> str:
        """The director's state."""
        change = self.last("transition")
        return str(change["to_state"]) if change else "search"

    @property
    def words(self) -> str:
        """Its last words on its state, for people."""
        said = self.last("transition", "no-site")
        if said is None:
            return "search"
        detail = f": {said['detail']}" if said.get("detail") else ""
        between = " since " if said.get("to_state") == "commit" else ", "  # its height is of that moment
        return f"{self.state}{between}{said['reason']}{detail}"

    @property
    def descend_to_m(self) -> float | None:
        """The height above ground below which it looks for a site, while it says so; None otherwise."""
        event = self.last("no-site", "site-chosen")
        return None if event is None else event.get("descend_to_m")

    @property
    def site(self) -> dict[str, Any] | None:
        """The site it last chose, in the autopilot's frame; None before the first."""
        event = self.last("site-chosen", "site-changed")
        return None if event is None else dict(event["site"])


def site_led_to(events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The last site for which a target was sent, in the autopilot's frame; None without any.

    One that was chosen later, while no target was sent, has not been flown to.
    """
    sending = False
    chosen: dict[str, Any] | None = None
    led: dict[str, Any] | None = None
    for event in events:
        if event["event"] in ("site-chosen", "site-changed"):
            chosen = dict(event["site"])
        elif event["event"] in ("target-start", "target-stop"):
            sending = event["event"] == "target-start"
        if sending and chosen is not None:
            led = chosen
    return led


class DaemonProcess:
    """`touchdown edge serve`, started the way a user starts it; it knows nothing of a simulator.

    Args:
        config: Its `edge.toml`; the event log is beside it.
        stack: Ends it.
    """

    def __init__(self, config: Path, stack: ExitStack) -> None:
        self._folder = config.parent
        self.tail = DaemonEvents(self._folder / "events.jsonl")
        self.killed = False
        self._process: subprocess.Popen[bytes] = start_process(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)],
            self._folder / "daemon.log",
            stack,
        )

    def read_events(self) -> None:
        """Reads its newest events.

        Raises:
            FlightError: It has ended by itself.
        """
        self.tail.read()
        if self._process.poll() is not None and not self.killed:
            raise FlightError(
                f"edge serve ended with status {self._process.returncode}; see {self._folder / 'daemon.log'}"
            )

    def kill(self) -> None:
        """SIGKILL: no farewell."""
        self.killed = True
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """SIGTERM."""
        self.killed = True
        self._process.terminate()
