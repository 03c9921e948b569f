"""Serves health, metrics and the page, in a thread with an event loop of its own.

    GET /                       the page; without the token, a form that asks for it
    WebSocket /live             looks and statuses
    GET /history                times of kept looks; /history/NS is the look nearest to a time
    GET /picture.jpg            one picture; /stream.mjpg is a stream of them
    GET /healthz                200 while the control loop ticks
    GET /readyz                 200 while decisions are good
    GET /metrics                for Prometheus
    GET /sites.geojson          sites seen in this run
    GET /register_service       for BlueOS

A look is drawn when somebody watches, and once a second for the history; viewers that are slow get fewer looks, never
later ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aiohttp import http_exceptions, web
from prometheus_client import CollectorRegistry

from edge.timings import Timings
from edge.web import status as words
from edge.web.access import COOKIE, Access
from edge.web.door import Door
from edge.web.entrance import REGISTER, REGISTRATION, asks_for_the_page, html, remember
from edge.web.feed import Feed
from edge.web.history import History
from edge.web.metrics import CONTENT_TYPE, render
from edge.web.preview_frame import PreviewFrame, draw_preview
from edge.web.sites import SitesPage
from landing.camera import CameraModel
from landing.redaction import redact, redact_all
from landing.settings import DecisionSettings

logger = logging.getLogger("edge.web")

STATUS_PERIOD_S = 0.2
GROUND_PERIOD_NS = 500_000_000
SEND_TIMEOUT_S = 2.0
HEADER_BYTES = 4096
"""Longest line of a request; a browser's cookies and its own headers fit."""
BACKLOG = 64
FAREWELL_S = 0.3
START_S = 5.0
MAX_VIEWERS = 12


