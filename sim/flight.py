"""One whole landing: autopilot, camera and the ordinary `edge serve`, each a process of its own.

The daemon is started the way a user starts it and knows nothing of the simulator: it gets frames
from a `pipe:` camera and MAVLink over TCP. The pilot is this module: it hovers until the daemon
says that it tracks a site, switches to LAND, and takes over when the daemon says that the site is
lost (that is what `advise`, the smallest authority, asks of a pilot; see SAFETY.md).
"""

from __future__ import annotations

import json
import math
import select
import shlex
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.errors import TouchdownError
from sim.autopilot import Mode
from sim.ground_station import GroundStation, TruthSample
from sim.home import Home
from sim.world import World, parse_world_spec, save_world, suggest_start
from sim.world.model import DiscTruth

PROCESS_START_S = 30.0
STOP_S = 5.0
HOLD_PATIENCE_S = 1.5
"""How long the pilot lets the daemon be without a site before taking over."""

STEADY_S = 1.0
"""A site must have been tracked for so long before the pilot trusts it with a landing."""

TAKE_OVER_ABOVE_M = 3.0
"""Lower than this the pilot lets the landing finish."""

PLND_PARAMETERS = {"PLND_ENABLED": 1, "PLND_TYPE": 1, "RNGFND1_TYPE": 100, "RNGFND1_MIN_CM": 10,
                   "RNGFND1_MAX_CM": 4000, "RNGFND1_ORIENT": 25}  # fmt: skip
"""What the facts of ArduPilot say a precision landing needs."""


CAMERA_EFFECTS = {"noise": 3.0, "exposure": 0.004, "exposure-wobble": 0.05, "vignetting": 0.15,
                  "lens-blur": 0.6, "dropped": 0.02}  # fmt: skip
"""A middling camera: grey steps, seconds, shares, pixels (see `sim.camera_process`)."""


class FlightError(TouchdownError):
    """A process of the simulation failed, so nothing can be said of the landing."""

    exit_code = 4


@dataclass(frozen=True)
class FlightPlan:
    """What to fly.

    Attributes:
        model: ONNX file made by `touchdown export onnx`.
        out: Folder for configuration, logs, result and picture.
        world: Specification, see `sim.world.spec.GRAMMAR`.
        seed: Of the world, the start, the wind's gusts and the camera's noise.
        height_m: Start height above ground.
        start_ne_m: Start over the ground; chosen by the seed when None.
        yaw_deg: Heading; chosen by the seed when None.
        wind: Speed m/s and direction it comes from, degrees.
        gust_mps: Standard deviation of gusts.
        vehicle_radius_m: The ground truth must be landable within this radius.
        width_px, height_px, hfov_deg, fps: The camera.
        threads: Of the network's inference.
        search_s: The pilot gives up hovering without a site after this time.
        timeout_s: Limit for the whole flight.
        settings: Further daemon configuration, by section.
    """

    model: Path
    out: Path
    world: str = "procedural"
    seed: int = 0
    height_m: float = 20.0
    start_ne_m: tuple[float, float] | None = None
    yaw_deg: float | None = None
    wind: tuple[float, float] = (2.0, 230.0)
    gust_mps: float = 0.5
    vehicle_radius_m: float = 0.5
    width_px: int = 640
    height_px: int = 480
    hfov_deg: float = 80.0
    fps: float = 10.0
    threads: int = 1
    search_s: float = 25.0
    timeout_s: float = 240.0
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class FlightResult:
    """How it ended.

    Attributes:
        verdict: `landed-safe`, `landed-unsafe`, `abstained` or `not-landed`.
        reason: Why there was no landing, in words; empty after a landing.
        touchdown_ne_m: Where it came down.
        truth: What the ground there really is, within the vehicle's radius.
        site_ne_m: The site it was led to at the end.
        miss_m: From that site to the touchdown.
        seconds: From the order to land to the touchdown.
        sites: All sites the daemon chose, in order, each with its event.
        take_overs: How often the pilot had to stop a descent because the site was lost.
        transitions: The director's.
        daemon: Its counters and latencies at the end.
    """

    world: str
    seed: int
    verdict: str
    reason: str = ""
    start_ne_m: tuple[float, float] = (0.0, 0.0)
    start_height_m: float = 0.0
    straight_down_ok: bool | None = None
    touchdown_ne_m: tuple[float, float] | None = None
    truth: DiscTruth | None = None
    site_ne_m: tuple[float, float] | None = None
    miss_m: float | None = None
    seconds: float | None = None
    take_overs: int = 0
    sites: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    daemon: dict[str, Any] = field(default_factory=dict)
    picture: str = ""

    @property
    def exit_status(self) -> int:
        """0 for a safe landing, 3 for an abstention, 1 for anything else."""
        return {"landed-safe": 0, "abstained": 3}.get(self.verdict, 1)

    def summary(self) -> str:
        """One line for people."""
        words = f"seed {self.seed}: {self.verdict}"
        if self.truth is not None and self.miss_m is not None and self.seconds is not None:
            words += (
                f" on {', '.join(self.truth.classes)}, {self.miss_m:.2f} m from the site, "
                f"{self.truth.clearance_m:.1f} m clear, {self.seconds:.0f} s"
            )
        if self.reason:
            words += f", {self.reason}"
        return words + (f", {self.take_overs} take-overs" if self.take_overs else "")

    def to_json(self) -> dict[str, Any]:
        """As written to `result.json`."""
        return asdict(self)


