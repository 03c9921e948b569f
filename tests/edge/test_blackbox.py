"""The black box: what flew is decided again to the last digit, and nothing of it stops a flight."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory
from pymavlink import mavutil

from edge.blackbox import recorder as recorder_module
from edge.blackbox import views
from edge.blackbox.make import make_recorder
from edge.blackbox.recorder import Recorder
from edge.blackbox.recording import Recording
from edge.blackbox.records import Topic, step_from
from edge.blackbox.replay import Replacement, Replay
from edge.blackbox.ring import Retention, Ring
from edge.blackbox.segment import PART, Segment
from edge.blackbox.tlog import write_tlog
from edge.cli import cli
from edge.config import EdgeConfig
from edge.exact import RecordingError
from edge.resolved import resolve_flight
from edge.runtimes import load_runtime
from firmware_bridge.dialect import mavlink
from landing.estimator import FrameShift
from landing.model.spec import ModelSpec
from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from tests.command import call
from tests.edge.test_daemon import Rig, pipe_source, wait_for
from tests.edge.test_resolved import CAREFUL
from tests.trainer.tiny import TINY, run


def recording_rig(tmp_path: Path, model_path: Path, **section: Any) -> tuple[Rig, Recorder]:
    """A daemon with a black box of short files."""
    holder: list[Recorder] = []

    class Late:
        """Hands on to a recorder that needs the rig's own decider."""

        def __getattr__(self, name: str) -> Any:
            return getattr(holder[0], name)

    rig = Rig(
        tmp_path,
        model_path,
        pipe_source(tmp_path),
        observers=(Late(),),
        recorder={"folder": str(tmp_path / "rec"), "segment_s": 1.0, "free_mb": 0.0, **section},
    )
    holder.append(make_recorder(rig.config, rig.runtime, rig.pipeline.decider, rig.flight))
    return rig, holder[0]


@contextmanager
def flown(tmp_path: Path, model_path: Path, **section: Any) -> Iterator[tuple[Rig, Recorder]]:
    rig, recorder = recording_rig(tmp_path, model_path, **section)
    with recorder:
        with rig.running():
            yield rig, recorder
        recorder.close(60.0)  # the daemon's own limit is for its end, not for the disk of a busy machine
    assert rig.error is None


