"""What is asked of us: who is answered, by what, and who is not."""

from __future__ import annotations

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from firmware_bridge.about import hardware_uid, packed_version
from firmware_bridge.component import AnswerContext, Component
from firmware_bridge.dialect import mavlink
from firmware_bridge.ftp import DATA_BYTES, FtpError, FtpPacket, FtpServer, Opcode, crc32
from firmware_bridge.metadata import metadata_files
from firmware_bridge.parameters import NoParameters, OwnParameter, ParameterKind, Writable
from firmware_bridge.video import VideoSettings
from landing.errors import InvalidValueError
from landing.vehicle import Autopilot, VehicleStatus
from tests.bridge.parameter_table import SmallTable

RTSP = VideoSettings(uri="rtsp://192.168.1.20:8554/preview", width_px=640, height_px=480, rate_hz=10)
DISARMED = VehicleStatus(link_alive=True, autopilot=Autopilot.ARDUPILOT, armed=False)
ARMED = VehicleStatus(link_alive=True, autopilot=Autopilot.ARDUPILOT, armed=True)
ASKER = (255, 190)


class Station:
    """Asks a component and collects the answers as they look on the wire."""

    def __init__(self, table=None, video=None, vehicle=DISARMED):
        self.table = SmallTable() if table is None else table
        self.component = Component(191, self.table, video, started_ns=0)
        self.vehicle = vehicle
        self.own = {}

    def ask(self, message):
        answers = []
        sent = mavlink.MAVLink(None, srcSystem=ASKER[0], srcComponent=ASKER[1])
        (heard,) = mavlink.MAVLink(None).parse_buffer(message.pack(sent))

        def post(answer, component_id):
            packer = self.own.setdefault(component_id, mavlink.MAVLink(None, srcSystem=1, srcComponent=component_id))
            answers.append(mavlink.MAVLink(None).parse_buffer(answer.pack(packer))[0])

        around = AnswerContext(1, self.vehicle, now_ns=61_500_000_000)
        self.component.take(heard, around, post)
        return answers


def command(number, *parameters, system=1, component=191):
    padded = [*parameters, *[0.0] * (7 - len(parameters))]
    return mavlink.MAVLink_command_long_message(system, component, number, 0, *padded)


def request(message_id, **target):
    return command(mavlink.MAV_CMD_REQUEST_MESSAGE, message_id, **target)


def names(answers):
    return [a.get_type() for a in answers]


# --- commands ---


def test_version_and_capabilities():
    for ask in (request(148), command(mavlink.MAV_CMD_REQUEST_AUTOPILOT_CAPABILITIES, 1)):
        ack, version = Station().ask(ask)
        assert (ack.result, ack.target_system, ack.target_component) == (0, *ASKER)
        assert version.get_srcComponent() == 191
        assert version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2
        assert version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_FTP
        assert version.capabilities & mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_C_CAST
        assert version.flight_sw_version > 0


def test_command_int_is_heard_as_well():
    ask = mavlink.MAVLink_command_int_message(1, 191, 0, 512, 0, 0, 148, 0, 0, 0, 0, 0, 0)
    assert names(Station().ask(ask)) == ["COMMAND_ACK", "AUTOPILOT_VERSION"]


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("0.1.0", 0x000100FF),
        ("2.13.7", 0x020D07FF),
        ("1.2.3rc1", 0x01020300),
        ("1.2.3.dev4", 0x01020300),
        ("1.999.0", 0x01FF00FF),
    ],
)
def test_packed_version(text, packed):
    assert packed_version(text) == packed


def test_uid_is_stable_and_hides_the_machine_id(tmp_path):
    machine = tmp_path / "machine-id"
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    uid = hardware_uid(machine)
    assert uid == hardware_uid(machine)
    assert len(uid) == 18
    assert bytes.fromhex("0123456789abcdef") not in uid
    assert hardware_uid(tmp_path / "none") == bytes(18)


@pytest.mark.parametrize(
    ("message_id", "expected_id", "fmt"), [(300, 300, "<HHH"), (397, 397, "<II"), (396, 396, "<QII")]
)
def test_messages_the_dialect_lacks(message_id, expected_id, fmt):
    """Their bytes against the published layout; CRC_EXTRA as the definition computes it."""
    ack, answer = Station().ask(request(message_id))
    assert ack.result == mavlink.MAV_RESULT_ACCEPTED
    assert answer.get_msgId() == expected_id or answer.get_type() == f"UNKNOWN_{expected_id}"
    payload = bytes(answer.get_msgbuf())[10:-2]
    values = struct.unpack_from(fmt, payload.ljust(struct.calcsize(fmt), b"\0"))
    if message_id == 300:
        assert values == (200, 100, 200)
    if message_id == 397:
        files = metadata_files(SmallTable().parameters)
        assert values == (61_500, crc32(files["general.json"]))
        assert payload[8:].startswith(b"mftp://general.json")
    if message_id == 396:
        assert values[1] == 61_500


