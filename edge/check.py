"""`edge check`: is everything there and as configured? Without flying."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import Enum
from importlib import resources
from pathlib import Path

from pydantic import BaseModel

from edge import check_setup
from edge.calibrate import stamp_of
from edge.cameras import CameraTimeout, EndOfStream, make_camera
from edge.claims import claims_of, held_by
from edge.config import EdgeConfig, load_config
from edge.expected_speed import speed_finding
from edge.fastest import WORTH, gated_forms, measured
from edge.finding import Finding
from edge.keys import BASIC, EXPERT
from edge.log import Exact, plain
from edge.parameters import read_kept
from edge.resolved import ResolvedFlight, resolve_flight
from edge.runtimes import BACKEND_OF_SUFFIX, load_runtime
from edge.sections.model import ModelSection
from firmware_bridge.link import FlightLink
from firmware_bridge.settings import LinkExpert
from landing.command.pointing import GimbalHolder
from landing.errors import CameraError, ConfigError, TouchdownError
from landing.ground.scale import UNKNOWN_RANGE, axis_down, metres_down
from landing.problems import Problem
from landing.redaction import redact
from landing.settings import AuthorityLevel

CAMERA_FRAMES = 15
CAMERA_SECONDS = 4.0
RATE_SECONDS = 3.0
"""Time that a ready link is listened to for its rates, s."""

SLOW_MS = 2000.0
"""A network that takes longer for a frame is timed once."""


def example_text() -> str:
    """The commented example configuration."""
    return resources.files("edge").joinpath("example.toml").read_text("utf-8")


def key_lines() -> list[str]:
    """Every key of the configuration: table, name, default, meaning and range; experts' keys come last."""
    lines: list[str] = []
    for name, keys in {**BASIC, "link": None}.items():
        lines += _table_lines(_section(name), name, keys)
    for name, keys in EXPERT.items():
        lines += _table_lines(_section(name), f"expert.{name}", keys)
    return [*lines, *_table_lines(LinkExpert, "expert.link", None)]


def _section(name: str) -> type[BaseModel]:
    kind = EdgeConfig.model_fields[name].annotation
    assert isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind


def _table_lines(model: type[BaseModel], table: str, keys: tuple[str, ...] | None) -> Iterator[str]:
    expert = "expert: " if table.startswith("expert.") else ""
    yield f"[{table}]  # {expert}{(model.__doc__ or '').strip().splitlines()[0]}"
    nested: list[tuple[type[BaseModel], str]] = []
    for name, info in model.model_fields.items():
        if keys is not None and name not in keys:
            continue
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            nested.append((kind, f"{table}.{name}"))
            continue
        limits = [
            f"{word} {getattr(limit, attribute):g}"
            for limit in info.metadata
            for attribute, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
            if hasattr(limit, attribute)
        ]
        if isinstance(kind, type) and issubclass(kind, Enum):
            limits.append(", ".join(str(member.value) for member in kind))
        default = "needed" if info.is_required() else json.dumps(plain(info.default))
        within = f" ({', '.join(limits)})" if limits else ""
        yield f"{name} = {'not set' if default == 'null' else default}  # {info.description}{within}"
    yield ""
    for kind, where in nested:
        yield from _table_lines(kind, where, None)


