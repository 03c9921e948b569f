"""Prepared pictures: what they hold, when they are made again, and what stops them."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from landing.errors import DataError
from tests.trainer import fake_data
from trainer.data import store
from trainer.data.layouts import open_set
from trainer.data.samples import FolderSet

LIMIT = (48, 48)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "set-48x48").glob("*.safetensors"))


def prepared(data, folder, samples=None, limit=LIMIT, **more):
    samples = data.samples if samples is None else samples
    return store.open_or_prepare(data, samples, limit, folder, **more)


def test_a_store_holds_what_the_memory_cache_holds_and_is_filled_once(tmp_path, reads):
    data = open_set(fake_data.folder(tmp_path / "set"))
    done = []
    stored = prepared(data, tmp_path / "cache", done=lambda: done.append(1))
    assert len(done) == len(stored) == 15
    in_memory = fake_data.in_memory(data, LIMIT)
    for number, (one, other) in enumerate(zip(stored, in_memory, strict=True)):
        assert one.name == other.name
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.centres, other.centres)
        np.testing.assert_array_equal(stored.counts[number], np.bincount(other.labels.ravel(), minlength=256))
    reads.clear()
    again = prepared(data, tmp_path / "cache", done=lambda: done.append(1))
    assert reads == []
    assert len(done) == 30
    np.testing.assert_array_equal(again[-1].image, stored[-1].image)
    assert [item.name for item in again[2:4]] == [s.name for s in data.samples[2:4]]


def test_parts_share_a_store_and_only_what_is_new_is_decoded(tmp_path, reads):
    data = open_set(fake_data.folder(tmp_path / "set"))
    prepared(data, tmp_path / "cache", data.samples[:6])
    reads.clear()
    both = prepared(data, tmp_path / "cache", data.samples[3:9])
    assert sorted(reads) == [s.name for s in data.samples[6:9]]
    assert [item.name for item in both] == [s.name for s in data.samples[3:9]]
    prepared(data, tmp_path / "cache", data.samples[:6], limit=(24, 24))
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["set-24x24", "set-48x48"]


def test_a_stale_store_is_noticed_and_its_old_version_removed(tmp_path, reads):
    data = open_set(fake_data.folder(tmp_path / "set"))
    prepared(data, tmp_path / "cache")
    changed = data.samples[4]
    cv2.imwrite(str(changed.label), np.full((64, 96), 1, np.uint8))
    for path in files(tmp_path):
        os.utime(path, (1, 1))  # no run opened them for long
    reads.clear()
    stored = prepared(data, tmp_path / "cache")
    assert reads == [changed.name]
    assert (stored[4].labels == 1).all()
    assert len(files(tmp_path)) == 15
    for sample in data.samples:
        os.utime(sample.image, ns=(1, 1))
    for path in files(tmp_path):
        os.utime(path, (1, 1))
    prepared(data, tmp_path / "cache")
    assert len(reads) == 16
    assert len(files(tmp_path)) == 15


def test_a_run_keeps_its_pictures_where_another_reads_them_otherwise(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set"))
    one = prepared(data, tmp_path / "cache")
    before = one[3].labels
    other = prepared(replace(data, unknown="ignore"), tmp_path / "cache")
    np.testing.assert_array_equal(one[3].labels, before)
    np.testing.assert_array_equal(other[3].labels, before)
    assert len(files(tmp_path)) == 30


def test_no_clock_takes_the_pictures_from_a_run_that_reads_them(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set"))
    prepared(data, tmp_path / "cache")
    for path in files(tmp_path):
        os.utime(path, (1, 1))  # the clock of that run was not set
    otherwise = replace(data, unknown="ignore")
    with (tmp_path / "cache" / "set-48x48" / ".readers").open() as of_another_process:
        fcntl.flock(of_another_process, fcntl.LOCK_SH)
        prepared(otherwise, tmp_path / "cache")
        assert len(files(tmp_path)) == 30
    prepared(otherwise, tmp_path / "cache")
    assert len(files(tmp_path)) == 15


def test_stored_pictures_go_to_another_process_without_their_pixels(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set"))
    stored = prepared(data, tmp_path / "cache", limit=(96, 64))
    first = stored[0].image.copy()
    packed = pickle.dumps(stored)
    assert len(packed) < first.size * len(stored) / 4
    np.testing.assert_array_equal(pickle.loads(packed)[0].image, first)
    stored[0].image[:] = 0  # its own memory: the file stays as it is
    np.testing.assert_array_equal(stored[0].image, first)


def test_too_small_a_disk_is_said_before_anything_is_decoded(tmp_path, monkeypatch, reads):
    data = open_set(fake_data.folder(tmp_path / "set"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5, store.SPARE_BYTES))
    with pytest.raises(DataError, match=r"15 decoded pictures need .* choose another folder"):
        prepared(data, tmp_path / "cache")
    assert reads == []


def test_a_disk_that_fills_up_keeps_what_is_done(tmp_path, monkeypatch, reads):
    data = open_set(fake_data.folder(tmp_path / "set"))
    sync, written = os.fsync, []

    def full_after_five(descriptor):
        if len(written) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_five)
    with pytest.raises(DataError, match=r"became full.* run it again"):
        prepared(data, tmp_path / "cache", threads=1)
    monkeypatch.setattr(os, "fsync", sync)
    assert len(files(tmp_path)) == 5
    assert not list((tmp_path / "cache").rglob("*.partial"))
    reads.clear()
    assert len(prepared(data, tmp_path / "cache")) == 15
    assert len(reads) == 10


KILLED = """
import os, signal, sys
from trainer.data import store
from trainer.data.layouts import open_set
count = 0
def done():
    global count
    count += 1
    if count == 6:
        os.kill(os.getpid(), signal.SIGKILL)
