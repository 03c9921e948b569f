"""One landing, faster than real time: every part that flies (`sim.flight.loop`), a pilot and a judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from edge.flight_loop import FlightLoop, LoopSettings
from edge.pipeline import Pipeline
from edge.resolved import authority_within
from firmware_bridge.dialect import mavlink
from firmware_bridge.settings import LinkSettings
from landing.camera import CameraModel
from landing.command.authority import AuthorityState
from landing.ground.scale import GroundScale
from landing.guidance.director import DirectorOutput
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.relief.depth import DepthSource
from landing.settings import AuthorityLevel, AuthoritySettings, DecisionSettings, DirectorSettings
from landing.types import Pose
from sim.camera import Motion
from sim.campaign.emergency import EmergencyWatch
from sim.campaign.intruder import SceneIntruder
from sim.campaign.mistakes import NamedMistakes, OldPictures
from sim.campaign.policies import Policy
from sim.campaign.ranges import SceneConditions
from sim.campaign.ranges import stream as scene_stream
from sim.campaign.reaction import ReactionWatch
from sim.campaign.refusal import refusal
from sim.campaign.scene import Scene
from sim.campaign.sensors import believed_camera, shaken
from sim.campaign.trace import Flown, Trace
from sim.flight.depth_sensor import STEREO, SimulatedDepth, UnseenPictureMonitor
from sim.flight.link import InProcessLink, LinkFaults
from sim.flight.loop import BOOT_NS, CameraSample, SimulatedClock, SimulatedLoop, no_stopwatch
from sim.flight.photo_sensor import ResolvedPictureMonitor
from sim.flight.pilot import NEARER_M, SEARCH_S, GoDown, ModeOrder, Passenger, Phase, Pilot, Seen
from sim.flight.plan import TrackPoint
from sim.flight.sensor import SensorModel
from sim.vehicle import Wind
from sim.vehicle.autopilot import AutopilotConfig, EstimatorErrors, Mode
from sim.vehicle.autopilot.beams import ring
from sim.vehicle.autopilot.config import BatteryPack
from sim.vehicle.autopilot.core import TICK_MS, TICK_S, StandInAutopilot
from sim.vehicle.standin import PLND_PARAMETERS
from sim.world import ActorState, World

TRACK_MS = 100
LONGEST_S = 420.0
POSITION_ONLY = 0b110111111000
"""Type mask of a SET_POSITION_TARGET: no velocity, acceleration or yaw."""

PILOT = "pilot"

BEAMS = (8, 35.0)
"""Sensors of an array and their angle off straight down, degrees."""

UNCHECKED = PictureSettings(least_sharpness=0.0)
"""Pictures of a campaign are small ones made large, and from near a world is coarser than the camera."""


def no_scale(camera: CameraModel) -> GroundScale | None:
    """Return the scale through a camera of a network whose range is not known: none."""


class Depth(str, Enum):
    """Depth sensor of a campaign's vehicles."""

    NONE = "none"
    CAMERA = "camera"
    BEAMS = "beams"


@dataclass(frozen=True)
class FlightSetup:
    """Settings of a flight, the same in every scene of a campaign.

    Attributes:
        decision: Settings of the decision.
        director: Settings of the director.
        authority: Settings of the authority.
        search_s: So long the pilot hovers without a site before looking from nearer or giving up.
        nearer_m: No lower than this the pilot goes to look from nearer.
        autopilot: Its parameters that differ from `sim.vehicle.standin.PLND_PARAMETERS`.
        scale: Scale of the ground by camera, for a network that is flown itself; None where its range is not known.
        depth: Depth sensor for relief, which is then measured without the pictures.
    """

    decision: DecisionSettings
    director: DirectorSettings
    authority: AuthoritySettings
    search_s: float = SEARCH_S
    nearer_m: float = NEARER_M
    autopilot: Mapping[str, float] = field(default_factory=dict)
    scale: Callable[[CameraModel], GroundScale | None] = no_scale
    depth: Depth = Depth.NONE


