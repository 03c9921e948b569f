"""Health, metrics, the page's data, and who may look."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiohttp import ClientSession, WSMsgType
from prometheus_client.parser import text_string_to_metric_families

from edge.sections.watch import PreviewSection
from edge.web.access import Access, read_token
from edge.web.feed import Feed
from edge.web.history import History
from landing.errors import ConfigError
from landing.settings import DirectorSettings
from tests.edge.test_config import MINIMAL, load
from tests.edge.test_daemon import wait_for
from tests.edge.web_rig import served

TOKEN = "0123456789abcdef0123"


def get(port: int, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def unpack(message: bytes) -> tuple[dict[str, Any], bytes, bytes, bytes]:
    lengths = struct.unpack("<4I", message[:16])
    parts, at = [], 16
    for length in lengths:
        parts.append(message[at : at + length])
        at += length
    assert at == len(message)
    return json.loads(parts[0]), parts[1], parts[2], parts[3]


async def watch(port: int, seconds: float, **headers: str) -> tuple[list[bytes], list[dict[str, Any]]]:
    looks: list[bytes] = []
    statuses: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    async with ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/live") as live:
        while time.monotonic() < deadline:
            message = await live.receive(timeout=5)
            if message.type is WSMsgType.BINARY:
                looks.append(message.data)
            elif message.type is WSMsgType.TEXT:
                statuses.append(json.loads(message.data))
            else:
                break
    return looks, statuses


def test_a_viewer_gets_pictures_geometry_gates_and_numbers(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: len(rig.link.targets) > 5)
        looks, statuses = asyncio.run(watch(server.port, 2.5))
        moment_times = json.loads(get(server.port, "/history")[1])["times_ns"]
        status, body, _ = get(server.port, f"/history/{moment_times[0]}")
        assert status == 200 and unpack(body)[0]["kind"] == "look"
        assert get(server.port, "/history/99999999999999999999999")[0] == 404
        picture = get(server.port, "/picture.jpg")[1]
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (120, 160, 3)
    assert len(looks) >= 5 and len(set(looks)) == len(looks)
    header, jpeg, mask, _ = unpack(looks[-1])
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    marked = cv2.imdecode(np.frombuffer(mask, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape[:2] == (header["height"], header["width"])
    assert marked.shape[2] == 4 and marked[..., 3].max() > 0
    outline = np.array(header["site"])
    assert outline.shape == (40, 2) and header["horizon"] is None  # it looks straight down
    grounds = [unpack(look) for look in looks if unpack(look)[3]]
    ground_header, *_, ground = grounds[-1]
    assert cv2.imdecode(np.frombuffer(ground, np.uint8), cv2.IMREAD_UNCHANGED).shape[2] == 4
    assert ground_header["ground"]["site"][2] > 1.0
    told = statuses[-1]
    assert told["state"] == "track" and told["sending"]
    gates = {g["name"]: g for g in told["gates"]}
    assert list(gates)[:4] == ["link", "armed", "airborne", "pose"]
    assert all(g["open"] for g in gates.values()) and gates["link"]["for_s"] > 0.5
    assert told["latency_ms"]["inference"]["p50"] > 0 and told["site"]["clearance_m"] > 1.0
    events = [e["event"] for s in statuses for e in s["events"]]
    assert "site-chosen" in events
    assert len(events) == len({(e["mono_ns"], e["event"]) for s in statuses for e in s["events"]})


def test_the_page_says_which_gate_holds_and_since_when(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: len(rig.link.targets) > 5)
        rig.link.posing = False
        wait_for(lambda: get(server.port, "/readyz")[0] == 503)
        code, body, _ = get(server.port, "/readyz")
        _, statuses = asyncio.run(watch(server.port, 0.7))
        held = {g["name"]: g for g in statuses[-1]["gates"]}
        assert code == 503 and "pose" in json.loads(body)["detail"]
        assert not held["pose"]["open"] and held["pose"]["reason"] == "pose is not known"
        assert 0 < held["pose"]["for_s"] < 30 and held["link"]["open"]
        rig.link.posing = True
        wait_for(lambda: get(server.port, "/readyz")[0] == 200)


def test_health_follows_the_control_loop(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: get(server.port, "/healthz")[0] == 200)
        rig.daemon.stop("test")
        wait_for(lambda: get(server.port, "/healthz")[0] == 503)
        assert "stopped" in json.loads(get(server.port, "/healthz")[1])["detail"]


def test_prometheus_can_read_the_metrics(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: len(rig.link.targets) > 5)
        code, body, headers = get(server.port, "/metrics")
    assert code == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(body.decode())}
    value = {(s.name, *s.labels.values()): s.value for f in families.values() for s in f.samples}
    assert value["touchdown_up",] == 1 and value["touchdown_decisions_total",] > 0
    assert value["touchdown_state", "track"] == 1 and value["touchdown_state", "abort"] == 0
    assert value["touchdown_gate_open", "evidence"] == 1
    assert value["touchdown_stage_seconds_total", "inference"] > 0
    assert 0 <= value["touchdown_frame_age_seconds",] < 5
    assert value["process_resident_memory_bytes",] > 1e7
    assert families["touchdown_targets_sent"].type == "counter"


def test_the_grafana_dashboard_asks_for_metrics_that_exist(tmp_path: Path, model_path: Path) -> None:
    import re

    folder = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
    text = (folder / "touchdown.json").read_text("utf-8")
    asked = set(
        re.findall(
            r"\b((?:touchdown|process)_[a-z_]+)",
            " ".join(t["expr"] for p in json.loads(text)["panels"] for t in p.get("targets", [])),
        )
    )
    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: len(rig.link.targets) > 5)
        body = get(server.port, "/metrics")[1].decode()
    given = {s.name for f in text_string_to_metric_families(body) for s in f.samples}
    optional = {
        "touchdown_temperature_celsius",
        "touchdown_recorder_dropped_total",
        "touchdown_recorder_failures_total",
        "touchdown_height_metres",
    }
    assert len(asked) > 8 and asked - given <= optional


def test_without_the_token_there_is_nothing(tmp_path: Path, model_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    with served(tmp_path, model_path, token_file=str(secret)) as (_, server):
        code, body, headers = get(server.port, "/")
        assert code == 200 and b"<form" in body and b"<canvas" not in body and TOKEN.encode() not in body
        assert "Set-Cookie" not in headers and "default-src 'none'" in headers["Content-Security-Policy"]
        for path in ("/metrics", "/healthz", "/picture.jpg", "/history", "/live", "/?token=wrong"):
            code, body, headers = get(server.port, path)
            assert code == 401 and TOKEN.encode() not in body
            assert headers["WWW-Authenticate"] == "Bearer"
        assert get(server.port, "/healthz", Authorization="Bearer wrong")[0] == 401
        assert get(server.port, "/history", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert get(server.port, "/history", Cookie=f"touchdown_token={TOKEN}")[0] == 200

        for line, answered in (
            (b"Authorization: Bearer \xff\xfe", 401),
            (b"Cookie: touchdown_token=\xff", 401),
            (b"Origin: http://\xff", 403),
            (b"Host: \xff", 421),
        ):  # bytes that are no UTF-8 are wrong, as any others
            host = b"" if line.startswith(b"Host") else b"Host: localhost\r\n"
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as door:
                door.sendall(b"GET /?token=%FF HTTP/1.1\r\n" + host + line + b"\r\nConnection: close\r\n\r\n")
                assert int(door.recv(64).split()[1]) == answered

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        opener = urllib.request.build_opener(Stay)
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(f"http://127.0.0.1:{server.port}/?token={TOKEN}", timeout=10)
        with caught.value as moved:
            cookie = moved.headers["Set-Cookie"]
            assert moved.code == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_other_sites_and_names_get_nothing(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (_, server):
        assert get(server.port, "/history", Host="evil.example")[0] == 421
        assert get(server.port, "/history", Origin="http://evil.example")[0] == 403
        here = f"127.0.0.1:{server.port}"
        assert get(server.port, "/history", Origin=f"http://{here}")[0] == 200
        for site, mode, answered in (
            ("cross-site", "no-cors", 403),  # an <img> of a page elsewhere: a browser sends no Origin with it
            ("same-site", "no-cors", 403),
            ("same-origin", "no-cors", 200),
            ("none", "navigate", 200),
            ("cross-site", "navigate", 200),  # a link
        ):
            given = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
            code, _, headers = get(server.port, "/history", **given)
            assert (code, headers.get("Cross-Origin-Resource-Policy")) == (answered, (None, "same-origin")[code == 200])
        code, body, headers = get(server.port, "/")
        policy = headers["Content-Security-Policy"]
        assert code == 200 and "default-src 'none'" in policy and b"NONCE" not in body
        assert b"http://" not in body.replace(b"http://www.w3.org", b"") and b"https://" not in body


def test_rubbish_does_not_stop_the_server(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        junks = (
            b"\x00" * 2000,
            b"GET " + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
            b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        )
        for junk in junks:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as door:
                door.sendall(junk)
        wait_for(lambda: len(rig.link.targets) > 5)
        assert get(server.port, "/healthz")[0] == 200


def test_a_viewer_that_does_not_read_costs_nothing(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (rig, server):
        doors = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for door in doors:
            door.sendall(
                b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
        wait_for(lambda: len(server._viewers) == 3 and len(rig.link.targets) > 5)
        before = len(rig.link.targets)
        looks, _ = asyncio.run(watch(server.port, 2.0))
        assert len(looks) >= 4 and len(rig.link.targets) > before + 10
        for door in doors:
            door.close()


def test_a_busy_port_keeps_nobody_from_flying(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with served(tmp_path, model_path, listen=listen) as (rig, _):
            wait_for(lambda: len(rig.link.targets) > 5)
    assert "no preview" in caplog.text


def test_beyond_the_loopback_a_good_token_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preview.*beyond the loopback.*token_file"):
        load(tmp_path, MINIMAL + '[preview]\nlisten = "0.0.0.0:8650"\n')
    off = load(tmp_path, MINIMAL + '[preview]\nlisten = "0.0.0.0:8650"\n[expert.preview]\nenabled = false\n')
    assert not off.preview.enabled
    with pytest.raises(ConfigError, match="65535"):
        load(tmp_path, MINIMAL + '[preview]\nlisten = "127.0.0.1:70000"\n')
    assert PreviewSection(listen="[::1]:80").address == ("::1", 80)
    with pytest.raises(ConfigError, match="a token is needed"):
        Access("0.0.0.0", None)
    with pytest.raises(ConfigError, match="at least 16"):
        Access("0.0.0.0", "short")
    loose = tmp_path / "token"
    loose.write_text(TOKEN)
    loose.chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        read_token(loose)
    loose.chmod(0o600)
    assert read_token(loose) == TOKEN
    loose.write_text("")
    with pytest.raises(ConfigError, match="empty"):
        read_token(loose)


def test_what_is_told_every_few_seconds_pushes_no_event_away() -> None:
    feed = Feed(DirectorSettings())
    feed.on_event({"event": "site-chosen", "mono_ns": 5})
    for second in range(1000):
        feed.on_event({"event": "status", "mono_ns": second * 10**9})
    assert [e["event"] for e in feed.events_since(0)] == ["site-chosen"]


def test_history_keeps_its_limits() -> None:
    history = History(keep_s=10, max_bytes=2500)
    for second in range(30):
        assert history.due(second * 10**9)
        history.add(second * 10**9, b"x" * 300)
    assert history.times_ns() == [s * 10**9 for s in range(22, 30)]
    nearest = history.nearest(24_400_000_000)
    assert nearest is not None and nearest.at_ns == 24 * 10**9
    assert not history.due(29 * 10**9 + 1)
    for second in range(30, 60):
        history.add(second * 10**9, b"x")
    assert len(history.times_ns()) == 11