def check(path: Path, *, camera: bool, link: bool, timeout_s: float, as_json: bool, say: Callable[[str], None]) -> bool:
    """Checks configuration, model, camera and link, one line each.

    Returns:
        Whether all is well.

    Raises:
        ConfigError: The configuration itself is bad.
    """
    findings: list[Finding] = []

    def found(finding: Finding | None) -> None:
        if finding is not None:
            findings.append(finding)
        if finding is not None and not as_json:
            say(redact(finding.line))

    try:
        config = load_config(path)
    except ConfigError as error:
        if as_json:
            config_finding = Finding("config", False, str(error), problem=error.problem)
            say(json.dumps({"ok": False, "config": plain(config_finding.as_dict())}))
        raise
    lens = config.camera.model()
    found(Finding("config", True, f"{path}; lens {lens.hfov_deg:.1f} degrees wide", {"hfov_deg": lens.hfov_deg}))
    found(_calibrated(config))
    found(check_setup.view(lens))
    found(check_setup.start(config))
    flights: list[ResolvedFlight] = []
    model = _guarded("model", lambda c: _check_model(c, flights), config)
    found(_authority(config, flights))
    found(model)
    if "frame_ms" in model.data:
        found(forms_beside(config.model, model.data["frame_ms"]))
    found(_flight(flights))
    if flights:
        found(check_setup.kept(config, flights[0]))
        found(_scale(flights[0]))
    held = held_by(claims_of(path, config))
    parts: tuple[tuple[str, bool, Callable[[EdgeConfig], Finding]], ...] = (
        ("camera", camera, _check_camera),
        ("link", link, lambda c: _check_link(c, timeout_s)),
    )
    for name, wanted, what in parts:
        if not wanted:
            part = Finding(name, True, "skipped")
        elif held:
            part = Finding(name, False, held, problem=Problem.IN_USE)
        else:
            part = _guarded(name, what, config)
        found(part)
        if name == "camera" and "frame_ms" in model.data:
            fps = part.data.get("fps") or config.camera.fps
            found(speed_finding(flights[0], config.model.threads_of_one, model.data["frame_ms"], fps))
    ok = all(f.ok for f in findings)
    if as_json:
        say(json.dumps({"ok": ok, **{one.name: plain(one.as_dict()) for one in findings}}))
    return ok


def _guarded(name: str, what: Callable[[EdgeConfig], Finding], config: EdgeConfig) -> Finding:
    try:
        return what(config)
    except TouchdownError as error:
        return Finding(name, False, str(error), problem=error.problem)


def _calibrated(config: EdgeConfig) -> Finding:
    """Say whether lens, mount and latency are those that a flight told."""
    camera = config.camera
    remedy = "fly with the recorder on, then `touchdown edge calibrate FLIGHT`, or fly with `--live`"
    if camera.calibrated is None:
        text = f"latency, mount and lens were never calibrated from a flight; {remedy}"
        return Finding("calibration", True, text, warning=True, problem=Problem.CALIBRATION)
    day, stamp = camera.calibrated.split()
    if stamp != stamp_of(camera.model(), camera.latency_ms):
        text = f"latency, mount or lens changed since the calibration of {day}; {remedy}"
        return Finding("calibration", True, text, warning=True, problem=Problem.CALIBRATION)
    return Finding("calibration", True, f"from the flight of {day}")


def _authority(config: EdgeConfig, flights: list[ResolvedFlight]) -> Finding:
    """Describe the commands that may be sent, as they fly, or as configured where the model does not load."""
    settings = flights[0].authority if flights else config.authority
    words = {
        AuthorityLevel.ADVISE: "advise: sends targets and texts, commands nothing",
        AuthorityLevel.GUARD: "guard: stops once to look around before the last metres; may stop a "
        "landing whose site turns bad, climb, search and land again",
        AuthorityLevel.LAND: "land: may fly to the site and land by itself from "
        f"{' or '.join(settings.start_modes)}, and guard every landing",
    }
    text = words[settings.level]
    if settings.level is not AuthorityLevel.ADVISE:
        again = "until the daemon starts anew" if settings.rearm == "never" else "until disarmed"
        end = "holds for the pilot" if settings.when_spent == "hold" else "lands straight down"
        text += f"; {settings.max_tries} tries, then it {end}; the pilot's mode switch or stick ends it {again}"
        if flights and flights[0].sources["authority.ceiling_m"] == "model":
            text += f"; climbs to {settings.ceiling_m:.1f} m at most, as high as the model knows the ground"
    if config.camera.gimbal_down:
        text += "; points the gimbal down for a landing while nobody else controls it"
    return Finding("authority", True, text, settings.model_dump(mode="json"))


