from __future__ import annotations

import json
import threading
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from edge.log import EventLog, plain
from landing.errors import ConfigError
from landing.site import LandingSite


class Colour(Enum):
    RED = "red"


def test_each_event_is_one_json_line(tmp_path: Path) -> None:
    site = LandingSite((1.0, 2.0, float("nan")), 3.0, 4.0, 0.9, 5, 6)
    with EventLog(tmp_path / "logs" / "events.jsonl") as log:
        log.write("site-chosen", site=site, colour=Colour.RED, text="two\nlines", n=np.int64(3))
        threads = [
            threading.Thread(target=lambda: [log.write("x") for _ in range(50)]) for _ in range(4)
        ]
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
