"""One whole landing: autopilot, camera and the ordinary `edge serve`, each a process of its own.

The daemon is started the way a user starts it and knows nothing of the simulator: it gets frames from a `pipe:` camera
and MAVLink from the autopilot, be it the stand-in, ArduPilot or PX4. On the simulated clock the same parts fly in this
process, see `sim.flight.simulated`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edge.resolved import ResolvedFlight
from landing.camera import CameraModel
from landing.errors import TouchdownError
from sim.flight.daemon import ORDERS, DaemonEvents, DaemonProcess, daemon_config, site_led_to
from sim.flight.link_proxy import LinkProxy
from sim.flight.photo_judge import coarser_words
from sim.flight.photo_sensor import resolved_height_m
from sim.flight.picture import FlightPicture, draw_flight
from sim.flight.piloted import Cable, FollowedDaemon, PilotedFlight
from sim.flight.plan import Fault, FlightPlan, FlightResult, TrackPoint
from sim.flight.simulated import SimulatedStandIn, text_log
from sim.flight.too_slow import too_slow
from sim.flight.touchdown_judge import STRUCK, UNSAFE, judge_touchdown, met, nearest_person_m
from sim.vehicle.autopilot_process import AutopilotProcess, StartConditions, fly_to_start
from sim.vehicle.autopilots import make_autopilot
from sim.vehicle.ground_station import GroundStation, TruthSample
from sim.vehicle.processes import FlightError
from sim.vehicle.sitl.namespace import loopback_only
from sim.vehicle.smart_battery import SmartBattery
from sim.vehicle.standin import PLND_PARAMETERS
from sim.world import World, parse_world_spec, save_world, suggest_start
from sim.world.model import DiscTruth
from sim.world.pad_place import place_pad, start_beside
from sim.world.spec import adversarial_scenario
from sim.world.start import photo_height_m

CONTACT_M = 0.03
"""A vehicle no higher than this is on the ground, m."""


def quiet(_text: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Parties:
    """Everybody in a flight but the pilot."""

    autopilot: AutopilotProcess
    station: GroundStation
    daemon: FollowedDaemon
    cable: Cable | None


def fly_one(plan: FlightPlan, say: Callable[[str], None] = quiet) -> FlightResult:
    """Flies a plan and writes `result.json` and `landing.png` into its folder, whatever becomes of the flight.

    Args:
        plan: Of the flight.
        say: Told how the flight goes.

    Raises:
        FlightError: A process did not start or died.
        MissingSimulatorError: The autopilot's simulator is not installed.
        TouchdownError: The world or its start cannot be made.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    for name in ("events.jsonl", ORDERS, "daemon.log", "autopilot.log"):
        (plan.out / name).unlink(missing_ok=True)
    world = parse_world_spec(plan.world, plan.seed)
    plan = _over_photograph(plan, world)
    start = plan.start_ne_m or suggest_start(world, plan.seed)
    if plan.pad is not None:
        pad = place_pad(world, plan.pad, plan.seed)
        world, start = replace(world, pad=pad), plan.start_ne_m or start_beside(pad, plan.seed)
    result = FlightResult(
        world=world.name,
        seed=plan.seed,
        verdict="not-landed",
        autopilot=plan.autopilot,
        start_ne_m=start,
        start_height_m=plan.height_m,
        clock=plan.clock,
    )
    save_world(world, plan.out / "world")
    failure: TouchdownError | None = None
    meet = _in_process if plan.clock == "simulated" else _as_processes
    with ExitStack() as stack:
        parties = meet(plan, _conditions(plan, start), world, stack)
        station = parties.station
        flight = PilotedFlight(
            plan, world, parties.autopilot, station, parties.daemon, parties.cable, result, stack, say
        )
        try:
            flight.fly()
        except TouchdownError as error:
            failure, result.reason = error, str(error)
        world = flight.world
        result.texts = [f"{t.boot_s:.1f} [{t.component}] {t.text}" for t in station.texts]
        result.version = station.version
    tail = DaemonEvents(plan.out / "events.jsonl")
    tail.read()
    _complete(result, tail, world, station, plan)
    _write(plan, result, world, list(station.track))
    if failure is not None:
        raise failure
    return result