def toml_value(value: Any) -> str:
    """A TOML literal; strings and numbers look the same as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)


def daemon_config(plan: FlightPlan, world_folder: Path, daemon_link: str, camera_link: str) -> str:
    """The `edge.toml` of a simulated flight."""
    camera = [
        sys.executable, "-m", "sim.camera_process", "--world", str(world_folder),
        "--autopilot", camera_link, "--seed", str(plan.seed),
        "--width", str(plan.width_px), "--height", str(plan.height_px),
        "--hfov-deg", str(plan.hfov_deg), "--fps", str(plan.fps),
        *(part for name, value in CAMERA_EFFECTS.items() for part in (f"--{name}", str(value))),
    ]  # fmt: skip
    sections: dict[str, dict[str, Any]] = {
        "model": {"path": plan.model.resolve(), "threads": plan.threads},
        "camera": {
            "source": "pipe:" + shlex.join(camera), "width_px": plan.width_px,
            "height_px": plan.height_px, "fps": plan.fps, "hfov_deg": plan.hfov_deg,
            "start_timeout_ms": 30000.0,
        },
        "link": {"connection": daemon_link},
        "decision": {"vehicle_radius_m": plan.vehicle_radius_m},
        "log": {"events": "events.jsonl"},
    }  # fmt: skip
    for name, values in plan.settings.items():
        sections.setdefault(name, {}).update(values)
    lines = ["# Written by touchdown sim land."]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {toml_value(v)}" for key, v in values.items())]
    return "\n".join(lines) + "\n"


class EventTail:
    """Reads the daemon's event log while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.events: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        new = [json.loads(line) for line in whole.splitlines()]
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