def crc_extra(name, fields):
    definition = f"{name} ".encode()
    for kind, field, length in fields:
        definition += f"{kind} {field} ".encode() + (bytes([length]) if length else b"")
    crc = mavlink.x25crc(definition).crc
    return crc & 0xFF ^ crc >> 8


def test_crc_extra_of_the_supplement():
    """By the rule of https://mavlink.io/en/guide/serialization.html, from the definitions."""
    u8, u16, u32, u64, char = "uint8_t", "uint16_t", "uint32_t", "uint64_t", "char"
    assert (
        crc_extra(
            "PROTOCOL_VERSION",
            [
                (u16, "version", 0),
                (u16, "min_version", 0),
                (u16, "max_version", 0),
                (u8, "spec_version_hash", 8),
                (u8, "library_version_hash", 8),
            ],
        )
        == 217
    )
    assert crc_extra("COMPONENT_METADATA", [(u32, "time_boot_ms", 0), (u32, "file_crc", 0), (char, "uri", 100)]) == 182
    assert (
        crc_extra(
            "COMPONENT_INFORMATION_BASIC",
            [
                (u64, "capabilities", 0),
                (u32, "time_boot_ms", 0),
                (u32, "time_manufacture_s", 0),
                (char, "vendor_name", 32),
                (char, "model_name", 32),
                (char, "software_version", 24),
                (char, "hardware_version", 24),
                (char, "serial_number", 32),
            ],
        )
        == 50
    )


@pytest.mark.parametrize("number", [400, 16, 21, 176, 246, 511, 31_000])
def test_unknown_commands_to_us_are_unsupported(number):
    """Arming, modes, reboots and the rest: never done, always answered."""
    (ack,) = Station().ask(command(number, 1, 2, 3))
    assert (ack.get_type(), ack.command) == ("COMMAND_ACK", number)
    assert ack.result == mavlink.MAV_RESULT_UNSUPPORTED
    assert (ack.target_system, ack.target_component) == ASKER


@pytest.mark.parametrize("message_id", [math.nan, math.inf, 0.5, -1, 3e38, 33, 999_999])
def test_requests_for_what_we_do_not_have(message_id):
    (ack,) = Station().ask(request(message_id))
    assert ack.result in (mavlink.MAV_RESULT_DENIED, mavlink.MAV_RESULT_UNSUPPORTED)


@pytest.mark.parametrize("target", [(1, 1), (2, 191), (1, 190), (1, 0), (0, 0), (1, 100), (255, 190)])
def test_nothing_is_answered_that_is_not_for_us(target):
    station = Station()
    system, component = target
    assert station.ask(request(148, system=system, component=component)) == []
    assert station.ask(command(400, 1, system=system, component=component)) == []
    read = mavlink.MAVLink_param_request_read_message(system, component, b"TD_ENABLE", -1)
    assert station.ask(read) == []
    ftp = mavlink.MAVLink_file_transfer_protocol_message(0, system, component, bytes(251))
    assert station.ask(ftp) == []


def test_messages_without_an_addressee_are_nobodys():
    assert Station().ask(mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3)) == []


# --- parameters ---


def ask_list(component=191):
    return mavlink.MAVLink_param_request_list_message(1, component)


def write(name, value, kind=ParameterKind.REAL32):
    return mavlink.MAVLink_param_set_message(1, 191, name.encode(), value, kind.value)


@pytest.mark.parametrize("component", [191, 0])
def test_the_list_of_parameters(component):
    answers = Station().ask(ask_list(component))
    assert [a.param_id for a in answers] == [p.name for p in SmallTable().parameters]
    assert [a.param_index for a in answers] == [0, 1, 2, 3]
    assert {a.param_count for a in answers} == {4}
    assert [a.param_value for a in answers] == [1, 0.5, 0, -3]


def test_no_table_no_answer():
    assert Station(NoParameters()).ask(ask_list()) == []


@pytest.mark.parametrize(("name", "index"), [(b"TD_RADIUS_M", -1), (b"", 1), (b"TD_ENABLE", 1)])
def test_read_by_name_or_index(name, index):
    ask = mavlink.MAVLink_param_request_read_message(1, 191, name, index)
    (answer,) = Station().ask(ask)
    assert (answer.param_id, answer.param_value, answer.param_index) == ("TD_RADIUS_M", 0.5, 1)