def _over_photograph(plan: FlightPlan, world: World) -> FlightPlan:
    """The plan as it is flown over a photograph: along its sides, from no higher than shows its ground alone."""
    if world.photograph is None:
        return plan
    camera = CameraModel.from_hfov(plan.width_px, plan.height_px, plan.hfov_deg)
    height_m = min(plan.height_m, photo_height_m(world, camera))
    return replace(plan, height_m=height_m, yaw_deg=plan.yaw_deg or 0.0)


def _as_processes(plan: FlightPlan, conditions: StartConditions, world: World, stack: ExitStack) -> Parties:
    """In real time; the daemon's world is the saved one."""
    if world.heights_m is not None:
        raise FlightError(
            f"world {world.name!r} has heights, and in real time the ground below {plan.autopilot} is flat: fly the "
            "stand-in with --clock simulated"
        )
    autopilot = make_autopilot(plan.autopilot, conditions, plan.out)
    if autopilot.binds_everywhere:
        stack.enter_context(loopback_only())
    autopilot.start(stack)
    station = stack.enter_context(GroundStation(autopilot.links.pilot, autopilot.home))
    if plan.battery_left_s is not None:
        station.battery = SmartBattery(plan.battery_left_s)
    fly_to_start(autopilot, station)
    proxy = _proxy(plan, autopilot.links.daemon, stack)
    daemon_link = autopilot.links.daemon if proxy is None else proxy.connection
    config = _write_config(plan, daemon_link, autopilot)
    return Parties(autopilot, station, DaemonProcess(config, stack), proxy)


def _in_process(plan: FlightPlan, conditions: StartConditions, world: World, stack: ExitStack) -> Parties:
    """On the simulated clock."""
    if any(planned.fault is Fault.SWITCHED_OFF for planned in plan.faults):
        raise FlightError("a daemon on the simulated clock has no parameters: fly switched-off with --clock real")
    stack.enter_context(text_log(plan.out / "daemon.log"))
    autopilot = SimulatedStandIn(conditions, plan.out, world.height_at)
    autopilot.start(stack)
    station = stack.enter_context(GroundStation(autopilot.links.pilot, autopilot.home, autopilot, autopilot.clock.ns))
    fly_to_start(autopilot, station)
    config = _write_config(plan, autopilot.links.daemon, autopilot)
    return Parties(autopilot, station, autopilot.begin(plan, config, world, stack), autopilot)


def _write_config(plan: FlightPlan, daemon_link: str, autopilot: AutopilotProcess) -> Path:
    config = plan.out / "edge.toml"
    world_folder = (plan.out / "world").resolve()
    text = daemon_config(plan, world_folder, daemon_link, autopilot.links.camera, autopilot.home)
    config.write_text(text, "utf-8")
    return config


def _conditions(plan: FlightPlan, start: tuple[float, float]) -> StartConditions:
    yaw_deg = plan.yaw_deg if plan.yaw_deg is not None else (plan.seed * 137.5) % 360.0
    return StartConditions(
        start_ne_m=start,
        height_m=plan.height_m,
        yaw_deg=yaw_deg,
        wind=plan.wind,
        gust_mps=plan.gust_mps,
        seed=plan.seed,
        parameters={**(_of_px4(plan) if plan.autopilot == "px4" else _of_ardupilot(plan)), **plan.parameters},
    )


def _of_px4(plan: FlightPlan) -> dict[str, float]:
    return {} if plan.battery_left_s is None else {"SIM_BAT_ENABLE": 0}


def _of_ardupilot(plan: FlightPlan) -> dict[str, float]:
    return {**_moving_target(plan), **_battery(plan), **_mount(plan)}


def _moving_target(plan: FlightPlan) -> dict[str, float]:
    """Parameters of ArduPilot for a pad that moves: as the doctor sets them, and bit 0, moving target."""
    moves = plan.pad is not None and plan.pad.speed_mps > 0.0
    return {"PLND_OPTIONS": 1 + PLND_PARAMETERS["PLND_OPTIONS"]} if moves else {}


