"""`touchdown models get` against a server of releases on the loopback, in TLS: whole, broken off, lying, slow."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.command import call
from touchdown.models import store
from touchdown.models.registry import load_registry

ENTRY = next(entry for entry in load_registry().models if entry.sell == "yes")
SOURCE = store.tree_folder() / ENTRY.file


class Release(ThreadingHTTPServer):
    """Server of one asset; `serve` says how much of it comes, `lie` what takes its place."""

    daemon_threads = True
    content: bytes = b""
    at_most: int | None = None
    ranges = True
    leads_to = ""
    asked: list[str | None]

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}/v1"


class Answer(BaseHTTPRequestHandler):
    server: Release

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.server.leads_to:
            self.send_response(302)
            self.send_header("Location", self.server.leads_to)
            self.end_headers()
            return
        if self.path != f"/v1/{ENTRY.file}":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.server.at_most is None else body[: self.server.at_most])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2120, 1, 1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = builder.add_extension(x509.SubjectAlternativeName([address]), False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form) + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def release(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """The server; this machine has no checkout's models, trusts the server, and keeps its models in tmp_path."""
    monkeypatch.setattr(store, "tree_folder", lambda: tmp_path / "no-checkout")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Release(("127.0.0.1", 0), Answer)
    server.content, server.asked = SOURCE.read_bytes(), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def get(release: Release, *words: object):
    return call("models", "get", ENTRY.name, "--from", release.address, *words)


def test_downloads_once_and_finds_it_again(release: Release, tmp_path: Path) -> None:
    first, second = get(release), get(release)
    path = tmp_path / "data" / "touchdown" / "models" / ENTRY.file
    assert first.stdout == second.stdout == f"{path}\n" and first.returncode == 0
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ENTRY.known().sha256
    assert len(release.asked) == 1 and [p.name for p in path.parent.iterdir()] == [ENTRY.file]


def test_goes_on_where_it_was_broken_off(release: Release, tmp_path: Path) -> None:
    release.at_most = 100_000
    broken = get(release, "--out", tmp_path / "out")
    assert broken.returncode == 2 and "goes on where it stopped" in broken.stderr and "Traceback" not in broken.stderr
    assert not (tmp_path / "out" / ENTRY.file).exists()
    release.at_most = None
    assert get(release, "--out", tmp_path / "out").returncode == 0
    assert release.asked == [None, "bytes=100000-"]
    assert (tmp_path / "out" / ENTRY.file).read_bytes() == release.content


def test_begins_anew_where_the_server_knows_no_ranges(release: Release, tmp_path: Path) -> None:
    release.at_most = 100_000
    get(release, "--out", tmp_path)
    release.at_most, release.ranges = None, False
    assert get(release, "--out", tmp_path).returncode == 0
    assert (tmp_path / ENTRY.file).read_bytes() == release.content


@pytest.mark.parametrize(
    "content, words",
    [
        (SOURCE.read_bytes()[:-1] + b"x", "SHA-256"),
        (SOURCE.read_bytes() + b"x", "more than the model's"),
        (SOURCE.read_bytes()[:-1], "ended after"),
    ],
    ids=["other bytes", "too long", "too short"],
)
def test_takes_nothing_but_the_model(release: Release, tmp_path: Path, content: bytes, words: str) -> None:
    release.content = content
    wrong = get(release, "--out", tmp_path / "out")
    assert wrong.returncode == 2 and words in wrong.stderr and "Traceback" not in wrong.stderr
    assert not (tmp_path / "out" / ENTRY.file).exists()
    release.content = SOURCE.read_bytes()
    assert get(release, "--out", tmp_path / "out").returncode == 0


def test_a_damaged_copy_is_downloaded_again(release: Release, tmp_path: Path) -> None:
    (tmp_path / ENTRY.file).write_bytes(b"damaged")
    assert get(release, "--out", tmp_path).returncode == 0
    assert (tmp_path / ENTRY.file).read_bytes() == release.content


def test_names_what_the_server_says(release: Release, tmp_path: Path) -> None:
    release.leads_to = "http://127.0.0.1:1/plain"
    assert "which is not https" in get(release).stderr
    release.leads_to = ""
    missing = call("models", "get", ENTRY.name, "--from", f"{release.address}/elsewhere")
    assert missing.returncode == 2 and "404" in missing.stderr
    plain = call("models", "get", ENTRY.name, "--from", "http://127.0.0.1/")
    assert plain.returncode == 2 and "is not https" in plain.stderr


def test_a_stranger_s_certificate_is_refused(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    refused = get(release)
    assert refused.returncode == 2 and "certificate" in refused.stderr.lower() and not release.asked


def test_two_at_once_and_a_folder_in_the_way(release: Release, tmp_path: Path) -> None:
    part = tmp_path / f"{ENTRY.file}.part"
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        busy = get(release, "--out", tmp_path)
    assert busy.returncode == 2 and "another" in busy.stderr
    part.unlink()
    part.symlink_to(tmp_path / "elsewhere")
    assert get(release, "--out", tmp_path).returncode == 2 and not (tmp_path / "elsewhere").exists()


def test_a_checkout_needs_no_network(tmp_path: Path) -> None:
    found = call("models", "get", ENTRY.name, "--from", "https://127.0.0.1:1/")
    assert found.stdout == f"{SOURCE}\n"
    copied = call("models", "get", ENTRY.name, "--out", tmp_path)
    assert copied.stdout == f"{tmp_path / ENTRY.file}\n"
    assert (tmp_path / ENTRY.file).read_bytes() == SOURCE.read_bytes()