def _flight(flights: list[ResolvedFlight]) -> Finding:
    """Describe the settings that `edge serve` flies with, as in its event log."""
    if not flights:
        return Finding("flight", False, "not known without the model", problem=Problem.MODEL)
    (flight,) = flights
    data = {"sha256": flight.digest, "value": Exact(flight.as_dict())}
    return Finding("flight", True, flight.describe(), data)


def _scale(flight: ResolvedFlight) -> Finding:
    """Describe the heights from which the network sees the ground as it was trained to, through this camera."""
    scale = flight.scale(flight.camera)
    if scale is None:
        return Finding("scale", True, f"model {flight.model} {UNKNOWN_RANGE}", warning=True, problem=Problem.TOO_HIGH)
    lowest_m, highest_m = scale.heights_m(axis_down(flight.camera))
    top = f"{metres_down(highest_m)} m"
    text = (
        f"this camera sees what the model knows between {lowest_m:.1f} and {top} above ground "
        f"({scale.known.describe()} a pixel); above {top} the answer is 'descend to {top} first'"
    )
    settings = flight.authority
    named = {"decision.commit_height_m": flight.decision.commit_height_m}
    if settings.level is not AuthorityLevel.ADVISE:
        named |= {f"authority.{n}": getattr(settings, n) for n in ("clear_height_m", "look_height_m")}
    if settings.level is AuthorityLevel.LAND:
        named["authority.start_height_m"] = settings.start_height_m
    data = {"lowest_m": lowest_m, "highest_m": highest_m, **scale.known.model_dump()}
    above = [f"{name} = {value:g} m" for name, value in named.items() if value > highest_m]
    if above:
        remedy = "take a longer lens, or a model that was trained from farther"
        words = f"{text}; {', '.join(above)} lie above it: {remedy}"
        return Finding("scale", False, words, data, problem=Problem.TOO_HIGH)
    below = [f"{name} = {value:g} m" for name, value in named.items() if value < lowest_m]
    if below:
        text += f"; {', '.join(below)} lie below it: from there people and things look larger than in training"
    return Finding("scale", True, text, data, warning=bool(below), problem=Problem.TOO_HIGH if below else None)


