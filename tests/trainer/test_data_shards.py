"""Shards: written whole, read by name or as a stream that processes share without overlap."""

from __future__ import annotations

import errno
import functools
import http.server
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from landing.errors import DataError
from tests.trainer import fake_data
from tests.trainer.test_data_cli import run
from trainer.data.choice import open_and_split
from trainer.data.iterable import StreamedSamples
from trainer.data.layouts import open_set
from trainer.data.shards import SHARDS_FILE, ShardPlan, write_shards
from trainer.data.store import open_or_prepare
from trainer.data.streaming import ShardedSet, ShardStream
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


def names(stream: ShardStream, *where: int) -> list[str]:
    return [sample.name for sample in stream.stream(*where)]


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
    stored = open_or_prepare(source, source.samples, (48, 48), "refuse", sharded.parent / "cache")
    of_train = [item.class_counts() for item in stored if data.own_split[item.name] == "train"]
    assert data.class_pixels["train"].tolist() == np.sum(of_train, axis=0)[:3].tolist()
    for sample, item in zip(data.samples, stored, strict=True):
        image, labels = data.read(sample)
        np.testing.assert_array_equal(image, item.image)
        np.testing.assert_array_equal(labels, item.labels)
        assert data.size_wh(sample) == (48, 32)


def test_a_stream_gives_what_reading_by_name_gives(sharded):
    data = ShardedSet.open(str(sharded))
    by_name = {sample.name: sample for sample in data.samples}
    for item in ShardStream(data, "val").stream(0):
        image, labels = data.read(by_name[item.name])
        np.testing.assert_array_equal(item.image, image)
        np.testing.assert_array_equal(item.labels, labels)
        assert set(item.centres[:, 2]) == set(np.unique(labels))


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("workers", [1, 2])
def test_processes_share_an_epoch_without_overlap_and_leave_nothing_out(sharded, world, workers):
    stream = ShardStream(ShardedSet.open(str(sharded)), "train", seed=4, buffer=5)
    seen = [
        [n for worker in range(workers) for n in names(stream, 1, rank, world, worker, workers)]
        for rank in range(world)
    ]
    assert [len(part) for part in seen] == [stream.count(rank, world) for rank in range(world)]
    assert max(map(len, seen)) - min(map(len, seen)) <= 1
    everything = [name for part in seen for name in part]
    assert len(everything) == len(set(everything)) == len(stream) == 24


def test_the_order_follows_from_seed_and_epoch_alone(sharded):
    data = ShardedSet.open(str(sharded))
    stream = ShardStream(data, "train", seed=4, buffer=5)
    assert names(stream, 1) == names(ShardStream(data, "train", seed=4, buffer=5), 1)
    assert names(stream, 1) != names(stream, 2)
    assert names(stream, 1) != names(ShardStream(data, "train", seed=5, buffer=5), 1)
    assert sorted(names(stream, 1)) == sorted(names(stream, 2))
    mixed, plain = names(stream, 1), names(ShardStream(data, "train", seed=4, buffer=1), 1)
    assert mixed != plain


def _name_and_draw(sample, rng) -> tuple[str, int]:
    return sample.name, int(rng.integers(1 << 30))


def test_torch_loaders_of_two_ranks_share_the_epoch_and_draw_the_same(sharded):
    stream = ShardStream(ShardedSet.open(str(sharded)), "train", seed=4, buffer=5)
    alone = StreamedSamples(stream, _name_and_draw)
    alone.set_epoch(3)
    expected = dict(alone)
    assert len(expected) == len(alone) == 24
    found: list[tuple[str, int]] = []
    for rank in range(2):
        half = StreamedSamples(stream, _name_and_draw, rank, 2)
        loader = DataLoader(half, batch_size=None, num_workers=2, persistent_workers=True)
        half.set_epoch(0)
        first = list(loader)
        half.set_epoch(3)  # reaches loader processes that are running already
        again = list(loader)
        assert len(again) == len(half) == 12
        assert first != again
        found += again
    assert dict(found) == expected


def test_ranks_get_the_same_number_even_where_it_does_not_come_out_even(sharded):
    stream = ShardStream(ShardedSet.open(str(sharded)), "train", buffer=3)
    seen = [[n for n, _ in StreamedSamples(stream, _name_and_draw, r, 7)] for r in range(7)]
    assert {len(part) for part in seen} == {3}
    assert len({n for part in seen for n in part}) == 21


def test_some_shards_by_braces_and_the_same_over_http(sharded):
    some = ShardedSet.open(f"{sharded}/train-{{000000..000001}}.tar")
    assert [shard.file for shard in some.shards["train"]] == ["train-000000.tar", "train-000001.tar"]
    with pytest.raises(DataError, match=r"knows no shard train-000099.tar"):
        ShardedSet.open(f"{sharded}/train-000099.tar")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(sharded))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        data = open_set(url)
        local = ShardStream(ShardedSet.open(str(sharded)), "train", buffer=3)
        assert names(ShardStream(data, "train", buffer=3), 0, 1, 2) == names(local, 0, 1, 2)
        with pytest.raises(DataError, match="does not serve parts of files"):
            data.read(data.samples[0])
        with pytest.raises(DataError, match="404"):
            ShardedSet.open(url + "/elsewhere")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_broken_shards_are_named(sharded, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sharded.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    data = ShardedSet.open(str(copy))
    first = copy / "val-000000.tar"
    whole = first.read_bytes()
    first.write_bytes(whole[:1500])
    with pytest.raises(DataError, match=r"val-000000.tar"):
        names(ShardStream(data, "val"), 0)
    with pytest.raises(DataError, match="ends too early"):
        for sample in data.samples:
            data.read(sample)
    index = json.loads((copy / SHARDS_FILE).read_text())
    index["parts"]["val"][0]["file"] = "pipe:touch owned"
    (copy / SHARDS_FILE).write_text(json.dumps(index))
    with pytest.raises(DataError, match="'pipe:touch owned' is no name of a tar file"):
        ShardedSet.open(str(copy))
    (copy / SHARDS_FILE).write_text("[]")
    with pytest.raises(DataError, match="not of format"):
        ShardedSet.open(str(copy))


def test_jpeg_shards_a_missing_part_and_a_full_disk(tmp_path, monkeypatch):
    root = fake_data.aeroscapes(tmp_path / "set")
    data, split = open_and_split(DataChoice(folders=(str(root),)))
    write_shards(data, split, tmp_path / "out", ShardPlan((64, 64)))
    read = ShardedSet.open(str(tmp_path / "out"))
    assert all(image.any() for image, _ in (read.read(s) for s in read.samples))
    with pytest.raises(DataError, match="hold nothing for test"):
        ShardStream(read, "test")
    with pytest.raises(DataError, match="already holds shards"):
        write_shards(data, split, tmp_path / "out", ShardPlan((64, 64)))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="its disk is full"):
        write_shards(data, split, tmp_path / "more", ShardPlan((64, 64)))
    assert not (tmp_path / "more" / SHARDS_FILE).exists()
    assert not list((tmp_path / "more").glob("*.tar"))


def test_samples_are_not_in_the_order_they_were_taken(sharded):
    index = json.loads((sharded / SHARDS_FILE).read_text())
    order = [s["name"] for shard in index["parts"]["train"] for s in shard["samples"]]
    assert order != sorted(order)
