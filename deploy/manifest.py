"""The manifest of a bundle: the one thing that is signed, and it names every other byte."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.errors import BundleError
from landing.model.artefact import GateReport

FORMAT = 1
"""Raised when an older installer could no longer do the right thing with a bundle."""

MANIFEST_NAME, SIGNATURE_NAME = "manifest.json", "manifest.sig"
CONFIG_NAME = "edge.toml"
MODEL_FOLDER, WHEEL_FOLDER, SAMPLE_FOLDER, SYSTEMD_FOLDER = "model", "wheels", "samples", "systemd"
REQUIREMENTS_NAME = "requirements.txt"
JOB_FOLDER = "engine-job"
"""Holds the graph a TensorRT engine is built from, and the note of `export trt` beside it."""

MOST_MANIFEST_BYTES = 4 * 2**20
MOST_FILES = 4096
MOST_FILE_BYTES = 2 * 2**30
MOST_TOTAL_BYTES = 8 * 2**30
"""The limits of what is ever read from a bundle, whatever it declares. A JetPack wheelhouse with CUDA libraries has
some 3 GiB; a network some 100 MiB."""

ARCHITECTURES = ("aarch64", "x86-64")
Architecture = Literal["aarch64", "x86-64", "any"]
Environment = Literal["wheels", "requirements", "installed"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,127}")


class Strict(BaseModel):
    """Base of all parts: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(Strict):
    """A file of the bundle; each part of its relative path holds letters, digits and ``_.+!-`` alone."""

    path: str = Field(max_length=200)
    size: int = Field(ge=0, le=MOST_FILE_BYTES)
    sha256: Sha256

    @model_validator(mode="after")
    def _plain_path(self) -> FileEntry:
        require_plain_path(self.path)
        return self


class Target(Strict):
    """The machine that the wheels run on; ``python`` is as ``3.10``, and empty when any will do."""

    architecture: Architecture = "any"
    python: str = Field(default="", pattern=r"^(3\.\d+)?$")


class ModelEntry(Strict):
    """The network.

    Attributes:
        path: In the bundle.
        name, taxonomy, trained_on, licence: As its ModelSpec says.
        gate: Report of `export verify`; None when it never ran.
    """

    path: str
    name: str
    taxonomy: str
    trained_on: str = ""
    licence: str = ""
    gate: GateReport | None = None


class SampleDecision(Strict):
    """The workstation's decision on a sample picture.

    Attributes:
        path: Of the picture, in the bundle.
        height_agl_m: It is taken from, metres above ground.
        site: A site was found.
        ahead_m, right_m: Its place, metres from below the camera.
        clearance_m: Radius that was free around it, metres.
        reason: Why there was none.
    """

    path: str
    height_agl_m: float = Field(gt=0, le=1000)
    site: bool
    ahead_m: float = 0.0
    right_m: float = 0.0
    clearance_m: float = 0.0
    reason: str = ""


class Versions(Strict):
    """Software that made the bundle, and that the bundle brings."""

    touchdown: str
    onnxruntime: str = ""
    wheels: dict[str, str] = Field(default_factory=dict)


class BundleManifest(Strict):
    """Everything of a bundle but the content of its files.

    Attributes:
        format: Version of this description.
        name: Of the bundle, as ``field-a``.
        signed_by: Id of the key that signs it.
        environment: Source of the software on the drone: the wheels inside, a pinned set of requirements inside, or the
            software that is installed there already.
        samples: Pictures of the self-test, and the workstation's decisions on them.
        files: Every other file, sorted by path.
    """

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    signed_by: str
    target: Target = Field(default_factory=Target)
    versions: Versions
    model: ModelEntry
    config: Literal["edge.toml"] = "edge.toml"
    environment: Environment
    samples: tuple[SampleDecision, ...] = ()
    files: tuple[FileEntry, ...] = Field(min_length=1, max_length=MOST_FILES)

    @model_validator(mode="after")
    def _consistent(self) -> BundleManifest:
        paths = [entry.path for entry in self.files]
        if paths != sorted(paths):
            raise ValueError("files are not sorted by path")
        folded = [path.casefold() for path in paths]
        for one, other in zip(sorted(folded), sorted(folded)[1:], strict=False):
            if one == other:
                raise ValueError(f"{one} is there twice")
            if other.startswith(f"{one}/"):
                raise ValueError(f"{one} is a file and a folder")
        if self.total_bytes > MOST_TOTAL_BYTES:
            raise ValueError(f"{self.total_bytes} bytes; a bundle has at most {MOST_TOTAL_BYTES}")
        present = set(paths)
        for path in (self.config, self.model.path, *(sample.path for sample in self.samples)):
            if path not in present:
                raise ValueError(f"{path} is not among the files")
        return self

    @property
    def total_bytes(self) -> int:
        """Of all files."""
        return sum(entry.size for entry in self.files)

    @property
    def wheels(self) -> tuple[str, ...]:
        """Paths of the wheels."""
        return tuple(e.path for e in self.files if e.path.startswith(f"{WHEEL_FOLDER}/"))

    def canonical(self) -> bytes:
        """The bytes that are signed: sorted keys, no spaces, ASCII, one line feed at the end."""
        text = json.dumps(
            self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )
        return text.encode("ascii") + b"\n"


def release_name(manifest: BundleManifest, data: bytes) -> str:
    """Folder of a release: the bundle's name and the start of its manifest's digest."""
    return f"{manifest.name}-{hashlib.sha256(data).hexdigest()[:12]}"


def parse_manifest(data: bytes, origin: str) -> BundleManifest:
    """Reads a manifest whose signature was verified.

    Raises:
        BundleError: Of a newer format, not canonical, or not valid; says what and what to do.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"bundle {origin}: its manifest is no JSON: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise BundleError(
            f"bundle {origin} is of format {found}, this touchdown reads up to {FORMAT}: update "
            "touchdown on this machine first, or make the bundle with the version that is here"
        )
    try:
        manifest = BundleManifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise BundleError(f"bundle {origin}: its manifest is not valid: {where}: {first['msg']}") from error
    if manifest.canonical() != data:
        raise BundleError(f"bundle {origin}: its manifest is not in canonical form")
    return manifest


def require_plain_path(path: str) -> None:
    """Refuses a path that could lead out of a folder, or be another file on another file system.

    Raises:
        ValueError: Absolute, with ``..``, hidden, or with odd characters.
    """
    parts = path.split("/")
    if path.startswith("/"):
        raise ValueError(f"{path!r} is an absolute path")
    if ".." in parts:
        raise ValueError(f"{path!r} leads out of the bundle")
    if str(PurePosixPath(path)) != path or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"{path!r}: expected letters, digits and _.+!- in each part of a path")
