"""`edge serve`: puts the daemon together from its configuration, runs it and takes it apart."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edge.allocator import share_one_heap
from edge.blackbox.make import make_recorder
from edge.blackbox.recorder import Recorder
from edge.cameras import RECORDINGS, Camera, make_camera
from edge.claims import claims_of
from edge.config import EdgeConfig, load_config
from edge.daemon import LAND_S, Daemon
from edge.depth_feed import DepthFeed
from edge.ending import LEFT_RUNNING, REST_S, Ending, StoppedError, UnstoppedError
from edge.log import EventLog, Exact, set_up_text_log
from edge.observer import Observer
from edge.parameters import DaemonParameters, read_kept
from edge.pipeline import Pipeline
from edge.reload import Reloader
from edge.resolved import ResolvedFlight, resolve_flight
from edge.runtimes import Runtime, load_runtime
from edge.sdnotify import ServiceNotifier
from edge.web.make import make_web
from firmware_bridge.claims import Claims
from firmware_bridge.link import FlightLink
from landing.decider import Decider
from landing.distribution import install_command
from landing.errors import ConfigError, TouchdownError
from landing.picture.monitor import PictureMonitor
from landing.reading import sha256_of

if TYPE_CHECKING:
    from edge.ros.publisher import RosPublisher

logger = logging.getLogger("edge")


def serve(path: Path, ending: Ending, max_seconds: float | None = None, ros2: bool = False) -> int:
    """Runs the daemon until SIGTERM, SIGINT or the end of a recording.

    Args:
        path: Of the configuration.
        ending: In force.
        max_seconds: Stop by itself after so long.
        ros2: Be a node of the ROS 2 graph, whatever the configuration says.

    Returns:
        Exit status.

    Raises:
        TouchdownError: Configuration, model, recording or link cannot be used, or another daemon uses one of them.
    """
    share_one_heap(os.environ)
    config = load_config(path)
    set_up_text_log(config.log.level)
    with ExitStack() as stack:
        claims = stack.enter_context(Claims())
        claims.take(claims_of(path, config))
        events = stack.enter_context(EventLog(config.log.events, round(config.log.events_mb * 1e6)))
        reloader = Reloader(path, config, events)
        ending.on_hangup = reloader.ask
        try:
            _run_until_done(path, events, reloader, claims, ending, max_seconds, ros2)
        except StoppedError as stopped:
            logger.info("%s while starting", stopped)
            events.write("stop", reason=str(stopped), starting=True)
        except TouchdownError as error:
            events.write("failed", error=str(error), code=error.problem)
            raise
        except BaseException:
            logger.critical("crash\n%s", traceback.format_exc())
            events.write("crash", error=traceback.format_exc())
            raise
    return 0


def _run_until_done(
    path: Path,
    events: EventLog,
    reloader: Reloader,
    claims: Claims,
    ending: Ending,
    max_seconds: float | None,
    ros2: bool,
) -> None:
    """One run after another, each with the configuration of its time."""
    started = time.monotonic()
    left_s = max_seconds
    while True:
        listeners = tuple(events.listeners)
        try:
            claims.take(claims_of(path, reloader.config))
            with ExitStack() as stack:
                _run(reloader, path, events, stack, ending, left_s, ros2)
        except UnstoppedError:
            raise
        except TouchdownError as error:
            if not reloader.revert(error):
                raise
            ending.again()
            continue
        finally:
            events.listeners[:] = listeners  # those of a run go with it
        if not reloader.begin_again():
            return
        ending.again()
        if max_seconds is not None:
            left_s = max(0.1, started + max_seconds - time.monotonic())


def _run(
    reloader: Reloader,
    path: Path,
    events: EventLog,
    stack: ExitStack,
    ending: Ending,
    max_seconds: float | None,
    ros2: bool,
) -> None:
    ending.check()
    digest = sha256_of(path, "config", ConfigError)
    events.write("start", config=path, config_sha256=digest, pid=os.getpid())
    config = reloader.config
    kept = read_kept(config.expert.link.parameters)
    camera = make_camera(config.camera.request())
    runtime = stack.enter_context(load_runtime(config.model.path, config.model.options))
    flight = resolve_flight(config, runtime.spec, kept)
    reloader.flies(flight, runtime.spec)
    ending.check()
    warm_ms = runtime.warm_up(ending.check)
    _log_model(events, runtime, flight.classes.name, warm_ms)
    unkept = resolve_flight(config, runtime.spec, {})
    parameters = DaemonParameters(config, flight, unkept, kept, events)
    link = FlightLink(flight.link, parameters=parameters)
    ending.check()
    stack.enter_context(link)
    events.write("link", settings={**config.link.model_dump(), **config.expert.link.model_dump()})
    logger.info("flight %s", flight.describe())
    events.write("flight", sha256=flight.digest, value=Exact(flight.as_dict()))
    decider = flight.decider(flight.camera, time.perf_counter_ns)
    monitor = PictureMonitor(flight.picture, flight.camera, flight.decision.relief)
    clocks = (time.monotonic_ns, time.perf_counter_ns)
    depth = _depth_sensor(config, flight)
    sources = (link.take_depth,) if depth is None else (link.take_depth, depth[1].take)
    pipeline = Pipeline(runtime, decider, flight.camera, *clocks, monitor, flight.pad_finder(), sources)
    live = not config.camera.source.startswith(RECORDINGS)
    observers = _observers(config, flight, runtime, pipeline, decider, link, stack, ros2)
    rest = (observers, reloader, runtime.cancel, depth)
    daemon = Daemon(config, flight, camera, pipeline, link, events, ServiceNotifier(), live, *rest)
    parameters.connect(link.withhold, daemon.set_status_period)
    stack.callback(ending.begin)
    ending.status = LEFT_RUNNING
    ending.limit_s = config.health.hang_timeout_ms * 1e-3 + LAND_S + REST_S
    ending.on_end = daemon.stop
    ending.check()
    reloader.began()
    daemon.run(max_seconds)


def _depth_sensor(config: EdgeConfig, flight: ResolvedFlight) -> tuple[Camera, DepthFeed] | None:
    """The depth sensor, not open yet, and what takes its images; None where none is configured."""
    request = config.depth.request()
    if request is None or flight.depth is None:
        return None
    return make_camera(request), DepthFeed(flight.depth)


def _observers(
    config: EdgeConfig,
    flight: ResolvedFlight,
    runtime: Runtime,
    pipeline: Pipeline,
    decider: Decider,
    link: FlightLink,
    stack: ExitStack,
    ros2: bool,
) -> tuple[Observer, ...]:
    """Recorder, page and ROS 2 node, each where it is asked for; `stack` ends them."""
    observers: list[Observer] = []
    recorder: Recorder | None = None
    if config.recorder.enabled:
        recorder = make_recorder(config, runtime, decider, flight)
        stack.enter_context(recorder)
        link.observers.append(recorder.on_mavlink)
        observers.append(recorder)
    if config.preview.enabled:
        counts = None if recorder is None else recorder.counters
        server, feed = make_web(config, flight, pipeline.timings, counts)
        stack.enter_context(server)
        observers.append(feed)
    if ros2 or config.ros2.enabled:
        observers.append(stack.enter_context(_ros_publisher(config, flight)))
    return tuple(observers)


def _ros_publisher(config: EdgeConfig, flight: ResolvedFlight) -> RosPublisher:
    """The node that gives answers, imported where it is asked for.

    Raises:
        ConfigError: The extra is not installed.
        LinkError: DDS does not start.
    """
    try:
        from edge.ros.publisher import RosPublisher
    except ModuleNotFoundError as error:
        raise ConfigError(f"[ros2] enabled: {error.name} is missing; {install_command('ros2')}") from error
    return RosPublisher(config.ros2, flight, flight.model)


def _log_model(events: EventLog, runtime: Runtime, taxonomy: str, warm_ms: float) -> None:
    spec = runtime.spec
    logger.info("model %s (%s) on %s: %.1f ms per frame", runtime.path.name, spec.name, runtime.backend, warm_ms)
    if runtime.gate is None:
        logger.warning("model %s was never verified (touchdown export verify)", runtime.path.name)
    events.write(
        "model",
        path=runtime.path,
        sha256=sha256_of(runtime.path),
        name=spec.name,
        taxonomy=taxonomy,
        backend=runtime.backend,
        gate=runtime.gate.describe() if runtime.gate else "never verified",
        warm_up_ms=warm_ms,
        python=sys.version.split()[0],
    )