@pytest.fixture(scope="module")
def flight_folder(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Path:
    """A kept flight of several files, in which a person walked into the picture's middle."""
    folder = tmp_path_factory.mktemp("flown")
    with flown(folder, model_path) as (rig, recorder):
        frame = heartbeat_frame()
        wait_for(lambda: rig.daemon.counters.decisions > 15)
        recorder.on_mavlink("rx", time.monotonic_ns(), frame)
        recorder.on_mavlink("tx", time.monotonic_ns(), frame)
        rig.link.frame = rig.link.frame.moved(None)  # the map starts anew in mid-flight
        wait_for(lambda: rig.daemon.counters.decisions > 40)
        shift = FrameShift(0.5, (3.0, 2.0, 0.0))  # and moves
        rig.link.frame = rig.link.frame.moved(shift)
        wait_for(lambda: rig.daemon.counters.decisions > 60)
    (kept,) = (folder / "rec" / "flights").iterdir()
    for path in sorted(kept.iterdir()):  # on a busy machine the first file may end before the first decision
        if Replay(Recording(path)).run().decisions:
            break
        path.unlink()
    assert kept.name.endswith("-armed") and len(list(kept.iterdir())) >= 2
    assert not list((folder / "rec" / "ring").iterdir())  # an orderly end leaves what was kept
    return kept


def heartbeat_frame() -> bytes:
    packer = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    return bytes(mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(packer))


def test_every_decision_is_made_again_to_the_last_digit(flight_folder: Path) -> None:
    result = Replay(Recording(flight_folder)).run()
    assert result.decisions > 50 and result.ticks > 30
    assert result.same and not result.differences
    assert result.skipped <= 1  # a decision made before the first file was open


def test_a_replay_can_begin_in_mid_flight(flight_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(flight_folder, tmp_path / "cut")
    first, *rest = sorted((tmp_path / "cut").iterdir())
    first.unlink()
    result = Replay(Recording(tmp_path / "cut")).run()
    assert rest and result.same and result.decisions > 5
    assert 1 <= result.skipped <= 25  # until the one after which the memory was written, with those queued before it
    result = Replay(Recording(rest[-1])).run()
    assert result.identical == result.decisions


def test_another_configuration_shows_its_differences(flight_folder: Path, tmp_path: Path, model_path: Path) -> None:
    start = Recording(flight_folder).start
    section = {k: v for k, v in start.config["camera"].items() if v is not None}
    config = EdgeConfig.model_validate(
        {
            "model": {"path": str(model_path)},
            "camera": section,
            "link": {"connection": "udpin:127.0.0.1:14550"},
            "decision": {"vehicle_radius_m": 8.0},
        }
    )
    result = Replay(Recording(flight_folder), Replacement(config=config)).run()
    assert not result.same and result.site_lost > 0 and result.site_kept == 0
    assert result.reasons["too-small"] == result.site_lost
    assert any("too-small" in line for line in result.lines())
    assert len(result.differences) <= 20 and json.dumps(result.as_dict())


def test_another_model_sees_the_recorded_pictures(flight_folder: Path, model_path: Path) -> None:
    with load_runtime(model_path) as runtime:
        runtime.warm_up()
        result = Replay(Recording(flight_folder), Replacement(runtime=runtime)).run()
    # The same network on JPEG instead of the very frames: hardly any difference.
    assert result.decisions > 50
    assert result.site_kept > 0.9 * (result.site_kept + result.site_moved + result.site_lost)


def test_the_command_says_whether_it_is_the_same(flight_folder: Path) -> None:
    done = CliRunner().invoke(cli, ["replay", str(flight_folder)])
    assert done.exit_code == 0 and "identical to the last digit" in done.output
    done = CliRunner().invoke(cli, ["replay", "--json", str(flight_folder)])
    replayed = json.loads(done.output)
    assert replayed["same"] is True
    # What flew is in the recording, whole, and is what the replay decided with.
    start = Recording(flight_folder).start
    spec = ModelSpec.from_json(json.dumps(start.model_spec), "the recording")
    flew = resolve_flight(EdgeConfig.model_validate(start.config), spec, {})
    assert replayed["flight"] == flew.report()
    assert (start.flight, start.flight_sha256) == (flew.as_dict(), flew.digest)


def test_a_replay_with_another_configuration_or_model_resolves_anew(flight_folder: Path, model_path: Path) -> None:
    """The thresholds of the network that flew hold for another configuration, too."""
    recording = Recording(flight_folder)
    spec = json.loads(CAREFUL.to_json())
    recording.start = replace(recording.start, model_spec=spec)
    config = EdgeConfig.model_validate(recording.start.config)
    flies = Replay(recording, Replacement(config=config)).flies
    assert flies.decision.person_probability == 0.1
    assert flies.sources["decision.person_probability"] == "model"
    with load_runtime(model_path) as runtime:  # another network has its own, which are none here
        flies = Replay(recording, Replacement(runtime=runtime)).flies
    assert flies.decision.person_probability == 0.2
    assert "authority" in flies.describe()


def test_foxglove_finds_pictures_maps_grid_pose_site_and_texts(flight_folder: Path) -> None:
    seen: dict[str, Any] = {}
    names = set()
    for path in sorted(flight_folder.iterdir()):
        with path.open("rb") as stream:
            reader = make_reader(stream, decoder_factories=[DecoderFactory()], validate_crcs=True)
            summary = reader.get_summary()
            assert summary is not None and summary.statistics is not None
            names |= {schema.name for schema in summary.schemas.values()}
            for decoded in reader.iter_decoded_messages(
                topics=[views.PICTURE, views.MASKS, views.GRID, views.POSE, views.SITE, views.TEXT]
            ):
                seen[decoded.channel.topic] = decoded.decoded_message
    assert {"foxglove.CompressedImage", "foxglove.Grid", "foxglove.FrameTransform"} <= names
    assert {"foxglove.SceneUpdate", "foxglove.Log"} <= names
    assert seen[views.PICTURE].format == "jpeg" and seen[views.MASKS].format == "png"
    grid = seen[views.GRID]
    assert len(grid.data) % (grid.row_stride) == 0 and grid.cell_size.x > 0
    assert seen[views.SITE].entities[0].cylinders[0].size.x > 2.0
    assert seen[views.POSE].translation.z == pytest.approx(15.0)  # up, not down


def test_what_a_kill_left_is_read_and_kept(flight_folder: Path, tmp_path: Path, model_path: Path) -> None:
    ring = tmp_path / "rec" / "ring"
    ring.mkdir(parents=True)
    whole, *_ = sorted(flight_folder.iterdir())
    data = whole.read_bytes()
    cut = ring / f"{whole.name}{PART}"
    cut.write_bytes(data[: len(data) * 3 // 4])
    result = Replay(Recording(cut)).run()
    assert result.decisions > 0 and result.identical == result.decisions
    with flown(tmp_path, model_path) as (rig, _):
        wait_for(lambda: rig.daemon.counters.decisions > 5)
    crashed = [p for p in (tmp_path / "rec" / "flights").iterdir() if p.name.endswith("-crash")]
    assert [p.name for p in crashed[0].iterdir()] == [whole.name]


@pytest.mark.parametrize("length", [0, 5, 8, 300])
def test_a_file_that_was_cut_before_anything_was_in_it_does_not_hide_the_others(
    flight_folder: Path, tmp_path: Path, length: int
) -> None:
    folder = shutil.copytree(flight_folder, tmp_path / "flight")
    whole = next(path for path in sorted(folder.iterdir()) if Replay(Recording(path)).run().decisions)
    for path in set(folder.iterdir()) - {whole}:
        path.unlink()
    torn = folder / whole.name.replace("-0000", "-9999")
    torn.write_bytes(whole.read_bytes()[:length])
    recording = Recording(folder)
    assert recording.files == (whole,) and Replay(recording).run().decisions > 0
    with pytest.raises(RecordingError, match="cut short before anything was written"):
        Recording(torn)


def test_an_empty_part_is_a_crash_and_nothing_to_keep(tmp_path: Path) -> None:
    limits = Retention(budget_bytes=10_000, free_bytes=0)
    ring = Ring(tmp_path, "first", limits)
    whole, torn = ring.next_path(), ring.next_path()
    whole.write_bytes(b"x" * 1000)
    torn.with_name(torn.name + PART).write_bytes(b"")
    kept = Ring(tmp_path, "second", limits).rescue("20260101T000000Z")
    assert kept is not None and [p.name for p in kept.iterdir()] == [whole.name]
    torn.with_name(torn.name + PART).write_bytes(b"")
    assert Ring(tmp_path, "third", limits).rescue("20260101T000001Z") is None
    assert not list((tmp_path / "ring").iterdir())
    assert len(list((tmp_path / "flights").iterdir())) == 1


def test_damage_is_named(tmp_path: Path, flight_folder: Path) -> None:
    (tmp_path / "no.mcap").write_bytes(b"nothing of the kind")
    (tmp_path / "empty.mcap").write_bytes(b"")
    for name in ("no.mcap", "empty.mcap"):
        with pytest.raises(RecordingError, match=name):
            Recording(tmp_path / name)
    with pytest.raises(RecordingError, match="does not exist"):
        Recording(tmp_path / "nowhere.mcap")
    with pytest.raises(RecordingError, match=r"no \.mcap"):
        (tmp_path / "folder").mkdir()
        Recording(tmp_path / "folder")
    whole, *_ = sorted(flight_folder.iterdir())
    data = bytearray(whole.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 400):
        data[at] ^= 0x5A
    (tmp_path / "bits.mcap").write_bytes(data)
    sound, damaged = Recording(whole), Recording(tmp_path / "bits.mcap")
    assert Replay(damaged).run().decisions <= Replay(sound).run().decisions
    assert not sound.cut and list(damaged.cut) == [tmp_path / "bits.mcap"]
    said = call("edge", "tlog", tmp_path / "bits.mcap", "--out", tmp_path / "x.tlog").stderr
    assert "bits.mcap is cut short or damaged at " in said and said.count("\n") == 1
    os.mkfifo(tmp_path / "fifo")
    blocked = call("edge", "tlog", whole, "--out", tmp_path / "fifo")
    assert blocked.returncode == 2 and "FIFO" in blocked.stderr and blocked.stderr.count("\n") == 1


def test_a_full_disk_stops_the_recording_not_the_flight(
    tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"now": False}
    write = Segment.record

    def record(self: Segment, topic: Topic, data: bytes, at_ns: int) -> None:
        if full["now"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, topic, data, at_ns)

    monkeypatch.setattr(Segment, "record", record)
    monkeypatch.setattr(recorder_module, "RETRY_NS", 200_000_000)
    with flown(tmp_path, model_path) as (rig, recorder):
        wait_for(lambda: recorder.counters.written > 20)
        full["now"] = True
        wait_for(lambda: recorder.counters.failures > 0)
        sent = len(rig.link.targets)
        wait_for(lambda: len(rig.link.targets) > sent + 20)  # the flight goes on
        full["now"] = False
        written = recorder.counters.written
        wait_for(lambda: recorder.counters.written > written + 30)  # and the recording comes back
        decisions = rig.daemon.counters.decisions
        wait_for(lambda: rig.daemon.counters.decisions > decisions + 5)
    assert recorder.counters.dropped > 0
    for folder in (tmp_path / "rec" / "flights").iterdir():
        result = Replay(Recording(folder)).run()
        assert result.identical == result.decisions > 0  # the gap did no harm


def test_a_slow_disk_makes_nobody_wait(tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Segment.show

    def slow(self: Segment, topic: str, message: Any, at_ns: int) -> None:
        time.sleep(0.3)
        write(self, topic, message, at_ns)

    monkeypatch.setattr(Segment, "show", slow)
    rig, recorder = recording_rig(tmp_path, model_path)
    recorder._queue_bytes = 3 * 160 * 120 * 3
    longest_s = 0.0
    on_step = recorder.on_step

    def timed(step: Any) -> None:
        nonlocal longest_s
        started = time.monotonic()
        on_step(step)
        longest_s = max(longest_s, time.monotonic() - started)

    monkeypatch.setattr(recorder, "on_step", timed)
    with recorder, rig.running():
        wait_for(lambda: rig.daemon.counters.decisions > 30)
    assert rig.error is None and recorder.counters.dropped > 0
    assert longest_s < 0.25  # less than a single write takes


def test_what_the_disk_keeps_is_never_old(tmp_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a crash the battery may go, and what the kernel still holds with it: half a minute, unless it is told."""
    kept: list[tuple[float, int]] = []
    sync = os.fdatasync

    def told(descriptor: int) -> None:
        sync(descriptor)
        kept.append((time.monotonic(), os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fdatasync", told)
    rig, recorder = recording_rig(tmp_path, model_path)
    with recorder, rig.running():
        wait_for(lambda: len(kept) > 3)
    times = [at_s for at_s, _ in kept]
    assert max(after - before for before, after in pairwise(times)) < 3.0 and kept[-1][1] > 0


def test_a_folder_that_cannot_be_made_is_said_and_the_flight_goes_on(
    tmp_path: Path, model_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rec").write_text("a file where the folder should be")
    with flown(tmp_path, model_path) as (rig, recorder):
        wait_for(lambda: recorder.counters.failures > 0)
        wait_for(lambda: len(rig.link.targets) > 10)
    assert "nothing is recorded until that is cured" in caplog.text


def test_the_ring_forgets_and_the_budget_holds(tmp_path: Path) -> None:
    def write(ring: Ring, first_s: float, last_s: float) -> Path:
        path = ring.next_path()
        path.write_bytes(b"x" * 1000)
        ring.completed(path, round(first_s * 1e9), round(last_s * 1e9))
        return path

    limits = Retention(ring_s=30, before_s=10, after_s=5, budget_bytes=8_000, free_bytes=0)
    ring = Ring(tmp_path, "boot", limits)
    paths = [write(ring, t, t + 10) for t in range(0, 50, 10)]
    assert [p.exists() for p in paths] == [False, True, True, True, True]
    ring.keep(round(51e9), "hold", "20260101T000000Z")
    flight = ring.flight
    assert flight is not None
    assert sorted(p.name for p in flight.iterdir()) == [paths[4].name]  # ended within 10 s before
    later = write(ring, 50, 60)  # covers the event and what is after it
    assert ring.flight is None and (flight / later.name).exists()
    assert not (flight / write(ring, 60, 70).name).exists()
    for k in range(4):
        ring.keep(round((80 + 20 * k) * 1e9), "armed", f"20260101T00000{k + 1}Z")
        write(ring, 75 + 20 * k, 95 + 20 * k)
    flights = sorted(p.name for p in (tmp_path / "flights").iterdir())
    assert "20260101T000000Z-hold" not in flights and flights[-1] == "20260101T000004Z-armed"
    ring.close()
    assert not list((tmp_path / "ring").iterdir())


def test_the_budget_holds_in_a_flight_that_does_not_end(tmp_path: Path) -> None:
    limits = Retention(ring_s=20, before_s=10, after_s=5, budget_bytes=8_000, free_bytes=0)
    ring = Ring(tmp_path, "boot", limits)
    paths = []
    for t in range(0, 300, 10):  # armed all the time
        ring.keep(round((t + 5) * 1e9), "armed", "20260101T000000Z")
        path = ring.next_path()
        path.write_bytes(b"x" * 1000)
        ring.completed(path, t * 10**9, (t + 10) * 10**9)
        paths.append(path)
        held = list(tmp_path.rglob("*.mcap"))
        assert sum(p.stat().st_size for p in held) <= limits.budget_bytes
    assert ring.flight is not None
    kept = sorted(p.name for p in ring.flight.iterdir())
    assert len(kept) >= 4 and kept == [p.name for p in paths[-len(kept) :]]  # the newest


def test_mined_frames_walk_the_loop_to_training(flight_folder: Path, tmp_path: Path) -> None:
    """Frame, proposal, correction, import and training, a command each; the correction is done as the tools do it."""
    out = tmp_path / "mined"
    words = ("edge", "mine", flight_folder, "--out", out, "--count", 4, "--apart-s", 0.5)
    mined = call(*words)
    assert mined.returncode == 0 and "CVAT" in mined.stdout
    told = json.loads(call(*words, "--json").stdout)
    assert told["folder"] == str(out) and {"number", "why", "at_s"} <= set(told["frames"][0])
    names = sorted(p.stem for p in (out / "images").iterdir())
    (tmp_path / "other" / "images").mkdir(parents=True)
    (tmp_path / "other" / "images" / "of-another-flight_000001.jpg").write_bytes(b"")
    assert "choose another --out" in call("edge", "mine", flight_folder, "--out", tmp_path / "other").stderr
    assert 2 <= len(names) <= 4 and names == sorted(p.stem for p in (out / "proposals").iterdir())
    rows = [line.split(",") for line in (out / "mined.csv").read_text().splitlines()]
    assert rows[0][:3] == ["name", "why", "score"] and len(rows) == len(names) + 1
    times = [float(row[5]) for row in rows[1:]]
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))
    taxonomy = Taxonomy.load(out / "taxonomy.toml")
    assert taxonomy.name == Recording(flight_folder).start.flight["taxonomy"]["name"]
    corrected = {}
    for name in names:
        ids = read_grey(out / "proposals" / f"{name}.png")
        assert ids.shape == read_grey(out / "images" / f"{name}.jpg").shape
        ids[10:30, 5:45] = taxonomy.ids_of(Role.PERSON)[0]
        corrected[name] = ids

    person = taxonomy.classes[taxonomy.ids_of(Role.PERSON)[0]].name
    height, width = ids.shape
    cvat, studio = tmp_path / "cvat", tmp_path / "studio"
    cvat.mkdir(), studio.mkdir()
    polygon = f'<polygon label="{person}" z_order="1" points="5.00,10.00;45.00,10.00;45.00,30.00;5.00,30.00"></polygon>'
    xml = (out / "cvat" / "annotations.xml").read_text().replace("</image>", f"{polygon}</image>")
    (cvat / "annotations.xml").write_text(xml)
    assert {label["name"] for label in json.loads((out / "cvat" / "labels.json").read_text())} <= {
        c.name for c in taxonomy.classes
    }
    tasks = json.loads((out / "label_studio" / "tasks.json").read_text())
    for number, task in enumerate(tasks):
        (prediction,) = task["predictions"]
        box = {"x": 500 / width, "y": 1000 / height, "width": 4000 / width, "height": 2000 / height, "rotation": 0}
        drawn = {**prediction["result"][0], "type": "rectanglelabels", "value": {**box, "rectanglelabels": [person]}}
        task |= {"id": number, "annotations": [{"id": number, "result": [*prediction["result"], drawn]}]}
    (studio / "export.json").write_text(json.dumps(tasks))

    for form, folder in (("cvat", cvat), ("label-studio", studio)):
        made = tmp_path / f"set-{form}"
        imported = call(
            *("trainer", "data", "import", form, folder, "--images", out / "images"),
            *("--taxonomy", out / "taxonomy.toml", "--out", made),
        )
        assert imported.returncode == 0, imported.stderr
        for name, ids in corrected.items():
            labels = read_grey(made / "labels" / f"{name}.png")
            kept = np.isin(ids, [c.id for c in taxonomy.classes if c.role is not Role.IGNORE])
            assert (labels[kept] == ids[kept]).all() and (labels[~kept] == 255).all()
    checked = call("trainer", "data", "check", made, "--absent-classes", "allow")
    assert checked.returncode == 0 and "valid" in checked.stdout, checked.stdout
    data = ("--data", made, "--absent-classes", "allow")
    run("fit", *data, *TINY, "--epochs", 1, "--out", tmp_path / "run", "--cache", tmp_path / "cache")
    assert (tmp_path / "run" / "best.pt").is_file()


def read_grey(path: Path) -> ByteArray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, dtype=np.uint8)


def test_the_mavlink_of_a_flight_opens_as_a_telemetry_log(flight_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "flight.tlog"
    assert write_tlog(Recording(flight_folder), path) == 2
    log = mavutil.mavlink_connection(str(path))
    first = log.recv_match(type="HEARTBEAT")
    assert first is not None and log.recv_match(type="HEARTBEAT") is not None
    assert abs(first._timestamp - log.start_time) < 5.0 or first._timestamp > 1.6e9


def test_another_format_is_refused_and_unknown_fields_are_not(
    flight_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.blackbox.records.FORMAT", 0)
    with pytest.raises(RecordingError, match="format 6, this version reads format 0"):
        Recording(flight_folder)
    monkeypatch.undo()
    entry = next(iter(Recording(flight_folder).entries(Topic.STEP.value)))
    values: Mapping[str, Any] = json.loads(entry.data)
    later = {**values, "decision": {**values["decision"], "news": 1}, "more": [1, 2]}
    assert step_from(json.dumps(later).encode()) == step_from(entry.data)
    assert replace(step_from(entry.data), number=5).number == 5
