"""What a ground station may change of the daemon: only towards caution, and never its authority."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config import EdgeConfig
from edge.log import EventLog
from edge.parameters import CHANGES_AT_ONCE, CHANGES_PER_S, LIMITS, DaemonParameters, read_kept, with_kept
from edge.resolved import resolve_flight
from firmware_bridge.dialect import mavlink
from firmware_bridge.parameters import ParameterKind, ParameterServer, Writable, as_real32
from landing.errors import ConfigError, InvalidValueError
from landing.model.spec import ModelSpec
from landing.vehicle import Autopilot
from tests.edge.test_config import MINIMAL, load
from tests.edge.test_resolved import CAREFUL, PLAIN

KEEPING = MINIMAL + '[expert.link]\nparameters = "kept.json"\n'


class Effects:
    """What is connected to the table."""

    def __init__(self) -> None:
        self.withheld: list[str | None] = []
        self.periods: list[float] = []


def table_of(config: EdgeConfig, folder: Path, spec: ModelSpec = PLAIN) -> tuple[DaemonParameters, Effects]:
    kept = read_kept(config.expert.link.parameters)
    flies, unkept = (resolve_flight(config, spec, given) for given in (kept, {}))
    table = DaemonParameters(config, flies, unkept, kept, EventLog(folder / "events"))
    effects = Effects()
    table.connect(effects.withheld.append, effects.periods.append)
    return table, effects


def test_names_types_and_order_are_stable(tmp_path: Path) -> None:
    table, _ = table_of(load(tmp_path, MINIMAL), tmp_path)
    assert [p.name for p in table.parameters] == [
        "TD_ENABLE",
        "TD_STATUS_S",
        "TD_AUTHORITY",
        "TD_RADIUS_M",
        "TD_MARGIN_M",
        "TD_MAX_DIST_M",
        "TD_PERSON_P",
        "TD_LANDABLE_P",
        "TD_CONFIRM_S",
        "TD_COMMIT_M",
        "TD_HOLD_S",
        "TD_CAM_LAT_MS",
        "TD_FRAME_AGE_MS",
        "TD_FRAME_LAND_P",
    ]
    assert all(len(p.name) <= 16 and p.description for p in table.parameters)
    whole = {p.name for p in table.parameters if p.kind is ParameterKind.INT32}
    assert whole == {"TD_ENABLE", "TD_AUTHORITY"}
    assert len(ParameterServer(table).answer(_List(), False, Autopilot.PX4)) == 14


class _List:
    def get_type(self) -> str:
        return "PARAM_REQUEST_LIST"


def test_off_switch_and_period_work_at_once(tmp_path: Path) -> None:
    table, effects = table_of(load(tmp_path, MINIMAL), tmp_path)
    assert effects.withheld == [None]
    table.set("TD_ENABLE", 0.0, "a test")
    table.set("TD_STATUS_S", 5.0, "a test")
    table.set("TD_ENABLE", 1.0, "a test")
    assert effects.withheld == [None, "switched off by TD_ENABLE", "switched off by TD_ENABLE", None]
    assert effects.periods[-1] == 5.0
    lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [(e["event"], e["name"], e["before"], e["value"], e["source"]) for e in lines] == [
        ("parameter", "TD_ENABLE", 1.0, 0.0, "a test"),
        ("parameter", "TD_STATUS_S", 1.0, 5.0, "a test"),
        ("parameter", "TD_ENABLE", 0.0, 1.0, "a test"),
    ]


def test_a_flood_of_changes_does_not_wear_the_disk_out_and_never_bars_the_off_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger may send hundreds a second; each that is taken is written by the thread that reads poses."""
    now_ns = [10**9]
    monkeypatch.setattr("edge.parameters.time.monotonic_ns", lambda: now_ns[0])
    table, effects = table_of(load(tmp_path, KEEPING), tmp_path)
    server, written = ParameterServer(table), []
    monkeypatch.setattr(table, "_keep", lambda path, kept: written.append(kept))
    for number in range(4000):  # 10 s
        answers = server.answer(_set("TD_ENABLE", 1.0 - number % 2), True, Autopilot.ARDUPILOT)
        assert answers[-1].param_value == table.get("TD_ENABLE")
        now_ns[0] += 2_500_000
    taken = CHANGES_AT_ONCE + 10 * CHANGES_PER_S
    assert taken - 2 <= len(written) / 2 <= taken + 2
    now_ns[0] += 10**9
    table.set("TD_ENABLE", 1.0, "a test")
    table.set("TD_ENABLE", 0.0, "a test")
    assert effects.withheld[-1] == "switched off by TD_ENABLE"
    said = [server.answer(_set("TD_STATUS_S", 2.0 + n), True, Autopilot.ARDUPILOT)[0] for n in range(4)]
    assert said[-1].get_type() == "PARAM_ERROR"


