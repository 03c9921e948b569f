"""The domain of landing: what a safe site is, where it lies and what is to be done about it.

A leaf package with a room for each theme (`landing/README.md`): numpy and OpenCV only (pydantic where files are read).
It has no clock, thread, camera or socket; time is an argument, always monotonic nanoseconds.
"""
