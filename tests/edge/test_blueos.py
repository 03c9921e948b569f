"""The page as an extension of BlueOS: it is found, it works below a folder, and it gives nothing away for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from aiohttp import ClientSession, CookieJar, WSMsgType

from landing.distribution import VERSION
from tests.edge.blueos import FOLDER, NAME, blueos
from tests.edge.test_daemon import wait_for
from tests.edge.test_web import TOKEN, get
from tests.edge.web_rig import served

NEEDED = {"name", "description", "icon", "company", "version", "webpage", "api"}
"""Of `ServiceMetadata` in BlueOS's helper; without one of them a service has no entry in the menu."""


def token_file(folder: Path) -> str:
    path = folder / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    return str(path)


def test_blueos_finds_it_without_a_token_and_learns_nothing_else(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path, token_file=token_file(tmp_path)) as (_, server):
        code, body, _ = get(server.port, "/register_service", Connection="Upgrade")
        about = json.loads(body)
        assert code == 200 and set(about) >= NEEDED and all(isinstance(about[key], str) for key in NEEDED)
        assert about["version"] == VERSION and about["works_in_relative_paths"] is True
        assert "".join(c for c in about["name"].lower() if c.isalnum()) == NAME
        code, body, _ = get(server.port, "/")
        assert code == 200 and b"<title>Touchdown</title>" in body  # what its menu asks for before anything else
        for path in ("/docs", "/v1.0/ui/", "/openapi.json", "/register_service/", "/history"):
            assert get(server.port, path)[0] in (401, 404)


def test_only_pages_of_the_same_place_may_look_through_its_proxy(tmp_path: Path, model_path: Path) -> None:
    with served(tmp_path, model_path) as (_, server):
        assert get(server.port, "/history", Host="127.0.0.1", Origin="http://127.0.0.1")[0] == 200
        assert get(server.port, "/history", Host="127.0.0.1", Origin="https://127.0.0.1")[0] == 200
        assert get(server.port, "/history", Host="127.0.0.1", Origin="http://127.0.0.1:9999")[0] == 403
        policy = get(server.port, "/")[2]["Content-Security-Policy"]
        assert policy.endswith("; frame-ancestors 'self' http://127.0.0.1 https://127.0.0.1")  # BlueOS itself, port 80
        for host in ("[::1]:80; script-src *", "localhost *", "127.0.0.1:80:80"):
            code, _, headers = get(server.port, "/", Host=host)
            assert code == 421 or headers["Content-Security-Policy"].endswith("; frame-ancestors 'self'"), host


def test_it_works_below_a_folder(tmp_path: Path, model_path: Path) -> None:
    async def visit(port: int) -> None:
        base = f"http://127.0.0.1:{port}{FOLDER}"
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            async with session.get(base) as asked:
                assert str(asked.url) == base + "/" and "<form" in await asked.text()
            async with session.get(f"{base}/?token={TOKEN}") as page:
                assert str(page.url) == base + "/"
                text = await page.text()
            (cookie,) = session.cookie_jar
            assert cookie["path"] == FOLDER  # no other service of the vehicle gets it
            assert 'fetch("/' not in text and "fetch(`/" not in text and 'src="/' not in text
            async with session.get(f"{base}/history") as history:
                assert history.status == 200
            async with session.ws_connect(f"{base}/live", origin=f"http://127.0.0.1:{port}") as live:
                kinds = {(await live.receive(timeout=10)).type for _ in range(4)}
                assert WSMsgType.BINARY in kinds and WSMsgType.TEXT in kinds

    with served(tmp_path, model_path, token_file=token_file(tmp_path)) as (rig, server), blueos(server.port) as port:
        wait_for(lambda: len(rig.link.targets) > 2)
        asyncio.run(visit(port))
