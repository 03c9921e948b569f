"""Touchdown: segment the ground, choose a clean landing site, send it to the flight controller."""

__version__ = "0.1.0"
