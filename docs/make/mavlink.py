"""MAVLink as Touchdown speaks it: messages sent and read, commands, our parameters and the autopilot's.

Which messages and commands there are is read from `firmware_bridge`; the words about each are here. A test asks for
words about each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import firmware_bridge
from docs.make.markdown import code, escaped, table
from edge.config import EdgeConfig, parse_config
from edge.log import EventLog
from edge.parameters import DaemonParameters
from firmware_bridge import component, supplement
from firmware_bridge.battery import BATTERY_RATE_HZ, BATTERY_STREAM
from firmware_bridge.current_mode import MODE_STREAM, MODE_STREAM_RATE_HZ
from firmware_bridge.depth import READERS as DEPTH_MESSAGES
from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import ardupilot, px4
from firmware_bridge.doctor.findings import Level
from firmware_bridge.doctor.rules import Rule
from firmware_bridge.estimator_state import ESTIMATOR_RATE_HZ, ESTIMATOR_STREAMS
from firmware_bridge.fence import FENCE_RATE_HZ, FENCE_STREAM
from firmware_bridge.further_streams import STICK_STREAMS
from firmware_bridge.gimbal import READERS
from firmware_bridge.gimbal_manager import STATUS_STREAM
from firmware_bridge.identity import version_text
from firmware_bridge.mission import MISSION_RATE_HZ, MISSION_STREAM
from firmware_bridge.parameters import Writable
from firmware_bridge.settings import STICK_RATE_HZ, LinkSettings
from firmware_bridge.streams import MESSAGE_IDS, SUBSTITUTES
from firmware_bridge.telemetry import Telemetry
from landing.settings import DecisionSettings, DirectorSettings

SENT = {
    "LANDING_TARGET": "the site, 20 times a second while one is sent; to the served autopilot alone",
    "HEARTBEAT": "once a second, with the daemon's health in `system_status`; to all connections",
    "STATUSTEXT": "what the pilot should read; to all connections",
    "ONBOARD_COMPUTER_STATUS": "load, memory, temperature, once a second; to all connections",
    "TIMESYNC": "five questions a second to the autopilot; an answer to each question",
    "COMMAND_LONG": "asks for streams and messages; under `guard` and `land` also sets modes, with `gimbal_down` "
    "points the gimbal (below)",
    "COMMAND_INT": "under `guard` and `land`: flies to a place (below)",
    "SET_POSITION_TARGET_GLOBAL_INT": "under `guard`, to ArduPilot: the heading of the step aside, which it would turn",
    "MISSION_REQUEST_INT": "asks ArduPilot for the mission item that it flies, to know whether that one lands",
    "MISSION_REQUEST_LIST": "`bridge rally` alone: asks for the rally points",
    "MISSION_COUNT": "`bridge rally` alone: begins an upload of rally points",
    "MISSION_ITEM_INT": "`bridge rally` alone: a rally point, the pilot's own as it was",
    "MISSION_CLEAR_ALL": "`bridge rally --clear` alone, where no rally point is the pilot's",
    "MISSION_ACK": "`bridge rally` alone: the rally points have come",
    "COMMAND_ACK": "the answer to a command; `UNSUPPORTED` for all that would move something",
    "AUTOPILOT_VERSION": "when asked: version of Touchdown and what it can",
    "PROTOCOL_VERSION": "when asked",
    "COMPONENT_METADATA": "when asked: where the description of our parameters is",
    "COMPONENT_INFORMATION_BASIC": "when asked: who made this component, and its version",
    "FILE_TRANSFER_PROTOCOL": "when asked: the description of our parameters, from memory",
    "PARAM_VALUE": "when asked: one of our parameters",
    "PARAM_ERROR": "a refused write of a parameter, with the reason",
    "CAMERA_INFORMATION": "when asked, where a video stream is announced",
    "CAMERA_SETTINGS": "when asked, where a video stream is announced",
    "CAMERA_CAPTURE_STATUS": "when asked, where a video stream is announced",
    "VIDEO_STREAM_INFORMATION": "when asked, where a video stream is announced: its address",
    "VIDEO_STREAM_STATUS": "when asked, where a video stream is announced",
}
READ = {
    "HEARTBEAT": "which autopilot this is, armed or not, and its mode",
    "ATTITUDE_QUATERNION": "attitude; without it no target",
    "ATTITUDE": "attitude, where ATTITUDE_QUATERNION does not come",
    "LOCAL_POSITION_NED": "position and speed; without it no target",
    "DISTANCE_SENSOR": "height above the ground, from a rangefinder that looks down; relief, from those "
    "that look down obliquely",
    "OBSTACLE_DISTANCE_3D": "relief: points in the vehicle's axes (`MAV_FRAME_BODY_FRD`)",
    "GPS_GLOBAL_ORIGIN": "a new origin of the local frame: the ground map is moved or begun anew",
    "EKF_STATUS_REPORT": "health and resets of ArduPilot's estimator",
    "ESTIMATOR_STATUS": "health and resets of PX4's estimator",
    "ODOMETRY": "counter of PX4's estimator resets",
    "EXTENDED_SYS_STATE": "in the air, landing, or on the ground; hovering, or on a wing",
    "GLOBAL_POSITION_INT": "latitude and longitude: where known sites are, and flights to a place",
    "MISSION_ITEM_INT": "the mission item that ArduPilot flies: whether it lands",
    "MISSION_ACK": "the end of an upload: the mission may be another one",
    "CURRENT_MODE": "PX4's mode, between two heartbeats too; read where something may be commanded",
    "COMMAND_ACK": "the answer to our commands",
    "RC_CHANNELS": "the pilot's sticks on ArduPilot; read where something may be commanded",
    "MANUAL_CONTROL": "the pilot's sticks on PX4; read where something may be commanded",
    "BATTERY_STATUS": "the flight time that the batteries leave",
    "FENCE_STATUS": "breaches of ArduPilot's geofence: whether it began a way down",
    "MISSION_CURRENT": "which item of a mission is being flown",
    "AUTOPILOT_VERSION": "version of the firmware: which form of target it takes",
    "TIMESYNC": "questions are answered; answers tell the autopilot's clock in ours",
    "GIMBAL_DEVICE_ATTITUDE_STATUS": "attitude of the gimbal that carries the camera",
    "MOUNT_ORIENTATION": "the same from older gimbals",
    "GIMBAL_MANAGER_STATUS": "who controls that gimbal",
    "COMMAND_LONG": "requests for messages, from anybody; nothing is commanded to us",
    "COMMAND_INT": "the same",
    "PARAM_REQUEST_LIST": "all of our parameters are asked for",
    "PARAM_REQUEST_READ": "one of our parameters is asked for",
    "PARAM_SET": "one of our parameters is to be set",
    "FILE_TRANSFER_PROTOCOL": "the description of our parameters is asked for",
}
COMMANDS = {
    "SET_MESSAGE_INTERVAL": "always: the streams below",
    "REQUEST_MESSAGE": "always: AUTOPILOT_VERSION",
    "DO_SET_MODE": "`guard`: stop and hold (GUIDED on ArduPilot, AUTO.LOITER on PX4), land (LAND, AUTO.PRECLAND)",
    "DO_REPOSITION": "`guard`: climb and search; `land`: fly to the site",
    "DO_GIMBAL_MANAGER_CONFIGURE": "any, with `camera.gimbal_down`: takes control of the gimbal while nobody has it, "
    "and releases it",
    "DO_GIMBAL_MANAGER_PITCHYAW": "any, with `camera.gimbal_down`: points the gimbal straight down",
}


def messages() -> str:
    """Write what is sent and what is read."""
    head = ("message", "when, or what for")
    sent = table(head, [[_link(name), escaped(text)] for name, text in _all(SENT, sent_names()).items()])
    read = table(head, [[_link(name), escaped(text)] for name, text in _all(READ, read_names()).items()])
    return f"## Sent\n\n{sent}\n## Read\n\n{read}"


def commanded() -> str:
    """Write the commands that may be sent to the autopilot."""
    known = _all(COMMANDS, command_names())
    return table(
        ("command", "from which authority on, and what for"), [[_command(n), escaped(t)] for n, t in known.items()]
    )


def _all(words: Mapping[str, str], names: set[str]) -> dict[str, str]:
    """Return the words of all names in the order of the words; tests/docs asks that none is empty or left over."""
    return {name: words.get(name, "") for name in [*(n for n in words if n in names), *sorted(names - set(words))]}


def _sources(of: ModuleType) -> Iterable[str]:
    """Yield the sources of a package's own modules, not those of its parts such as the doctor."""
    assert of.__file__
    for path in sorted(Path(of.__file__).parent.glob("*.py")):
        if not path.name.startswith("monitor"):
            yield path.read_text("utf-8")


