from __future__ import annotations

import io
import json
import logging
import os
import threading
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from edge.log import EventLog, RepeatFilter, TextFormatter, plain
from firmware_bridge.events import EventTail, previous
from landing.errors import ConfigError
from landing.site import LandingSite


class Colour(Enum):
    RED = "red"


def test_each_event_is_one_json_line(tmp_path: Path) -> None:
    site = LandingSite((1.0, 2.0, float("nan")), 3.0, 4.0, 5, 6)
    with EventLog(tmp_path / "logs" / "events.jsonl") as log:
        log.write("site-chosen", site=site, colour=Colour.RED, text="two\nlines", n=np.int64(3))
        threads = [threading.Thread(target=lambda: [log.write("x") for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    log.write("after the end")
    lines = (tmp_path / "logs" / "events.jsonl").read_text().splitlines()
    assert len(lines) == 201
    events = [json.loads(line) for line in lines]
    assert events[0]["event"] == "site-chosen"
    assert events[0]["site"]["position_ned_m"] == [1.0, 2.0, None]
    assert (events[0]["colour"], events[0]["n"]) == ("red", 3)
    assert events[0]["time"].endswith("+00:00") and isinstance(events[0]["mono_ns"], int)


def test_a_folder_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"log\.events"):
        EventLog(tmp_path / "file" / "events.jsonl")


def test_a_full_disk_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not there")
    log = EventLog(Path("/dev/full"))
    log.write("a")
    log.write("b")
    log.close()
    assert log.lost >= 1
    assert "events are lost" in caplog.text


def test_plain_takes_what_it_does_not_know_as_text() -> None:
    assert plain({1: (Path("a"), object)})["1"][0] == "a"


def test_a_log_that_has_grown_begins_anew_and_its_readers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    read = []
    with EventLog(path, most_bytes=40_000) as log:
        log.write("start", pid=7)
        for number in range(400):
            log.write("step", number=number, text="x" * 200)
            if number % 30 == 0:
                read += tail.read()
                total = path.stat().st_size
                total += previous(path).stat().st_size if previous(path).exists() else 0
                assert total <= 41_000
    read += tail.read()
    assert [e["number"] for e in read if e["event"] == "step"] == list(range(400))
    first = json.loads(path.read_text().splitlines()[0])
    assert first["event"] == "rotated" and first["before"] == "events.jsonl.1"
    assert first["newest"]["start"]["pid"] == 7 and first["newest"]["step"]["number"] > 300
    with EventLog(path, most_bytes=40_000) as log:
        log.write("start", pid=8)
        assert "step" not in log._newest


def test_an_event_that_comes_too_often_is_counted_and_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        seen: list[str] = []
        log.listeners.append(lambda line: seen.append(line["event"]))
        for number in range(5000):
            log.write("flood", number=number, text="x" * 200)
        log.write("site-chosen")
    events = [json.loads(line) for line in path.read_text().splitlines()]
    kept = sum(e["event"] == "flood" for e in events)
    assert 500 < kept < 2500 and path.stat().st_size < 500_000
    assert events[-2]["event"] == "site-chosen"
    assert events[-1]["event"] == "events-dropped" and events[-1]["count"] == {"flood": 5000 - kept}
    assert seen.count("flood") == kept


@pytest.mark.timeout(20)
def test_an_event_log_is_no_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match=r"log\.events .*is a FIFO"):
        EventLog(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(ConfigError, match="no regular file"):
        EventLog(tmp_path / "fifo")
    os.close(reader)


def test_secrets_stay_out_of_both_logs(tmp_path: Path) -> None:
    source = "rtsp://me:hunter2@cam/1"
    with EventLog(tmp_path / "e.jsonl") as log:
        log.write("camera-failed", error=f"{source} timed out", config={"source": [source]})
    text = (tmp_path / "e.jsonl").read_text()
    assert "hunter2" not in text and text.count("rtsp://cam/1") == 2
    formatter = TextFormatter("%(message)s")
    try:
        raise ValueError(source)
    except ValueError as error:
        trace = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("a", logging.ERROR, "f.py", 1, "no %s", (source,), trace)
    assert "hunter2" not in formatter.format(record) and "Traceback" in formatter.format(record)


def test_a_line_that_repeats_is_counted() -> None:
    now_s = 0.0
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(RepeatFilter(handler, lambda: now_s))
    log = logging.Logger("x")
    log.addHandler(handler)
    for number in range(500):
        log.warning("camera %d is gone", number)
    log.critical("crash")
    log.info("other")
    assert out.getvalue().count("is gone") == RepeatFilter.MOST_WARNINGS
    assert "crash" in out.getvalue() and "other" in out.getvalue()
    now_s = 11.0
    log.info("later")
    assert "camera 0 is gone … repeated 490 times" in out.getvalue()
    for _ in range(3):
        log.warning("camera %d is gone", 7)
    assert out.getvalue().count("repeated") == 1
