"""Sites of an orthophoto, and of a recorded flight."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from edge.blackbox.recording import Recording
from edge.blackbox.replay import Replacement, Replay
from edge.known import listed_sites
from edge.look.ortho import OrthoLook
from edge.look.ortho_scale import scale_for
from edge.look.raster import open_orthophoto
from edge.look.view import Given
from edge.resolved import ResolvedDecision
from edge.runtimes import Runtime
from landing.choice.known_sites import SiteBook
from landing.choice.site_list import ListedSite
from landing.errors import DataError
from landing.globe import GlobalPlace
from landing.progress import tracked


def sites_of_orthophoto(
    path: Path, runtime: Runtime, flies: ResolvedDecision, given: Given, gsd_m: float | None, crs: str | None
) -> tuple[list[ListedSite], int]:
    """Find the sites of an orthophoto with map coordinates; also how many a window beside contradicts.

    Raises:
        DataError: It cannot be read, or only its scale is known.
    """
    with open_orthophoto(path, gsd_m, crs) as photo:
        if photo.place.crs is None:
            raise DataError(f"orthophoto {path} has a scale and no coordinates: a survey needs them; give --crs")
        scale = scale_for(runtime.spec, photo.place.gsd_m, path, given.height_agl_m, given.hfov_deg)
        look = OrthoLook(photo, scale, runtime, flies)
        for _ in tracked(f"looking at {path.name}", look.windows(), look.rows * look.columns):
            pass
        sites = []
        for found in look.sites:
            lon_lat = photo.wgs84_from_plane(found.east_m, found.north_m)
            assert lon_lat is not None  # it has a coordinate system
            surface, confidence = found.site.surface, found.site.confidence
            sites.append(
                ListedSite(
                    GlobalPlace(lon_lat[1], lon_lat[0]),
                    found.site.clearance_m,
                    1,
                    "" if surface is None else surface.name,
                    "" if surface is None else surface.caution,
                    None if confidence is None else confidence.share,
                    "",
                    path.name,
                )
            )
    return sites, look.contradicted


def sites_of_recording(
    paths: list[Path], runtime: Runtime | None
) -> tuple[tuple[ListedSite, ...], SiteBook, list[str]]:
    """Find the sites that a recorded flight saw: those that its daemon knew at the end, its book, and what is unread.

    Args:
        paths: Files of the black box of one run, or a folder of them.
        runtime: Segments the recorded pictures anew; None takes the recorded maps.

    Raises:
        RecordingError: They cannot be read.
    """
    recording = Recording(*paths)
    book = Replay(recording, Replacement(runtime)).flies.site_book()
    Replay(recording, Replacement(runtime), book).run()
    offset_ns = recording.start.utc_offset_ns

    def utc_of(at_ns: int) -> str:
        return datetime.fromtimestamp((at_ns + offset_ns) * 1e-9, timezone.utc).isoformat(timespec="seconds")

    unread = [f"{words}; what was seen to be bad after that is not known" for words in recording.cut.values()]
    return listed_sites(book, utc_of, "seen in flight"), book, unread
