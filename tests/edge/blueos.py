"""BlueOS as the page meets it: its frame, and nginx as its helper sets it up for an extension.

The block of nginx is `setup_nginx_route` of `core/services/helper/main.py` in bluerobotics/BlueOS (8e16119):
`location /extensionv2/NAME/`, which is taken off, with `Connection: Upgrade` on every request. There `Host` comes
without a port, as BlueOS has port 80; here it has the port that a test can get.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

NAME = "touchdown"
FOLDER = f"/extensionv2/{NAME}"
FRAME = f'<!doctype html><title>BlueOS</title><iframe src="{FOLDER}" width="1200" height="900"></iframe>'
HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "content-encoding"}


def _proxy(port: int) -> web.Application:
    async def frame(_request: web.Request) -> web.Response:
        return web.Response(text=FRAME, content_type="text/html")

    async def slash(_request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": f"{FOLDER}/"})

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP and "websocket" not in k.lower()}
        headers["X-Real-IP"] = request.remote or ""
        address = f"http://127.0.0.1:{port}/{request.rel_url.raw_path_qs.removeprefix(FOLDER + '/')}"
        async with ClientSession(auto_decompress=False) as session:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                async with session.ws_connect(address, headers=headers) as far:
                    return await _talk(request, far)
            headers["Connection"] = "Upgrade"
            async with session.get(address, headers=headers, allow_redirects=False) as answer:
                kept = [(k, v) for k, v in answer.headers.items() if k.lower() not in HOP]
                response = web.Response(status=answer.status, body=await answer.read())
                for key, value in kept:
                    response.headers[key] = value
                return response

    app = web.Application()
    app.router.add_get("/", frame)
    app.router.add_get(FOLDER, slash)
    app.router.add_get(FOLDER + "/{rest:.*}", forward)
    return app


async def _talk(request: web.Request, far: ClientWebSocketResponse) -> web.WebSocketResponse:
    near = web.WebSocketResponse()
    await near.prepare(request)

    async def pass_on() -> None:
        async for message in far:
            send = near.send_str if message.type is WSMsgType.TEXT else near.send_bytes
            await send(message.data)
        await near.close()

    passing = asyncio.create_task(pass_on())
    try:
        async for _ in near:  # ends when the browser leaves
            pass
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
    return near


@contextmanager
def blueos(port: int) -> Iterator[int]:
    """Serve BlueOS's frame and the extension at a port below it; yield the port of the frame."""
    ports: Queue[int] = Queue()
    ends: list[Callable[[], None]] = []

    async def serve() -> None:
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(end.set))
        runner = web.AppRunner(_proxy(port), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.put(runner.addresses[0][1])
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    try:
        yield ports.get(timeout=10)
    finally:
        ends[0]()
        thread.join(10)
