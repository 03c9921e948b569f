"""Latency that the ROS 2 node adds: a picture of 1280x720 px in, a site out, between two processes over the loopback.

    python -m benchmarks.ros2_latency

The peer writes a raw picture ten times a second and waits for the site. In between lie the node's camera and its
publisher; the decision is one that was made before, so all of the time is added. The same bytes through a Unix socket
and a byte back, in the same run and in turn, are the reference of the ratio. Cyclone runs as it comes, and as
docs/operate/programs.md advises for raw pictures.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import Figures, benchmark

WIDTH, HEIGHT, FPS = 1280, 720, 10.0
LIMIT_MS = 5.0
LOOPBACK = "<Interfaces><NetworkInterface name='lo' multicast='true'/></Interfaces>"
DATAGRAMS = "<MaxMessageSize>65500B</MaxMessageSize><FragmentSize>65000B</FragmentSize>"
BUFFER = "<Internal><SocketReceiveBufferSize max='8MB'/></Internal>"
WAYS = {
    "as it comes": f"<General>{LOOPBACK}</General>",
    "datagrams of 65 kB, buffers of 8 MB": f"<General>{LOOPBACK}{DATAGRAMS}</General>{BUFFER}",
}


def bridge(ready: Connection) -> None:
    """The node: each picture is answered with a decision that was made before."""
    from edge.cameras import CameraTimeout, make_camera
    from edge.config import parse_config
    from edge.keys import to_file
    from edge.pipeline import Pipeline
    from edge.resolved import resolve_flight
    from edge.ros.publisher import RosPublisher
    from edge.runtimes import load_runtime
    from landing.site import LandingSite
    from landing.types import Frame, Pose
    from tests.edge import fake_model

    folder = Path(tempfile.mkdtemp())
    camera_section = {"source": "ros2://cam/image_raw", "width_px": WIDTH, "height_px": HEIGHT, "hfov_deg": 70.0}
    data: dict[str, Any] = {
        "model": {"path": str(fake_model.save(folder / "model.onnx"))},
        "camera": camera_section,
        "link": {"connection": "udpin:127.0.0.1:14550"},
    }
    config = parse_config(to_file(data), folder / "edge.toml")
    with load_runtime(config.model.path) as runtime:
        flight = resolve_flight(config, runtime.spec, {})
        picture = fake_model.paint(WIDTH, HEIGHT, ("car", (40, 40, 240, 160)))
        pipeline = Pipeline(runtime, flight.decider(flight.camera), flight.camera, lambda: 0, time.perf_counter_ns)
        for number in range(30):
            at_ns = number * 100_000_000
            pose = Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -15.0), 15.0)
            made = pipeline.step(Frame(picture, number, at_ns), lambda at_ns, pose=pose: pose)
    assert isinstance(made.decision.selection, LandingSite)
    with make_camera(config.camera.request()) as camera, RosPublisher(config.ros2, flight, "benchmark") as publisher:
        ready.send("ready")
        while not ready.poll():
            try:
                publisher.on_step(replace(made, frame=camera.grab(0.2)))
            except CameraTimeout:
                continue


def echo(path: str) -> None:
    """The reference: takes a picture's bytes from a Unix socket and answers with one."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(1)
        other, _ = listening.accept()
        buffer = bytearray(WIDTH * HEIGHT * 3)
        with other:
            while True:
                view = memoryview(buffer)
                while len(view):
                    got = other.recv_into(view)
                    if not got:
                        return
                    view = view[got:]
                other.sendall(b"1")


def peer(results: Connection, pictures: int) -> None:
    """The camera of the graph, which waits for the site of each picture."""
    from cyclonedds._clayer import ddspy_write
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.pub import DataWriter
    from cyclonedds.topic import Topic

    from edge.dds import messages as m
    from edge.dds.graph import RosNode, domain_id, reliable, sensor_data

    node = RosNode("peer")
    sites = node.reader("/touchdown/site", m.RosPoseWithCovarianceStamped, reliable())
    participant = DomainParticipant(domain_id())
    writer = DataWriter(participant, Topic(participant, "rt/cam/image_raw", m.RosImage), sensor_data(1))
    path = f"{tempfile.mkdtemp()}/echo"
    threading.Thread(target=echo, args=(path,), daemon=True).start()
    until = time.monotonic() + 20.0
    while not (writer.get_matched_subscriptions() and Path(path).exists()):
        assert time.monotonic() < until, "the node does not come"
        time.sleep(0.05)
    time.sleep(0.5)
    data = np.random.default_rng(0).integers(0, 255, WIDTH * HEIGHT * 3, np.uint8).tobytes()
    added: list[float] = []
    reference: list[float] = []
    lost = 0
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(path)
        for _ in range(pictures):
            began = time.monotonic()
            header = m.RosHeader(m.RosTime(*divmod(time.time_ns(), 10**9)), "camera")
            ready = m.RosImage(header, HEIGHT, WIDTH, "bgr8", 0, WIDTH * 3, data).serialize(use_version_2=False)
            sites.take(0.0, 10)
            sent = time.monotonic()
            ddspy_write(writer._ref, ready.ljust(-(-len(ready) // 4) * 4, b"\0"))
            if sites.take(0.08, 10):
                added.append((time.monotonic() - sent) * 1e3)
            else:
                lost += 1
            sent = time.monotonic()
            other.sendall(data)
            other.recv(1)
            reference.append((time.monotonic() - sent) * 1e3)
            time.sleep(max(0.0, began + 1 / FPS - time.monotonic()))
    node.close()
    results.send((added, reference, lost))


def measure(uri: str, pictures: int, domain: int) -> Figures:
    """Run both processes with a configuration of Cyclone."""
    os.environ["CYCLONEDDS_URI"], os.environ["ROS_DOMAIN_ID"] = uri, str(domain)
    context = multiprocessing.get_context("spawn")
    ready, told = context.Pipe()
    results, given = context.Pipe()
    node = context.Process(target=bridge, args=(told,))
    other = context.Process(target=peer, args=(given, pictures))
    node.start()
    try:
        assert ready.recv() == "ready"
        other.start()
        assert results.poll(60 + pictures / FPS), "the peer does not end"
        added, reference, lost = results.recv()
        other.join(10)
    finally:
        ready.send("end")
        node.join(10)
        node.kill()
    added_p95, reference_p95 = float(np.percentile(added, 95)), float(np.percentile(reference, 95))
    return {
        "pictures": pictures,
        "lost": lost,
        "added_ms": {
            "p50": round(float(np.median(added)), 2),
            "p95": round(added_p95, 2),
            "most": round(max(added), 2),
        },
        "socket_ms": {"p50": round(float(np.median(reference)), 2), "p95": round(reference_p95, 2)},
        "ratio_p50": round(float(np.median(added) / np.median(reference)), 2),
        "ratio_p95": round(added_p95 / reference_p95, 2),
    }


@benchmark
@click.option("--pictures", default=300, show_default=True, help="Pictures of each way.")
def main(pictures: int) -> Figures:
    """Measure each way after the other."""
    load = round(os.getloadavg()[0], 1)  # of other programs: what the machine does beside this
    ways = {name: measure(uri, pictures, 60 + number) for number, (name, uri) in enumerate(WAYS.items())}
    best = min(way["added_ms"]["p95"] for way in ways.values())
    return {
        "picture": [WIDTH, HEIGHT],
        "fps": FPS,
        "limit_ms": LIMIT_MS,
        "load_before": load,
        "ways": ways,
        "within_limits": best <= LIMIT_MS,
    }