def fly(plan: FlightPlan) -> tuple[FlightResult, World, list[TruthSample]]:
    """Flies the plan.

    Returns:
        The result, the world and the true track.

    Raises:
        FlightError: A process did not start or died.
        TouchdownError: The world or its start cannot be made.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    events_path = plan.out / "events.jsonl"
    events_path.unlink(missing_ok=True)
    world = parse_world_spec(plan.world, plan.seed)
    world_folder = plan.out / "world"
    save_world(world, world_folder)
    start = plan.start_ne_m or suggest_start(world, plan.seed)
    result = FlightResult(
        world=world.name, seed=plan.seed, verdict="not-landed", start_ne_m=start,
        start_height_m=plan.height_m,
    )  # fmt: skip
    with ExitStack() as stack:
        links = _start_autopilot(plan, start, stack)
        config = plan.out / "edge.toml"
        config.write_text(daemon_config(plan, world_folder.resolve(), links[0], links[1]), "utf-8")
        station = stack.enter_context(GroundStation(links[2], Home()))
        daemon = _start(
            [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)],
            plan.out / "daemon.log", stack,
        )  # fmt: skip
        _Pilot(plan, world, station, EventTail(events_path), daemon, result).fly()
        track = list(station.track)
        result.texts = [f"{t.boot_s:.1f} [{t.component}] {t.text}" for t in station.texts]
    tail = EventTail(events_path)
    tail.read()
    _complete(result, tail, world, track, plan)
    return result, world, track


def _start_autopilot(plan: FlightPlan, start: tuple[float, float], stack: ExitStack) -> list[str]:
    """Starts the stand-in, airborne; returns its links for daemon, camera and pilot."""
    yaw_deg = plan.yaw_deg if plan.yaw_deg is not None else (plan.seed * 137.5) % 360.0
    command = [
        sys.executable, "-m", "sim.autopilot", "--airborne", str(plan.height_m),
        "--mode", "GUIDED", "--start-n", str(start[0]), "--start-e", str(start[1]),
        "--yaw", str(yaw_deg), "--wind", f"{plan.wind[0]},{plan.wind[1]}",
        "--gust-mps", str(plan.gust_mps), "--seed", str(plan.seed),
    ]  # fmt: skip
    for _ in range(3):
        command += ["--link", "tcp:127.0.0.1:0"]
    for name, value in PLND_PARAMETERS.items():
        command += ["--param", f"{name}={value}"]
    process = _start(command, plan.out / "autopilot.log", stack, stdout=subprocess.PIPE)
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PROCESS_START_S)
    line = process.stdout.readline() if ready else b""
    try:
        links = json.loads(line)["links"]
    except (ValueError, KeyError):
        raise FlightError(
            f"the stand-in autopilot did not start; see {plan.out / 'autopilot.log'}"
        ) from None
    return [str(link) for link in links]


def _start(
    command: list[str], log: Path, stack: ExitStack, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """Starts a process that is ended, at the latest by force, when the stack unwinds."""
    stream = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout or stream, stderr=stream,
        start_new_session=True,
    )  # fmt: skip
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
    if process.stdout is not None:
        process.stdout.close()


class _Pilot:
    """Hovers, lands when there is a site, takes over when it is lost."""

    def __init__(
        self, plan: FlightPlan, world: World, station: GroundStation, tail: EventTail,
        daemon: subprocess.Popen[bytes], result: FlightResult,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._world = world
        self._station = station
        self._tail = tail
        self._daemon = daemon
        self._result = result
        self._deadline_s = time.monotonic() + plan.timeout_s

    def fly(self) -> None:
        station = self._station
        station.wait_for_autopilot(PROCESS_START_S)
        station.ask_for(mavlink.MAVLINK_MSG_ID_ATTITUDE, 50.0)
        station.ask_for(mavlink.MAVLINK_MSG_ID_SIM_STATE, 25.0)
        station.ask_for(mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE, 10.0)
        self._wait_for_daemon()
        ordered_s: float | None = None
        while self._hover_until_tracking():
            station.set_mode(Mode.LAND)
            ordered_s = station.boot_s if ordered_s is None else ordered_s
            if self._watch_landing():
                self._result.verdict = "landed"
                assert ordered_s is not None
                self._result.seconds = station.boot_s - ordered_s
                return
            self._result.take_overs += 1
            station.set_mode(Mode.GUIDED)

    def _look(self) -> None:
        """One short wait for news.

        Raises:
            FlightError: The daemon has ended, or the time is up.
        """
        self._station.poll(0.05)
        self._tail.read()
        if self._daemon.poll() is not None:
            raise FlightError(
                f"edge serve ended with status {self._daemon.returncode}; "
                f"see {self._plan.out / 'daemon.log'}"
            )

    def _wait_for_daemon(self) -> None:
        deadline_s = time.monotonic() + PROCESS_START_S
        while self._tail.last("ready") is None:
            self._look()
            if time.monotonic() > deadline_s:
                raise FlightError(f"edge serve was not ready in time; see {self._plan.out}")

    def _hover_until_tracking(self) -> bool:
        """True when the daemon tracks a site; False when the pilot gives up."""
        deadline_s = min(time.monotonic() + self._plan.search_s, self._deadline_s)
        tracked_since_s: float | None = None
        while True:
            self._look()
            now_s = time.monotonic()
            if self._tail.state != "track":
                tracked_since_s = None
            elif tracked_since_s is None:
                tracked_since_s = now_s
            elif now_s - tracked_since_s >= STEADY_S:
                return True
            if now_s > deadline_s:
                said = self._tail.last("no-site", "transition")
                words = f"{said.get('reason')}: {said.get('detail', '')}" if said else "no site"
                self._result.verdict = "abstained"
                self._result.reason = words.strip(": ")
                return False

    def _watch_landing(self) -> bool:
        """True when it has landed; False when the pilot must take over."""
        lost_since_s: float | None = None
        while not self._landed():
            self._look()
            now_s = time.monotonic()
            if now_s > self._deadline_s:
                raise FlightError(f"not landed after {self._plan.timeout_s:g} s")
            truth = self._station.truth
            high = truth is not None and truth.height_m > TAKE_OVER_ABOVE_M
            if self._tail.state in ("hold", "abort") and high:
                lost_since_s = now_s if lost_since_s is None else lost_since_s
                if now_s - lost_since_s > HOLD_PATIENCE_S:
                    return False
            else:
                lost_since_s = None
        return True

    def _landed(self) -> bool:
        on_ground = self._station.landed_state == mavlink.MAV_LANDED_STATE_ON_GROUND
        return on_ground or not self._station.armed


def _complete(
    result: FlightResult, tail: EventTail, world: World, track: list[TruthSample], plan: FlightPlan
) -> None:
    """Judges by the ground truth and gathers what the daemon said."""
    keep = ("from_state", "to_state", "reason", "mono_ns")
    result.transitions = [
        {key: e[key] for key in keep if key in e} for e in tail.events if e["event"] == "transition"
    ]
    chosen = [e for e in tail.events if e["event"] in ("site-chosen", "site-changed")]
    result.sites = [{"event": e["event"], **e["site"]} for e in chosen]
    last = tail.last("stop")
    result.daemon = {k: v for k, v in (last or {}).items() if k not in ("time", "event")}
    if track:
        first = track[0]
        below = world.landable_disc(
            first.north_m, first.east_m, plan.vehicle_radius_m, first.boot_s
        )
        result.straight_down_ok = below.all_landable
    if result.verdict != "landed" or not track:
        return
    down = track[-1]
    result.touchdown_ne_m = (round(down.north_m, 3), round(down.east_m, 3))
    result.truth = world.landable_disc(
        down.north_m, down.east_m, plan.vehicle_radius_m, down.boot_s
    )
    result.verdict = "landed-safe" if result.truth.all_landable else "landed-unsafe"
    if result.sites:
        north, east, _ = result.sites[-1]["position_ned_m"]
        result.site_ne_m = (north, east)
        result.miss_m = round(math.hypot(down.north_m - north, down.east_m - east), 3)