class SceneHardware:
    """Camera and computer of a scene; what differs from frame to frame is drawn.

    Args:
        scene: Its conditions, and its mistake.
        autopilot: Whose true state the camera looks from.
        rng: Randomness of the camera.
    """

    def __init__(self, scene: Scene, autopilot: StandInAutopilot, rng: np.random.Generator) -> None:
        self.fps = scene.conditions.fps
        self._conditions = scene.conditions
        self._old = OldPictures(scene.mistake, self.fps)
        self._autopilot = autopilot
        self._rng = rng

    def expose(self, number: int, now_ns: int) -> CameraSample | None:
        """See `sim.flight.loop.OnboardHardware`."""
        c, v = self._conditions, self._autopilot.vehicle
        lost = self._rng.random() < c.dropped
        q = shaken(v.q, c.vibration_deg, self._rng)
        pose = Pose(now_ns, q, (v.n_m, v.e_m, v.d_m), v.height_m)
        arrives_ns = now_ns + round(c.camera_delay_ms * float(self._rng.uniform(0.8, 1.3)) * 1e6)
        motion = Motion((v.vn_mps, v.ve_mps, v.vd_mps), v.rates_radps)
        t_s = (now_ns - BOOT_NS) * 1e-9
        return None if lost else self._old.shown(CameraSample(number, arrives_ns, arrives_ns, pose, t_s, motion))

    def decision_ms(self) -> float:
        """See `sim.flight.loop.OnboardHardware`."""
        return self._conditions.inference_ms * float(self._rng.uniform(0.9, 1.25))


