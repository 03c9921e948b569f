"""Latency that the ROS 2 node adds: a picture of 1280x720 px in, a site out, between two processes over the loopback.

    python -m benchmarks.ros2_latency

The peer writes a raw picture ten times a second and waits for the site. In between lie the node's camera and its
publisher; the decision is one that was made before, so none of the time is the network's. The reference, in the same
run and in turn, is a bare node: a third process that answers each picture with the same message and does nothing else.
Cyclone runs as it comes, and as docs/operate/programs.md advises for raw pictures.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
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
"""Most that the node may take more than the bare one, at the 95th percentile."""
LOOPBACK = "<Interfaces><NetworkInterface name='lo' multicast='true'/></Interfaces>"
DATAGRAMS = "<MaxMessageSize>65500B</MaxMessageSize><FragmentSize>65000B</FragmentSize>"
BUFFER = "<Internal><SocketReceiveBufferSize max='8MB'/></Internal>"
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "268435456"}
"""Has glibc keep freed memory, as it comes to do in the daemon: new pages for each picture took the bare node 5 ms."""

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


def bare(ready: Connection) -> None:
    """The reference: takes a picture out of DDS and answers with a place."""
    from edge.dds import messages as m
    from edge.dds.graph import RosNode, reliable, sensor_data
    from edge.ros.answers import place

    node = RosNode("bare")
    pictures = node.reader("/bare/image_raw", m.RosImage, sensor_data(4))
    send = node.writer("/bare/site", m.RosPoseWithCovarianceStamped, reliable())
    answer = place((1.0, 2.0, -15.0), 1.0, time.time_ns(), "map")
    ready.send("ready")
    while not ready.poll():
        if pictures.take(0.2, 4):
            send(answer)
    node.close()


class Asked:
    """One topic of pictures and the topic of the sites that answer them.

    Args:
        node: The peer's.
        pictures: Topic.
        sites: Topic.
    """

    def __init__(self, node: Any, pictures: str, sites: str) -> None:
        from cyclonedds.domain import DomainParticipant
        from cyclonedds.pub import DataWriter
        from cyclonedds.topic import Topic

        from edge.dds import messages as m
        from edge.dds.graph import domain_id, reliable, sensor_data

        self.took_ms: list[float] = []
        self.lost = 0
        self._sites = node.reader(sites, m.RosPoseWithCovarianceStamped, reliable())
        participant = DomainParticipant(domain_id())
        self._writer = DataWriter(participant, Topic(participant, f"rt{pictures}", m.RosImage), sensor_data(1))
        until = time.monotonic() + 20.0
        while not self._writer.get_matched_subscriptions():
            assert time.monotonic() < until, f"nobody takes {pictures}"
            time.sleep(0.05)

    def ask(self, picture: bytes) -> None:
        """Write a picture as CDR, and wait for the site up to 80 ms."""
        from cyclonedds._clayer import ddspy_write

        self._sites.take(0.0, 10)
        sent = time.monotonic()
        ddspy_write(self._writer._ref, picture)
        if self._sites.take(0.08, 10):
            self.took_ms.append((time.monotonic() - sent) * 1e3)
        else:
            self.lost += 1


def peer(results: Connection, pictures: int) -> None:
    """The camera of the graph, which asks the node and the bare one in turn."""
    from edge.dds import messages as m
    from edge.dds.graph import RosNode

    node = RosNode("peer")
    ways = Asked(node, "/cam/image_raw", "/touchdown/site"), Asked(node, "/bare/image_raw", "/bare/site")
    time.sleep(0.5)
    data = np.random.default_rng(0).integers(0, 255, WIDTH * HEIGHT * 3, np.uint8).tobytes()
    for _ in range(pictures):
        began = time.monotonic()
        for way in ways:
            header = m.RosHeader(m.RosTime(*divmod(time.time_ns(), 10**9)), "camera")
            ready = m.RosImage(header, HEIGHT, WIDTH, "bgr8", 0, WIDTH * 3, data).serialize(use_version_2=False)
            way.ask(ready.ljust(-(-len(ready) // 4) * 4, b"\0"))
        time.sleep(max(0.0, began + 1 / FPS - time.monotonic()))
    node.close()
    results.send([(way.took_ms, way.lost) for way in ways])


def measure(uri: str, pictures: int, domain: int) -> Figures:
    """Run the three processes with a configuration of Cyclone."""
    os.environ |= {"CYCLONEDDS_URI": uri, "ROS_DOMAIN_ID": str(domain), **ALLOCATOR}
    context = multiprocessing.get_context("spawn")
    results, given = context.Pipe()
    answering = []
    try:
        for target in (bridge, bare):
            ready, told = context.Pipe()
            process = context.Process(target=target, args=(told,))
            answering.append((process, ready))
            process.start()
            assert ready.recv() == "ready"
        other = context.Process(target=peer, args=(given, pictures))
        other.start()
        assert results.poll(60 + pictures / FPS), "the peer does not end"
        (node_ms, lost), (bare_ms, bare_lost) = results.recv()
        other.join(10)
    finally:
        for process, ready in answering:
            ready.send("end")
            process.join(10)
            process.kill()
    node, reference = _spread(node_ms), _spread(bare_ms)
    return {
        "pictures": pictures,
        "lost": lost,
        "lost_by_bare_node": bare_lost,
        "picture_to_site_ms": node,
        "bare_node_ms": reference,
        "more_than_bare_ms": {name: round(node[name] - reference[name], 2) for name in ("p50", "p95")},
        "ratio_p50": round(node["p50"] / reference["p50"], 2),
    }


def _spread(values_ms: list[float]) -> dict[str, float]:
    p50, p95, most = np.percentile(values_ms, [50.0, 95.0, 100.0])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "most": round(float(most), 2)}


@benchmark
@click.option("--pictures", default=300, show_default=True, help="Pictures of each way.")
def main(pictures: int) -> Figures:
    """Measure each way after the other."""
    load = round(os.getloadavg()[0], 1)  # of other programs: what the machine does beside this
    ways = {name: measure(uri, pictures, 60 + number) for number, (name, uri) in enumerate(WAYS.items())}
    worst = max(way["more_than_bare_ms"]["p95"] for way in ways.values())
    return {
        "picture": [WIDTH, HEIGHT],
        "fps": FPS,
        "limit_ms": LIMIT_MS,
        "load_before": load,
        "ways": ways,
        "within_limits": worst <= LIMIT_MS,
    }
