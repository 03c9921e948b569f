"""Hear landing targets, and switch them off and on: `python switch_over_mavlink.py CONNECTION`, as udpin:0.0.0.0:14540.

CONNECTION is a port of the autopilot, which passes on what comes on others, or of a router. MAVSDK (`param` of
component 191, `mavlink_direct`) and MAVROS have calls for the same two messages.
"""

import sys
import time

from pymavlink import mavutil

DAEMON = 191
link = mavutil.mavlink_connection(sys.argv[1], source_system=245, source_component=191)


def heard(seconds: float) -> int:
    """Count the landing targets of some seconds."""
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        message = link.recv_match(type="LANDING_TARGET", blocking=True, timeout=0.1)
        count += message is not None and message.get_srcComponent() == DAEMON
    return count


while (beat := link.recv_match(type="HEARTBEAT", blocking=True, timeout=30)).get_srcComponent() != DAEMON:
    pass  # the autopilot's, passed on
for value in (1, 0, 1):
    kind = mavutil.mavlink.MAV_PARAM_TYPE_INT32
    link.mav.param_set_send(beat.get_srcSystem(), DAEMON, b"TD_ENABLE", value, kind)
    print(f"TD_ENABLE {value}: {heard(1.0)} targets in 1 s", flush=True)