@pytest.mark.parametrize(("name", "index"), [(b"TD_NONE", -1), (b"", 4), (b"", 32_000)])
def test_reading_what_is_not_there(name, index):
    ask = mavlink.MAVLink_param_request_read_message(1, 191, name, index)
    (answer,) = Station().ask(ask)
    assert (answer.get_type(), answer.error) == ("PARAM_ERROR", 1)


def test_a_write_is_taken_and_told():
    station = Station()
    (answer,) = station.ask(write("TD_RADIUS_M", 0.75))
    assert answer.param_value == 0.75
    assert station.table.writes == [("TD_RADIUS_M", 0.75, "parameter write of 255/190")]
    assert len(station.ask(write("TD_RADIUS_M", 0.75))) == 1  # the same again changes nothing
    assert len(station.table.writes) == 1


@pytest.mark.parametrize(
    ("name", "value", "kind", "vehicle", "error"),
    [
        ("TD_AUTHORITY", 2, ParameterKind.INT32, DISARMED, "READ_ONLY"),
        ("TD_RADIUS_M", 0.1, ParameterKind.REAL32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_RADIUS_M", math.nan, ParameterKind.REAL32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_RADIUS_M", -math.inf, ParameterKind.REAL32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_RADIUS_M", 1, ParameterKind.INT32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_ENABLE", 0.5, ParameterKind.REAL32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_ENABLE", 2, ParameterKind.INT32, DISARMED, "VALUE_OUT_OF_RANGE"),
        ("TD_RADIUS_M", 0.75, ParameterKind.REAL32, ARMED, "PERMISSION_DENIED"),
        ("TD_RADIUS_M", 0.75, ParameterKind.REAL32, VehicleStatus(), "PERMISSION_DENIED"),
    ],
)
def test_writes_that_are_refused(name, value, kind, vehicle, error):
    """Each is answered with why, and with the value that stays."""
    station = Station(vehicle=vehicle)
    refusal, stays = station.ask(write(name, value, kind))
    assert refusal.get_type() == "PARAM_ERROR"
    assert refusal.error == getattr(mavlink, f"MAV_PARAM_ERROR_{error}")
    assert (refusal.target_system, refusal.target_component) == ASKER
    assert stays.param_value == station.table.get(name)
    assert station.table.writes == []


def test_the_off_switch_works_while_armed():
    station = Station(vehicle=ARMED)
    (answer,) = station.ask(write("TD_ENABLE", 0, ParameterKind.INT32))
    assert answer.param_value == 0
    assert station.table.get("TD_ENABLE") == 0


@given(value=st.integers(0, 1))
def test_integers_travel_as_the_autopilot_sends_its_own(value):
    """PX4's ground stations expect the integer's bytes in the float field."""
    px4 = VehicleStatus(link_alive=True, autopilot=Autopilot.PX4, armed=True)
    station = Station(vehicle=px4)
    (as_float,) = struct.unpack("<f", struct.pack("<i", value))
    answer = station.ask(write("TD_ENABLE", as_float, ParameterKind.INT32))[-1]
    assert struct.unpack("<i", struct.pack("<f", answer.param_value))[0] == value
    assert station.table.get("TD_ENABLE") == value
    ask = mavlink.MAVLink_param_request_read_message(1, 191, b"TD_NAME_OF_16_CH", -1)
    raw = bytes(station.ask(ask)[0].get_msgbuf())[10:14]
    assert struct.unpack("<i", raw)[0] == -3  # a pattern that is no number as a float


@pytest.mark.parametrize(("name", "low"), [("TD_A_NAME_TOO_LONG", 0), ("", 0), ("TD_ö", 0), ("TD_X", 2)])
def test_parameters_that_cannot_be(name, low):
    with pytest.raises(InvalidValueError):
        OwnParameter(name, ParameterKind.INT32, "x", "", low, 5, 1, Writable.NEVER)


# --- files ---


def ftp(server, **fields):
    ask = {
        "sequence": 7,
        "session": 0,
        "opcode": 0,
        "size": 0,
        "asked": 0,
        "burst_complete": 0,
        "offset": 0,
        "data": b"",
        **fields,
    }
    if ask["data"] and not ask["size"]:
        ask["size"] = len(ask["data"])
    return [FtpPacket.parse(p) for p in server.answer(FtpPacket(**ask).pack())]


LONG = bytes(range(256)) * 40


@pytest.fixture
def server():
    return FtpServer({"general.json": b"{}", "long.bin": LONG, "empty": b""})


def opened(server, name):
    (answer,) = ftp(server, opcode=Opcode.OPEN_FILE_RO, data=name)
    assert (answer.opcode, answer.asked, answer.sequence) == (Opcode.ACK, Opcode.OPEN_FILE_RO, 8)
    return answer.session, struct.unpack_from("<I", answer.data)[0]


@pytest.mark.parametrize("name", [b"long.bin", b"/long.bin", b"long.bin\0rest"])
def test_a_file_is_read_in_pieces(server, name):
    session, size = opened(server, name)
    read = b""
    while len(read) < size:
        (piece,) = ftp(server, session=session, opcode=Opcode.READ_FILE, size=200, offset=len(read))
        read += piece.data[: piece.size]
    assert read == LONG
    (end,) = ftp(server, session=session, opcode=Opcode.READ_FILE, size=200, offset=size)
    assert (end.opcode, end.data[0]) == (Opcode.NAK, FtpError.END_OF_FILE)


def test_a_file_is_read_in_bursts(server):
    session, size = opened(server, b"long.bin")
    read = b""
    while len(read) < size:
        burst = ftp(server, session=session, opcode=Opcode.BURST_READ_FILE, offset=len(read))
        assert [p.sequence for p in burst] == [8 + i for i in range(len(burst))]
        assert [p.burst_complete for p in burst] == [0] * (len(burst) - 1) + [1]
        for piece in burst:
            assert piece.offset == len(read)
            read += piece.data[: piece.size]
    assert read == LONG


def test_files_are_listed(server):
    (listed,) = ftp(server, opcode=Opcode.LIST_DIRECTORY, data=b"/")
    entries = listed.data[: listed.size].split(b"\0")[:-1]
    assert entries == [b"Fgeneral.json\t2", b"Flong.bin\t10240", b"Fempty\t0"]
    (end,) = ftp(server, opcode=Opcode.LIST_DIRECTORY, data=b"/", offset=3)
    assert end.data[0] == FtpError.END_OF_FILE


def test_crc_is_mavlinks(server):
    """https://mavlink.io/en/crc.html's CRC-32: 0 for nothing, and not zlib's own."""
    (answer,) = ftp(server, opcode=Opcode.CALC_FILE_CRC32, data=b"long.bin")
    value = 0
    for byte in LONG:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    assert struct.unpack_from("<I", answer.data)[0] == value == crc32(LONG)


@pytest.mark.parametrize("opcode", [6, 7, 8, 9, 10, 11, 12, 13])
def test_nothing_can_be_written(server, opcode):
    (answer,) = ftp(server, opcode=opcode, data=b"general.json")
    assert (answer.opcode, answer.data[0]) == (Opcode.NAK, FtpError.FILE_PROTECTED)
    assert opened(server, b"general.json")[1] == 2


@pytest.mark.parametrize("name", [b"../etc/passwd", b"/etc/passwd", b"~/.ssh/id_rsa", b"", b"\xff"])
def test_the_disk_is_out_of_reach(server, name):
    (answer,) = ftp(server, opcode=Opcode.OPEN_FILE_RO, data=name or b"\0")
    assert answer.data[0] == FtpError.FILE_NOT_FOUND


def test_sessions_are_few_and_the_oldest_gives_way(server):
    first, _ = opened(server, b"long.bin")
    others = [opened(server, b"long.bin")[0] for _ in range(4)]
    (answer,) = ftp(server, session=first, opcode=Opcode.READ_FILE, size=9)
    assert answer.data[0] == FtpError.INVALID_SESSION
    assert ftp(server, session=others[0], opcode=Opcode.TERMINATE_SESSION)[0].opcode == Opcode.ACK
    assert ftp(server, opcode=Opcode.RESET_SESSIONS)[0].opcode == Opcode.ACK
    (answer,) = ftp(server, session=others[1], opcode=Opcode.READ_FILE, size=9)
    assert answer.data[0] == FtpError.INVALID_SESSION


@given(st.binary(max_size=300))
def test_any_ftp_payload(payload):
    server = FtpServer({"long.bin": LONG})
    server.answer(FtpPacket(1, 0, Opcode.OPEN_FILE_RO, 8, 0, 0, 0, b"long.bin").pack())
    for answer in server.answer(payload[:251]):
        assert len(answer) == 251
        assert FtpPacket.parse(answer).size <= DATA_BYTES


def test_metadata_describes_every_parameter():
    station = Station()
    files = metadata_files(station.table.parameters)
    general = json.loads(files["general.json"])
    (entry,) = general["metadataTypes"]
    assert (entry["type"], entry["uri"]) == (1, "mftp://parameters.json")
    assert entry["fileCrc"] == crc32(files["parameters.json"])
    described = json.loads(files["parameters.json"])["parameters"]
    assert [p["name"] for p in described] == [p.name for p in station.table.parameters]
    assert described[1] == {
        "name": "TD_RADIUS_M",
        "type": "Float",
        "shortDesc": "Radius",
        "group": "Touchdown",
        "longDesc": "Radius. Written: while disarmed.",
        "category": "Standard",
        "default": 0.5,
        "min": 0.5,
        "max": 10,
        "readOnly": False,
        "decimalPlaces": 2,
        "units": "m",
    }
    ask = mavlink.MAVLink_file_transfer_protocol_message(
        0, 1, 191, FtpPacket(1, 0, Opcode.OPEN_FILE_RO, 12, 0, 0, 0, b"general.json").pack()
    )
    (answer,) = station.ask(ask)
    assert (answer.target_system, answer.target_component) == ASKER
    size = struct.unpack_from("<I", FtpPacket.parse(bytes(answer.payload)).data)[0]
    assert size == len(files["general.json"])


# --- the camera ---


def test_the_stream_is_found_as_qgroundcontrol_looks_for_it():
    """A search of all components, then the camera's own id; new and old commands alike."""
    station = Station(video=RTSP)
    ack, information = station.ask(command(mavlink.MAV_CMD_REQUEST_CAMERA_INFORMATION, 1, component=0))
    assert ack.get_srcComponent() == information.get_srcComponent() == 100
    assert information.flags == mavlink.CAMERA_CAP_FLAGS_HAS_VIDEO_STREAM
    assert (information.resolution_h, information.resolution_v) == (640, 480)
    for ask in (
        request(269, component=100),
        command(mavlink.MAV_CMD_REQUEST_VIDEO_STREAM_INFORMATION, 0, component=100),
    ):
        _, stream = station.ask(ask)
        assert (stream.uri, stream.type) == (RTSP.uri, mavlink.VIDEO_STREAM_TYPE_RTSP)
        assert (stream.stream_id, stream.count, stream.framerate) == (1, 1, 10)
        assert stream.flags == mavlink.VIDEO_STREAM_STATUS_FLAGS_RUNNING
    for message_id in (260, 262, 270):
        assert len(station.ask(request(message_id, component=100))) == 2
    (ack,) = station.ask(command(mavlink.MAV_CMD_IMAGE_START_CAPTURE, component=100))
    assert ack.result == mavlink.MAV_RESULT_UNSUPPORTED
    assert station.ask(command(mavlink.MAV_CMD_IMAGE_START_CAPTURE, component=0)) == []


def test_no_stream_no_camera():
    station = Station()
    assert station.ask(command(mavlink.MAV_CMD_REQUEST_CAMERA_INFORMATION, component=100)) == []
    assert station.ask(command(mavlink.MAV_CMD_REQUEST_CAMERA_INFORMATION, component=0)) == []


@pytest.mark.parametrize(
    ("uri", "kind", "stream_type"),
    [
        ("rtsp://a/b", "auto", mavlink.VIDEO_STREAM_TYPE_RTSP),
        ("5600", "rtpudp", mavlink.VIDEO_STREAM_TYPE_RTPUDP),
        ("udp://0.0.0.0:5600", "auto", mavlink.VIDEO_STREAM_TYPE_RTPUDP),
        ("tcp://10.0.0.1:5000", "mpeg-ts", mavlink.VIDEO_STREAM_TYPE_MPEG_TS),
        ("http://10.0.0.1/whep", "whep", mavlink.VIDEO_STREAM_TYPE_WHEP),
    ],
)
def test_kinds_of_stream(uri, kind, stream_type):
    assert VideoSettings(uri=uri, type=kind).stream_type == stream_type


@pytest.mark.parametrize(
    "video",
    [
        {"uri": "http://10.0.0.1/preview.mjpg"},
        {"uri": ""},
        {"uri": "rtsp://" + "x" * 160},
        {"uri": "rtsp://a", "type": "mjpeg"},
        {"uri": "rtsp://a", "width_px": -1},
        {"uri": "rtsp://a", "rate_hz": math.nan},
    ],
)
def test_streams_that_cannot_be_announced(video):
    with pytest.raises(ValidationError):
        VideoSettings(**video)
