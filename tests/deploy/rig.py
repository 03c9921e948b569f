"""Bundles, good and forged, and drones to install them on."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import zstandard

from deploy import release
from deploy.archive import header
from deploy.bundle import BundleRequest, make_bundle
from deploy.install import InstallRequest, install
from deploy.keys import generate, load_private, load_public
from deploy.layout import ReleaseRecord, Root
from deploy.manifest import MANIFEST_NAME, SIGNATURE_NAME
from deploy.service import Patience, Probe, ProbeResult
from deploy.trial import Supervision
from deploy.unpack import unpack, verify_bundle
from landing.distribution import DISTRIBUTION, VERSION
from tests.edge import fake_model

ROOT = Path(__file__).resolve().parents[2]
RAW_CAMERA = ROOT / "tests" / "edge" / "raw_camera.py"
WIDTH, HEIGHT = 160, 120


def quiet(_line: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Kit:
    """A workstation: keys, a model, a configuration, and a bundle made of them."""

    folder: Path
    key: Path
    public: Path
    model: Path
    config: Path
    samples: Path
    bundle: Path

    @classmethod
    def make(cls, folder: Path) -> Kit:
        folder.mkdir(parents=True, exist_ok=True)
        public, _ = generate(folder / "fleet.key")
        model = fake_model.save(folder / "colours.onnx")
        samples = folder / "samples"
        samples.mkdir()
        scenes = {
            "car": fake_model.photograph(WIDTH, HEIGHT, ("car", (5, 5, 30, 20))),
            "pond": fake_model.photograph(WIDTH, HEIGHT, ground="water"),
        }
        for name, image in scenes.items():
            cv2.imwrite(str(samples / f"{name}.png"), image)
        config = folder / "edge.toml"
        config.write_text(config_text("colours.onnx", folder / "events.jsonl"))
        kit = cls(folder, folder / "fleet.key", public, model, config, samples, folder / "field.tar.zst")
        kit.pack()
        return kit

    def request(self, **changes: Any) -> BundleRequest:
        values: dict[str, Any] = {
            "model": self.model,
            "config": self.config,
            "key": self.key,
            "out": self.bundle,
            "samples": self.samples,
            **changes,
        }
        return BundleRequest(**values)

    def pack(self, **changes: Any) -> Path:
        request = self.request(**changes)
        make_bundle(request, quiet)
        return request.out


def config_text(model: str, events: Path, source: str = "", connection: str = "") -> str:
    source = source or "v4l2:///dev/video0"
    connection = connection or "udpin:127.0.0.1:14550"
    return (
        f"# of the field team\n[model]\npath = {json.dumps(model)}  # the network\nthreads = 1\n"
        f"[camera]\nsource = {json.dumps(source)}\nwidth_px = {WIDTH}\nheight_px = {HEIGHT}\n"
        f"fps = 20\nhfov_deg = 70\n[link]\nconnection = {json.dumps(connection)}\n"
        f"[log]\nevents = {json.dumps(str(events))}\n"
        f"[recorder]\nfolder = {json.dumps(str(events.with_name('recordings')))}\n"
    )


@dataclass
class Forged:
    """The parts of a bundle, to be changed and put together again."""

    manifest: dict[str, Any]
    files: dict[str, bytes]
    key: Path
    tail: bytes = bytes(1024)
    entries: list[bytes] = field(default_factory=list)
    raw_manifest: bytes | None = None
    signature: bytes | None = None

    @classmethod
    def of(cls, bundle: Path, key: Path) -> Forged:
        data = zstandard.ZstdDecompressor().stream_reader(bundle.open("rb")).read()
        files = {}
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                files[member.name] = content.read()
        manifest = json.loads(files.pop(MANIFEST_NAME))
        files.pop(SIGNATURE_NAME)
        return cls(manifest, files, key)

    def add(self, path: str, data: bytes) -> None:
        """A file, in files and manifest."""
        self.files[path] = data
        entry = {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self.manifest["files"] = sorted([*self.manifest["files"], entry], key=lambda e: e["path"])

    def entry(self, path: str) -> dict[str, Any]:
        (found,) = [e for e in self.manifest["files"] if e["path"] == path]
        return found

    @property
    def manifest_bytes(self) -> bytes:
        if self.raw_manifest is not None:
            return self.raw_manifest
        text = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"))
        return text.encode() + b"\n"

    def tar(self) -> bytes:
        manifest = self.manifest_bytes
        signature = self.signature
        if signature is None:
            signature = load_private(self.key).sign(manifest)
        parts = [plain(MANIFEST_NAME, manifest)]
        parts += [plain(SIGNATURE_NAME, signature)] if signature else []
        if self.entries:
            parts += self.entries
        else:
            parts += [
                plain(e["path"], self.files[e["path"]])
                if e["path"] in self.files and ".." not in e["path"]
                else odd(e["path"], data=self.files.get(e["path"], b""))
                for e in self.manifest["files"]
            ]
        return b"".join(parts) + self.tail

    def good_entries(self) -> list[bytes]:
        return [plain(e["path"], self.files[e["path"]]) for e in self.manifest["files"]]

    def write(self, path: Path) -> Path:
        path.write_bytes(zstandard.ZstdCompressor(level=1).compress(self.tar()))
        return path


def plain(path: str, data: bytes) -> bytes:
    """A file as we write it."""
    return header(path, len(data)) + data + bytes(-len(data) % 512)


def odd(path: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> bytes:
    """An entry as any tar may hold it."""
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size = kind, link, len(data)
    if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = 1, 5
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


class FakeService:
    """A service that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def restart(self) -> None:
        self.told.append("restart")

    def stop(self) -> None:
        self.told.append("stop")


