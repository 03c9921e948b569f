"""Send a landing target for 3 s: `python send_target.py CONNECTION FORWARD_M RIGHT_M`. Only to a simulator!

One to send to: `python -m sim.vehicle.autopilot --airborne 10 --link tcp:127.0.0.1:5760 --param RNGFND1_TYPE=100
--param RNGFND1_ORIENT=25 --param RNGFND1_MAX_CM=6000 --param PLND_ENABLED=1 --param PLND_TYPE=1`
"""

import sys
import time

from firmware_bridge.link import FlightLink
from firmware_bridge.settings import LinkSettings
from landing.geometry import matrix_from_quaternion
from landing.types import LandingTarget

connection, forward_m, right_m = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
with FlightLink(LinkSettings(connection=connection)) as link:
    until_ns, site, sent = time.monotonic_ns() + 20_000_000_000, None, 0
    while time.monotonic_ns() < until_ns and sent < 60:
        time.sleep(0.05)
        pose = link.latest_pose(now_ns := time.monotonic_ns())
        if pose is None or pose.ground_down_m is None or pose.ned_from_frd is None:
            continue  # it does not say yet where it is
        ned_from_frd, here = matrix_from_quaternion(pose.ned_from_frd), pose.position_ned_m
        if site is None:  # stays where it is on the ground from now on
            north_m, east_m, _ = ned_from_frd @ (forward_m, right_m, 0.0)
            site = (here[0] + north_m, here[1] + east_m, pose.ground_down_m)
        offset = ned_from_frd.T @ [there - own for there, own in zip(site, here, strict=True)]
        sent += link.send_target(LandingTarget(tuple(offset), site, now_ns, pose.at_ns)).sent
    print(f"sent {sent} targets at {site}")
