"""Signing: pymavlink's own peer understands us, and nothing unsigned, forged or old is heard."""

from __future__ import annotations

import hashlib
import os
import secrets

import pytest
from click.testing import CliRunner

from firmware_bridge.cli import cli
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.signing import (
    LARGEST_STAMP,
    MAX_STREAMS,
    NEW_STREAM_WINDOW,
    NS_PER_STAMP,
    STAMPS_PER_S,
    LinkSigning,
    SigningKey,
    StampClock,
    stamp_of_unix_s,
)
from firmware_bridge.stamp_file import AHEAD, PERIOD_S, StampFile, StampWriter, load_signing, make_key_file
from landing.errors import LinkError
from landing.types import LandingTarget
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, wait_for
from tests.bridge.test_link import now, settings

KEY = SigningKey(bytes(range(32)))
START = 35_000_000 * STAMPS_PER_S
SECOND = 1_000_000_000


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self):
        self.ns = 5 * SECOND

    def __call__(self):
        return self.ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def signing(clock):
    return LinkSigning(KEY, StampClock(START, clock))


def sender(stamp=START, key=KEY.secret, link_id=0, system=1, component=1):
    packer = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
    packer.signing.secret_key = key
    packer.signing.sign_outgoing = True
    packer.signing.link_id = link_id
    packer.signing.timestamp = stamp
    return packer


def frame(packer, message=None):
    return (message or mavlink.MAVLink_heartbeat_message(2, 3, 0, 9, 4, 3)).pack(packer)


def hears(signing, raw):
    (received,) = FrameReader().feed(raw)
    return signing.accepts(received.raw, received.message.get_msgId())


def test_what_we_sign_pymavlink_takes(signing):
    ours = mavlink.MAVLink(None, srcSystem=1, srcComponent=191)
    peer = mavlink.MAVLink(None)
    peer.signing.secret_key = KEY.secret
    peer.signing.timestamp = START
    for _ in range(3):
        signing.prepare(ours, 7)
        (message,) = peer.parse_buffer(frame(ours))
        assert message.get_signed()
        assert message.get_link_id() == 7
    assert peer.signing.goodsig_count == 3


def test_good_signatures_are_heard_once(signing):
    packer = sender()
    first, second = frame(packer), frame(packer)
    assert hears(signing, first)
    assert hears(signing, second)
    assert not hears(signing, first)  # a replay
    assert not hears(signing, second)
    assert (signing.accepted, signing.forged, signing.unsigned) == (2, 2, 0)


@pytest.mark.parametrize("position", [-1, -6, -7, -12, -13, 5, 12])
def test_one_changed_byte_is_a_forgery(signing, position):
    """In the signature, the stamp, the link id, the sender, the payload (with a mended CRC)."""
    raw = bytearray(frame(sender()))
    raw[position] ^= 0x40
    assert not signing.accepts(bytes(raw), 0)
    assert signing.forged == 1
    assert hears(signing, frame(sender()))  # the true sender is not shut out by it


def test_a_forged_stamp_far_ahead_does_not_silence_the_sender(signing):
    """pymavlink's own check falls for this: it takes the stamp before the signature."""
    forged = frame(sender(LARGEST_STAMP, key=bytes(32)))
    assert not hears(signing, forged)
    assert hears(signing, frame(sender()))


def test_unsigned_frames_are_ignored_but_for_the_radio(signing):
    plain = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    assert not hears(signing, frame(plain))
    v1 = mavlink.MAVLink_heartbeat_message(2, 3, 0, 9, 4, 3).pack(plain, force_mavlink1=True)
    assert not hears(signing, v1)
    ask = mavlink.MAVLink_param_set_message(1, 191, b"TD_ENABLE", 0, 6)
    assert not hears(signing, frame(plain, ask))
    assert signing.unsigned == 3
    radio = mavlink.MAVLink_radio_status_message(100, 100, 90, 10, 10, 0, 0)
    assert hears(signing, frame(plain, radio))


def test_window_of_one_minute_for_new_senders(signing):
    assert not hears(signing, frame(sender(START - NEW_STREAM_WINDOW - 1, system=2)))
    assert hears(signing, frame(sender(START - NEW_STREAM_WINDOW, system=3)))
    # Known senders need only go forward, each on its own link by itself.
    assert hears(signing, frame(sender(START + 10)))
    assert hears(signing, frame(sender(START + 5, link_id=1)))
    assert not hears(signing, frame(sender(START + 5)))