class Landing:
    """Steps one landing from the start to its end.

    Args:
        scene: To be flown.
        world: Its world.
        start_ne_m: Over which place.
        sensor: Camera and network.
        policy: The decision.
        setup: Settings.
    """

    def __init__(
        self,
        scene: Scene,
        world: World,
        start_ne_m: tuple[float, float],
        sensor: SensorModel,
        policy: Policy,
        setup: FlightSetup,
    ) -> None:
        conditions = scene.conditions
        self.world = world
        self._sensor = sensor
        self._settings = setup.decision
        self._clock = SimulatedClock()
        config = autopilot_config(scene, start_ne_m, setup.autopilot)
        if setup.depth is Depth.BEAMS:
            config = replace(config, beams=ring(*BEAMS))
        self._autopilot = StandInAutopilot(config, ground_height_m=world.height_at)
        self._autopilot.connect(PILOT)
        commands = setup.authority.level is not AuthorityLevel.ADVISE
        settings, rng = link_settings(conditions, commands), scene_stream(scene.key, "link")
        settings = settings.model_copy(update={"depth": setup.decision.relief.enabled})
        self.link = InProcessLink(self._autopilot, settings, link_faults(conditions), rng, BOOT_NS)
        camera = believed_camera(conditions)
        scale = setup.scale(camera)
        decider = policy.make(setup.decision, sensor.taxonomy, camera, scale)
        relief = setup.decision.relief
        self._depth: SimulatedDepth | None = None
        sources: list[DepthSource] = [self.link.take_depth]
        monitor: PictureMonitor | None = None
        self._mistake, self._named = scene.mistake, NamedMistakes()
        if relief.enabled and setup.depth is not Depth.NONE:
            monitor = UnseenPictureMonitor(camera, relief)
        elif relief.enabled and sensor.shows_relief:
            monitor = ResolvedPictureMonitor(UNCHECKED, camera, sensor, relief)
        if setup.depth is Depth.CAMERA:
            self._depth = SimulatedDepth(STEREO, world, self._true_pose, scene_stream(scene.key, "depth"))
            sources.append(self._depth.take)
        clocks = (self._clock.ns, no_stopwatch)
        self._monitor = monitor
        self.pipeline = Pipeline(sensor, decider, camera, *clocks, monitor, depth=sources)
        self.trace = Trace()
        rules = LoopSettings(setup.director, authority_within(setup.authority, scale, camera)[0])
        self._loop: FlightLoop[CameraSample] = FlightLoop(rules, self.pipeline, self.link, self.trace, BOOT_NS)
        hardware = SceneHardware(scene, self._autopilot, scene_stream(scene.key, "camera"))
        self._flight = SimulatedLoop(self._clock, self.link, self._loop, sensor, hardware)
        self._emergency: EmergencyWatch | None = None
        self._pilot = Pilot(setup.search_s, setup.nearer_m)
        if scene.emergency is not None:
            self._emergency = EmergencyWatch(scene.emergency, self._autopilot, PILOT)
            self._pilot = Passenger()
        self._reaction = ReactionWatch(world.taxonomy, setup.decision.vehicle_radius_m, self._width_px)
        style = int(scene_stream(scene.key, "style").integers(1 << 30))
        self._intruder = SceneIntruder(scene.intruder, style) if scene.intruder else None
        self._touched: TrackPoint | None = None
        known = {(c.name, c.role) for c in sensor.taxonomy.classes}
        unknown = tuple(c.name for c in world.taxonomy.classes if (c.name, c.role) not in known)
        self.flown = Flown("timeout", f"not down after {LONGEST_S:g} s", LONGEST_S, truth_only=unknown, scale=scale)

    @property
    def t_s(self) -> float:
        """Since the start; also the world's time."""
        return (self._clock.now_ns - BOOT_NS) * 1e-9

    def fly(self) -> Flown:
        """Flies until the vehicle is down, the pilot gives up or the time is over."""
        output: DirectorOutput | None = None
        flown = self.flown
        for now_ms in range(0, round(LONGEST_S * 1000), TICK_MS):
            self.trace.now_s = now_ms * 1e-3
            if self._emergency is not None:
                self._emergency.step(self.trace.now_s, TICK_S)
            said = self._flight.step(BOOT_NS + now_ms * 1_000_000)
            if self._depth is not None:
                self._depth.step(self._clock.now_ns)
            if said is not None:
                output = said
                self._after_control(output)
            if now_ms % TRACK_MS == 0 and output is not None:
                flown.track.append(self._track_point(output))
            if self._ended(output):
                break
        self._reaction.end()
        flown.seconds = self.t_s
        flown.manual_takeovers = self._pilot.manual_takeovers
        flown.frames = self._flight.exposures
        flown.decisions = self._loop.counters.decisions
        flown.targets = self.link.targets
        flown.reactions = self._reaction.reactions
        flown.events = self.trace.events
        flown.emergency = self._emergency.facts if self._emergency is not None else None
        flown.mistake = None if self._mistake is None else self._named.facts(self._mistake, self.trace.events)
        return flown

    def _after_control(self, output: DirectorOutput) -> None:
        """Step the pilot, the intruder and the measurement of reactions, after each step of the control loop."""
        if self._monitor is not None:
            self._named.step(self.t_s, self._monitor.motion)
        height_m = self._autopilot.vehicle.height_m
        hovering = self._autopilot.flight.mode is not Mode.LAND
        seen = Seen(self.t_s, output.state, self._authority, hovering, height_m, output.descend_to_m)
        order = self._pilot.step(seen)
        if isinstance(order, GoDown):
            self._go_down(order.by_m)
        elif order is not None:
            self._switch_to(Mode.LAND if order is ModeOrder.LAND else Mode.GUIDED)
        site = self._true_site(output)
        if self._intruder is not None and not self._intruder.came:
            landing_site = site if self._pilot.phase is Phase.LANDING else None
            self.world = self._intruder.step(self.t_s, landing_site, height_m, self.world)
            if self._intruder.came:
                self._sensor.world = self.world
                self.trace.write("intruder", kind=self.world.actors[-1].kind)
        self._reaction.step(self.t_s, site, height_m, self.world)

    @property
    def _authority(self) -> AuthorityState:
        output = self._loop.control.authority
        return AuthorityState.OFF if output is None else output.state

    def _switch_to(self, mode: Mode) -> None:
        self.trace.write("pilot", mode=mode.name)
        self._autopilot.receive(
            PILOT,
            mavlink.MAVLink_set_mode_message(
                self._autopilot.system_id, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, int(mode)
            ),
        )

    def _go_down(self, by_m: float) -> None:
        self.trace.write("pilot", goes_down_m=round(by_m, 1))
        self._autopilot.receive(
            PILOT,
            mavlink.MAVLink_set_position_target_local_ned_message(
                0,
                self._autopilot.system_id,
                1,
                mavlink.MAV_FRAME_LOCAL_OFFSET_NED,
                POSITION_ONLY,
                0.0,
                0.0,
                by_m,
                *(0.0,) * 8,
            ),
        )

    def _true_site(self, output: DirectorOutput) -> tuple[float, float] | None:
        """True place on the ground of the target that is being sent."""
        if output.target is None:
            return None
        estimate, v = self._autopilot.flight.estimate, self._autopilot.vehicle
        north_m, east_m, _ = output.target.position_ned_m
        return north_m - (estimate.n_m - v.n_m), east_m - (estimate.e_m - v.e_m)

    def _width_px(self, actor: ActorState) -> float:
        return self._sensor.width_px(actor, self._true_pose(self._clock.now_ns))

    def _true_pose(self, at_ns: int) -> Pose:
        """Return the vehicle's true pose as of now."""
        v = self._autopilot.vehicle
        return Pose(at_ns, v.q, (v.n_m, v.e_m, v.d_m), v.height_m)

    def _track_point(self, output: DirectorOutput) -> TrackPoint:
        v = self._autopilot.vehicle
        return TrackPoint(self.t_s, v.n_m, v.e_m, v.height_m, output.state.value, self._true_site(output))

    def _ended(self, output: DirectorOutput | None) -> bool:
        vehicle, flight = self._autopilot.vehicle, self._autopilot.flight
        if not vehicle.on_ground:
            self._touched = None
        elif self._touched is None and output is not None:
            self._touched = self._track_point(output)
        if self._touched is not None and (flight.landed or not flight.armed):
            self.flown.outcome, self.flown.reason = "landed", ""
            self.flown.track.append(self._touched)
            return True
        if self._emergency is not None and self._emergency.left_s <= 0.0 and not vehicle.on_ground:
            self.flown.outcome, self.flown.reason = "battery-empty", f"{vehicle.height_m:.1f} m up"
            return True
        if self._pilot.phase is Phase.GIVEN_UP:
            self.flown.outcome, self.flown.reason = "no-site", self._last_words()
            self.flown.refusal = self._refusal()
            return True
        return False

    def _refusal(self) -> dict[str, Any] | None:
        """Cause of the missing site by the map of the last decision; None without one."""
        decider = self.pipeline.decider
        if decider.last_view is None:
            return None
        share = self._settings.standing_clearance.share(self._autopilot.vehicle.height_m)
        return refusal(decider.last_view, self._sensor.taxonomy, self._settings, share)

    def _last_words(self) -> str:
        """Reason of the missing site, or of the authority's end."""
        told = ("no-site", "transition", "authority")
        for event in reversed(self.trace.events):
            if event["event"] in told:
                return f"{event['reason']}: {event.get('detail', '')}".strip(": ")
        return "no site"


