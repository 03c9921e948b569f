"""Shards: written whole, read by name or as a stream that processes share without overlap."""

from __future__ import annotations

import errno
import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from landing.errors import DataError
from tests.trainer import fake_data
from tests.trainer.test_data_cli import run
from trainer.data.choice import open_and_split
from trainer.data.layouts import open_set
from trainer.data.shards import SHARDS_FILE, ShardedSet, write_shards
from trainer.data.store import open_or_prepare
from trainer.data.streaming import ShardStream
from trainer.recipe import DataChoice


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    """24 training pictures in shards of about three."""
    base = tmp_path_factory.mktemp("shards")
    root = fake_data.folder(base / "set", worlds=10)
    (root / "TERMS.txt").write_text("CC0")
    out = base / "out"
    run("shard", root, "--out", out, "--size", "48x48", "--shard-mb", "0.02", "--picture", "png")
    return out


def whole(sample, rng):
    return sample


def name_and_draw(sample, rng) -> tuple[str, int]:
    return sample.name, int(rng.integers(1 << 30))


def names(
    data: ShardedSet, epoch: int = 1, seed: int = 4, rank: int = 0, world: int = 1, buffer: int = 5, part="train"
):
    stream = ShardStream(data, part, name_and_draw, seed, rank, world, buffer)
    stream.set_epoch(epoch)
    found = [name for name, _ in stream]
    assert len(found) == len(stream)
    return found


def test_shards_hold_every_part_and_explain_themselves(sharded):
    source = open_set(sharded.parent / "set")
    data, split = open_and_split(DataChoice(folders=(str(sharded),)))
    assert isinstance(data, ShardedSet)
    assert (data.name, data.taxonomy, data.terms) == ("set", source.taxonomy, "CC0")
    assert [len(p) for p in (split.train, split.val, split.test)] == [24, 3, 3]
    assert [s.group for s in data.samples] == [s.group for s in source.samples]
    index = json.loads((sharded / SHARDS_FILE).read_text())
    assert len(index["parts"]["train"]) >= 4
    assert str(sharded.parent) not in (sharded / SHARDS_FILE).read_text()
    stored = open_or_prepare(source, source.samples, (48, 48), sharded.parent / "cache")
    in_train = [data.own_split[item.name] == "train" for item in stored]
    assert data.class_pixels["train"].tolist() == stored.counts[in_train].sum(0)[:3].tolist()
    for sample, item in zip(data.samples, stored, strict=True):
        image, labels = data.read(sample)
        np.testing.assert_array_equal(image, item.image)
        np.testing.assert_array_equal(labels, item.labels)
        assert data.size_wh(sample) == (48, 32)


def test_a_stream_gives_what_reading_by_name_gives(sharded):
    data = ShardedSet(str(sharded))
    by_name = {sample.name: sample for sample in data.samples}
    for item in ShardStream(data, "val", whole):
        image, labels = data.read(by_name[item.name])
        np.testing.assert_array_equal(item.image, image)
        np.testing.assert_array_equal(item.labels, labels)
        assert set(item.centres[:, 2]) == set(np.unique(labels))


@pytest.mark.parametrize("world", [1, 2, 3, 5, 7])
def test_processes_share_an_epoch_without_overlap_and_get_the_same_number(sharded, world):
    data = ShardedSet(str(sharded))
    seen = [names(data, rank=rank, world=world) for rank in range(world)]
    assert {len(part) for part in seen} == {24 // world}
    assert len({name for part in seen for name in part}) == 24 // world * world


def test_the_order_follows_from_seed_and_epoch_alone(sharded):
    data = ShardedSet(str(sharded))
    assert names(data) == names(data)
    assert names(data) != names(data, epoch=2)
    assert names(data) != names(data, seed=5)
    assert sorted(names(data)) == sorted(names(data, epoch=2))
    assert names(data) != names(data, buffer=1)


def test_torch_loaders_of_two_ranks_share_the_epoch_and_draw_the_same(sharded):
    data = ShardedSet(str(sharded))
    alone = ShardStream(data, "train", name_and_draw, 4, buffer=5)
    alone.set_epoch(3)
    expected = dict(alone)
    assert len(expected) == len(alone) == 24
    found: list[tuple[str, int]] = []
    for rank in range(2):
        half = ShardStream(data, "train", name_and_draw, 4, rank, 2, buffer=5)
        loader = DataLoader(half, batch_size=None, num_workers=2, persistent_workers=True)
        half.set_epoch(0)
        first = list(loader)
        half.set_epoch(3)  # reaches loader processes that are running already
        again = list(loader)
        assert len(again) == len(half) == 12
        assert first != again
        found += again
    assert dict(found) == expected


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files, as servers of large files do."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        if not wanted:
            return super().do_GET()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        content = Path(self.translate_path(self.path)).read_bytes()[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Plain(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path, kind) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_shards_behind_a_web_server_are_the_same(sharded):
    local = ShardedSet(str(sharded))
    with served(sharded, Ranges) as url:
        data = open_set(url)
        for rank in range(2):
            assert names(data, rank=rank, world=2) == names(local, rank=rank, world=2)
        for sample in data.samples[:3]:
            np.testing.assert_array_equal(data.read(sample)[0], local.read(sample)[0])
        with pytest.raises(DataError, match="404"):
            ShardedSet(url + "/elsewhere")
    with served(sharded, Plain) as url:
        data = open_set(url)
        with pytest.raises(DataError, match="does not serve parts of files"):
            data.read(data.samples[0])


def test_broken_shards_are_named(sharded, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sharded.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = ShardedSet(str(copy))
    first = copy / "val-000000.tar"
    whole = first.read_bytes()
    first.write_bytes(whole[:1500])
    with pytest.raises(DataError, match=r"val-000000.tar"):
        names(data, part="val")
    with pytest.raises(DataError, match="ends too early"):
        for sample in data.samples:
            data.read(sample)
    index = json.loads((copy / SHARDS_FILE).read_text())
    index["parts"]["val"][0]["file"] = "pipe:touch owned"
    (copy / SHARDS_FILE).write_text(json.dumps(index))
    with pytest.raises(DataError, match="'pipe:touch owned' is no name of a tar file"):
        ShardedSet(str(copy))
    (copy / SHARDS_FILE).write_text("[]")
    with pytest.raises(DataError, match="not of format"):
        ShardedSet(str(copy))


def test_jpeg_shards_a_missing_part_and_a_full_disk(tmp_path, monkeypatch):
    root = fake_data.aeroscapes(tmp_path / "set")
    data, split = open_and_split(DataChoice(folders=(str(root),)))
    write_shards(data, split, tmp_path / "out", (64, 64))
    read = ShardedSet(str(tmp_path / "out"))
    assert all(image.any() for image, _ in (read.read(s) for s in read.samples))
    with pytest.raises(DataError, match="hold nothing for test"):
        ShardStream(read, "test", whole)
    with pytest.raises(DataError, match="already holds shards"):
        write_shards(data, split, tmp_path / "out", (64, 64))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="its disk is full"):
        write_shards(data, split, tmp_path / "more", (64, 64))
    assert not (tmp_path / "more" / SHARDS_FILE).exists()


def test_samples_are_not_in_the_order_they_were_taken(sharded):
    index = json.loads((sharded / SHARDS_FILE).read_text())
    order = [s["name"] for shard in index["parts"]["train"] for s in shard["samples"]]
    assert order != sorted(order)
