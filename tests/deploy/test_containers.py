"""Container files, read the way Docker does, without Docker: what they say must be there."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from docs.make.links import REPOSITORY
from edge.web.entrance import REGISTRATION
from landing.distribution import VERSION
from touchdown.cli import cli

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "docker"
NAMES = ("Dockerfile.edge", "Dockerfile.train", "Dockerfile.blueos")
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "STOPSIGNAL", "USER", "WORKDIR"}


def instructions(name: str) -> list[tuple[str, str]]:
    """Instruction and the rest, continuation lines joined, comments left out."""
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    joined = re.sub(r"\\\n", "", "\n".join(line for line in lines if not line.startswith("#")))
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def arguments(name: str) -> dict[str, str]:
    words = [rest for word, rest in instructions(name) if word == "ARG"]
    pairs = (word.partition("=") for word in words)
    return {key: value.strip('"') for key, _, value in pairs}


def expanded(name: str, text: str, **given: str) -> str:
    """Variables filled in as Docker does it: never inside single quotes."""
    parts = re.split(r"('[^']*')", text)
    for key, value in {**arguments(name), **given}.items():
        filled = [p if p.startswith("'") else p.replace(f"${{{key}}}", value).replace(f"${key}", value) for p in parts]
        parts = filled
    return "".join(parts)


def labels(name: str, **given: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word, rest in instructions(name):
        if word == "LABEL":
            for pair in shlex.split(expanded(name, rest, **given)):
                key, equals, value = pair.partition("=")
                assert equals, pair
                found[key] = value
    return found


@pytest.mark.parametrize("name", NAMES)
def test_instructions_are_known_and_bases_have_tags(name: str) -> None:
    found = instructions(name)
    assert {word for word, _ in found} <= KNOWN
    first = next(word for word, _ in found if word != "ARG")
    assert first == "FROM"
    for word, rest in found:
        if word == "FROM":
            image = expanded(name, rest).split()[0]
            _, colon, tag = image.rpartition(":")
            assert colon and tag not in ("", "latest"), image
        if word in ("CMD", "ENTRYPOINT"):
            assert json.loads(rest), "the exec form: signals reach the process itself"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_and_installed_exists(name: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = set(extras["optional-dependencies"])
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert {*packages["wheel"]["packages"], "pyproject.toml", "README.md", "LICENSE"} <= kept
    for path in kept:
        assert (ROOT / path).exists(), path
    for word, rest in instructions(name):
        if word == "COPY" and not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists(), rest
        if word == "RUN":
            for group in re.findall(r"(?:/source|\.whl\)?)\[([a-z,]+)\]", rest):
                assert set(group.split(",")) <= known, group
            if "apt-get install" in rest:
                assert "--no-install-recommends" in rest and "rm -rf /var/lib/apt" in rest


@pytest.mark.parametrize("name", NAMES)
def test_the_command_is_one_of_ours(name: str) -> None:
    found = dict(instructions(name))
    words = json.loads(found["ENTRYPOINT"]) + json.loads(found.get("CMD", "[]"))
    assert words[0] == "touchdown"
    path = [word for word in words[1:] if not word.startswith(("-", "/"))]
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    for option in (word for word in words if word.startswith("--") and word != "--help"):
        assert option in result.output


@pytest.mark.parametrize("name", ["Dockerfile.edge", "Dockerfile.train"])
def test_nothing_runs_as_root(name: str) -> None:
    users = [rest for word, rest in instructions(name) if word == "USER"]
    assert users and users[-1] not in ("root", "0")


def test_the_jetson_image_is_the_documented_one() -> None:
    assert arguments("Dockerfile.edge")["L4T"] == "r36.4.0"
    froms = [rest for word, rest in instructions("Dockerfile.edge") if word == "FROM"]
    assert all("nvcr.io/nvidia/l4t-jetpack:" in rest for rest in froms)
    installs = " ".join(rest for word, rest in instructions("Dockerfile.edge") if word == "RUN")
    assert "--system-site-packages" in installs, "TensorRT's Python module is the system's"


def test_the_extension_of_blueos() -> None:
    """The format that its extensions repository documents."""
    publisher, email = "Ada's Drones", "ada@drones.example"
    found = labels("Dockerfile.blueos", PUBLISHER=publisher, EMAIL=email)
    assert not any("$" in value for value in found.values()), "a variable that Docker leaves as it is"
    assert {"version", "permissions", "authors", "company", "type", "tags", "readme", "links", "requirements"} == set(
        found
    )
    assert found["version"] == VERSION and re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    permissions = json.loads(found["permissions"])
    host = permissions["HostConfig"]
    assert host["NetworkMode"] == "host" and "Privileged" not in host
    assert all(bind.count(":") in (1, 2) for bind in host["Binds"])
    assert json.loads(found["authors"]) == [{"name": publisher, "email": email}]
    company = json.loads(found["company"])
    assert set(company) == {"about", "name", "email"} and company["name"] == publisher
    assert found["type"] in ("device-integration", "example", "tool", "other", "education")
    tags = json.loads(found["tags"])
    assert len(tags) <= 10 and all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in tags)
    assert "{tag}" in found["readme"] and json.loads(found["links"])
    assert (ROOT / found["readme"].partition("{tag}/")[2]).is_file()
    metadata = json.loads((ROOT / "deploy" / "blueos" / "metadata.json").read_text())
    assert set(metadata) == {"name", "website", "docker", "description"}
    assert metadata["website"] == arguments("Dockerfile.blueos")["SOURCE"] == REPOSITORY
    first = (FOLDER / "Dockerfile.blueos").read_text().partition("FROM")[0]
    assert f"{metadata['docker']}:{VERSION} " in first
    assert not any(word in json.dumps(metadata) for word in ("YOUR", "example.org"))
    assert metadata["name"] == REGISTRATION["name"], "one name in the store and in the menu"
