"""Another program of a ROS 2 graph: publishes a camera's pictures, takes answers, and prints them as lines of JSON."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import cv2
import numpy as np

from edge.dds import messages as m
from edge.dds.graph import RosNode, latched, reliable, sensor_data

TAKEN = {
    "site": ("/touchdown/site", m.RosPoseWithCovarianceStamped, reliable()),
    "target": ("/touchdown/target", m.RosPoseWithCovarianceStamped, reliable()),
    "diagnostics": ("/diagnostics", m.RosDiagnosticArray, reliable()),
    "map": ("/touchdown/landable", m.RosOccupancyGrid, latched()),
    "tf": ("/tf", m.RosTransforms, reliable(100)),
    "tf_static": ("/tf_static", m.RosTransforms, latched()),
    "picture": ("/touchdown/picture/compressed", m.RosCompressedImage, sensor_data(1)),
}


def summary(name: str, message: Any) -> dict[str, Any]:
    """The parts that a test looks at."""
    if name in ("site", "target"):
        p = message.pose.pose.position
        return {"at": [p.x, p.y, p.z], "frame": message.header.frame_id, "xx": message.pose.covariance[0]}
    if name == "diagnostics":
        return {s.name: [s.level, s.message, {v.key: v.value for v in s.values}] for s in message.status}
    if name == "map":
        cells = np.frombuffer(message.data, np.int8)
        return {"cells": [message.info.width, message.info.height, cells.size], "values": np.unique(cells).tolist()}
    if name.startswith("tf"):
        t = message.transforms[0]
        r, v = t.transform.rotation, t.transform.translation
        return {"from": t.header.frame_id, "to": t.child_frame_id, "turn": [r.x, r.y, r.z, r.w], "way": [v.x, v.y, v.z]}
    return {"shape": list(cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR).shape)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", required=True, help="npy file, BGR")
    parser.add_argument("--fps", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--late-s", type=float, default=0.0, help="stamps are so old")
    parser.add_argument("--fx", type=float, default=0.0, help="of the camera_info; none is sent for 0")
    options = parser.parse_args()
    picture = np.load(options.picture)
    height, width = picture.shape[:2]
    node = RosNode("peer")
    kind, topic = (
        (m.RosCompressedImage, "/cam/image_raw/compressed") if options.compressed else (m.RosImage, "/cam/image_raw")
    )
    send, send_info = node.writer(topic, kind, reliable()), node.writer("/cam/camera_info", m.RosCameraInfo, reliable())
    readers = {name: node.reader(*what) for name, what in TAKEN.items()}
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        began = time.monotonic()
        header = m.RosHeader(m.RosTime(*divmod(time.time_ns() - round(options.late_s * 1e9), 10**9)), "optical")
        if options.compressed:
            send(m.RosCompressedImage(header, "jpeg", cv2.imencode(".jpg", picture)[1].tobytes()))
        else:
            send(m.RosImage(header, height, width, "bgr8", 0, width * 3, picture.tobytes()))
        if options.fx:
            k = [options.fx, 0.0, (width - 1) / 2, 0.0, options.fx, (height - 1) / 2, 0.0, 0.0, 1.0]
            zero = [0.0] * 9
            send_info(m.RosCameraInfo(header, height, width, "plumb_bob", [0.0] * 5, k, zero, [*zero, *[0.0] * 3]))
        for name, reader in readers.items():
            for message in reader.take(0.0, 10):
                print(json.dumps({"topic": name, **summary(name, message)}), flush=True)
        time.sleep(max(0.0, began + 1 / options.fps - time.monotonic()))
    node.close()


if __name__ == "__main__":
    main()
