"""One unit of work: a scene and the policies to fly it with. The same on any core or machine."""

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2

from edge.resolved import ResolvedDecision, resolve_decision
from edge.runtimes import Runtime
from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.settings import AuthoritySettings, DecisionSection, DirectorSection, DirectorSettings, check_together
from sim.camera.sensor import CameraSensor
from sim.campaign.code import code_digest
from sim.campaign.emergency import draw_emergency
from sim.campaign.landing import Depth, FlightSetup, Landing
from sim.campaign.mistakes import draw_mistake, seen_through
from sim.campaign.perception_errors import PerceptionErrorModel, load_error_model
from sim.campaign.policies import policy_named
from sim.campaign.ranges import RANGES, stream
from sim.campaign.scene import Scene, draw_scene
from sim.campaign.scene_ground import SceneGround, make_scene_ground, over_photo
from sim.campaign.score import Record, score
from sim.campaign.sensors import SEEN_PX, LabelSensor, believed_camera, camera_effects, photo_effects, true_camera
from sim.campaign.trace import Flown
from sim.flight.photo_ground import PhotoGround, PhotoGroundSensor
from sim.flight.photo_sensor import PhotoSensor
from sim.flight.pilot import NEARER_M, SEARCH_S
from sim.flight.sensor import NetworkSensor, SensorModel, load_network
from sim.world import World

LOOKS = ("ground", "frames")
"""Over a photograph: all of the ground once from each height (`sim.flight.photo_ground`), or each frame."""

LOGGERS = ("edge", "firmware_bridge", "landing")


@dataclass(frozen=True)
class Plan:
    """Plan of a campaign; with the code, it decides every byte of the results.

    Attributes:
        scenes: Number of scenes.
        seed: Of the campaign.
        split: ``train``, ``val`` or ``test``.
        worlds: Specifications taken in turn.
        policies: Names, each flown in every scene.
        segmentation: ``errors``, or ``model`` for rendered pictures and a network.
        errors: File of the measured errors; None for the committed one.
        model: File of the network; only for ``model``.
        runtime: Runs the network, one of `edge.runtimes.BACKENDS`.
        decision: Settings that differ from the defaults, by name.
        director: The same of the director.
        authority: The same of the authority; its level is ``guard`` unless it is given.
        search_s: So long the pilot hovers without a site before looking from nearer or giving up.
        nearer_m: No lower than this the pilot goes to look from nearer.
        autopilot: Parameters of the autopilot that differ from what is recommended.
        fps: Frames of the camera a second.
        emergencies: Of `sim.campaign.emergency.EMERGENCIES`, taken in turn; none: a pilot lands.
        looks: One of `LOOKS`: how often the network is asked over a photograph.
        network_shift: Network worse than measured, probits: at -1 an error of one pixel in six is left to one in forty.
        depth: Depth sensor of the vehicles, one of `sim.campaign.landing.Depth`.
        mistakes: Of `sim.campaign.mistakes.MISTAKES`, taken in turn; none: the set-up is right.
    """

    scenes: int
    seed: int
    split: str
    worlds: tuple[str, ...]
    policies: tuple[str, ...]
    segmentation: str = "errors"
    errors: str | None = None
    model: str | None = None
    runtime: str = "auto"
    decision: dict[str, Any] = field(default_factory=dict)
    director: dict[str, Any] = field(default_factory=dict)
    authority: dict[str, Any] = field(default_factory=dict)
    autopilot: dict[str, float] = field(default_factory=dict)
    search_s: float = SEARCH_S
    nearer_m: float = NEARER_M
    network_shift: float = 0.0
    fps: float = RANGES["fps"].low
    looks: str = LOOKS[0]
    emergencies: tuple[str, ...] = ()
    depth: str = Depth.NONE.value
    mistakes: tuple[str, ...] = ()

    def scene(self, number: int) -> Scene:
        """The scene of a number."""
        scene = draw_scene(number, self.split, self.seed, self.worlds)
        shift = scene.conditions.model_shift + self.network_shift
        emergency = None
        if self.emergencies:
            emergency = draw_emergency(scene.key, self.emergencies[number % len(self.emergencies)])
        conditions, mistake = replace(scene.conditions, model_shift=shift, fps=self.fps), None
        if self.mistakes:
            mistake = draw_mistake(scene.key, self.mistakes[number % len(self.mistakes)])
            conditions = mistake.on(conditions)
        return replace(scene, conditions=conditions, emergency=emergency, mistake=mistake)

    @property
    def sees_relief(self) -> bool:
        """True where the decision measures relief without a depth sensor, so that somebody looks at pictures."""
        enabled = self.decision.get("relief", {}).get("enabled", ReliefSettings().enabled)
        return bool(enabled) and self.depth == Depth.NONE.value

    def resolved(self) -> ResolvedDecision:
        """Return the resolved decision, with the thresholds of a network that is flown itself.

        Raises:
            ValueError: A setting that there is not, or out of its range.
            ModelError: The network cannot be loaded.
        """
        spec = None
        if self.segmentation == "model":
            assert self.model is not None
            spec = _network(self.model, self.runtime).spec
        return resolve_decision(DecisionSection(**self.decision), spec)

    def setup(self) -> FlightSetup:
        """Return the settings of the flights.

        Raises:
            ValueError: A setting that there is not, or out of its range.
            ModelError: The network cannot be loaded.
        """
        resolved = self.resolved()
        decision = resolved.decision
        director = DirectorSettings.beside(DirectorSection(**self.director), decision)
        # A landing begins in the air here, and nobody has said anything before it.
        authority = AuthoritySettings(**{"level": "guard", "begin_in_air": True, **self.authority})
        check_together({"decision": decision, "director": director, "authority": authority})
        rest = (self.search_s, self.nearer_m, self.autopilot, resolved.scale, Depth(self.depth))
        return FlightSetup(decision, director, authority, *rest)