def sent_names() -> set[str]:
    """Names of all messages that the link makes."""
    found = set()
    for source in _sources(firmware_bridge):
        found |= {name.upper() for name in re.findall(r"mavlink\.MAVLink_(\w+)_message\(", source)}
        found |= set(re.findall(r"_Supplement\([\w.]+, \"(\w+)\"", source))
        found |= set(re.findall(r"name = \"(COMPONENT_\w+)\"", source))
    return found


def read_names() -> set[str]:
    """Names of all messages that the link acts on."""
    handled = Telemetry(LinkSettings("udpin:127.0.0.1:14550"))._handlers
    return {*handled, *READERS, *DEPTH_MESSAGES, *component.QUESTIONS, "TIMESYNC"}


def command_names() -> set[str]:
    """Names of all commands that the link sends, without those that it answers."""
    senders = ("commands.py", "gimbal_manager.py", "streams.py")
    folder = Path(str(firmware_bridge.__file__)).parent
    return {n for s in senders for n in re.findall(r"mavlink\.MAV_CMD_(\w+)", (folder / s).read_text("utf-8"))}


def _link(name: str) -> str:
    number = MESSAGE_IDS.get(name) or getattr(supplement, f"MSG_ID_{name}", 0)
    dialect = "ardupilotmega" if name == "EKF_STATUS_REPORT" else "common"
    return f"[{code(name)} ({number})](https://mavlink.io/en/messages/{dialect}.html#{name})"


