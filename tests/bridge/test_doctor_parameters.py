"""Parameters over MAVLink: both encodings, lost requests, read-back, and never while armed."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import ParameterError, Session, read_parameters, reboot, tool_settings, write_parameters
from firmware_bridge.doctor.parameters import decode_value, encode_value, holds
from firmware_bridge.identity import ParameterEncoding
from landing.errors import LinkError
from tests.bridge.fake_px4 import FakePx4
from tests.bridge.peers import UdpOutgoingPeer
from tests.bridge.stand_in import stand_in

RANGES = {
    mavlink.MAV_PARAM_TYPE_INT8: (-(2**7), 2**7 - 1),
    mavlink.MAV_PARAM_TYPE_UINT8: (0, 2**8 - 1),
    mavlink.MAV_PARAM_TYPE_INT16: (-(2**15), 2**15 - 1),
    mavlink.MAV_PARAM_TYPE_UINT16: (0, 2**16 - 1),
    # Beyond 2**22 below zero, and near the top, some bit patterns are signalling NaNs, which the processor changes on
    # their way through a float.
    mavlink.MAV_PARAM_TYPE_INT32: (-(2**22), 2**31 - 2**24),
}


def on_the_wire(field):
    """What pymavlink makes of the float field at the other end."""
    packer = mavlink.MAVLink(None, 1, 1)
    message = mavlink.MAVLink_param_value_message(b"P", field, 6, 1, 0)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(packer))).param_value


@given(st.sampled_from(sorted(RANGES)).flatmap(lambda kind: st.tuples(st.just(kind), st.integers(*RANGES[kind]))))
def test_every_integer_survives_the_bytewise_encoding(case):
    kind, value = case
    field = encode_value(value, kind, ParameterEncoding.BYTEWISE)
    assert decode_value(on_the_wire(field), kind, ParameterEncoding.BYTEWISE) == value


@given(st.integers(-(2**24), 2**24))
def test_every_integer_that_a_float_holds_survives_the_cast(value):
    kind = mavlink.MAV_PARAM_TYPE_INT32
    field = encode_value(value, kind, ParameterEncoding.C_CAST)
    assert decode_value(on_the_wire(field), kind, ParameterEncoding.C_CAST) == value


@given(st.floats(-1e6, 1e6), st.sampled_from(list(ParameterEncoding)))
def test_floats_are_the_same_in_both(value, encoding):
    field = encode_value(value, mavlink.MAV_PARAM_TYPE_REAL32, encoding)
    assert holds(decode_value(on_the_wire(field), mavlink.MAV_PARAM_TYPE_REAL32, encoding), value)


def test_the_two_encodings_are_not_alike():
    one = encode_value(1, mavlink.MAV_PARAM_TYPE_INT32, ParameterEncoding.BYTEWISE)
    assert one != 1.0 and 0 < one < 1e-40


@pytest.mark.parametrize("value", [300, -1, 1.5, math.nan, math.inf])
def test_what_an_integer_cannot_hold_is_refused(value):
    for encoding in ParameterEncoding:
        with pytest.raises(ParameterError):
            encode_value(value, mavlink.MAV_PARAM_TYPE_UINT8, encoding)


def test_px4_integers_are_read_and_written_by_their_bytes():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        found = read_parameters(session, ["PLD_MAX_SRCH", "PLD_BTOUT", "NO_SUCH"])
        assert found["PLD_MAX_SRCH"].value == 3
        assert found["PLD_BTOUT"].value == 5.0
        assert found["NO_SUCH"] is None
        written = write_parameters(session, {"PLD_MAX_SRCH": 7, "PLD_HACC_RAD": 0.35})
        assert [(w.name, w.before) for w in written] == [("PLD_MAX_SRCH", 3.0), ("PLD_HACC_RAD", pytest.approx(0.2))]
        assert px4.parameters["PLD_MAX_SRCH"] == 7
        assert px4.parameters["PLD_HACC_RAD"] == pytest.approx(0.35)


def test_lost_requests_are_asked_again():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        px4.lose_every = 2
        names = ["PLD_BTOUT", "PLD_HACC_RAD", "PLD_SRCH_ALT", "PLD_SRCH_TOUT", "MAV_SYS_ID"]
        assert all(read_parameters(session, names).values())


def test_a_way_up_that_loses_two_thirds_of_all_requests_hides_no_parameter():
    """Loss on the way up is counted nowhere else, and what is silent counts as absent: nothing would judge it."""

    class LossyPx4(FakePx4):
        lost = random.Random(1)

        def _answer(self, message):
            if message.get_type() != "PARAM_REQUEST_READ" or self.lost.random() >= 0.65:
                super()._answer(message)

    there = {f"HERE_{n}": n for n in range(40)}
    with LossyPx4(UdpOutgoingPeer(), parameters=there) as px4, Session(tool_settings(px4.peer.connection)) as session:
        session.identify()
        found = read_parameters(session, [*there, *(f"ABSENT_{n}" for n in range(10))])
        assert sum(found[name] is None for name in there) <= 1
        assert not any(found[f"ABSENT_{n}"] for n in range(10))


def test_another_components_parameter_of_the_same_name_is_not_taken_for_it():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        session.identify()
        gimbal = mavlink.MAVLink(None, srcSystem=1, srcComponent=154)
        wrong = mavlink.MAVLink_param_value_message(b"PLD_BTOUT", 99.0, 9, 1, 0)

        def answer_first(message, _):
            px4.peer.send(wrong.pack(gimbal))

        session.listeners.append(answer_first)
        for _ in range(3):
            assert read_parameters(session, ["PLD_BTOUT"])["PLD_BTOUT"].value == 5.0


class LatePx4(FakePx4):
    """Answers 0.2 s late with what it held when it was asked, and again 0.3 s later, as a bad link does."""

    def __init__(self, peer, **others):
        super().__init__(peer, **others)
        self.late = []

    def _send_parameter(self, name):
        if name in self.parameters:
            self.late += [(time.monotonic() + after_s, name, self.parameters[name]) for after_s in (0.2, 0.5)]

    def _stream(self, now):
        super()._stream(now)
        due = [answer for answer in self.late if answer[0] <= now]
        self.late = [answer for answer in self.late if answer[0] > now]
        held = self.parameters
        for _, name, value in due:
            self.parameters = {**held, name: value}
            super()._send_parameter(name)
        self.parameters = held


def test_late_and_repeated_answers_are_not_taken_for_a_write_that_failed():
    with LatePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        (written,) = write_parameters(session, {"PLD_HACC_RAD": 0.35})
        assert (written.before, written.after) == (pytest.approx(0.2), pytest.approx(0.35))
        px4.read_only = frozenset({"PLD_BTOUT"})
        with pytest.raises(ParameterError, match="was set to 2 but reads 5"):
            write_parameters(session, {"PLD_BTOUT": 2.0})


def test_what_holds_the_value_already_is_not_written():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        assert write_parameters(session, {"PLD_BTOUT": 5.0}) == []
        assert px4.sets == []


def test_a_parameter_that_does_not_take_its_value_is_an_error():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        px4.read_only = frozenset({"PLD_BTOUT"})
        with pytest.raises(ParameterError, match="PLD_BTOUT was set to 2 but reads 5"):
            write_parameters(session, {"PLD_BTOUT": 2.0})
        with pytest.raises(ParameterError, match="no parameter NO_SUCH"):
            write_parameters(session, {"NO_SUCH": 1.0})


def test_nothing_is_written_while_armed():
    with FakePx4(UdpOutgoingPeer()) as px4, Session(tool_settings(px4.peer.connection)) as session:
        px4.armed = True
        with pytest.raises(ParameterError, match="armed"):
            write_parameters(session, {"PLD_BTOUT": 2.0})
        assert px4.sets == []


def test_ardupilot_is_rebooted_and_holds_what_was_written():
    with stand_in() as (connection, autopilot), Session(tool_settings(connection)) as session:
        assert autopilot.parameters["PLND_TYPE"] == 0
        write_parameters(session, {"PLND_TYPE": 1, "PLND_LAG": 0.05})
        assert autopilot.parameters["PLND_TYPE"] == 0, "counts from the next boot"
        assert reboot(session) > 0
        assert autopilot.reboots == 1
        assert autopilot.parameters["PLND_TYPE"] == 1
        assert read_parameters(session, ["PLND_LAG"])["PLND_LAG"].value == pytest.approx(0.05)


def test_no_reboot_while_armed():
    with stand_in(airborne_height_m=10.0) as (connection, autopilot), Session(tool_settings(connection)) as session:
        with pytest.raises(LinkError, match="armed"):
            reboot(session)
        assert autopilot.reboots == 0


class SignedPx4(FakePx4):
    """Signs what it says, and keeps apart what came with and without a signature."""

    KEY = bytes(range(32))

    def __init__(self, peer):
        super().__init__(peer)
        self._mav.signing.secret_key = self.KEY
        self._mav.signing.sign_outgoing = True
        self._mav.signing.timestamp = 10**14


def test_a_signed_link_is_spoken_signed_and_an_unsigned_one_is_told(tmp_path):
    key = tmp_path / "key.hex"
    key.write_text(SignedPx4.KEY.hex())
    key.chmod(0o600)
    with SignedPx4(UdpOutgoingPeer()) as px4:
        settings = tool_settings(px4.peer.connection, signing_key=key)
        with Session(settings) as session:
            write_parameters(session, {"PLD_BTOUT": 3.0})
        assert px4.parameters["PLD_BTOUT"] == 3.0
        assert px4.received and all(m.get_header().incompat_flags & 1 for m in px4.received)
    with FakePx4(UdpOutgoingPeer()) as px4:
        settings = tool_settings(px4.peer.connection, signing_key=key)
        with Session(settings) as session, pytest.raises(LinkError, match="unsigned"):
            session.connect(1.0)
