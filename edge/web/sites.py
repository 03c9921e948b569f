"""`/sites.geojson`: the confirmed sites of this run, for ground stations and `touchdown bridge rally`."""

from __future__ import annotations

import json

from aiohttp import web

from edge.known import listed_sites
from edge.log import utc_text
from edge.web.feed import Feed
from landing.choice.site_list import features

CONTENT_TYPE = "application/geo+json"


class SitesPage:
    """Answers with what the newest tick knew.

    Args:
        feed: Of the daemon.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def get(self, _request: web.Request) -> web.StreamResponse:
        """GeoJSON; 503 before the first tick."""
        status = self._feed.status
        if status is None or status.book is None:
            raise web.HTTPServiceUnavailable(text="no sites are kept yet\n")
        now_ns = status.at_ns
        listed = listed_sites(status.book, lambda at_ns: utc_text((now_ns - at_ns) * 1e-9), "seen in flight")
        return web.Response(body=json.dumps(features(listed)).encode(), content_type=CONTENT_TYPE)