def _command(name: str) -> str:
    number = getattr(mavlink, f"MAV_CMD_{name}")
    return f"[{code(name)} ({number})](https://mavlink.io/en/messages/common.html#MAV_CMD_{name})"


def streams() -> str:
    """Write the streams that are asked of the autopilot, with the rates of the defaults."""
    plain = LinkSettings("udpin:127.0.0.1:14550").asked_rates_hz()
    whole = LinkSettings("udpin:127.0.0.1:14550", commands=True, gimbal=True, gimbal_down=True).asked_rates_hz()
    rows = []
    for name, rate in whole.items():
        pointed = "with a gimbal that is pointed down" if name == STATUS_STREAM else "where something may be commanded"
        when = "" if name in plain else "with a gimbal" if name in READERS else pointed
        rows.append([_link(name), f"{rate:g}", _link(SUBSTITUTES[name]) if name in SUBSTITUTES else "", when])
    for autopilot, names in ESTIMATOR_STREAMS.items():
        rows += [[_link(name), f"{ESTIMATOR_RATE_HZ:g}", "", f"from {_called(autopilot.value)}"] for name in names]
    rows.append([_link(MISSION_STREAM), f"{MISSION_RATE_HZ:g}", "", ""])
    rows.append([_link(BATTERY_STREAM), f"{BATTERY_RATE_HZ:g}", "", "where something may be commanded"])
    when = "from ArduPilot, where something may be commanded"
    rows.append([_link(FENCE_STREAM), f"{FENCE_RATE_HZ:g}", "", when])
    when = "from PX4, where something may be commanded"
    rows.append([_link(MODE_STREAM), f"{MODE_STREAM_RATE_HZ:g}", "", when])
    for autopilot, name in STICK_STREAMS.items():
        when = f"from {_called(autopilot.value)}, where something may be commanded"
        rows.append([_link(name), f"{STICK_RATE_HZ:g}", "", when])
    return table(("message", "rate, Hz", "instead, where it does not come", "when"), rows)


def _called(autopilot: str) -> str:
    return {"ardupilot": "ArduPilot", "px4": "PX4"}[autopilot]


@dataclass(frozen=True)
class _Defaults:
    decision: DecisionSettings
    director: DirectorSettings


def own_parameters() -> str:
    """Write our parameters as a ground station sees them, at the defaults of the configuration."""
    config = _default_config()
    rules = _Defaults(DecisionSettings(), DirectorSettings())
    shown = DaemonParameters(config, rules, rules, {}, EventLog(None)).parameters
    rows = []
    for p in shown:
        writable = {Writable.NEVER: "no", Writable.DISARMED: "while disarmed", Writable.ALWAYS: "always"}[p.writable]
        span = f"{p.low:g} to {p.high:g}"
        rows.append([code(p.name), p.unit, f"{p.default:g}", span, writable, escaped(p.description)])
    return table(("parameter", "unit", "default", "range", "can be set", "meaning"), rows)


def _default_config() -> EdgeConfig:
    """Return a configuration of defaults whose limits may be set."""
    tables = {
        "model": {"path": "model.onnx"},
        "camera": {"source": "v4l2:///dev/video0", "width_px": 1280, "height_px": 720, "hfov_deg": 70.0},
        "link": {"connection": "/dev/ttyACM0"},
        "expert": {"link": {"parameters": "parameters.json"}},
    }
    return parse_config(tables, Path("edge.toml"))


def doctor_parameters(autopilot: str) -> str:
    """Write what the doctor expects of an autopilot's parameters (`ardupilot` or `px4`)."""
    known = {"ardupilot": (ardupilot.RULES, ardupilot.GIMBAL), "px4": (px4.RULES, px4.GIMBAL)}
    rules = [rule for rules in known[autopilot] for rule in rules]
    rows = [_rule(rule) for rule in rules]
    return table(("parameter", "expected", "else", "`--fix` sets it", "firmware", "why"), rows)


def _rule(rule: Rule) -> list[str]:
    severity = {Level.OK: "", Level.NOTE: "note", Level.WARNING: "warning", Level.ERROR: "error"}[rule.level]
    judged = bool(rule.expect.words)
    words = escaped(rule.expect.words) if judged else "any; it is shown"
    since = f"from {version_text(rule.since)}" if any(rule.since) else ""
    before = f"before {version_text(rule.before)}" if rule.before else ""
    mended = "" if not judged else "yes" if _mends(rule) else "no, yours to choose"
    mended += ", then reboot" if mended == "yes" and rule.reboot else ""
    firmware = " ".join(filter(None, (since, before)))
    return [code(rule.parameter), words, severity if judged else "", mended, firmware, escaped(rule.why)]


def _mends(rule: Rule) -> bool:
    """Return whether a fix writes this parameter; asked for a value that no rule accepts."""
    return rule.expect.mended(-12345.0) is not None