def _battery(plan: FlightPlan) -> dict[str, float]:
    """Parameters of ArduPilot for a battery that is watched, by voltage and current, where the plan has it run low."""
    return {"BATT_MONITOR": 4} if any(d.fault is Fault.BATTERY_LOW for d in plan.faults) else {}


def _mount(plan: FlightPlan) -> dict[str, float]:
    """Parameters of ArduPilot for a gimbal on servos, where the plan has one."""
    return {"MNT1_TYPE": 1} if plan.gimbal else {}


def _proxy(plan: FlightPlan, daemon_link: str, stack: ExitStack) -> LinkProxy | None:
    """Between daemon and autopilot, only when it is going to be cut."""
    if all(d.fault is not Fault.LINK_CUT for d in plan.faults):
        return None
    proxy = LinkProxy(daemon_link)
    stack.callback(proxy.close)
    proxy.start()
    return proxy


def _complete(result: FlightResult, tail: DaemonEvents, world: World, station: GroundStation, plan: FlightPlan) -> None:
    """Judges by the ground truth and gathers what the daemon said."""
    keep = ("from_state", "to_state", "reason", "mono_ns")
    result.transitions = [{key: e[key] for key in keep if key in e} for e in tail.events if e["event"] == "transition"]
    chosen = [e for e in tail.events if e["event"] in ("site-chosen", "site-changed")]
    origin_n_m, origin_e_m = station.origin_ne_m or (0.0, 0.0)
    for event in chosen:
        north_m, east_m, down_m = event["site"]["position_ned_m"]
        place = (origin_n_m + north_m, origin_e_m + east_m, down_m)
        result.sites.append({"event": event["event"], **event["site"], "position_ned_m": place})
    flown = tail.last("flight")
    result.flight = {k: flown[k] for k in ("sha256", "value")} if flown is not None else {}
    if world.photograph is not None:
        result.photograph = f"scale {world.photograph.scale}"
        if result.flight:
            camera = CameraModel.from_hfov(plan.width_px, plan.height_px, plan.hfov_deg)
            scale = ResolvedFlight.parse(result.flight["value"]).scale(camera)
            result.photograph += f"; {coarser_words(resolved_height_m(world, camera, scale))}"
    last = tail.last("stop")
    result.daemon = {k: v for k, v in (last or {}).items() if k not in ("time", "event")}
    track = station.track
    if track:
        first = track[0]
        below = world.landable_disc(first.north_m, first.east_m, plan.vehicle_radius_m, first.boot_s)
        result.straight_down_ok = below.all_landable
    points = _above_ground(world, track)
    struck = met(world, points, plan.vehicle_radius_m)
    if result.verdict != "landed" or not track:
        result.too_slow = too_slow(tail.events) or ""
        result.reason = result.too_slow or result.reason
        if struck:
            result.verdict, result.reason = STRUCK, struck
        return
    down = track[-1]
    result.touchdown_ne_m = (round(down.north_m, 3), round(down.east_m, 3))
    result.truth = world.landable_disc(down.north_m, down.east_m, plan.vehicle_radius_m, down.boot_s)
    nearest_m = min(result.truth.person_m, nearest_person_m(world, points))
    result.truth = replace(result.truth, person_m=nearest_m)
    result.verdict, result.reason = _judge(world, result.truth, result.touchdown_ne_m, plan, down.boot_s)
    if struck:
        result.verdict, result.reason = UNSAFE, struck
    if any(actor.kind == "person" for actor in world.actors):
        result.person_m = round(nearest_m, 2)
    if world.pad is not None:
        first = _first_contact(track)
        result.pad_miss_m = round(math.dist((first.north_m, first.east_m), world.pad.at(first.boot_s)), 3)
    _measure_miss(result, tail, station, down)


