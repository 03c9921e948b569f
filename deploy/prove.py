"""Proofs that a release works on this machine, before it is switched to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.durable import make_folder
from deploy.environment import ended, run
from deploy.errors import InstallError
from deploy.layout import BUNDLE_FOLDER, ENGINE_FOLDER, FLIGHT_CONFIG, VENV_FOLDER
from deploy.manifest import JOB_FOLDER, BundleManifest
from landing.errors import ModelError, last_lines
from landing.model.manifest import Precision
from landing.problems import with_code

_ENGINE_TIMEOUT_S = 3600.0


def build_engine(release: Path, manifest: BundleManifest, precision: Precision, timing_cache: Path) -> Path:
    """Builds the TensorRT engine of a release, with the release's own software; returns its path.

    Timings are kept in `timing_cache` from release to release: the next build takes seconds.

    Raises:
        InstallError: No TensorRT, no GPU, no graph of that precision; in `export trt`'s words.
    """
    bundle = release / BUNDLE_FOLDER
    job = bundle / JOB_FOLDER / "job.json"
    engine = release / ENGINE_FOLDER / f"{Path(manifest.model.path).stem}.engine"
    make_folder(engine.parent)
    words = [_touchdown(release), "export", "trt"]
    if job.is_file() and _precision_of(job) == precision:
        words += [str(job)]
    else:
        words += [str(bundle / manifest.model.path), "--precision", precision]
    words += ["--out", str(engine), "--timing-cache", str(timing_cache)]
    run(words, f"--engine {precision}", _ENGINE_TIMEOUT_S)
    return engine


def check_release(release: Path, camera: bool, link: bool) -> list[str]:
    """Runs `edge check` of a release and returns its findings, a line each.

    Camera and link are opened only where asked for: the daemon that still flies may hold them.

    Raises:
        InstallError: Something is not well; says what.
    """
    words = [_touchdown(release), "edge", "check", "--config", str(release / FLIGHT_CONFIG)]
    words += [] if camera else ["--skip-camera"]
    words += [] if link else ["--skip-link"]
    what = f"edge check of {release.name}"
    report = _json_of([*words, "--json"], what)
    findings = {name: found for name, found in report.items() if isinstance(found, dict)}
    wrong = [_told(name, found) for name, found in findings.items() if not found["ok"]]
    if wrong or not findings or report.get("ok") is not True:
        raise InstallError(f"{what} failed: {'; '.join(wrong) or 'it does not say what it checked'}")
    return [f"{name}: {found['text']}" for name, found in findings.items()]


def _told(name: str, found: dict[str, Any]) -> str:
    code = found.get("code")  # a release of an older version tells none
    return with_code(f"{name}: {found['text']}", code) if isinstance(code, str) else f"{name}: {found['text']}"


def self_test(release: Path, manifest: BundleManifest) -> str:
    """Lets a release decide on its sample pictures and holds that against the workstation; returns the result, a line.

    Raises:
        InstallError: It decides otherwise, or does not run.
    """
    expected = json.dumps([sample.model_dump() for sample in manifest.samples])
    words = [str(release / VENV_FOLDER / "bin" / "python"), "-I", "-m", "deploy.selftest"]
    words += [str(release / FLIGHT_CONFIG), str(release / BUNDLE_FOLDER), expected]
    what = f"self-test of {release.name}"
    report = _json_of(words, what)
    if "error" in report:
        raise InstallError(f"{what}: {report['error']}")
    if report["wrong"]:
        raise InstallError(
            f"{what}: it decides otherwise than the workstation did on "
            f"{len(report['wrong'])} of {report['pictures']} pictures: {report['wrong'][0]}"
        )
    return f"self-test: {report['pictures']} pictures decided as on the workstation"


def _touchdown(release: Path) -> str:
    return str(release / VENV_FOLDER / "bin" / "touchdown")


def _json_of(words: list[str], what: str) -> dict[str, Any]:
    """The one JSON object that a program prints, whatever its exit status."""
    done = ended(words, what)
    for line in reversed(done.stdout.splitlines()):
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if isinstance(report, dict):
            return report
    raise InstallError(f"{what}: {last_lines(done.stderr)}")


def _precision_of(job: Path) -> str:
    try:
        return str(json.loads(job.read_bytes())["precision"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"build job {job}: {error!r}") from error
