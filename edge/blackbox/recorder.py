"""Takes from the daemon without ever making it wait, and writes in a thread of its own.

What comes faster than the disk takes it is dropped and counted; a disk that is full or gone stops the recording, which
is said once and tried again. Nothing of it ends the daemon.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.blackbox import views
from edge.blackbox.records import Start, StepRecord, TickRecord, Topic, masks_to_picture, memory_to_bytes, to_json
from edge.blackbox.ring import Retention, Ring
from edge.blackbox.segment import Segment
from edge.observer import DaemonStatus
from edge.pipeline import Step
from firmware_bridge.messages import HealthState
from landing.guidance.director import DirectorState
from landing.site import LandingSite

logger = logging.getLogger("edge.blackbox")

SYNC_NS = 1_000_000_000
"""Period in which the disk is made to keep what was written: the most that a lost battery costs, beside a chunk."""

RETRY_NS = 10_000_000_000
GRID_PERIOD_NS = 500_000_000
"""The grid is for people; a replay makes every one of them again."""

KEPT_STATES = (DirectorState.DESCEND, DirectorState.COMMIT, DirectorState.HOLD, DirectorState.ABORT)
KEPT_EVENTS = ("crash", "failed", "hang", "map-reset")

Job = Callable[[Segment], None]


@dataclass
class RecorderCounters:
    """Counts since the start."""

    written: int = 0
    dropped: int = 0
    failures: int = 0


class Recorder:
    """An observer of the daemon.

    Args:
        folder: Of the recordings.
        start: Opens every file; its `boot`, `started_ns` and `utc_offset_ns` are filled in.
        memory: The decider's memory; called in the pipeline thread, between two decisions.
        limits: What is kept.
        segment_s: Length of one file.
        image_quality: Of the JPEG pictures, 1 to 100.
        queue_bytes: What may wait for the disk.

    Attributes:
        counters: What was written and dropped.
    """

    def __init__(
        self,
        folder: Path,
        start: Start,
        memory: Callable[[], Mapping[str, Any]],
        limits: Retention,
        segment_s: float = 15.0,
        image_quality: int = 85,
        queue_bytes: int = 64_000_000,
    ) -> None:
        now_ns = time.monotonic_ns()
        utc_ns = round(datetime.now(timezone.utc).timestamp() * 1e9)  # noqa: TID251 - names files for people
        self._start = replace(start, boot=uuid.uuid4().hex[:8], started_ns=now_ns, utc_offset_ns=utc_ns - now_ns)
        self._folder = folder
        self._memory = memory
        self._limits = limits
        self._segment_ns = round(segment_s * 1e9)
        self._quality = image_quality
        self._queue_bytes = queue_bytes
        self._queue: deque[tuple[int, int, Job]] = deque()  # bytes, monotonic time, what to write
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._number = 0
        self._files = 0  # counted up by the writing thread
        self._remembered: int | None = None  # the file that has the decider's memory
        self._grid_ns = 0
        self._pose_ns = 0
        self._ring: Ring | None = None
        self._segment: Segment | None = None
        self._retry_ns = self._synced_ns = 0
        self._broken = ""
        self.counters = RecorderCounters()

    # --- life ---

    def start(self) -> None:
        """Starts to write. A folder that cannot be used is said, and tried again later."""
        self._thread = threading.Thread(target=self._run, name="blackbox", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 1.5) -> None:
        """Writes what waits, completes the file and ends."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                logger.error("the disk of the black box is too slow to end in time")

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the disk, approximately."""
        return self._waiting_bytes

    # --- what the daemon tells; none of it waits ---

    def on_step(self, step: Step) -> None:
        """A decision, in the pipeline thread."""
        self._number += 1
        record = StepRecord(
            self._number,
            step.frame.frame_id,
            step.frame.captured_at_ns,
            step.pose,
            step.problem,
            None if step.motion is None else step.motion.text,
            replace(step.decision, timings_ms={}),
            None if step.view is None else step.view.ground_down_m,
            step.timings_ms,
            step.sighting,
            step.relief,
            tuple(taken.text for taken in step.depth),
        )
        # After a gap, and at the head of each file, a replay needs to know what the decider knew.
        file = self._files
        memory = dict(self._memory()) if self._remembered != file else None
        size = step.frame.image_bgr.nbytes + (0 if memory is None else 4_000_000)
        taken = self._put(size, record.decided_at_ns, lambda segment: self._write_step(segment, step, record, memory))
        self._remembered = file if taken else None

    def on_status(self, status: DaemonStatus) -> None:
        """A tick of the control loop."""
        decision = status.decision
        record = TickRecord(
            status.at_ns,
            None if decision is None else decision.decided_at_ns,
            status.pose,
            status.vehicle,
            status.output,
            dict(status.memory),
            status.refusal,
            status.health.text,
            dict(status.counters),
            status.slow,
            status.fix,
            status.gimbal,
        )
        self._put(1500, status.at_ns, lambda segment: self._write_tick(segment, record))
        event = ""
        if status.vehicle.armed:
            event = "armed"
        elif status.output.state in KEPT_STATES or status.health.state is HealthState.FAILED:
            event = status.output.state.value
        if event:
            self.keep(status.at_ns, event)

    def keep(self, at_ns: int, event: str) -> None:
        """Something happened: what is around it is kept as a flight.

        Args:
            at_ns: Monotonic time.
            event: Short word for the flight's name.
        """
        self._put(0, at_ns, lambda _: self._keep(at_ns, event))

    def on_event(self, line: Mapping[str, Any]) -> None:
        """An event, in the thread of whoever wrote it."""
        at_ns = int(line["mono_ns"])

        def write(segment: Segment) -> None:
            segment.record(Topic.EVENT, to_json(line), at_ns)
            segment.show(views.TEXT, views.text(line, segment.utc_ns(at_ns)), at_ns)
            if line["event"] in KEPT_EVENTS:
                self._keep(at_ns, str(line["event"]))

        self._put(500, at_ns, write)

    def on_mavlink(self, direction: str, at_ns: int, frame: bytes) -> None:
        """One MAVLink frame; an observer of `firmware_bridge.link.FlightLink`."""
        topic = Topic.RECEIVED if direction == "rx" else Topic.SENT
        self._put(len(frame) + 100, at_ns, lambda segment: segment.record(topic, frame, at_ns))

    def _put(self, size: int, at_ns: int, job: Job) -> bool:
        with self._wake:
            if self._closing or self._broken or self._waiting_bytes + size > self._queue_bytes:
                self.counters.dropped += 1
                return False
            self._queue.append((size, at_ns, job))
            self._waiting_bytes += size
            self._wake.notify()
        return True

    # --- the writing thread ---

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closing:
                    self._wake.wait(1.0)
                    if self._broken:
                        break
                item = self._queue.popleft() if self._queue else None
                if item is not None:
                    self._waiting_bytes -= item[0]
                ending = self._closing and item is None
            if ending:
                self._end()
                return
            if self._broken and time.monotonic_ns() >= self._retry_ns:
                self._broken = ""
            if item is not None and not self._broken:
                self._write(item[1], item[2])

    def _write(self, at_ns: int, job: Job) -> None:
        try:
            segment = self._segment_for(at_ns)
            job(segment)
            self.counters.written += 1
            now_ns = time.monotonic_ns()
            if now_ns - self._synced_ns >= SYNC_NS:
                segment.sync()
                self._synced_ns = time.monotonic_ns()
        except (OSError, ValueError) as error:
            self._fail(error)

    def _segment_for(self, at_ns: int) -> Segment:
        segment = self._segment
        if segment is not None and at_ns - segment.first_ns >= self._segment_ns:
            self._complete()
            segment = None
        if segment is None:
            if self._ring is None:
                self._ring = Ring(self._folder, self._start.boot, self._limits)
                rescued = self._ring.rescue(self._stamp(at_ns))
                if rescued is not None:
                    logger.warning("the last run did not end in order; kept in %s", rescued)
            self._ring.keep_within_budget()
            if not self._ring.has_room():
                raise OSError(28, f"less than {self._limits.free_bytes / 1e6:.0f} MB free")
            segment = Segment(self._ring.next_path(), at_ns, self._start.utc_offset_ns)
            self._segment = segment
            segment.record(Topic.START, to_json(self._start), at_ns)
            self._files += 1
        return segment

    def _complete(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.finish()
            assert self._ring is not None
            self._ring.completed(segment.path, segment.first_ns, segment.last_ns)

    def _end(self) -> None:
        try:
            self._complete()
            if self._ring is not None:
                self._ring.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.counters.failures += 1
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.abandon()
        with self._wake:
            self.counters.dropped += len(self._queue)
            self._queue.clear()
            self._waiting_bytes = 0
            self._broken = str(error)
            self._retry_ns = time.monotonic_ns() + RETRY_NS
        if self.counters.failures == 1:
            logger.error("black box: %s; nothing is recorded until that is cured", error)

    def _keep(self, at_ns: int, event: str) -> None:
        if self._ring is not None:
            self._ring.keep(at_ns, event, self._stamp(at_ns))

    def _stamp(self, at_ns: int) -> str:
        seconds = (at_ns + self._start.utc_offset_ns) / 1e9
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y%m%dT%H%M%SZ")

    def _write_step(self, segment: Segment, step: Step, record: StepRecord, memory: Mapping[str, Any] | None) -> None:
        at_ns = record.decided_at_ns
        captured_utc_ns = segment.utc_ns(record.captured_at_ns)
        stacked = masks_to_picture(step.segmentation)
        segment.show(views.PICTURE, views.picture(step.frame.image_bgr, self._quality, captured_utc_ns), at_ns)
        segment.show(views.MASKS, views.maps(step.segmentation, stacked, captured_utc_ns), at_ns)
        segment.record(Topic.STEP, to_json(record), at_ns)
        for taken in step.depth:
            segment.show(views.POINTS, views.points(taken.look, segment.utc_ns(taken.look.at_ns)), at_ns)
        if memory is not None:
            segment.record(Topic.MEMORY, memory_to_bytes(memory), at_ns)
        selection = record.decision.selection
        site = selection if isinstance(selection, LandingSite) else None
        segment.show(views.SITE, views.site_marks(site, segment.utc_ns(at_ns)), at_ns)
        if step.view is not None and at_ns - self._grid_ns >= GRID_PERIOD_NS:
            self._grid_ns = at_ns
            segment.show(views.GRID, views.grid(step.view, segment.utc_ns(at_ns)), at_ns)

    def _write_tick(self, segment: Segment, record: TickRecord) -> None:
        segment.record(Topic.TICK, to_json(record), record.at_ns)
        pose = record.pose
        if pose is not None and pose.at_ns != self._pose_ns:
            self._pose_ns = pose.at_ns
            transform = views.transform(pose, segment.utc_ns(record.at_ns))
            if transform is not None:
                segment.show(views.POSE, transform, record.at_ns)