class _NoVisitors(logging.Filter):
    """Keeps out what a client did wrong: that is no error of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, (http_exceptions.HttpProcessingError, OSError))


http_logger = logging.getLogger("edge.web.http")
http_logger.addFilter(_NoVisitors())

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class WebSettings:
    """Settings of the server.

    Attributes:
        host, port: Where to listen; port 0 takes a free one.
        token: Needed of everybody; None on the loopback alone.
        fps: Looks a second at most.
        width_px: Of the picture.
        history_s: Length of the slider.
    """

    host: str = "127.0.0.1"
    port: int = 8650
    token: str | None = None
    fps: float = 10.0
    width_px: int = 640
    history_s: float = 300.0


class WebServer:
    """The server; `start` and `close` may be called from any thread.

    Args:
        settings: Where and how.
        feed: Of the daemon.
        camera: For the frame's size.
        decision: Settings in force.
        timings: Of the pipeline.
        registry: Of the metrics.
        temperature_c: The hottest core, or None where no sensor can be read.

    Attributes:
        port: That is listened on, once started.

    Raises:
        ConfigError: Beyond the loopback without a token.
    """

    def __init__(
        self,
        settings: WebSettings,
        feed: Feed,
        camera: CameraModel,
        decision: DecisionSettings,
        timings: Timings,
        registry: CollectorRegistry,
        temperature_c: Callable[[], float | None],
    ) -> None:
        self._settings = settings
        self._access = Access(settings.host, settings.token)
        self._feed = feed
        self._camera = camera
        self._decision = decision
        self._timings = timings
        self._registry = registry
        self._temperature_c = temperature_c
        self._viewers: set[_Viewer] = set()
        self._streams = 0
        self._door: Door | None = None
        self._history = History(settings.history_s)
        self._drawn: tuple[int, bytes, PreviewFrame] | None = None
        self._drawing = asyncio.Lock()
        # The loop's own pool would grow by a thread now and then, up to four more than cores.
        self._artist = ThreadPoolExecutor(1, "web-draw")
        self._ground_ns = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._error: OSError | None = None
        self.port = settings.port

    # --- life ---

    def start(self) -> bool:
        """Listens; False where that cannot be, which is said and keeps nobody from flying."""
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._started.wait(START_S)
        if self._error is not None:
            logger.error("no preview: %s", self._error.strerror or self._error)
        return self._error is None

    def close(self) -> None:
        """Stops listening; viewers are told that it was on purpose."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        if self._thread is not None:
            self._thread.join(2.0)
        self._artist.shutdown(wait=False)

    def __enter__(self) -> WebServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._get_page)
        app.router.add_get(REGISTER, self._get_registration)
        app.router.add_get("/live", self._get_live, allow_head=False)
        app.router.add_get("/history", self._get_history)
        app.router.add_get("/history/{at_ns:[0-9]{1,20}}", self._get_moment)
        app.router.add_get("/picture.jpg", self._get_picture)
        app.router.add_get("/stream.mjpg", self._get_stream, allow_head=False)
        app.router.add_get("/healthz", self._get_health)
        app.router.add_get("/readyz", self._get_ready)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/sites.geojson", SitesPage(self._feed).get)
        self._loop.set_exception_handler(_note_error)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=0.5,
            logger=http_logger,
            lingering_time=0.0,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )
        await runner.setup()
        try:
            listener = _listening(self._settings.host, self._settings.port)
            assert runner.server is not None
            self._door = Door(listener, runner.server)
            self.port = int(listener.getsockname()[1])
            self._started.set()
            logger.info("preview at http://%s:%d/", self._settings.host, self.port)
            bodies = (self._door.run(), self._draw(), self._tell())
            tasks = [asyncio.create_task(body) for body in bodies]
            await self._stopping.wait()
            leaving = [
                asyncio.wait_for(viewer.socket.close(code=1001, message=b"shutdown"), FAREWELL_S)
                for viewer in self._viewers
            ]
            await asyncio.gather(*leaving, return_exceptions=True)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await runner.cleanup()

    # --- who may ---

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert self._door is not None
        self._door.heard(request.transport)
        wait_s = self._door.wait_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        if not self._access.host_allowed(host):
            raise web.HTTPMisdirectedRequest(text="this server answers to the loopback alone\n")
        elsewhere = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        embeds = elsewhere and request.headers.get("Sec-Fetch-Mode") != "navigate"
        if embeds or (origin is not None and origin.split("://", 1)[-1] != host):
            raise web.HTTPForbidden(text="pages of other sites may not look\n")
        query = request.query.get("token", "")
        allowed = self._access.allowed(request.headers.get("Authorization", ""), request.cookies.get(COOKIE, ""), query)
        if not allowed and request.path != REGISTER:
            await asyncio.sleep(0.2)  # guessing stays slow
            if asks_for_the_page(request):
                return _guarded(html("signin.html", host))
            raise web.HTTPUnauthorized(
                text="a token is needed: open /?token=TOKEN, or send Authorization: Bearer TOKEN\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return _guarded(await handler(request))

    # --- what there is ---

    async def _get_page(self, request: web.Request) -> web.StreamResponse:
        token = self._access.token
        if request.query.get("token"):
            # Out of the address bar and the history; relative, for a proxy may serve it below a folder.
            answer = web.Response(status=303, headers={"Location": "./"})
            if token is not None:
                remember(answer, token)
            return answer
        page = html("page.html", request.headers.get("Host", ""))
        if token is not None and "Authorization" in request.headers:
            remember(page, token)
        return page

    async def _get_registration(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(REGISTRATION)

    async def _get_health(self, _request: web.Request) -> web.StreamResponse:
        return _verdict(*words.alive(self._feed.status, time.monotonic_ns()))

    async def _get_ready(self, _request: web.Request) -> web.StreamResponse:
        return _verdict(*words.ready(self._feed.status, time.monotonic_ns()))

    async def _get_metrics(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=render(self._registry), headers={"Content-Type": CONTENT_TYPE})

    async def _get_history(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"now_ns": time.monotonic_ns(), "times_ns": self._history.times_ns()})

    async def _get_moment(self, request: web.Request) -> web.StreamResponse:
        moment = self._history.nearest(int(request.match_info["at_ns"]))
        if moment is None:
            raise web.HTTPNotFound(text="nothing is kept yet\n")
        return web.Response(body=moment.message, content_type="application/octet-stream")

    async def _get_picture(self, _request: web.Request) -> web.StreamResponse:
        look = await self._newest_preview()
        if look is None:
            raise web.HTTPServiceUnavailable(text="no frame yet\n")
        return web.Response(body=look.picture, content_type="image/jpeg")

    def _refuse_a_crowd(self) -> None:
        if len(self._viewers) + self._streams >= MAX_VIEWERS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_VIEWERS} viewers are looking already\n")

    async def _get_stream(self, request: web.Request) -> web.StreamResponse:
        self._refuse_a_crowd()
        self._streams += 1
        try:
            return await self._stream(request)
        finally:
            self._streams -= 1

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        assert self._stopping is not None and self._door is not None
        self._door.heard(request.transport, viewing=True)
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        before = -1
        while not self._stopping.is_set() and not _has_left(request):
            look = await self._newest_preview()
            if look is not None and look.header["captured_ns"] != before:
                before = look.header["captured_ns"]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(look.picture)}"
                part = f"{head}\r\n\r\n".encode() + look.picture + b"\r\n"
                if not await _sent(request, response.write(part)):
                    break
            await asyncio.sleep(1.0 / self._settings.fps)
        return response

    async def _get_live(self, request: web.Request) -> web.StreamResponse:
        self._refuse_a_crowd()
        assert self._door is not None
        # Pictures are compressed already: browsers ask for it, and each viewer would cost as much as drawing.
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=1024, compress=False)
        await socket.prepare(request)  # what is no handshake is refused here, and views nothing
        self._door.heard(request.transport, viewing=True)
        viewer = _Viewer(socket, request)
        self._viewers.add(viewer)
        sender = asyncio.create_task(viewer.send())
        try:
            async for _ in socket:  # ends when it leaves; a viewer that talks is none
                break
        finally:
            self._viewers.discard(viewer)
            sender.cancel()
        return socket

    # --- what is drawn and told ---

    async def _draw(self) -> None:
        period_s = 1.0 / self._settings.fps
        while True:
            started = time.monotonic()
            step = self._feed.step
            now_ns = time.monotonic_ns()
            if step is not None and (self._viewers or self._history.due(now_ns)):
                await self._newest_preview()
            if self._drawn is not None:
                _, message, _ = self._drawn
                for viewer in self._viewers:
                    viewer.offer_preview(message)
                if self._history.due(now_ns) and now_ns - self._drawn[0] < History.PERIOD_NS:
                    self._history.add(now_ns, message)
            await asyncio.sleep(max(0.01, period_s - (time.monotonic() - started)))

    async def _newest_preview(self) -> PreviewFrame | None:
        """The look of the newest step, drawn once however many ask."""
        async with self._drawing:
            step = self._feed.step
            if step is None:
                return None
            if self._drawn is not None and self._drawn[2].header["captured_ns"] == (step.frame.captured_at_ns):
                return self._drawn[2]
            now_ns = time.monotonic_ns()
            with_ground = now_ns - self._ground_ns >= GROUND_PERIOD_NS
            if with_ground:
                self._ground_ns = now_ns
            look = await asyncio.get_running_loop().run_in_executor(
                self._artist, draw_preview, step, self._camera, self._decision, self._settings.width_px, with_ground
            )
            self._drawn = (now_ns, pack(look), look)
            return look

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(STATUS_PERIOD_S)
            status = self._feed.status
            if status is None or not self._viewers:
                continue
            step = self._feed.step
            motion, relief = (None, None) if step is None else (step.motion, step.relief)
            more = {
                "temperature_c": self._temperature_c(),
                "motion": None if motion is None else {"text": motion.text, "wrong": motion.mistake is not None},
                "relief": None if relief is None else relief.text,
            }
            described = words.describe(status, self._feed.held, self._timings.percentiles(), more)
            for viewer in self._viewers:
                described["events"] = list(self._feed.events_since(viewer.told_ns))
                viewer.told_ns = status.at_ns
                viewer.offer_status(json.dumps(redact_all(described)))