def autopilot_config(scene: Scene, start_ne_m: tuple[float, float], parameters: Mapping[str, float]) -> AutopilotConfig:
    """The stand-in of a scene, hovering."""
    c: SceneConditions = scene.conditions
    bias = scene_stream(scene.key, "bias").uniform(-1.0, 1.0, 2)
    emergency = scene.emergency
    failsafes = {} if emergency is None else emergency.parameters
    return AutopilotConfig(
        parameters={**PLND_PARAMETERS, "RNGFND1_MAX_CM": round(100 * c.range_max_m), **failsafes, **parameters},
        start_n_m=start_ne_m[0],
        start_e_m=start_ne_m[1],
        start_yaw_deg=c.yaw_deg,
        airborne_height_m=c.height_m,
        airborne_mode=Mode.GUIDED,
        wind=Wind(c.wind_mps, c.wind_from_deg, c.gust_mps),
        seed=int(scene_stream(scene.key, "autopilot").integers(1 << 30)),
        errors=EstimatorErrors(
            position_bias_ned_m=(float(bias[0]), float(bias[1]), 0.0),
            position_wander_m=c.position_wander_m,
            drift_mps=(0.0, 0.0) if scene.mistake is None else scene.mistake.drift_mps,
            drift_begins_s=0.0 if scene.mistake is None else scene.mistake.begins_s,
            attitude_noise_rad=math.radians(c.attitude_noise_deg),
            velocity_noise_mps=c.velocity_noise_mps,
            compass_rad=math.radians(c.compass_deg),
        ),
        battery=BatteryPack() if emergency is None else emergency.battery,
    )


def link_settings(conditions: SceneConditions, commands: bool) -> LinkSettings:
    """As a user with this vehicle would configure it: it took off from the ground it lands on."""
    return LinkSettings("udpin:127.0.0.1:0", ground_down_m=conditions.height_bias_m, commands=commands)


def link_faults(c: SceneConditions) -> LinkFaults:
    """Return the link's part of the conditions."""
    return LinkFaults(c.link_delay_ms, c.range_scale, c.range_noise_m, c.range_dropped)
