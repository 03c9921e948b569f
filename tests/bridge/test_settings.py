"""The one model of the link: the tools refuse what the daemon refuses, in the same words."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from edge.config import load_config
from firmware_bridge.cli import cli
from firmware_bridge.settings import LinkExpert, LinkSection, LinkSettings, load_tool_config
from landing.errors import ConfigError

DAEMON = '[model]\npath = "m.onnx"\n[camera]\nsource = "images://p"\nwidth_px = 64\nheight_px = 48\nhfov_deg = 70.0\n'
LINK = '[link]\nconnection = "udpin:127.0.0.1:0"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LINK + "system = 1\n", "unknown key link.system; did you mean 'system_id'?"),
        (LINK + '[expert.link.video]\nurl = "rtsp://a/b"\n', "unknown key expert.link.video.url; did you mean 'uri'?"),
        (LINK + "[expert.link]\nheartbeat_timeout_ms = 3.0\n", "did you mean 'heartbeat_timeout_s'?"),
        (LINK + "[expert.link]\nattitude_rate_hz = 900.0\n", "expert.link.attitude_rate_hz = 900.0"),
        (LINK + "attitude_rate_hz = 30.0\n", "is an expert's key: write it as [expert.link] attitude_rate_hz"),
        (LINK + '[expert.link]\ntarget_frame = "bodi"\n', "expert.link.target_frame = 'bodi'"),
        ("[link]\nsystem_id = 1\n", "link.connection is missing"),
        (LINK + "[expert.link]\nstick_channels = [1, 2, 3, 1]\n", "[1, 2, 3, 1] has a channel twice"),
    ],
)
def test_tools_and_daemon_refuse_in_the_same_words(tmp_path, text, words):
    path = tmp_path / "edge.toml"
    path.write_text(DAEMON + text)
    said = []
    for load in (load_config, load_tool_config):
        with pytest.raises(ConfigError) as refused:
            load(path)
        said.append(str(refused.value))
    assert words in said[0] and said[0] == said[1]
    for tool in ("doctor", "monitor"):
        done = CliRunner().invoke(cli, [tool, "--config", str(path)])
        assert isinstance(done.exception, ConfigError) and str(done.exception) == said[0]


def test_the_tools_read_both_tables_and_their_own_paths(tmp_path):
    path = tmp_path / "edge.toml"
    path.write_text(
        DAEMON + LINK + 'signing_key = "a.key"\n[expert.link]\nsigning_stamp = "a.stamp"\nlanded_rate_hz = 1.0\n'
        '[log]\nevents = "events.jsonl"\n'
    )
    config = load_tool_config(path)
    settings = config.settings(None, 57_600, 192)
    assert (settings.connection, settings.baud, settings.component_id) == ("udpin:127.0.0.1:0", 57_600, 192)
    assert settings.signing_key == tmp_path / "a.key" and settings.stamp_file == tmp_path / "a.stamp"
    assert settings.landed_rate_hz == 1.0 and config.log.events == tmp_path / "events.jsonl"
    daemon = load_config(path).link_settings()
    changed = {name for name in LinkSettings.model_fields if getattr(daemon, name) != getattr(settings, name)}
    assert changed == {"baud", "component_id", "depth"}  # the tools ask for no depth


def test_every_key_of_the_file_has_a_sentence():
    for table in (LinkSection, LinkExpert):
        assert all(field.description for field in table.model_fields.values())


def test_settings_that_do_not_fit_together():
    with pytest.raises(ValidationError, match="camera's"):
        LinkSettings("udpin:0:1", component_id=100, video={"uri": "rtsp://a/b"})
    with pytest.raises(ValidationError, match="comission"):
        LinkSettings("udpin:0:1", comission=1)
