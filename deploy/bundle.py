"""`deploy bundle`: everything a drone needs, in one signed file, the same bytes every time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import onnxruntime

from deploy.archive import write_archive
from deploy.configuration import CALIBRATION, MODEL_PATH, TAXONOMY, Key, check_text, read_configuration, with_values
from deploy.contents import Contents
from deploy.durable import sync_folder
from deploy.errors import BundleError, disk_words
from deploy.keys import PublicKey, load_private
from deploy.manifest import (
    CONFIG_NAME,
    MODEL_FOLDER,
    REQUIREMENTS_NAME,
    SAMPLE_FOLDER,
    SYSTEMD_FOLDER,
    WHEEL_FOLDER,
    BundleManifest,
    Environment,
    ModelEntry,
    SampleDecision,
    Target,
    Versions,
    release_name,
)
from deploy.npu import answering, npu_manifest
from deploy.prepared import prepare_job
from deploy.selftest import SAMPLE_HEIGHT_M, decide, generated_pictures
from deploy.wheelhouse import require_complete
from deploy.wheels import read_wheelhouse, require_pinned
from edge.cameras.recordings import pictures_in
from edge.config import EdgeConfig
from edge.runtimes import load_runtime, taxonomy_for
from edge.runtimes.forms import ARCHIVES
from landing.camera import CameraModel
from landing.distribution import DISTRIBUTION, VERSION
from landing.errors import FileError, ModelError
from landing.model.manifest import Precision
from landing.picture_files import read_picture_bytes, write_picture
from landing.reading import take_name

UNITS = ("touchdown-edge.service", "touchdown-settle.service", "touchdown.rules", "touchdown.sysusers")
CARRIED = (".onnx", *ARCHIVES)
_MOST_SAMPLES = 20


@dataclass(frozen=True)
class BundleRequest:
    """A bundle to make.

    Attributes:
        config: The daemon's configuration; its model path is replaced by the bundle's.
        key: Private key.
        out: The bundle, ``NAME.tar.zst``.
        camera_info: Calibration; None for the configuration's own.
        wheels: Folder of wheels to take along.
        requirements: Pinned requirement set to take along instead.
        target: Machine the wheels must run on; empty parts are found out.
        samples: Folder of pictures for the self-test; None for generated ones.
        sample_height_m: Height above ground, from which they were taken.
        engine: Precision of the TensorRT engine that the drone is to build; None for none.
        npus: Chips of the target that a model may be for.
    """

    model: Path
    config: Path
    key: Path
    out: Path
    camera_info: Path | None = None
    wheels: Path | None = None
    requirements: Path | None = None
    target: Target = field(default_factory=Target)
    samples: Path | None = None
    sample_height_m: float = SAMPLE_HEIGHT_M
    engine: Precision | None = None
    npus: tuple[str, ...] = ()


def make_bundle(request: BundleRequest, say: Callable[[str], None]) -> BundleManifest:
    """Makes a bundle, or nothing; returns its manifest.

    Raises:
        TouchdownError: Something that is to go in is missing, not valid or does not fit; or the disk is full.
    """
    name = _bundle_name(request.out)
    if request.wheels is not None and request.requirements is not None:
        raise BundleError("--wheels and --requirements: a bundle brings one of them")
    private = load_private(request.key)
    with tempfile.TemporaryDirectory(prefix="touchdown-bundle-") as scratch:
        contents = Contents(Path(scratch))
        config = answering(_add_config(contents, request), request.model, request.npus)
        model = _add_model(contents, request, config)
        gate = model.gate.describe() if model.gate else "never verified (touchdown export verify)"
        say(f"model {model.name}: {gate}")
        versions, target, environment = _add_software(contents, request, say)
        samples = _add_samples(contents, request, config, say)
        for unit in UNITS:
            source = resources.files("deploy").joinpath("systemd", unit)
            contents.add_bytes(f"{SYSTEMD_FOLDER}/{unit}", source.read_bytes())
        if request.engine is not None:
            say(f"preparing the graph of an {request.engine} engine")
            for path, data in prepare_job(request.model, request.engine).items():
                contents.add_bytes(path, data)
        entries = contents.entries()
        try:
            manifest = BundleManifest(
                name=name,
                signed_by=PublicKey.of(private.public_key()).key_id,
                target=target,
                versions=versions,
                model=model,
                environment=environment,
                samples=tuple(samples),
                files=tuple(entry for entry, _ in entries),
            )
        except ValueError as error:  # pydantic's is one: too many or too large files
            raise BundleError(f"{request.out}: {error}") from error
        data = manifest.canonical()
        with _in_place(request.out) as partial:
            write_archive(partial, data, private.sign(data), entries)
        say(
            f"wrote {request.out}: {len(entries)} files, {manifest.total_bytes / 1e6:.1f} MB "
            f"({request.out.stat().st_size / 1e6:.1f} MB packed), release "
            f"{release_name(manifest, data)}, signed by {manifest.signed_by}"
        )
        return manifest


def _add_config(contents: Contents, request: BundleRequest) -> EdgeConfig:
    """The configuration with the bundle's paths in it; returned with the workstation's."""
    found = read_configuration(request.config)
    values: dict[Key, str] = {MODEL_PATH: f"{MODEL_FOLDER}/{request.model.name}"}
    calibration = request.camera_info or found.config.camera.calibration
    if request.camera_info is not None and found.config.camera.calibration is None:
        raise BundleError(
            f"--camera-info {calibration}: config {request.config} gives its lens by hfov_deg or "
            'fx; write calibration = "camera.yaml" there instead, so that there is one lens'
        )
    if calibration is not None:
        CameraModel.from_calibration(calibration)
        contents.add(f"camera/{calibration.name}", calibration)
        values[CALIBRATION] = f"camera/{calibration.name}"
    if found.taxonomy_file is not None:
        contents.add(f"taxonomy/{found.taxonomy_file.name}", found.taxonomy_file)
        values[TAXONOMY] = f"taxonomy/{found.taxonomy_file.name}"
    text = with_values(found.text, values, request.config)
    contents.add_bytes(CONFIG_NAME, text.encode())
    here = dict(values)
    here[MODEL_PATH] = str(request.model.resolve())
    if calibration is not None:
        here[CALIBRATION] = str(calibration.resolve())
    if found.taxonomy_file is not None:
        here[TAXONOMY] = str(found.taxonomy_file.resolve())
    return check_text(with_values(found.text, here, request.config), request.config.parent)


def _add_model(contents: Contents, request: BundleRequest, config: EdgeConfig) -> ModelEntry:
    if request.model.suffix not in CARRIED or (request.engine is not None and request.model.suffix != ".onnx"):
        raise ModelError(
            f"model {request.model}: a bundle carries {', '.join(CARRIED)}; an engine is built on the drone, of an "
            ".onnx (--engine fp16)"
        )
    manifest = npu_manifest(request.model)
    with load_runtime(config.model.path if manifest else request.model, config.model.options) as runtime:
        taxonomy_for(runtime.spec, config.model.taxonomy)
        spec, gate = runtime.spec, runtime.gate
    if manifest:
        spec, gate = manifest.model, manifest.gate
    path = f"{MODEL_FOLDER}/{request.model.name}"
    contents.add(path, request.model)
    return ModelEntry(
        path=path,
        name=spec.name,
        taxonomy=spec.taxonomy.name,
        trained_on=spec.provenance.trained_on,
        licence=spec.provenance.licence,
        gate=gate,
    )


def _add_software(
    contents: Contents, request: BundleRequest, say: Callable[[str], None]
) -> tuple[Versions, Target, Environment]:
    if request.requirements is not None:
        require_pinned(request.requirements)
        contents.add(REQUIREMENTS_NAME, request.requirements)
        return Versions(touchdown=VERSION), request.target, "requirements"
    if request.wheels is None:
        say(
            "no --wheels: this bundle brings model and configuration, and runs with the touchdown "
            f"{VERSION} that is installed on the drone"
        )
        return Versions(touchdown=VERSION, onnxruntime=onnxruntime.__version__), request.target, "installed"
    wheels, target = read_wheelhouse(request.wheels, request.target)
    require_complete(request.wheels, target, ("ncnn",) if request.model.suffix == ".ncnn" else ())
    for wheel in wheels:
        contents.add(f"{WHEEL_FOLDER}/{wheel.carried_name}", wheel.path)
    versions = {wheel.name: wheel.version for wheel in wheels}
    say(f"{len(wheels)} wheels for {target.architecture}" + (f" and Python {target.python}" if target.python else ""))
    return (
        Versions(touchdown=versions[DISTRIBUTION], onnxruntime=versions.get("onnxruntime", ""), wheels=versions),
        target,
        "wheels",
    )


def _add_samples(
    contents: Contents, request: BundleRequest, config: EdgeConfig, say: Callable[[str], None]
) -> list[SampleDecision]:
    with tempfile.TemporaryDirectory(prefix="touchdown-samples-") as scratch:
        if request.samples is not None:
            if not request.samples.is_dir():
                raise BundleError(f"--samples {request.samples} is no folder of pictures")
            pictures = pictures_in(request.samples)
            if not 1 <= len(pictures) <= _MOST_SAMPLES:
                raise BundleError(
                    f"--samples {request.samples} holds {len(pictures)} pictures: expected 1 to {_MOST_SAMPLES}"
                )
        else:
            pictures = []
            for name, image in generated_pictures().items():
                path = Path(scratch) / f"{name}.png"
                write_picture(path, image)
                pictures.append(path)
        found = decide(config, [(path, request.sample_height_m) for path in pictures])
        expected: list[SampleDecision] = []
        for path, expectation in zip(pictures, found, strict=True):
            target = f"{SAMPLE_FOLDER}/{path.name}"
            contents.add_bytes(target, read_picture_bytes(path, "sample", BundleError))
            expected.append(expectation.model_copy(update={"path": target}))
    sites = sum(e.site for e in expected)
    if sites in (0, len(expected)):
        which = f"{'none' if not sites else 'each'} of {len(expected)} pictures has a site"
        raise BundleError(
            f"the self-test would prove nothing: {which}, so a network that says the same of everything would pass. "
            "Give both kinds: --samples FOLDER --sample-height-m H"
        )
    say(f"self-test: {len(expected)} pictures, {sites} with a site")
    return expected


def _bundle_name(out: Path) -> str:
    suffix = ".tar.zst"
    name = out.name.removesuffix(suffix).lower()
    if not out.name.endswith(suffix) or not name:
        raise BundleError(f"--out {out}: expected a name that ends in {suffix}")
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return kept.lstrip("._-")[:64] or "bundle"


@contextmanager
def _in_place(out: Path) -> Iterator[Path]:
    """Yields a hidden name beside the target; it takes the target's place when all is on the disk."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        take_name(partial, out)
        sync_folder(out.parent)
    except OSError as error:
        raise FileError(f"bundle {out} cannot be written: {disk_words(error)}. Nothing was changed") from error
    finally:
        partial.unlink(missing_ok=True)