class _Viewer:
    """One open page: the newest look and status wait for it, older ones are replaced."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self._request = request
        self.told_ns = 0
        self._look: bytes | None = None
        self._last: bytes | None = None
        self._statuses: list[str] = []
        self._wake = asyncio.Event()

    def offer_preview(self, message: bytes) -> None:
        """To be sent unless a newer one comes first."""
        if message is not self._last:
            self._look = self._last = message
            self._wake.set()

    def offer_status(self, text: str) -> None:
        """To be sent; of a viewer that does not read only the last few are kept."""
        self._statuses = [*self._statuses[-4:], text]
        self._wake.set()

    async def send(self) -> None:
        """Sends what waits until the page is closed."""
        while not self.socket.closed:
            await self._wake.wait()
            self._wake.clear()
            statuses, self._statuses = self._statuses, []
            look, self._look = self._look, None
            for text in statuses:
                if not await _sent(self._request, self.socket.send_str(text)):
                    return
            if look is not None and not await _sent(self._request, self.socket.send_bytes(look)):
                return


def pack(look: PreviewFrame) -> bytes:
    """A look as one message: four lengths (little-endian uint32), header, picture, mask, ground."""
    header = json.dumps(look.header, separators=(",", ":")).encode()
    parts = (header, look.picture, look.mask, look.ground)
    return struct.pack("<4I", *(len(p) for p in parts)) + b"".join(parts)


async def _sent(request: web.Request, sending: Awaitable[None]) -> bool:
    """Waits for a part of an endless answer; whoever does not take it is cut off."""
    try:
        await asyncio.wait_for(sending, SEND_TIMEOUT_S)
    except (ConnectionError, RuntimeError):  # it has left
        return False
    except asyncio.TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        return False
    return True


def _guarded(response: web.StreamResponse) -> web.StreamResponse:
    """Headers that keep an answer from being guessed at, told on or kept."""
    if not response.prepared:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
    return response


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: The port is taken, or the address is not one of this machine.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def _note_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error that nobody waits for; of a client that left it is of no interest."""
    error = context.get("exception")
    if not isinstance(error, OSError):
        logger.error("web: %s", context.get("message"), exc_info=error)


def _verdict(good: bool, text: str) -> web.Response:
    return web.json_response({"ok": good, "detail": redact(text)}, status=200 if good else 503)
