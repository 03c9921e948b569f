"""The folders on the drone, and the one symbolic link that says what flies.

ROOT/releases/NAME-DIGEST/   a release; never changed once it is complete
    bundle/                  the signed files, as they came
    venv/  engine/           made here
    edge.toml                the configuration that flies
    systemd/                 units, for this root
    made.sha256              what was made here, for sha256sum
    release.json             written last: without it the release is incomplete
ROOT/current                 link to the release that flies: the only truth
ROOT/history.jsonl           every switch, and how it went
ROOT/.staging/               half-unpacked bundles; nothing in it counts
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.durable import make_folder, remove_link, replace_link, sync_folder, write_file
from deploy.errors import InstallError, disk_words
from deploy.manifest import Environment
from landing.model.manifest import Precision

Verdict = Literal["trial", "healthy", "failed", "rejected"]
"""Of a switch: under watch, found healthy, found unhealthy, or turned away by `deploy rollback`."""

RELEASE_FILE = "release.json"
FLIGHT_CONFIG = "edge.toml"
MADE_FILE = "made.sha256"
BUNDLE_FOLDER, VENV_FOLDER, ENGINE_FOLDER, UNIT_FOLDER = "bundle", "venv", "engine", "systemd"
_STAGING = ".staging"


class ReleaseRecord(BaseModel):
    """The note that `deploy install` leaves in a complete release.

    Attributes:
        format: Version of this description.
        signed_by: Key id.
        environment: Where its software comes from.
        python: Interpreter its environment was made with; where it brings no software, the one it borrows: that may be
            another release's.
        model: Name of the network.
        engine: Precision of the engine that was built; None when the ONNX file flies.
        config_sha256: Of the configuration that flies.
        made_sha256: Of the list of all that was made beside the bundle; empty in a release of before that list.
        checked: Lines of `edge check` and the self-test.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # a newer version may say more

    format: Literal[1] = 1
    name: str
    manifest_sha256: str
    signed_by: str
    environment: Environment
    python: str
    touchdown: str
    model: str
    engine: Precision | None = None
    config_sha256: str
    made_sha256: str = ""
    checked: tuple[str, ...] = ()


class ReleaseEvent(BaseModel):
    """One line of the history: a release, its verdict, the wall-clock time (for people) and the reason."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    release: str
    verdict: Verdict
    at: str = ""
    why: str = Field(default="")


@dataclass(frozen=True)
class Root:
    """The folder everything is installed under, as ``/opt/touchdown``."""

    path: Path

    @property
    def releases(self) -> Path:
        """Folder of all releases."""
        return self.path / "releases"

    @property
    def current_link(self) -> Path:
        """The link that says what flies."""
        return self.path / "current"

    def release(self, name: str) -> Path:
        """Folder of a release."""
        return self.releases / name

    def current(self) -> str | None:
        """Name of the release that flies; None when there is none."""
        try:
            target = self.current_link.readlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InstallError(
                f"{self.current_link} is no symbolic link ({error.strerror}): it is not of "
                "`touchdown deploy`. Move it away, or choose another --root"
            ) from error
        return target.name

    def record(self, name: str) -> ReleaseRecord | None:
        """The note of a release; None when it is incomplete or not there."""
        try:
            return ReleaseRecord.model_validate_json((self.release(name) / RELEASE_FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def names(self) -> list[str]:
        """All releases, complete or not, sorted."""
        try:
            return sorted(p.name for p in self.releases.iterdir() if p.is_dir())
        except FileNotFoundError:
            return []

    def history(self) -> list[ReleaseEvent]:
        """Every switch, oldest first. A line that a power cut tore is left out."""
        try:
            lines = (self.path / "history.jsonl").read_bytes().splitlines()
        except OSError:
            return []
        entries = []
        for line in lines:
            with contextlib.suppress(ValidationError):
                entries.append(ReleaseEvent.model_validate_json(line))
        return entries

    def note(self, release: str, verdict: Verdict, why: str = "") -> None:
        """Appends to the history, durably."""
        entry = {
            "release": release,
            "verdict": verdict,
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: TID251 - for people; nothing is decided by it
            "why": why,
        }
        path = self.path / "history.jsonl"
        with path.open("ab") as file:
            # A torn last line must not swallow this one; an empty line means nothing.
            file.write(b"\n" + json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.path)

    @property
    def on_trial(self) -> bool:
        """Return True while a release was, or was about to be, switched to and has no verdict yet."""
        return (self.path / "trial").exists()

    def begin_trial(self, release: str) -> None:
        """Notes that a release is about to be switched to, so that a power cut is noticed."""
        self.note(release, "trial")
        write_file(self.path / "trial", release.encode() + b"\n")

    def end_trial(self) -> None:
        """Notes that there is a verdict."""
        (self.path / "trial").unlink(missing_ok=True)
        sync_folder(self.path)

    def verdict(self, release: str) -> ReleaseEvent | None:
        """The last word on a release; None when it was never switched to."""
        return next((e for e in reversed(self.history()) if e.release == release), None)

    def good(self) -> Iterator[str]:
        """Complete releases to go back to: those found healthy, the newest first, without the current one."""
        seen = {self.current()}
        for entry in reversed(self.history()):
            if entry.release not in seen and entry.verdict == "healthy" and self.record(entry.release) is not None:
                yield entry.release
            seen.add(entry.release)

    def last_good(self) -> str | None:
        """The release to go back to."""
        return next(self.good(), None)

    def lender(self, release: str) -> str | None:
        """The release whose software a release without any runs with; None when it needs none."""
        record = self.record(release)
        if record is None or record.environment != "installed":
            return None
        python = Path(record.python)
        return next((n for n in self.names() if python.is_relative_to(self.release(n))), None)

    def switch(self, release: str) -> None:
        """Makes a release the one that flies, in one step."""
        replace_link(self.current_link, f"releases/{release}")

    def switch_off(self) -> None:
        """Leaves no release that flies."""
        remove_link(self.current_link)

    def complete(self, record: ReleaseRecord) -> None:
        """Declares a release complete: from now on it may be switched to."""
        # A release has thousands of files, made by pip and by others: one flush of all of them.
        os.sync()
        write_file(self.release(record.name) / RELEASE_FILE, record.model_dump_json(indent=2).encode())
        sync_folder(self.releases)

    def remove(self, name: str) -> None:
        """Removes a release: first the file that makes it complete, then the rest."""
        folder = self.release(name)
        with contextlib.suppress(FileNotFoundError):
            (folder / RELEASE_FILE).unlink()
            sync_folder(folder)
        shutil.rmtree(folder)

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """An empty folder on the same file system; what killed installers left there is removed."""
        area = self.path / _STAGING
        shutil.rmtree(area, ignore_errors=True)
        make_folder(area, 0o700)
        try:
            yield area / name
        finally:
            shutil.rmtree(area, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other installers out.

        Raises:
            InstallError: Another one is at work, the folder cannot be written to, or the disk fails meanwhile.
        """
        try:
            make_folder(self.releases)
            lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise InstallError(
                f"--root {self.path} cannot be written to: {error.strerror or error}. Run it as "
                "its owner (sudo), or choose another --root"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InstallError(
                    f"--root {self.path}: another `touchdown deploy` is at work there; wait for it"
                ) from None
            try:
                yield
            except OSError as error:
                raise InstallError(
                    f"--root {self.path}: {disk_words(error)}. `touchdown deploy list` says what "
                    "flies; then do the same again"
                ) from error