def _set(name: str, value: float) -> mavlink.MAVLink_param_set_message:
    message = mavlink.MAVLink_param_set_message(1, 191, name.encode(), value, mavlink.MAV_PARAM_TYPE_REAL32)
    message._header.srcSystem = 255
    return message


def test_without_a_file_no_limit_can_be_set(tmp_path: Path) -> None:
    table, _ = table_of(load(tmp_path, MINIMAL), tmp_path)
    writable = {p.name for p in table.parameters if p.writable is not Writable.NEVER}
    assert writable == {"TD_ENABLE", "TD_STATUS_S"}


def test_authority_is_never_writable(tmp_path: Path) -> None:
    text = KEEPING + '[authority]\nlevel = "guard"\n'
    table, _ = table_of(load(tmp_path, text), tmp_path)
    (authority,) = (p for p in table.parameters if p.name == "TD_AUTHORITY")
    assert authority.writable is Writable.NEVER
    assert table.get("TD_AUTHORITY") == 1.0


def test_a_stricter_limit_counts_after_the_next_start(tmp_path: Path) -> None:
    config = load(tmp_path, KEEPING)
    table, _ = table_of(config, tmp_path)
    table.set("TD_RADIUS_M", 0.75, "a test")
    table.set("TD_PERSON_P", as_real32(0.1), "a test")
    assert table.get("TD_RADIUS_M") == 0.75
    again = resolve_flight(config, PLAIN, read_kept(config.expert.link.parameters))
    assert again.decision.vehicle_radius_m == 0.75
    assert again.decision.person_probability == pytest.approx(0.1)
    assert again.link == config.link_settings()
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".new"] == []


def test_a_ground_station_sees_what_flies_and_cannot_loosen_the_models_thresholds(tmp_path: Path) -> None:
    """The model asks for persons from 0.1 on: 0.15 is stricter than the default, yet laxer."""
    config = load(tmp_path, KEEPING)
    table, _ = table_of(config, tmp_path, CAREFUL)
    assert (table.get("TD_PERSON_P"), table.get("TD_FRAME_LAND_P")) == (0.1, 0.923)
    assert table.get("TD_LANDABLE_P") == 0.8  # of all frames together: no model asks for that
    with pytest.raises(InvalidValueError, match=r"TD_PERSON_P is 0\.15, expected at most .*0\.1"):
        table.set("TD_PERSON_P", 0.15, "a test")
    table.set("TD_PERSON_P", 0.0625, "a test")
    assert table_of(config, tmp_path, CAREFUL)[0].get("TD_PERSON_P") == 0.0625
    (tmp_path / "kept.json").write_text('{"TD_PERSON_P": 0.15}')  # kept with another model
    assert table_of(config, tmp_path, CAREFUL)[0].get("TD_PERSON_P") == 0.1
    assert table_of(config, tmp_path)[0].get("TD_PERSON_P") == 0.15
    described = {p.name: p.description for p in table.parameters}
    assert "all frames together" in described["TD_LANDABLE_P"]
    assert described["TD_FRAME_LAND_P"].startswith("probability of landable ground below which a frame")