def _check_model(config: EdgeConfig, flights: list[ResolvedFlight]) -> Finding:
    with load_runtime(config.model.path, config.model.options) as runtime:
        flight = resolve_flight(config, runtime.spec, read_kept(config.expert.link.parameters))
        flights.append(flight)
        taxonomy = flight.classes
        first_ms = runtime.warm_up()
        times_ms = sorted(runtime.warm_up() for _ in range(5)) if first_ms < SLOW_MS else [first_ms]
        frame_ms = times_ms[len(times_ms) // 2]
        spec = runtime.spec
        return Finding(
            "model",
            True,
            f"{config.model.path.name}: {spec.name}, {len(taxonomy)} classes of {taxonomy.name}, "
            f"{spec.input.width_px}x{spec.input.height_px}, {runtime.backend}, "
            f"{frame_ms:.1f} ms a frame; "
            f"{runtime.gate.describe() if runtime.gate else 'never verified (export verify)'}",
            {"name": spec.name, "backend": runtime.backend, "frame_ms": frame_ms},
        )


def forms_beside(model: ModelSection, frame_ms: float) -> Finding | None:
    """Say which gated form of the model is the fastest on this board; None where there is no other one."""
    runtime = BACKEND_OF_SUFFIX[model.path.suffix.lower()] if model.runtime == "auto" else model.runtime
    forms = measured(list(gated_forms(model.path, runtime)), model.options)
    if not forms:
        return None
    data = {"forms": [{"path": str(one.path), "runtime": one.runtime, "frame_ms": one.frame_ms} for one in forms]}
    best = forms[0]
    times = frame_ms / best.frame_ms
    words = f"{best.path.name} in {best.runtime}, {best.frame_ms:.1f} ms"
    if times < WORTH:
        return Finding("forms", True, f"the configured form is as fast here as {words} a frame", data)
    text = f"{words} a frame, is {times:.1f} times as fast here as the configured form; {best.gate}. {best.settings}"
    return Finding("forms", True, text, data)


def _check_camera(config: EdgeConfig) -> Finding:
    with ExitStack() as stack:
        camera = make_camera(config.camera.request())
        stack.enter_context(camera)
        info = camera.info
        stamps: list[int] = []
        wait_s = config.camera.start_timeout_ms / 1e3
        until_ns = time.monotonic_ns() + round((wait_s + CAMERA_SECONDS) * 1e9)
        try:
            while len(stamps) < CAMERA_FRAMES and time.monotonic_ns() < until_ns:
                frame = camera.grab(wait_s)
                stamps.append(frame.captured_at_ns)
                wait_s = config.camera.stall_timeout_ms / 1e3
        except EndOfStream:
            if not stamps:
                raise CameraError(f"camera {info.source} ended before its first frame") from None
        except CameraTimeout as error:
            raise CameraError(f"{error}, after {len(stamps)} frames") from error
    fps = (len(stamps) - 1) / ((stamps[-1] - stamps[0]) / 1e9) if len(stamps) > 1 else 0.0
    text = f"{info.width_px}x{info.height_px}, {len(stamps)} frames at {fps:.1f} Hz ({info.detail})"
    asked_fps = config.camera.fps or info.fps or 0.0
    ok = len(stamps) < 2 or fps >= 0.7 * asked_fps
    if not ok:
        text += f"; {asked_fps:g} Hz expected"
    if stamps and config.camera.source.startswith("pipe:") and check_setup.is_exchanged(frame.image_bgr):
        ok = False
        text += "; width_px and height_px are exchanged: its rows belong together only the other way round"
    if camera.skipped:
        text += f"; {len(camera.skipped)} unreadable pictures skipped"
    return Finding(
        "camera",
        ok,
        text,
        {
            "width_px": info.width_px,
            "height_px": info.height_px,
            "fps": fps,
            "frames": len(stamps),
            "skipped": list(camera.skipped),
        },
        problem=None if ok else Problem.CAMERA_OTHER,
    )


def _check_link(config: EdgeConfig, timeout_s: float) -> Finding:
    with FlightLink(config.link_settings()) as link:
        status = link.wait_ready(timeout_s)
        if status.ready:
            time.sleep(RATE_SECONDS)
            status = link.status(time.monotonic_ns())
            pose = link.latest_pose(time.monotonic_ns())
            manager = link.gimbal_report(time.monotonic_ns())
    if not status.ready:
        return Finding("link", False, "; ".join(status.problems), vars(status), problem=Problem.LINK_SILENT)
    asked = config.link_settings().asked_rates_hz()
    rates = ", ".join(f"{name} {status.rates_hz.get(name, 0.0):.0f} Hz" for name in asked)
    text = f"{status.connection}: {status.autopilot.value}, system {status.system_id}; {rates}"
    if status.slow:
        text += f"; slower than asked: {', '.join(status.slow)}"
    height_m = pose.height_agl_m if pose is not None else None
    text += (
        f"; height above ground {height_m:.1f} m"
        if height_m is not None
        else ("; no height above ground yet (rangefinder, or learnt on the ground)")
    )
    data = {**vars(status), "height_agl_m": height_m}
    if not config.camera.gimbal_down:
        return Finding("link", True, text, data)
    unknown = manager.holder is GimbalHolder.UNKNOWN
    text += (
        f"; the gimbal cannot be pointed down: {manager.who}" if unknown else f"; gimbal controlled by {manager.who}"
    )
    problem = Problem.GIMBAL if unknown else None
    return Finding("link", not unknown, text, {**data, "gimbal_holder": manager.who}, problem=problem)
