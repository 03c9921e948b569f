"""A daemon with its web server, both in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.web.make import make_web
from edge.web.server import WebServer
from tests.edge.test_daemon import Rig, pipe_source


class _Later:
    """An observer that is made after the daemon that it looks at."""

    def __init__(self) -> None:
        self.real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@contextmanager
def served(
    tmp_path: Path, model_path: Path, source: str | None = None, **preview: Any
) -> Iterator[tuple[Rig, WebServer]]:
    """A flying daemon and its server, on a free port of the loopback."""
    later = _Later()
    rig = Rig(
        tmp_path,
        model_path,
        source or pipe_source(tmp_path),
        observers=(later,),
        preview={"listen": "127.0.0.1:0", **preview},
    )
    server, later.real = make_web(rig.config, rig.flight, rig.pipeline.timings, None)
    with server, rig.running():
        yield rig, server
    assert rig.error is None