def test_off_stays_off_over_a_restart_where_it_is_kept(tmp_path: Path) -> None:
    """A crash in the air must not switch targets on again that the pilot has switched off."""
    config = load(tmp_path, KEEPING)
    table, _ = table_of(config, tmp_path)
    table.set("TD_ENABLE", 0.0, "a test")
    again, effects = table_of(config, tmp_path)
    assert again.get("TD_ENABLE") == 0.0
    assert effects.withheld == ["switched off by TD_ENABLE"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(index=st.integers(0, len(LIMITS) - 1), value=st.floats(-1e3, 1e3, width=32))
def test_no_write_ever_makes_the_decision_laxer(tmp_path: Path, index: int, value: float) -> None:
    limit = LIMITS[index]
    (tmp_path / "kept.json").unlink(missing_ok=True)
    config = load(tmp_path, KEEPING)
    table, _ = table_of(config, tmp_path)
    configured = limit.of(resolve_flight(config, PLAIN, {}))
    try:
        table.set(limit.name, value, "a test")
    except InvalidValueError as error:
        assert limit.name in str(error)
        assert table.get(limit.name) == configured
        assert read_kept(config.expert.link.parameters) == {}
        return
    in_force = limit.of(resolve_flight(config, PLAIN, read_kept(config.expert.link.parameters)))
    stricter = in_force >= configured if limit.loosest > configured else in_force <= configured
    assert stricter


def test_a_limit_can_be_set_back_to_what_is_configured(tmp_path: Path) -> None:
    """Though a float of 32 bits holds it only nearly."""
    table, _ = table_of(load(tmp_path, KEEPING), tmp_path)
    table.set("TD_PERSON_P", 0.125, "a test")
    (wire,) = struct.unpack("<f", struct.pack("<f", 0.2))
    assert wire > 0.2
    table.set("TD_PERSON_P", wire, "a test")
    assert table.get("TD_PERSON_P") == 0.2


def test_kept_values_laxer_than_a_new_configuration_are_left_out(tmp_path: Path) -> None:
    config = load(tmp_path, KEEPING.replace("[link]", "[expert.decision]\nmargin_m = 1.5\n[link]"))
    assert with_kept(config, {"TD_MARGIN_M": 0.8}).decision.margin_m == 1.5


@pytest.mark.parametrize("content", ["", "[]", "{", '{"TD_ENABLE": "off"}', '{"TD_AUTHORITY": 2}'])
def test_a_damaged_file_is_not_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content)
    with pytest.raises(ConfigError, match=r"kept\.json"):
        read_kept(tmp_path / "kept.json")


# --- the rest of [link] ---


def test_link_section_of_a_full_configuration(tmp_path: Path) -> None:
    text = MINIMAL + (
        'ground_stations = ["udpout:192.168.1.10:14550", "tcpin:0.0.0.0:5790"]\n'
        'signing_key = "link.key"\n[expert.link]\nparameters = "kept.json"\n'
        '[expert.link.video]\nuri = "rtsp://192.168.1.20:8554/preview"\nwidth_px = 640\n'
    )
    config = load(tmp_path, text)
    link = config.link_settings()
    assert link.ground_stations == ("udpout:192.168.1.10:14550", "tcpin:0.0.0.0:5790")
    assert link.signing_key == tmp_path / "link.key"
    assert link.stamp_file == tmp_path / "link.key.stamp"
    assert link.video is not None
    assert (link.video.stream_type, link.video.width_px) == (0, 640)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('ground_stations = ["carrier:pigeon"]', "carrier:pigeon"),
        ('[expert.link.video]\nuri = "http://192.168.1.20:8080/preview"', "MJPEG"),
        ('[expert.link.video]\nuri = "rtsp://a/b"\n[expert.link]\ncomponent_id = 100', "component_id"),
    ],
)
def test_link_sections_that_are_refused(tmp_path: Path, line: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load(tmp_path, MINIMAL + line + "\n")