data = open_set(sys.argv[1])
store.open_or_prepare(data, data.samples, (48, 48), sys.argv[2], done, threads=1)
"""


def test_a_killed_preparation_goes_on_where_it_stopped(tmp_path, reads):
    root = fake_data.folder(tmp_path / "set")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root), str(tmp_path / "cache")], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    whole = files(tmp_path)
    assert 6 <= len(whole) < 15
    # One file's end was lost with the power.
    whole[0].write_bytes(whole[0].read_bytes()[:-64])
    data = open_set(root)
    stored = prepared(data, tmp_path / "cache")
    assert len(reads) == 15 - (len(whole) - 1)
    expected = fake_data.in_memory(data, LIMIT)
    for one, other in zip(stored, expected, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.centres, other.centres)


def _prepare_and_count(root: str, folder: str, queue) -> None:
    reads = []
    read = FolderSet.read
    FolderSet.read = lambda self, s: (reads.append(1), read(self, s))[1]
    data = open_set(root)
    stored = store.open_or_prepare(data, data.samples, LIMIT, folder)
    queue.put((len(reads), int(sum(int(item.image.sum()) for item in stored))))


def test_two_processes_at_once_decode_once(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    arguments = (str(root), str(tmp_path / "cache"), queue)
    processes = [context.Process(target=_prepare_and_count, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert sorted(count for count, _ in found) == [0, 15]
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-1], lambda whole: b"\xff" * len(whole)])
def test_a_damaged_file_is_decoded_again(tmp_path, reads, damage):
    data = open_set(fake_data.folder(tmp_path / "set"))
    prepared(data, tmp_path / "cache")
    first = files(tmp_path)[0]
    whole = first.read_bytes()
    first.write_bytes(damage(whole))
    reads.clear()
    prepared(data, tmp_path / "cache")
    assert len(reads) == 1
    assert first.read_bytes() == whole


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    data = open_set(fake_data.folder(tmp_path / "set"))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"folder .*file/set-48x48: Not a directory"):
        prepared(data, tmp_path / "file")


@pytest.mark.parametrize("broken", ["image", "label"])
def test_a_broken_picture_stops_the_preparation_with_its_name(tmp_path, broken):
    data = open_set(fake_data.folder(tmp_path / "set"))
    path: Path = getattr(data.samples[7], broken)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=path.name):
        prepared(data, tmp_path / "cache")
    path.write_bytes(whole)
    assert len(prepared(data, tmp_path / "cache")) == 15
