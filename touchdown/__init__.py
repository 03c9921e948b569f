"""Touchdown: segment the ground, choose a clean landing site, send it to the flight controller."""

from landing.distribution import VERSION as __version__

__all__ = ["__version__"]
