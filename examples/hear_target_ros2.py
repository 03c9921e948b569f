"""Hear where to land in a ROS 2 graph, for 10 s: `python hear_target_ros2.py` beside `touchdown ros2 serve`.

A program with rclpy or MAVROS subscribes to /touchdown/target in the same way; this one needs no ROS.
"""

import sys
import time

from edge.dds.graph import RosNode, reliable
from edge.dds.messages import RosDiagnosticArray, RosPoseWithCovarianceStamped

until = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
node = RosNode("hears_target")
targets = node.reader("/touchdown/target", RosPoseWithCovarianceStamped, reliable())
states = node.reader("/diagnostics", RosDiagnosticArray, reliable())
while time.monotonic() < until:
    for target in targets.take(0.1, 10):
        place = target.pose.pose.position
        print(f"land {place.x:.1f} m east, {place.y:.1f} m north, {place.z:.1f} m up in {target.header.frame_id}")
    for state in states.take(0.0, 10):
        print(*[f"{part.name}: {part.message}" for part in state.status], sep="\n", flush=True)
node.close()
