"""A release: its workflows, its notes, the list of its parts, and what it says of itself."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest

from docs.make.links import REPOSITORY
from landing.distribution import DISTRIBUTION, VERSION
from tests.docs.command_lines import check_line
from tests.packaging.test_distribution import PROJECT
from tests.packaging.uv import ROOT, environment

yaml = pytest.importorskip("yaml")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [ROOT / ".github" / "ISSUE_TEMPLATE" / name for name in ("fault.yml", "wish.yml")]
notes = runpy.run_path(str(ROOT / ".ci" / "notes.py"))["notes"]


@pytest.fixture(scope="module", params=["release-tools"])
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs of `make release`, in an environment of their own."""
    home = tmp_path_factory.mktemp("tools") / "venv"
    return environment(home, "--group", f"{ROOT / 'pyproject.toml'}:release").parent


def program(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.packaging
def test_linters_find_nothing(tools: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for name in ("zizmor", "hadolint"):
        line = re.search(rf"out/tools/bin/{name} (.+)", makefile)
        assert line
        done = program("sh", "-c", f"{tools / name} {line[1]}")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.packaging
def test_the_list_of_parts_names_all_that_is_installed(tools: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "small", "click>=8.1", "pyserial")
    out = tmp_path / "parts.json"
    about = (ROOT / "pyproject.toml").read_text("utf-8").replace('dynamic = ["version"]', f'version = "{VERSION}"')
    (tmp_path / "pyproject.toml").write_text(about)
    line = re.search(r"out/tools/bin/(cyclonedx-py .+?) \\\n", (ROOT / "Makefile").read_text("utf-8"))
    assert line
    words = line[1].replace("out/pyproject.toml", str(tmp_path / "pyproject.toml")).split()[1:]
    for again in (out, tmp_path / "again.json"):
        done = program(tools / "cyclonedx-py", *words, "--no-validate", "-o", again, python)
        assert done.returncode == 0, done.stderr
    parts = json.loads(out.read_text())
    assert parts["bomFormat"] == "CycloneDX" and {p["name"] for p in parts["components"]} >= {"click", "pyserial"}
    whole = parts["metadata"]["component"]
    assert (whole["name"], whole["version"]) == (DISTRIBUTION, VERSION)
    assert all(part.get("licenses") and part["version"] for part in parts["components"])
    assert out.read_bytes() == (tmp_path / "again.json").read_bytes()


def test_no_tool_of_a_release_is_installed_by_users() -> None:
    lines = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    assert not [line for line in lines if re.match(r"cyclonedx|zizmor|hadolint", line)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_pinned_and_have_few_rights(path: Path) -> None:
    text = path.read_text("utf-8")
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {}
    for name, job in flow["jobs"].items():
        assert "permissions" in job, f"{path.name}: {name} has the rights of the whole"
        assert "uses" in job or job["timeout-minutes"] <= 90, name
        for step in job.get("steps", ()):
            if "run" in step:
                for line in step["run"].splitlines():
                    check_line(line.strip())
                assert "${{" not in step["run"], "text of others would run as a program"
    for action, rest in re.findall(r"uses: ([\w.-]+/[\w./-]+)@(.+)", text):
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", rest), f"{path.name}: {action}@{rest}"


def test_one_commit_for_each_action() -> None:
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit in re.findall(r"uses: ([\w.-]+/[\w./-]+)@(.+)", path.read_text("utf-8")):
            found.setdefault(action, set()).add(commit)
    assert len(found) >= 8 and all(len(commits) == 1 for commits in found.values()), found


def test_the_notes_of_a_release() -> None:
    log = "## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- This.\n\n## [1.1.0] - 2026-01-01\n\n- Old.\n"
    assert notes("v1.2.0", "1.2.0", log) == "### Added\n\n- This.\n"
    with pytest.raises(ValueError, match=r"expected v1\.2\.0"):
        notes("v1.2.1", "1.2.0", log)
    with pytest.raises(ValueError, match="rename Unreleased"):
        notes("v1.3.0", "1.3.0", log)
    with pytest.raises(ValueError, match="rename Unreleased"):
        notes("v1.2.0", "1.2.0", log.replace(" - 2026-12-01", " - unreleased"))


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"^## (.+)$", text, re.M)
    assert heads[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in heads[1:])
    kinds = re.findall(r"^### (.+)$", text, re.M)
    assert kinds and set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert f"[{VERSION}]" in text or f"Becomes {VERSION}" in text
    assert len(text.splitlines()) < 120, "for users: one entry for what they see, not for each change"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_ask_for_the_report(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(ids)) == len(ids) and "report" in ids
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "dropdown", "input", "checkboxes")
        words = part["attributes"].get("description", "")
        lines = re.findall(r"^ *(touchdown .+)$|`(touchdown report)`", words, re.M)
        assert all(check_line(line or mention) for line, mention in lines)
    assert "touchdown report" in json.dumps(form)


def test_addresses_are_of_one_repository() -> None:
    places = [ROOT / "SECURITY.md", ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]
    for path in places:
        for address in re.findall(r"https://github\.com/[\w-]+/[\w-]+", path.read_text("utf-8")):
            assert address == REPOSITORY, path


def test_the_notes_are_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [os.environ.get("PYTHON", "python3"), ROOT / ".ci" / "notes.py", "v9.9.9"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and f"expected v{VERSION}" in done.stderr