class Verdicts:
    """A watcher that says what it was told to, watch by watch; the last word stays."""

    def __init__(self, *ready: bool) -> None:
        self._ready = list(ready)
        self.watched = 0

    def __call__(self, _probes: Sequence[Probe], _patience: Patience) -> ProbeResult:
        ready = self._ready[min(self.watched, len(self._ready) - 1)]
        self.watched += 1
        return ProbeResult(ready, not ready, "well" if ready else "camera: no frame for 3 s")


@dataclass
class Drone:
    """A root folder and what was installed under it, with the slow proofs left out."""

    folder: Path
    kit: Kit
    service: FakeService = field(default_factory=FakeService)

    @property
    def root(self) -> Root:
        return Root(self.folder)

    def request(self, bundle: Path | None = None, **changes: Any) -> InstallRequest:
        values: dict[str, Any] = {
            "bundle": bundle or self.kit.bundle,
            "root": self.folder,
            "trusted_keys": (self.kit.public,),
            **changes,
        }
        return InstallRequest(**values)

    def supervision(self, *ready: bool) -> Supervision:
        return Supervision(service=self.service, watcher=Verdicts(*(ready or (True,))))

    def install(self, bundle: Path | None = None, *ready: bool, **changes: Any) -> str:
        return install(self.request(bundle, **changes), self.supervision(*ready), quiet)

    def pretend(self, name: str) -> None:
        """A complete, healthy, current release with the files of the kit's bundle, and no software."""
        folder = self.root.release(name)
        folder.mkdir(parents=True)
        trusted = (load_public(self.kit.public),)
        _, signed = verify_bundle(self.kit.bundle, trusted)
        unpack(self.kit.bundle, trusted, signed, folder / "bundle")
        (folder / "edge.toml").touch()
        record = ReleaseRecord(
            name=name,
            manifest_sha256=hashlib.sha256(signed).hexdigest(),
            signed_by="k",
            environment="installed",
            python=sys.executable,
            touchdown="0.1.0",
            model="m",
            config_sha256=hashlib.sha256(b"").hexdigest(),
        )
        self.root.complete(record)
        self.root.switch(name)
        self.root.note(name, "healthy")


def without_proofs(monkeypatch: Any) -> None:
    """`edge check` and the self-test start an interpreter each: seconds."""
    monkeypatch.setattr(release, "check_release", lambda *_: ["config: fine"])
    monkeypatch.setattr(release, "self_test", lambda *_: "self-test: left out")


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that is in a folder: kind, mode, content or target."""
    found: dict[str, tuple[object, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent) / name
            relative = str(path.relative_to(folder))
            mode = path.lstat().st_mode
            if path.is_symlink():
                found[relative] = (mode, str(path.readlink()))
            elif path.is_file():
                found[relative] = (mode, path.read_bytes())
            else:
                found[relative] = (mode,)
    return found


OURS = DISTRIBUTION.replace("-", "_")


def fake_wheel(folder: Path, version: str = VERSION, name: str = OURS, needs: Sequence[str] = ()) -> Path:
    """A wheel that borrows this checkout and this environment's packages: small and quick."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    borrowed = [str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))]
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if name == OURS:
        files["borrowed.pth"] = "\n".join(borrowed) + "\n"
        files[f"{info}/entry_points.txt"] = "[console_scripts]\ntouchdown = touchdown.cli:main\n"
    record = [f"{p},sha256={_record_digest(t)},{len(t)}" for p, t in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in files.items():
            wheel.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), text)
    return path


def _record_digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@contextmanager
def program(folder: Path, name: str, script: str) -> Iterator[Path]:
    """A program of a name in a folder, to go first in PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    yield path
