"""`deploy push`: over a real ssh server, over links that break, and onto something else."""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.push import FOLDER, PushRequest, push
from export.ssh import ConnectionLostError, SshError, SshHost
from tests.deploy.rig import ROOT, Kit, program
from tests.ssh_server import ssh_server

SIZE = 3_000_001


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "field.tar.zst"
    path.write_bytes(hashlib.sha256(b"seed").digest() * (SIZE // 32) + b"x" * (SIZE % 32))
    return path


class There:
    """The other machine's home folder, with ssh played by a script that runs commands in it."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder

    def behave(self, before: str = ":") -> None:
        """`before` runs first; it sees the command in $command and the call's number in $n."""
        home, log = self.home, self.folder / "log"
        with program(
            self.folder,
            "ssh",
            f"""
for word in "$@"; do command="$word"; done
echo "$*" >> {log}
n=$(grep -c . {log})
cd {home}
{before}
exec sh -c "$command"
""",
        ):
            pass

    @property
    def files(self) -> dict[str, bytes]:
        folder = self.home / FOLDER
        return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.exists() else {}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> There:
    (tmp_path / "home").mkdir()
    found = There(tmp_path / "home", tmp_path / "bin")
    found.behave()
    monkeypatch.setenv("PATH", f"{found.folder}:{os.environ['PATH']}")
    return found


def send(bundle: Path, said: list[str] | None = None, **options: object) -> str:
    request = PushRequest(SshHost("pilot@drone"), bundle, **options)  # type: ignore[arg-type]
    return push(request, (said if said is not None else []).append, lambda _s: None)


def test_it_arrives(bundle: Path, there: There) -> None:
    said: list[str] = []
    target = send(bundle, said)
    assert (there.home / target).read_bytes() == bundle.read_bytes()
    assert list(there.files) == [Path(target).name]
    assert any(line.startswith("sent 3.0 MB at") for line in said)
    assert send(bundle, said) == target
    assert said[-1] == f"{target} is on pilot@drone already"


@pytest.mark.parametrize("arrived", [1, 1_000_000, SIZE - 1, SIZE])
def test_a_broken_transfer_goes_on_where_it_broke(bundle: Path, there: There, arrived: int) -> None:
    target = send(bundle)
    partial = there.home / f"{target}.partial"
    (there.home / target).rename(partial)
    partial.write_bytes(bundle.read_bytes()[:arrived])
    there.behave('case "$command" in *"cat >>"*) tee -a "$n.sent" | (sh -c "$command"); exit;; esac')
    said: list[str] = []
    assert send(bundle, said) == target
    assert (there.home / target).read_bytes() == bundle.read_bytes() and not partial.exists()
    sent = sum(p.stat().st_size for p in there.home.glob("*.sent"))
    assert sent == SIZE - arrived
    assert any(line.startswith("resuming at") for line in said)


def test_what_was_damaged_over_there_is_sent_anew(bundle: Path, there: There) -> None:
    target = send(bundle)
    (there.home / target).rename(there.home / f"{target}.partial")
    with (there.home / f"{target}.partial").open("r+b") as file:
        file.seek(500)
        file.write(b"?")
        file.truncate(1_000_000)
    said: list[str] = []
    send(bundle, said)
    assert (there.home / target).read_bytes() == bundle.read_bytes()
    assert "what pilot@drone has of it is damaged: sent anew" in said


def test_a_longer_one_over_there_is_not_taken(bundle: Path, there: There) -> None:
    target = send(bundle)
    (there.home / target).rename(there.home / f"{target}.partial")
    with (there.home / f"{target}.partial").open("ab") as file:
        file.write(b"more")
    send(bundle)
    assert (there.home / target).read_bytes() == bundle.read_bytes()


def test_a_link_that_breaks_is_tried_again_from_there(bundle: Path, there: There) -> None:
    """Each time the connection dies after another 700 kB."""
    there.behave(
        'case "$command" in *"cat >>"*) head -c 700000 | sh -c "$command"; '
        'echo "Connection to drone closed" >&2; exit 255;; esac'
    )
    said: list[str] = []
    assert send(bundle, said, retries=5)
    assert sum("Connection to drone closed" in line for line in said) == 5
    assert next(iter(there.files.values())) == bundle.read_bytes()


def test_a_link_that_stays_broken(bundle: Path, there: There) -> None:
    there.behave('echo "ssh: connect to host drone port 22: No route to host" >&2; exit 255')
    said: list[str] = []
    with pytest.raises(ConnectionLostError, match=r"cannot be reached: .*No route.*ssh-copy-id"):
        send(bundle, said, retries=2)
    assert len(said) == 2 and there.files == {}


def test_what_arrives_changed_is_removed(bundle: Path, there: There) -> None:
    there.behave('case "$command" in *\'cat >>\'*) tr x y | sh -c "$command"; exit;; esac')
    with pytest.raises(SshError, match="what arrived is not what was sent"):
        send(bundle)
    assert there.files == {}


def test_a_full_disk_over_there(bundle: Path, there: There) -> None:
    there.behave('case "$command" in *"cat >>"*) echo "cat: write error: No space left on device" >&2; exit 1;; esac')
    with pytest.raises(SshError, match="pilot@drone: cat: write error: No space left on device"):
        send(bundle)


def test_it_is_installed_there_when_asked(bundle: Path, there: There) -> None:
    with program(there.home, "installer", 'echo "$1 then $2"; exit 0'):
        pass
    said: list[str] = []
    target = send(bundle, said, install=("./installer", "a b"))
    assert said[-1] == f"  a b then {target}"
    with program(there.home, "installer", 'echo "error: not healthy" >&2; exit 2'):
        pass
    with pytest.raises(SshError, match="pilot@drone: not healthy"):
        send(bundle, install=("./installer",))


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a b", "u@h;ls", "", "u@-x", "$(x)"])
def test_names_that_are_no_hosts(host: str) -> None:
    with pytest.raises(SshError, match="expected user@host"):
        SshHost(host)


def test_without_ssh(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SshError, match="apt-get install openssh-client"):
        send(bundle)
    with pytest.raises(SshError, match="does not exist"):
        send(tmp_path / "none.tar.zst")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[SshHost, Path]]:
    folder = tmp_path / "sshd"
    with ssh_server(folder) as port:
        host = f"{getpass.getuser()}@127.0.0.1"
        yield SshHost(host, port, folder / "user", folder / "ssh_config"), folder


def test_over_a_real_ssh_server(kit: Kit, server: tuple[SshHost, Path], tmp_path: Path) -> None:
    """Sent in two parts, then installed over there by the command, in a root of its own."""
    machine, folder = server
    root = tmp_path / "opt"
    partial = Path.home() / FOLDER
    said: list[str] = []
    words = (
        sys.executable,
        "-m",
        "touchdown",
        "deploy",
        "install",
        "--root",
        str(root),
        "--trusted-key",
        str(kit.public),
        "--service",
        "none",
    )
    install = ("env", f"PYTHONPATH={ROOT}", *words)
    target = push(PushRequest(machine, kit.bundle), said.append)
    arrived = Path.home() / target
    try:
        assert arrived.read_bytes() == kit.bundle.read_bytes()
        data = kit.bundle.read_bytes()
        arrived.rename(arrived.with_name(f"{arrived.name}.partial")).write_bytes(data[:1000])
        push(PushRequest(machine, kit.bundle, install=install), said.append)
        assert arrived.read_bytes() == data
        assert any(line.startswith("resuming at 0.0 of") for line in said)
        assert (root / "current").exists() and any("flies" in line for line in said)
        (folder / "keys").write_text("")
        with pytest.raises(ConnectionLostError, match=r"cannot be reached: .*Permission denied"):
            push(PushRequest(machine, kit.bundle, retries=0), said.append)
    finally:
        for left in partial.glob(f"{arrived.name}*"):
            left.unlink()
