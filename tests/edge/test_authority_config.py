from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.check import _authority
from edge.config import EdgeConfig, parse_config
from edge.keys import to_file
from firmware_bridge.settings import MODE_RATE_HZ
from landing.errors import ConfigError
from landing.settings import AuthorityLevel


def config(tmp_path: Path, **sections: dict[str, Any]) -> EdgeConfig:
    expert = sections.pop("expert", {})
    data: dict[str, Any] = {
        "model": {"path": "model.onnx"},
        "camera": {"source": "v4l2:///dev/video0", "width_px": 640, "height_px": 480, "hfov_deg": 70.0},
        "link": {"connection": "udpin:127.0.0.1:14550", **sections.pop("link", {})},
        **sections,
    }
    tables = to_file(data)
    tables.setdefault("expert", {}).update(expert)
    return parse_config(tables, tmp_path / "edge.toml")


def test_the_default_is_the_smallest_authority(tmp_path: Path) -> None:
    default = config(tmp_path)
    assert default.authority.level is AuthorityLevel.ADVISE
    assert default.authority.rearm == "never" and not default.authority.begin_in_air
    assert not default.link_settings().commands
    assert "HEARTBEAT" not in default.link_settings().asked_rates_hz()
    assert "commands nothing" in _authority(default, []).text


@pytest.mark.parametrize("level", ["guard", "land"])
def test_more_authority_asks_for_modes_and_sticks_and_is_read_out(tmp_path: Path, level: str) -> None:
    chosen = config(
        tmp_path,
        authority={"level": level, "rearm": "on_disarm", "when_spent": "land", "max_tries": 2},
        expert={"link": {"stick_channels": [4, 2, 3, 1]}},
    )
    link = chosen.link_settings()
    assert link.commands and link.stick_channels == (4, 2, 3, 1)
    assert link.asked_rates_hz()["HEARTBEAT"] == MODE_RATE_HZ
    text = _authority(chosen, []).text
    assert text.startswith(level) and "2 tries" in text and "lands straight down" in text
    assert "ends it until disarmed" in text
    assert ("GUIDED" in text) is (level == "land")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"level": "obey"}, ("authority.level", "obey", "'advise', 'guard' or 'land'")),
        ({"rearm": "always"}, ("authority.rearm", "always", "'never' or 'on_disarm'")),
        ({"start_modes": ["LOITER"]}, ("authority", "LOITER", "GUIDED")),
        ({"clear_height": 6.0}, ("unknown key authority.clear_height", "clear_height_m")),
        ({"clear_height_m": 9.0, "ceiling_m": 6.0}, ("clear_height_m 9", "ceiling_m 6")),
        ({"stick_dead_zone": 0.0}, ("authority.stick_dead_zone", "0.0")),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, values: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as error:
        config(tmp_path, authority=values)
    for word in words:
        assert word in str(error.value), str(error.value)