def test_our_stamp_follows_theirs_and_always_rises(signing, clock):
    stamps = [signing.clock.next() for _ in range(3)]
    ahead = START + 3600 * STAMPS_PER_S
    assert hears(signing, frame(sender(ahead)))
    stamps.append(signing.clock.next())
    assert stamps[-1] >= ahead
    clock.ns += SECOND
    stamps.append(signing.clock.next())
    assert stamps[-1] == ahead + STAMPS_PER_S
    clock.ns -= 3 * SECOND  # cannot be, and yet
    stamps.append(signing.clock.next())
    assert stamps == sorted(set(stamps))


def test_senders_remembered_are_bounded(signing):
    for number in range(MAX_STREAMS + 20):
        assert hears(signing, frame(sender(START + number, system=1 + number % 250, component=1 + number // 250)))
    assert len(signing._newest) == MAX_STREAMS


def test_stamps_of_dates():
    assert stamp_of_unix_s(0) == 0  # a computer without a clock
    assert stamp_of_unix_s(1_420_070_400 + 10) == 10 * STAMPS_PER_S
    assert stamp_of_unix_s(1e12) == LARGEST_STAMP


# --- the key file ---


@pytest.mark.parametrize("form", ["raw", "hex", "HEX"])
def test_key_file(tmp_path, form):
    path = tmp_path / "key"
    text = KEY.secret.hex() + "\n"
    path.write_bytes({"raw": KEY.secret, "hex": text.encode(), "HEX": text.upper().encode()}[form])
    path.chmod(0o600)
    assert SigningKey.read(path) == KEY
    assert KEY.secret.hex() not in repr(SigningKey.read(path))


def test_key_file_that_is_made_can_be_read(tmp_path):
    path = tmp_path / "keys" / "link.key"
    make_key_file(path, KEY.secret)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.read(path) == KEY
    with pytest.raises(FileExistsError):
        make_key_file(path, bytes(32))
    assert SigningKey.read(path) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_key_that_others_may_use_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    path.write_bytes(KEY.secret)
    path.chmod(mode)
    with pytest.raises(LinkError, match=f"chmod 600 {path}"):
        SigningKey.read(path)


def test_key_of_another_user_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(KEY.secret)
    path.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(LinkError, match="chown"):
        SigningKey.read(path)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"g" * 64, b"\xff" * 64, b"0" * 65])
def test_key_of_the_wrong_form_is_refused(tmp_path, content):
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(LinkError, match="64 hexadecimal digits"):
        SigningKey.read(path)


def test_missing_key_names_the_command(tmp_path):
    with pytest.raises(LinkError, match="bridge keygen"):
        SigningKey.read(tmp_path / "none")


def keygen(*words, typed=""):
    return CliRunner().invoke(cli, ["keygen", *map(str, words)], input=typed)


def test_keygen_makes_a_key_once(tmp_path):
    path = tmp_path / "link.key"
    result = keygen(path)
    assert result.exit_code == 0
    first = SigningKey.read(path)
    assert first.secret.hex() not in result.output
    again = keygen(path)
    assert isinstance(again.exception, LinkError)
    assert SigningKey.read(path) == first
    assert keygen(tmp_path / "other").exit_code == 0
    assert SigningKey.read(tmp_path / "other") != first


def test_keygen_from_a_passphrase_is_mavproxys_key(tmp_path):
    words = "a long enough passphrase"
    result = keygen(tmp_path / "key", "--passphrase", typed=f"{words}\n{words}\n")
    assert result.exit_code == 0, result.output
    assert words not in result.output
    assert SigningKey.read(tmp_path / "key").secret == hashlib.sha256(words.encode()).digest()
    short = keygen(tmp_path / "short", "--passphrase", typed="secret\nsecret\n")
    assert isinstance(short.exception, LinkError)
    assert not (tmp_path / "short").exists()


# --- the stamp across restarts ---


def test_stamp_survives_a_crash_and_never_repeats(tmp_path, clock):
    file = StampFile(tmp_path / "stamp")
    before = StampClock(START, clock)
    keeper = StampWriter(file, before)
    keeper.start()
    clock.ns += int(PERIOD_S * SECOND)
    used = [before.next() for _ in range(100)]
    # The crash: nothing more is written. The wall clock of the next start is years behind.
    after = StampClock(max(file.read(), stamp_of_unix_s(0)), clock)
    assert after.next() > used[-1]
    assert file.read() - used[-1] < NEW_STREAM_WINDOW  # others are still heard by our window
    keeper.close()
    assert used[-1] < file.read() <= before.next() + 1, "a clean end costs nothing"
    assert [p.name for p in tmp_path.iterdir()] == ["stamp"]


def test_a_right_clocked_peer_is_heard_first_after_ten_crashes_in_a_row(tmp_path, clock):
    file = StampFile(tmp_path / "stamp")
    assert PERIOD_S * STAMPS_PER_S < AHEAD
    for _ in range(10):
        today = START + clock.ns // NS_PER_STAMP
        ours = LinkSigning(KEY, StampClock(max(file.read(), today), clock))
        assert hears(ours, frame(sender(today)))
        file.write(ours.clock.present() + AHEAD)  # as its writer does at the start; then it is killed


@pytest.mark.parametrize("content", [b"", b"12x", b"-4", b"9" * 30, b"\xff\xfe"])
def test_damaged_stamp_is_none(tmp_path, content):
    path = tmp_path / "stamp"
    path.write_bytes(content)
    assert StampFile(path).read() == 0


def test_stamp_that_cannot_be_kept_is_said_once(tmp_path, clock, caplog):
    (tmp_path / "file").write_text("no folder")
    keeper = StampWriter(StampFile(tmp_path / "file" / "stamp"), StampClock(START, clock))
    keeper.start()
    keeper.close()
    assert len([r for r in caplog.records if "is not kept" in r.message]) == 1


def test_wall_clock_counts_only_at_the_start(tmp_path, monkeypatch):
    make_key_file(tmp_path / "key", KEY.secret)
    monkeypatch.setattr("time.time", lambda: 1_420_070_400 + 1000.0)
    signing, _ = load_signing(tmp_path / "key", tmp_path / "stamp")
    monkeypatch.setattr("time.time", lambda: 1_420_070_400 + 1000.0 - 7200)
    first = signing.clock.next()
    monkeypatch.setattr("time.time", lambda: 1_420_070_400 + 1000.0 + 7200)
    assert 0 < signing.clock.next() - first < 60 * STAMPS_PER_S
    assert 1000 * STAMPS_PER_S <= first < 1060 * STAMPS_PER_S


# --- the whole link ---


class SigningAutopilot(FakeAutopilot):
    """Signs with a key; what it hears is read without looking at signatures."""

    def __init__(self, peer, key, **rest):
        super().__init__(peer, **rest)
        self._mav.signing.secret_key = key
        self._mav.signing.sign_outgoing = True
        self._mav.signing.timestamp = stamp_of_unix_s(1_900_000_000)


def key_file(tmp_path, secret):
    path = tmp_path / f"{secrets.token_hex(4)}.key"
    make_key_file(path, secret)
    return path


def test_a_signed_link_lands_and_ignores_the_unsigned(tmp_path):
    udp = UdpOutgoingPeer()
    path = key_file(tmp_path, KEY.secret)
    target = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), 10**9, 10**9)
    with SigningAutopilot(udp, KEY.secret) as fake, FlightLink(settings(udp, signing_key=path)) as link:
        assert link.wait_ready(10).ready
        assert link.send_target(target).sent
        assert wait_for(lambda: fake.of_type("LANDING_TARGET"))
        assert all(m.get_header().incompat_flags & 1 for m in fake.received)
        stamps = [bytes(m.get_msgbuf())[-12:-6] for m in fake.received]
        assert stamps == sorted(stamps, key=lambda s: int.from_bytes(s, "little"))

        # A stranger without the key: neither answered nor believed.
        before = len(fake.of_type("COMMAND_ACK")) + len(fake.of_type("PARAM_VALUE"))
        plain = mavlink.MAVLink(None, srcSystem=255, srcComponent=190)
        ask = mavlink.MAVLink_command_long_message(1, 191, 512, 0, 148, 0, 0, 0, 0, 0, 0)
        disarmed = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
        for _ in range(20):
            udp.send(ask.pack(plain))
            udp.send(mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(disarmed))
        assert wait_for(lambda: link.status(now()).signing.unsigned >= 40)
        assert link.vehicle(now()).armed
        assert len(fake.of_type("COMMAND_ACK")) + len(fake.of_type("PARAM_VALUE")) == before
    assert StampFile(path.with_name(path.name + ".stamp")).read() > 0


@pytest.mark.parametrize("other", [None, bytes(32)])
def test_an_autopilot_without_our_key_is_named(tmp_path, other):
    udp = UdpOutgoingPeer()
    path = key_file(tmp_path, KEY.secret)
    autopilot = FakeAutopilot(udp) if other is None else SigningAutopilot(udp, other)
    with autopilot, FlightLink(settings(udp, signing_key=path)) as link:
        assert wait_for(lambda: "frames ignored" in " ".join(link.status(now()).problems))
        problem = link.status(now()).problems[0]
        assert ("unsigned" if other is None else "another key") in problem
        assert str(path) in problem
        assert not link.status(now()).alive
        assert link.send_heartbeat(HealthState.OK).sent
