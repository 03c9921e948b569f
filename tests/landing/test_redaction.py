"""No secret passes, wherever it stands; what is none stays as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landing.redaction import redact, redact_all, secrets_in

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://user:{SECRET}@10.0.0.1:554/live?x=1",
        f"rtsp://{SECRET}@host/",
        f"rtsp://user:p@{SECRET}@host/x",
        f"rtsp://user:p/{SECRET}#x?@host/y",
        f"http://user:{SECRET}@[fe80::1]:80/a",
        f"pipe:ffmpeg -i 'http://a:{SECRET}@c/d' -f rawvideo -",
        f"rtspsrc location=rtsp://h user-id=admin user-pw={SECRET} ! decodebin",
        f"souphttpsrc location=http://h proxy-pw={SECRET}",
        f'rtspsrc location=\\"rtsp://a:{SECRET}@h\\" latency=1',
        f"srt://h:9000?passphrase={SECRET}&mode=caller",
        f"https://h/v.m3u8?a=1&access_token={SECRET}&b=2",
        f"http://127.0.0.1:8650/?token={SECRET}",
        f"program --token {SECRET} --other",
        f"program --api-key='{SECRET}'",
        f"curl -u admin:{SECRET} http://h",
        f"ffmpeg -headers 'Authorization: Basic {SECRET}' -i x",
        f"Authorization: Bearer {SECRET}",
        f'{{"password": "{SECRET} with a blank"}}',
        json.dumps(json.dumps({"token": SECRET})),
        f"password = '{SECRET}'",
        f"rtsp://user:pé ñ{SECRET}@h/x",
        f"rtsp:\\/\\/user:{SECRET}@h\\/x",
        f"http://proxy/?to=rtsp%3A%2F%2Fuser%3A{SECRET}%40h%2Fx",
        f"tcp:user:{SECRET}@10.0.0.1:5760",
        f"//user:{SECRET}@h/x",
        f"http://h/cgi?usr=admin&loginpas={SECRET}&channel=1",
        f"http://h/a?sid={SECRET}",
        f"curl -uadmin:{SECRET} http://h",
        f"curl --user 'admin:{SECRET}' http://h",
        f"sshpass -p {SECRET} ssh h cat clip",
        f'Authorization: Digest username="admin", response="{SECRET}"',
        f"Set-Cookie: SESSION={SECRET}",
    ],
)
def test_a_secret_is_taken_out(text: str) -> None:
    assert SECRET not in redact(text)
    assert SECRET not in redact(f"Traceback\n  x = {text!r}\nValueError: {text}\n")
    assert any(SECRET in value for value in secrets_in(text))
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "v4l2:///dev/video0",
        "images://flights@home/day, file:///clips/a@b.mp4",
        "rtsp://10.0.0.1:554/live/picture@2x.jpg",
        "udpin:0.0.0.0:14550; tcp:127.0.0.1:5760",
        "http://[::1]:8650/ and someone@example.org",
        "the preview token has 12 characters, at least 16 expected",
        'preview.token_file = "token"',
        "authority: advise: sends targets",
        "gate passed against model.onnx on 20 frames",
        "signing key link.key: mode is 0644",
        "its signature is not by a trusted key (ab12)",
        "files://tokens/basic/password-less",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_rest_of_an_address_can_still_be_read() -> None:
    assert redact("rtsp://me:pw@cam.local:554/ch1?x=2") == "rtsp://cam.local:554/ch1?x=2"


def test_a_secret_is_known_by_value_too() -> None:
    known = secrets_in("rtsp://admin:p%40ss%2Fword@host/x")
    assert redact("401 for admin with p@ss/word", known) == "401 for admin with ***"


def test_nested_values() -> None:
    value = {"a": ["rtsp://u:pppp@h", 1, None], "b": {"c": ("x",)}}
    assert redact_all(value) == {"a": ["rtsp://h", 1, None], "b": {"c": ["x"]}}


OUTSIDE = st.characters(exclude_characters='"<>@:/?#', exclude_categories=("Cs", "Zs", "Cc", "Zl", "Zp"))


@given(st.text(alphabet=OUTSIDE, min_size=5))
def test_any_password_in_an_address(password: str) -> None:
    shown = redact(f"camera rtsp://user:{password}@host:554/live failed")
    assert shown == "camera rtsp://host:554/live failed"


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    redact(text, secrets_in(text))
