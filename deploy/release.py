"""From a verified bundle to a complete release: software, engine, configuration, proof.

Nothing here touches what flies. A release that does not come about is removed again; one that was cut off by a power
loss has no `release.json` and is removed by the next installer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.configuration import CALIBRATION, MODEL_PATH, TAXONOMY, Key, check_text, with_values
from deploy.durable import make_folder, sync_folder, write_file
from deploy.environment import make_environment, own_python
from deploy.errors import InstallError, disk_words
from deploy.keys import PublicKey
from deploy.layout import BUNDLE_FOLDER, FLIGHT_CONFIG, UNIT_FOLDER, ReleaseRecord, Root
from deploy.manifest import CONFIG_NAME, SYSTEMD_FOLDER, BundleManifest
from deploy.prove import build_engine, check_release, self_test
from deploy.proven import list_made
from deploy.units import render_unit
from deploy.unpack import unpack
from edge.config import EdgeConfig
from landing.model.manifest import Precision

Say = Callable[[str], None]
Reached = Callable[[str], None]
"""Told of each step when it is done; tests cut the power there."""


@dataclass(frozen=True)
class ReleasePlan:
    """A release to make from a verified bundle; `name` is the release's, the rest is as in `InstallRequest`."""

    bundle: Path
    trusted: tuple[PublicKey, ...]
    manifest: BundleManifest
    manifest_bytes: bytes
    name: str
    python: str
    engine: Precision | None = None
    system_site_packages: bool = False
    camera: bool = False
    link: bool = False


def make_release(root: Root, plan: ReleasePlan, say: Say, reached: Reached) -> ReleaseRecord:
    """Makes a release under a locked root, or leaves nothing behind.

    Raises:
        TouchdownError: Any step fails; says which and why.
    """
    release = root.release(plan.name)
    with ExitStack() as undo:
        if release.exists():
            say(f"{plan.name} was begun before and is made anew")
            root.remove(plan.name)
        with root.staging(plan.name) as staged:
            _unpack(plan, staged, reached)
            reached("unpacked")
            undo.callback(_remove_if_there, root, plan.name)
            staged.replace(release)
            sync_folder(root.releases)
        reached("moved")
        say(f"unpacked to {release}")
        try:
            record = _fill(root, release, plan, say, reached)
        except OSError as error:
            raise InstallError(f"{release}: {disk_words(error)}. Nothing was changed") from error
        root.complete(record)
        undo.pop_all()
    reached("complete")
    return record


def _unpack(plan: ReleasePlan, staged: Path, reached: Reached) -> None:
    make_folder(staged)
    unpack(
        plan.bundle, plan.trusted, plan.manifest_bytes, staged / BUNDLE_FOLDER, lambda path: reached(f"written {path}")
    )


def _fill(root: Root, release: Path, plan: ReleasePlan, say: Say, reached: Reached) -> ReleaseRecord:
    manifest = plan.manifest
    make_environment(release, manifest, plan.python, plan.system_site_packages)
    reached("environment")
    say(f"software: {_software(manifest)}")
    engine: Path | None = None
    if plan.engine is not None:
        say(f"building the {plan.engine} engine: this takes minutes on a Jetson")
        engine = build_engine(release, manifest, plan.engine, root.path / "timing.cache")
        reached("engine")
    text, config = flight_config(release, engine)
    write_file(release / FLIGHT_CONFIG, text.encode())
    reached("configured")
    make_folder(release / UNIT_FOLDER)
    for source in sorted((release / BUNDLE_FOLDER / SYSTEMD_FOLDER).iterdir()):
        unit = source.read_text("utf-8")
        if source.suffix == ".service":
            unit = render_unit(unit, root.path, config, os.cpu_count() or 1)
        write_file(release / UNIT_FOLDER / source.name, unit.encode())
    reached("units")
    checked = check_release(release, plan.camera, plan.link)
    for line in checked:
        say(f"check {line}")
    reached("checked")
    proof = self_test(release, manifest)
    say(proof)
    reached("self-tested")
    return ReleaseRecord(
        name=plan.name,
        manifest_sha256=hashlib.sha256(plan.manifest_bytes).hexdigest(),
        signed_by=manifest.signed_by,
        environment=manifest.environment,
        python=own_python() if manifest.environment == "installed" else plan.python,
        touchdown=manifest.versions.touchdown,
        model=manifest.model.name,
        engine=plan.engine,
        config_sha256=hashlib.sha256(text.encode()).hexdigest(),
        made_sha256=list_made(release),
        checked=(*checked, proof),
    )


def flight_config(release: Path, engine: Path | None) -> tuple[str, EdgeConfig]:
    """The bundle's configuration with paths from the release's folder; an engine replaces the ONNX file."""
    path = release / BUNDLE_FOLDER / CONFIG_NAME
    text = path.read_text("utf-8")
    inside = check_text(text, Path(BUNDLE_FOLDER))
    values: dict[Key, str] = {MODEL_PATH: str(inside.model.path)}
    if engine is not None:
        values[MODEL_PATH] = str(engine.relative_to(release))
    if inside.camera.calibration is not None:
        values[CALIBRATION] = str(inside.camera.calibration)
    taxonomy = inside.model.taxonomy
    if taxonomy is not None and taxonomy.startswith(f"{BUNDLE_FOLDER}/"):
        values[TAXONOMY] = taxonomy
    text = with_values(text, values, path)
    return text, check_text(text, release)


def _software(manifest: BundleManifest) -> str:
    version = manifest.versions.touchdown
    if manifest.environment == "installed":
        return f"touchdown {version}, as installed on this machine"
    count = f"{len(manifest.wheels)} wheels" if manifest.wheels else "a pinned requirement set"
    return f"touchdown {version}, from {count}"


def _remove_if_there(root: Root, name: str) -> None:
    if root.release(name).exists():
        root.remove(name)