@dataclass(frozen=True)
class Task:
    """A scene to be flown with some policies."""

    plan: Plan
    number: int
    policies: tuple[str, ...]


@dataclass(frozen=True)
class TaskResult:
    """Result of a task.

    Attributes:
        records: One for each policy, in the task's order.
        timings: CPU time and memory of each; never part of the results.
        code: Digest of the code that flew it.
    """

    records: tuple[Record, ...]
    timings: tuple[dict[str, Any], ...]
    code: str


def settle() -> None:
    """Makes this process fit for landings: one thread, and nothing said but in the trace."""
    cv2.setNumThreads(1)  # tasks run beside each other, and a replay does what they did
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def run(task: Task) -> TaskResult:
    """Flies a task. Depends on nothing but the task.

    Raises:
        TouchdownError: The world or the network cannot be had.
    """
    settle()
    plan, scene, setup = task.plan, task.plan.scene(task.number), task.plan.setup()
    began = time.process_time()
    place = make_scene_ground(scene, setup.decision)
    scene = over_photo(scene, place.world)
    made_s = time.process_time() - began
    records, timings = [], []
    for policy in task.policies:
        began = time.process_time()
        flown, world = fly(plan, scene, place, policy, setup)
        took_s = time.process_time() - began
        records.append(score(scene, policy, place, world, flown, setup.decision))
        timings.append(
            {
                "scene": scene.number,
                "policy": policy,
                "place_cpu_s": round(made_s, 3),
                "flight_cpu_s": round(took_s, 3),
                "simulated_s": round(flown.seconds, 2),
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    return TaskResult(tuple(records), tuple(timings), code_digest())


def fly(plan: Plan, scene: Scene, place: SceneGround, policy: str, setup: FlightSetup) -> tuple[Flown, World]:
    """Fly one landing; its course, and the world at the end."""
    chosen = policy_named(policy)
    if not chosen.confirms:
        setup = replace(setup, director=setup.director.model_copy(update={"confirm_s": 0.0}))
    sensor = seen_through(_sensor(plan, scene, place), scene.mistake)
    landing = Landing(scene, place.world, place.start_ne_m, sensor, chosen, setup)
    return landing.fly(), landing.world


def _sensor(plan: Plan, scene: Scene, place: SceneGround) -> SensorModel:
    camera = true_camera(scene.conditions, stream(scene.key, "mount"))
    if scene.mistake is not None:
        camera = scene.mistake.mounted(camera)
    if plan.segmentation == "model":
        assert plan.model is not None
        network = _network(plan.model, plan.runtime)
        noise_seed = int(stream(scene.key, "eyes").integers(1 << 30))
        if place.world.photograph is not None:
            return _photo_sensor(plan, scene, place, camera, network)
        return NetworkSensor(place.world, CameraSensor(camera, camera_effects(scene.conditions, noise_seed)), network)
    model = _error_model(plan.errors)
    rng = stream(scene.key, "eyes")
    shutter = None
    if place.world.heights_m is not None and plan.sees_relief:
        noise_seed = int(stream(scene.key, "noise").integers(1 << 30))
        shutter = CameraSensor(camera.resized(*SEEN_PX), camera_effects(scene.conditions, noise_seed), ray_px=2)
    return LabelSensor(place.world, camera, model, scene.conditions, rng, shutter)


def _photo_sensor(plan: Plan, scene: Scene, place: SceneGround, camera: CameraModel, network: Runtime) -> SensorModel:
    effects = photo_effects(scene.conditions, int(stream(scene.key, "eyes").integers(1 << 30)))
    if plan.looks == "ground":
        ground = PhotoGround(place.world, believed_camera(scene.conditions), network)
        shutter = CameraSensor(camera.resized(*SEEN_PX), effects) if plan.sees_relief else None
        return PhotoGroundSensor(place.world, camera, ground, network.spec.taxonomy, shutter)
    return PhotoSensor(place.world, CameraSensor(camera, effects), network)


@lru_cache(maxsize=1)
def _error_model(path: str | None) -> PerceptionErrorModel:
    return load_error_model(Path(path) if path is not None else None)


@lru_cache(maxsize=1)
def _network(path: str, backend: str) -> Runtime:
    return load_network(Path(path), backend)
