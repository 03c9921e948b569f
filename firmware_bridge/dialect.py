"""The one door to pymavlink's generated messages.

Everything else in the project imports ``mavlink`` from here, so the dialect is chosen once, at import, without
pymavlink's process-global ``mavutil.set_dialect`` (which changes under everyone). ``ardupilotmega`` contains
``common``, so PX4 is covered as well.
"""

from __future__ import annotations

from pymavlink.dialects.v20 import ardupilotmega as mavlink

__all__ = ["mavlink"]
