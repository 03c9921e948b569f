"""Health, logs, recordings and the live page."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.sections.base import Section
from edge.validation import is_loopback


class HealthSection(Section):
    """Times after which an input counts as lost, and the process as hung."""

    camera_timeout_ms: float = Field(
        default=1000.0, ge=50, le=10000, description="no frame for so long: camera lost, ms"
    )
    pipeline_timeout_ms: float = Field(
        default=1500.0, ge=50, le=10000, description="no decision for so long: pipeline lost, ms"
    )
    pose_timeout_ms: float = Field(
        default=500.0, ge=50, le=10000, description="no newer pose for so long: pose lost, ms"
    )
    min_rate_hz: float = Field(default=1.0, ge=0, le=100, description="fewer decisions a second are too few, Hz")
    hang_timeout_ms: float = Field(
        default=5000.0,
        ge=500,
        le=60000,
        description="frames wait but none is decided for so long: heartbeats and watchdog stop, ms",
    )


class LogSection(Section):
    """Logs of the daemon."""

    events: Path | None = Field(default=None, description="JSON-lines event log; appended to")
    events_mb: float = Field(default=100.0, ge=1, le=100_000, description="of the event log and the one before it, MB")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="of the text log on standard error"
    )
    status_period_s: float = Field(default=1.0, ge=0.1, le=60, description="period of the status line, s")


class RecorderSection(Section):
    """The black box: what is written and what is kept of it."""

    enabled: bool = Field(default=True, description="whether anything is recorded")
    folder: Path = Field(default=Path("recordings"), description="of ring and kept flights")
    ring_s: float = Field(default=180.0, ge=10, le=36_000, description="kept in any case, s")
    before_s: float = Field(default=60.0, ge=0, le=3600, description="kept before an event, s")
    after_s: float = Field(default=20.0, ge=0, le=3600, description="kept after an event, s")
    segment_s: float = Field(default=15.0, ge=1, le=600, description="length of one file, s")
    budget_mb: float = Field(default=4000.0, ge=10, le=10_000_000, description="of all recordings; oldest go first, MB")
    free_mb: float = Field(default=300.0, ge=0, le=1_000_000, description="left free on the disk, MB")
    image_quality: int = Field(default=85, ge=10, le=100, description="of the JPEG pictures")


class PreviewSection(Section):
    """Health, metrics and the live page over HTTP; the loopback alone unless told otherwise."""

    enabled: bool = Field(default=True, description="whether anything is served")
    listen: str = Field(
        default="127.0.0.1:8650",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^\[\]:]+):\d{1,5}$",
        description="HOST:PORT; beyond the loopback a token is needed; port 0 takes a free one",
    )
    token_file: Path | None = Field(default=None, description="file with the token that viewers need, mode 0600")
    fps: float = Field(default=10.0, ge=0.2, le=60, description="pictures a second at most, Hz")
    width_px: int = Field(default=640, ge=64, le=4096, description="width of the picture, px")
    history_s: float = Field(default=300.0, ge=10, le=3600, description="of the page's slider, s")

    @property
    def address(self) -> tuple[str, int]:
        """Host, without brackets, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @model_validator(mode="after")
    def _guarded(self) -> PreviewSection:
        host, port = self.address
        if port > 65_535:
            raise ValueError(f"port {port} of preview.listen is more than 65535")
        if self.enabled and self.token_file is None and not is_loopback(host):
            raise ValueError(
                f"preview.listen {self.listen} is open beyond the loopback: set token_file to a "
                "file made by `openssl rand -hex 16`, mode 0600"
            )
        return self