def _judge(
    world: World, truth: DiscTruth, place_ne_m: tuple[float, float], plan: FlightPlan, t_s: float
) -> tuple[str, str]:
    """Return verdict and reason of a touchdown; on an adversarial scenario that fails it is unsafe."""
    scenario = adversarial_scenario(plan.world)
    passed, why = (True, "") if scenario is None else scenario.evaluate(place_ne_m, t_s, world)
    return judge_touchdown(world, truth, place_ne_m, plan.vehicle_radius_m, t_s) if passed else (UNSAFE, why)


def _above_ground(world: World, track: list[TruthSample]) -> list[TrackPoint]:
    """Return a track with its heights above the ground below it; samples count from home, at height 0."""
    places = [(s.boot_s, s.north_m, s.east_m) for s in track]
    return [
        TrackPoint(*place, s.height_m - world.height_at(*place[1:])) for place, s in zip(places, track, strict=True)
    ]


def _first_contact(track: list[TruthSample]) -> TruthSample:
    """Return the sample at which the vehicle came down: a pad that moves goes on below it, for the ground does not."""
    first = track[-1]
    for sample in reversed(track):
        if sample.height_m > CONTACT_M:
            break
        first = sample
    return first


def _measure_miss(result: FlightResult, tail: DaemonEvents, station: GroundStation, down: TruthSample) -> None:
    """From the site that the vehicle was led to last to the touchdown, truly and as estimated."""
    site = site_led_to(tail.events)
    if site is None:
        return
    north_m, east_m, _ = site["position_ned_m"]
    origin_n_m, origin_e_m = station.origin_ne_m or (0.0, 0.0)
    true_n_m, true_e_m = origin_n_m + north_m, origin_e_m + east_m
    result.site_ne_m = (round(true_n_m, 3), round(true_e_m, 3))
    result.miss_m = round(math.hypot(down.north_m - true_n_m, down.east_m - true_e_m), 3)
    estimate = station.touchdown_estimate()
    if estimate is not None:
        estimated_m = math.hypot(estimate.north_m - north_m, estimate.east_m - east_m)
        result.miss_estimated_m = round(estimated_m, 3)


def _write(plan: FlightPlan, result: FlightResult, world: World, track: list[TruthSample]) -> None:
    """Write `result.json` and `landing.png` into the plan's folder."""
    picture = plan.out / "landing.png"
    picture.write_bytes(draw_flight(_picture(plan, result, track), world))
    result.picture = str(picture)
    (plan.out / "result.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", "utf-8")


def _picture(plan: FlightPlan, result: FlightResult, track: list[TruthSample]) -> FlightPicture:
    return FlightPicture(
        result.verdict,
        _facts(result),
        [f"{change['to_state']}: {change['reason']}" for change in result.transitions],
        [TrackPoint(s.boot_s, s.north_m, s.east_m, s.height_m) for s in track],
        [(*site["position_ned_m"][:2], site["clearance_m"]) for site in result.sites],
        result.start_ne_m,
        result.touchdown_ne_m,
        plan.vehicle_radius_m,
    )


def _facts(result: FlightResult) -> list[str]:
    facts = [f"world {result.world}, seed {result.seed}, {result.clock} clock"]
    facts.append(f"start {result.start_height_m:.0f} m up (triangle)")
    if result.photograph:
        facts.append(result.photograph)
    if result.straight_down_ok is not None and not result.photograph:
        facts.append(f"straight down: {'landable' if result.straight_down_ok else 'not landable'}")
    if result.truth is not None and result.touchdown_ne_m is not None:
        facts.append(
            f"touchdown N {result.touchdown_ne_m[0]:.1f} E {result.touchdown_ne_m[1]:.1f} m "
            f"on {', '.join(result.truth.classes)}"
        )
        facts.append(f"true clearance {result.truth.clearance_m:.1f} m, nearest person {result.truth.person_m:.0f} m")
    if result.miss_m is not None and result.seconds is not None:
        facts.append(f"{result.miss_m:.2f} m from the site, {result.seconds:.0f} s")
    if result.reason:
        facts.append(result.reason)
    if result.manual_takeovers:
        facts.append(f"manual takeovers: {result.manual_takeovers}")
    return facts
