"""What must not be installed: refused with the reason, and nothing is changed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from deploy import archive, unpack
from deploy.errors import BundleError, InstallError
from deploy.keys import generate, load_private
from deploy.manifest import BundleManifest
from landing.errors import TouchdownError
from tests.deploy.rig import ROOT, Drone, Forged, Kit, odd, plain, snapshot

MODEL = "model/colours.onnx"


def refused(drone: Drone, bundle: Path, words: str, kind: type[TouchdownError] = BundleError) -> None:
    before = snapshot(drone.folder)
    with pytest.raises(kind, match=words) as caught:
        drone.install(bundle)
    assert len(str(caught.value).splitlines()) <= 2
    after = snapshot(drone.folder)
    after.pop(".lock", None)
    assert after == before
    assert drone.service.told == []
    assert drone.root.current() == "old-000000000000"


@pytest.fixture
def forged(kit: Kit) -> Forged:
    return Forged.of(kit.bundle, kit.key)


def test_the_forger_can_make_a_good_one(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    """Or the tests below would prove nothing."""
    name = flying.install(forged.write(tmp_path / "good.tar.zst"))
    assert flying.root.current() == name


# Without the key: the signature is over something else than what is in the archive.


def change_the_model(forged: Forged) -> None:
    data = bytearray(forged.files[MODEL])
    data[len(data) // 2] ^= 1
    forged.files[MODEL] = bytes(data)


def swap_two(forged: Forged) -> None:
    forged.entries = forged.good_entries()[::-1]


def leave_one_out(forged: Forged) -> None:
    forged.entries = forged.good_entries()[1:]


def leave_the_last_out(forged: Forged) -> None:
    forged.entries = forged.good_entries()[:-1]


def add_one(forged: Forged) -> None:
    forged.entries = [*forged.good_entries(), plain("extra.py", b"import os")]


def add_one_behind_the_end(forged: Forged) -> None:
    forged.tail = bytes(1024) + plain("extra.py", b"import os") + bytes(1024)


def repeat_one(forged: Forged) -> None:
    forged.entries = [forged.good_entries()[0], *forged.good_entries()]


def lengthen_one(forged: Forged) -> None:
    forged.entries = [plain("edge.toml", forged.files["edge.toml"] + b"\n#")]
    forged.entries += forged.good_entries()[1:]


def hide_in_the_padding(forged: Forged) -> None:
    first = bytearray(forged.good_entries()[0])
    first[-1] = 1
    forged.entries = [bytes(first), *forged.good_entries()[1:]]


def instead_of_the_first(kind: bytes, link: str = "") -> Callable[[Forged], None]:
    def change(forged: Forged) -> None:
        forged.entries = [odd("edge.toml", kind, link), *forged.good_entries()[1:]]

    return change


def before_the_first(path: str) -> Callable[[Forged], None]:
    def change(forged: Forged) -> None:
        forged.entries = [odd(path, data=b"0 * * * * root id\n"), *forged.good_entries()]

    return change


def set_uid(forged: Forged) -> None:
    info = tarfile.TarInfo("edge.toml")
    data = forged.files["edge.toml"]
    info.size, info.mode = len(data), 0o4755
    block = info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)
    forged.entries = [block, *forged.good_entries()[1:]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_the_model, r"model/colours\.onnx is not what was signed: SHA-256 \w+\.\.\., exp"),
        (swap_two, r"holds file 'systemd/touchdown\.sysusers' of \d+ bytes where"),
        (leave_one_out, r"holds file 'model/colours\.onnx' .* promises file 'edge\.toml'"),
        (leave_the_last_out, r"ends before systemd/touchdown\.sysusers, which its manifest names"),
        (add_one, r"holds file 'extra\.py' that its manifest does not name"),
        (add_one_behind_the_end, "something follows its end"),
        (repeat_one, r"holds file 'edge\.toml' .* promises file 'model/colours\.onnx'"),
        (lengthen_one, r"holds file 'edge\.toml' of \d+ bytes where its manifest promises"),
        (hide_in_the_padding, "something is hidden between its files"),
        (instead_of_the_first(tarfile.SYMTYPE, "/etc/shadow"), r"holds a symbolic link 'edge"),
        (instead_of_the_first(tarfile.LNKTYPE, "manifest.json"), r"holds a hard link 'edge"),
        (instead_of_the_first(tarfile.CHRTYPE), r"holds a character device 'edge"),
        (instead_of_the_first(tarfile.BLKTYPE), r"holds a block device 'edge"),
        (instead_of_the_first(tarfile.FIFOTYPE), r"holds a pipe 'edge"),
        (instead_of_the_first(tarfile.DIRTYPE), r"holds a folder 'edge"),
        (before_the_first("../../etc/cron.d/x"), r"holds file '\.\./\.\./etc/cron\.d/x'"),
        (before_the_first("/etc/cron.d/x"), r"holds file '/etc/cron\.d/x'"),
        (set_uid, r"holds file 'edge\.toml'"),
    ],
)
def test_changed_after_signing(
    flying: Drone, forged: Forged, tmp_path: Path, change: Callable[[Forged], None], words: str
) -> None:
    change(forged)
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), words)


def test_a_manifest_that_was_changed(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    forged.signature = load_private(forged.key).sign(forged.manifest_bytes)
    forged.manifest["name"] = "another"
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), "manifest was changed after signing")


def test_unsigned(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    forged.signature = b""
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), r"is not signed: 'edge\.toml' follows")


@pytest.mark.parametrize("length", [63, 65, 4096])
def test_a_signature_of_another_length(flying: Drone, forged: Forged, tmp_path: Path, length: int) -> None:
    forged.signature = bytes(length)
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), rf"has {length} bytes, expected 64")


def test_a_signature_of_zeros(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    forged.signature = bytes(64)
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), "not by a trusted key")


def test_signed_with_another_key(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    generate(tmp_path / "mallory.key")
    forged.key = tmp_path / "mallory.key"
    bundle = forged.write(tmp_path / "bad.tar.zst")
    refused(flying, bundle, r"not by a trusted key \([0-9a-f]{32}\).*--trusted-key")


def test_signed_by_one_trusted_key_in_the_name_of_another(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    public, _ = generate(tmp_path / "second.key")
    forged.key = tmp_path / "second.key"
    bundle = forged.write(tmp_path / "bad.tar.zst")
    with pytest.raises(BundleError, match=r"signed by \w+, its manifest names"):
        flying.install(bundle, trusted_keys=(flying.kit.public, public))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_truncated(flying: Drone, kit: Kit, tmp_path: Path, part: float) -> None:
    data = kit.bundle.read_bytes()
    short = tmp_path / "short.tar.zst"
    short.write_bytes(data[: int(len(data) * part)])
    refused(flying, short, "is truncated: it ends within|is no bundle")


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_anywhere(flying: Drone, kit: Kit, tmp_path: Path, seed: int) -> None:
    data = bytearray(kit.bundle.read_bytes())
    data[(seed * 7919 + 11) % len(data)] ^= 1 << (seed % 8)
    bad = tmp_path / "flipped.tar.zst"
    bad.write_bytes(data)
    before = snapshot(flying.folder)
    with pytest.raises(BundleError):
        flying.install(bad)
    assert snapshot(flying.folder) == before


def test_things_that_are_no_bundles(flying: Drone, tmp_path: Path) -> None:
    other = tmp_path / "other.tar.zst"
    refused(flying, other, "does not exist")
    other.write_bytes(b"PK\3\4 this is a zip")
    refused(flying, other, r"other\.tar\.zst is no bundle, or it is damaged")
    other.write_bytes(zstandard.ZstdCompressor().compress(plain("README", b"hello") + bytes(1024)))
    refused(flying, other, r"is no bundle: it starts with file 'README', expected manifest\.json")
    refused(flying, tmp_path, "is a folder: expected a regular file")


# With the key: what was signed must not be taken nevertheless.


def path_of(path: str) -> Callable[[Forged], None]:
    def change(forged: Forged) -> None:
        forged.add(path, b"x")

    return change


def newer(forged: Forged) -> None:
    forged.manifest["format"] = 2
    forged.manifest["hologram"] = {"yes": True}


def unknown_key(forged: Forged) -> None:
    forged.manifest["post_install"] = "id"


def a_file_twice(forged: Forged) -> None:
    forged.manifest["files"].insert(0, dict(forged.manifest["files"][0]))


def the_same_on_other_file_systems(forged: Forged) -> None:
    forged.add("EDGE.toml", b"x")


def a_file_as_a_folder(forged: Forged) -> None:
    forged.add("model/colours.onnx/x", b"x")


def larger_than_any(forged: Forged) -> None:
    forged.entry(MODEL)["size"] = 2**40


def larger_together(forged: Forged) -> None:
    for number in range(5):
        forged.add(f"model/part{number}", b"")
        forged.entry(f"model/part{number}")["size"] = 2**31


def too_many(forged: Forged) -> None:
    digest = "0" * 64
    forged.manifest["files"] += [{"path": f"z/{n:05d}", "size": 0, "sha256": digest} for n in range(5000)]


def unsorted(forged: Forged) -> None:
    forged.manifest["files"].reverse()


def not_canonical(forged: Forged) -> None:
    forged.raw_manifest = json.dumps(forged.manifest, indent=1).encode()


def no_json(forged: Forged) -> None:
    forged.raw_manifest = b"[" * 100_000


def a_model_that_is_not_there(forged: Forged) -> None:
    forged.manifest["model"]["path"] = "/etc/passwd"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (path_of("../x"), r"'\.\./x' leads out of the bundle"),
        (path_of("model/../../x"), "leads out of the bundle"),
        (path_of("/etc/x"), "'/etc/x' is an absolute path"),
        (path_of("model/./x"), "expected letters, digits"),
        (path_of(".ssh/x"), "expected letters, digits"),
        (path_of("model//x"), "expected letters, digits"),
        (path_of("model/"), "expected letters, digits"),
        (path_of("a\\b"), "expected letters, digits"),
        (path_of("a b"), "expected letters, digits"),
        (newer, r"is of format 2, this touchdown reads up to 1: update touchdown on this machine"),
        (unknown_key, r"not valid: post_install: Extra inputs"),
        (a_file_twice, r"edge\.toml is there twice"),
        (the_same_on_other_file_systems, r"edge\.toml is there twice"),
        (a_file_as_a_folder, r"model/colours\.onnx is a file and a folder"),
        (larger_than_any, r"files\.\d\.size: Input should be less than or equal to 2147483648"),
        (larger_together, r"\d+ bytes; a bundle has at most 8589934592"),
        (too_many, "at most 4096 items"),
        (unsorted, "not sorted"),
        (not_canonical, "not in canonical form"),
        (no_json, "is no JSON"),
        (a_model_that_is_not_there, "/etc/passwd is not among the files"),
    ],
)
def test_signed_and_still_refused(
    flying: Drone, forged: Forged, tmp_path: Path, change: Callable[[Forged], None], words: str
) -> None:
    change(forged)
    refused(flying, forged.write(tmp_path / "bad.tar.zst"), words)


def test_for_another_machine(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    own = "x86-64" if os.uname().machine == "x86_64" else "aarch64"
    other = "aarch64" if own == "x86-64" else "x86-64"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    forged.manifest["target"] = {"architecture": other, "python": python}
    bundle = forged.write(tmp_path / "bad.tar.zst")
    refused(flying, bundle, rf"is for {other}, this machine is {own}: .*--target {own} --python")
    forged.manifest["target"] = {"architecture": own, "python": "3.4"}
    bundle = forged.write(tmp_path / "bad.tar.zst")
    refused(flying, bundle, rf"is for Python 3\.4, this machine would run it with Python {python}")


def test_that_counts_on_another_touchdown(flying: Drone, forged: Forged, tmp_path: Path) -> None:
    forged.manifest["versions"]["touchdown"] = "9.9"
    bundle = forged.write(tmp_path / "bad.tar.zst")
    refused(flying, bundle, r"brings no software and was made with touchdown 9\.9; here is")


# Bombs: nothing is read or kept beyond the limits, whatever is declared.


def test_a_manifest_that_never_ends(flying: Drone, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.zst"
    data = archive.header("manifest.json", 6 * 2**30) + bytes(64 * 2**20)
    bomb.write_bytes(zstandard.ZstdCompressor(level=1).compress(data))
    refused(flying, bomb, r"manifest\.json has 6442450944 bytes, expected at most 4194304")


def test_a_window_that_eats_the_memory(flying: Drone, tmp_path: Path, kit: Kit) -> None:
    parameters = zstandard.ZstdCompressionParameters(
        window_log=30, hash_log=6, chain_log=6, strategy=zstandard.STRATEGY_FAST, write_content_size=False
    )
    bomb = tmp_path / "bomb.tar.zst"
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with bomb.open("wb") as raw, compressor.stream_writer(raw) as out:
        out.write(bytes(1024))
    refused(flying, bomb, "is no bundle, or it is damaged")


# The disk.


def test_too_little_space(flying: Drone, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(flying.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: usage._replace(free=10**6))
    refused(flying, kit.bundle, r"1 MB are free, bundle field needs \d+ MB", InstallError)


def test_the_space_asked_for_includes_the_environment(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    forged = Forged.of(kit.bundle, kit.key)
    forged.manifest["environment"] = "wheels"
    forged.add("wheels/a-1-py3-none-any.whl", b"")
    forged.entry("wheels/a-1-py3-none-any.whl")["size"] = 10**9
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: usage._replace(free=5 * 10**9))
    manifest = BundleManifest.model_validate(forged.manifest)
    with pytest.raises(InstallError, match=r"5000 MB are free, .* needs 61\d\d MB"):
        unpack.require_space(manifest, tmp_path)


def test_a_disk_that_fills_up_meanwhile(flying: Drone, kit: Kit, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the write fails in the middle of the model."""
    forged = Forged.of(kit.bundle, kit.key)
    forged.add("model/weights.bin", os.urandom(300_000))
    bundle = forged.write(tmp_path / "full.tar.zst")
    before = snapshot(flying.folder)
    words = [sys.executable, "-m", "touchdown", "deploy", "install", str(bundle)]
    words += ["--root", str(flying.folder), "--trusted-key", str(kit.public), "--service", "none"]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    assert done.returncode == 2, done.stderr
    assert "File too large: free some space" in done.stderr and "Nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    after = snapshot(flying.folder)
    after.pop(".lock")
    assert after == before


def test_a_bundle_that_is_replaced_meanwhile(flying: Drone, kit: Kit, tmp_path: Path) -> None:
    """Between the check and the unpacking: another one, just as well signed."""
    other = kit.pack(out=tmp_path / "other.tar.zst", sample_height_m=13.0)
    bundle = tmp_path / "swapped.tar.zst"
    shutil.copy(kit.bundle, bundle)
    before = snapshot(flying.folder)

    def swap(step: str) -> None:
        if step == "space":
            shutil.copy(other, bundle)

    from deploy.install import install

    with pytest.raises(BundleError, match="was replaced while it was being installed"):
        install(flying.request(bundle), flying.supervision(), lambda _l: None, swap)
    after = snapshot(flying.folder)
    after.pop(".lock")
    assert after == before
