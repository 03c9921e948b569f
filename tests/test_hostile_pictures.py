"""Pictures, telemetry and data sets that are made to hurt: each ends in a line, in little time and memory."""

from __future__ import annotations

import io
import os
import re
import resource
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import landing
from landing.errors import DataError
from landing.reading import require_file
from landing.taxonomy import Taxonomy
from tests.command import call
from tests.edge import fake_model
from tests.test_bad_files import write_socket
from tests.trainer.fake_data import picture, write_pair

SECONDS = 5.0
"""Most for one input; a quiet machine needs a tenth of it."""
MOST_MB = 700
"""By which one input may raise the most that the process ever held."""
SIDE = 60_000


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, data: bytes = b"", *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + struct.pack("<I", following) + bytes(64)


def encoded(kind: str, **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, kind, **options)
    return stream.getvalue()


def with_segment(marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment in front."""
    jpeg = encoded("JPEG")
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + jpeg[2:]


def exif(entries: bytes, count: int) -> bytes:
    return with_segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + entries)


def xmp(text: bytes) -> bytes:
    return with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text)


def bomb() -> bytes:
    """A PNG of few bytes that says it is small, and unpacks to 64 MB."""
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    return png(64, 64, b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush())


LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12))
    + b"]><x:xmpmeta>&m;</x:xmpmeta>"
)
CUT = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
LOOP = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x8825, 4, 1, 8)

BYTES: dict[str, bytes] = {
    "empty.jpg": b"",
    "zeros.png": bytes(4096),
    "text.jpg": b"no picture\n",
    "html.jpg": b"<html>404</html>",
    "riff.webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "wide.png": png(SIDE, SIDE),
    "most.png": png(2**31 - 1, 2**31 - 1),
    "nothing.png": png(0, 0),
    "line.png": png(100_000_000, 1),
    "text-chunk.png": png(64, 64, b"", chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20), 9))),
    "profile.png": png(64, 64, b"", chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64 << 20), 9))),
    "long-chunk.png": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
    "wide.jpg": with_segment(0xC0, struct.pack(">BHHB", 8, SIDE, SIDE, 3) + bytes(9)),
    "fill.jpg": b"\xff\xd8" + b"\xff" * 1_000_000,
    "zero-segment.jpg": b"\xff\xd8" + b"\xff\xe0\0\0" * 1000,
    "no-tables.jpg": b"\xff\xd8\xff\xc0\0\x11\x08\x10\0\x10\0\3\1\x11\0\2\x11\0\3\x11\0\xff\xd9",
    "wide.tif": tiff((256, 4, 1, SIDE), (257, 4, 1, SIDE)),
    "strips.tif": tiff((256, 4, 1, 64), (257, 4, 1, 64), (273, 4, 2**32 - 1, 8), (279, 4, 2**32 - 1, 8)),
    "circle.tif": tiff((256, 4, 1, 64), (257, 4, 1, 64), following=8),
    "nowhere.tif": b"II*\0\xff\xff\xff\xff",
    "big.tif": b"II+\0\x08\0\0\0" + b"\xff" * 64,
    "samples.tif": tiff((256, 4, 1, 9000), (257, 4, 1, 9000), (258, 3, 1, 64), (277, 3, 1, 65535), (273, 4, 1, 8)),
    "wide.bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, SIDE, -SIDE) + bytes(60),
    "least.bmp": b"BM" + bytes(12) + struct.pack("<IiiHH", 40, -(2**31), -(2**31), 1, 24) + bytes(60),
    "palette.bmp": b"BM" + bytes(12) + struct.pack("<IiiHHIIiiI", 40, 64, 64, 1, 8, 0, 0, 0, 0, 2**31 - 1),
    "wide.webp": b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6 + bytes(40),
    "lossless.webp": b"RIFF\x40\0\0\0WEBPVP8L\x40\0\0\0\x2f\xff\xff\xff\xff" + bytes(40),
    "cut.heic": b"\0\0\0\x18ftypheic" + bytes(40),
    "raw.dng": b"II*\0\x08\0\0\0",
    **{f"cut-{kind}.{kind.lower()}".replace("jpeg", "jpg"): encoded(kind)[:2000] for kind in CUT[:-1]},
    "gif.png": encoded("GIF"),
    "exif-circle.jpg": exif(LOOP, 2)[:-900],
    "exif-count.jpg": exif(struct.pack("<HHII", 0x9286, 7, 2**32 - 1, 8), 65535)[:-900],
    "laughs.jpg": xmp(LAUGHS)[:-900],
    "word.jpg": xmp(b"<x:xmpmeta " + b"a" * 60_000)[:-900],
    "numbers.jpg": xmp(b'drone-dji:RelativeAltitude="' + b"9" * 60_000)[:-900],
    "cut.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\xff\xff\xff\xffmoov" + bytes(200),
    "zeros.mp4": bytes(5000),
    "text.avi": b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl",
    "link.mjpeg": b"#EXTM3U\nfile:///etc/passwd\n",
}
"""Files by name; each is refused."""

SPECIAL: dict[str, Callable[[Path, ExitStack], object]] = {
    "fifo.jpg": lambda path, _: os.mkfifo(path),
    "fifo.mp4": lambda path, _: os.mkfifo(path),
    "fifo.heic": lambda path, _: os.mkfifo(path),
    "socket.png": write_socket,
    "zero.jpg": lambda path, _: path.symlink_to("/dev/zero"),
    "full.tif": lambda path, _: path.symlink_to("/dev/full"),
    "tty.mp4": lambda path, _: path.symlink_to("/dev/tty"),
    "folder.jpg": lambda path, _: path.mkdir(),
    "circle.jpg": lambda path, _: path.symlink_to(path.name),
    "dangling.jpg": lambda path, _: path.symlink_to("nowhere.jpg"),
    "sparse.jpg": lambda path, _: _sparse(path),
    "line\nerror: forged\x1b[2J.jpg": lambda path, _: path.write_bytes(b"x"),
    "bytes-\udcff\udc9b.jpg": lambda path, _: path.write_bytes(b"x"),
    "turned-\u202egpj.jpg": lambda path, _: path.write_bytes(b"x"),
}
"""Inputs that are no files of bytes, or whose names a terminal would obey."""


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(encoded("JPEG")[:300])
        stream.truncate(50 << 30)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = fake_model.save(tmp_path_factory.mktemp("model") / "m.onnx")
    good = path.with_name("good.png")
    assert cv2.imwrite(str(good), fake_model.photograph(160, 120))
    assert look(path, good)[0] == 0  # what is loaded once is not counted
    return path


def look(model: Path, *paths: Path, options: str = "--height-agl-m 20 --hfov-deg 70 --assume-nadir") -> tuple[int, str]:
    done = call("edge", "look", *paths, "-m", model, *options.split(), "--no-pictures")
    return done.returncode, done.stdout + done.stderr


def harmless(said: str) -> bool:
    """Lines that a terminal shows as they are, of people's length, and no forged one."""
    lines = said.splitlines()
    return all(line.isprintable() and len(line) < 2000 and not line.startswith("error: forged") for line in lines)


def wrong_answers(
    model: Path, folder: Path, capfd: pytest.CaptureFixture[str], names: dict[str, Callable[[Path], object]]
) -> list[str]:
    """Inputs that are not refused in one line, at once."""
    wrong = []
    for name, write in names.items():
        path = folder / name
        write(path)
        began_s, before_mb = time.perf_counter(), peak_mb()
        status, said = look(model, path)
        took_s, more_mb = time.perf_counter() - began_s, peak_mb() - before_mb
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        stray = capfd.readouterr()
        good = status == 2 and len(errors) == 1 and harmless(said) and took_s < SECONDS and more_mb < MOST_MB
        if not good or stray.out or stray.err:
            wrong.append(f"{name!r}: {status}, {took_s:.1f} s, {more_mb:.0f} MB: {said[-300:]!r} {stray.err[:200]!r}")
    return wrong


def test_hostile_files_are_refused_in_a_line(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(BYTES) >= 40
    files = {name: (lambda path, data=data: path.write_bytes(data)) for name, data in BYTES.items()}
    assert not (wrong := wrong_answers(model, tmp_path, capfd, files)), "\n".join(wrong)


def test_what_is_no_file_is_refused_in_a_line(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        doors = {name: (lambda path, make=make: make(path, stack)) for name, make in SPECIAL.items()}
        assert not (wrong := wrong_answers(model, tmp_path, capfd, doors)), "\n".join(wrong)


def test_a_hostile_folder_is_skipped_line_by_line(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures = {name: data for name, data in BYTES.items() if not name.endswith((".mp4", ".avi", ".mjpeg"))}
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "unpacks.png").write_bytes(bomb())
    assert cv2.imwrite(str(tmp_path / "good.png"), fake_model.photograph(160, 120))
    with ExitStack() as stack:
        others = {name: make for name, make in SPECIAL.items() if not name.endswith(".mp4")}
        for name, make in others.items():
            make(tmp_path / name, stack)
        before_mb = peak_mb()
        status, said = look(model, tmp_path)
        assert status == 0 and harmless(said) and peak_mb() - before_mb < MOST_MB
        assert said.count(": skipped: ") == len(pictures) + len(others) and "good.png: site" in said
        stray = capfd.readouterr()
        assert not stray.out and not stray.err


def test_no_path_reaches_opencv_by_its_name() -> None:
    """`cv2.imread` and its like end the process at a name that is no UTF-8: `landing.picture_files` opens instead."""
    by_name = re.compile(r"cv2\.(imread|imwrite|VideoWriter|FileStorage)\(")
    house = Path(landing.__file__).parent.parent
    folders = ("landing", "firmware_bridge", "edge", "trainer", "export", "sim", "deploy", "touchdown")
    files = [path for folder in folders for path in (house / folder).rglob("*.py") if path.name != "picture_files.py"]
    assert [str(path) for path in files if by_name.search(path.read_text("utf-8"))] == []
    with pytest.raises(DataError, match="no UTF-8"):
        require_file("/tmp/caf\udce9.mp4", "video", DataError)


def test_a_folder_of_very_many_files_is_read_by_its_names(model: Path, tmp_path: Path) -> None:
    for i in range(5_000):
        os.mknod(tmp_path / f"{i}.txt")
    began_s = time.perf_counter()
    status, said = look(model, tmp_path)
    assert status == 2 and "holds no pictures" in said and time.perf_counter() - began_s < SECONDS
    for i in range(300):
        os.mknod(tmp_path / f"{i}.jpg")
    status, said = look(model, tmp_path)
    assert status == 2 and "none of 300 pictures can be decided on" in said and harmless(said)


DEEP = {
    "lists.json": "[" * 500_000,
    "mappings.json": '{"a":' * 200_000,
    "lists.toml": "a = " + "[" * 500_000,
    "tables.toml": "[" + "a." * 100_000 + "a]\nb = 1\n",
    "inline.toml": "a = " + "{a = " * 100_000,
    "digits.toml": "a = " + "9" * 1_000_000,
    "digits.json": "9" * 1_000_000,
    "anchors.yaml": "a: &a [x]\n" + "".join(f"b{i}: &b{i} [{'*a,' * 99}*a]\n" for i in range(500)),
    "lists.yaml": "[" * 500_000,
}


@pytest.mark.parametrize(
    "option", ["--calibration {bad} --height-agl-m 20", "--labels {folder} --label-taxonomy {bad}"]
)
@pytest.mark.parametrize("name", DEEP)
def test_deep_texts_are_refused_in_a_line(name: str, option: str, model: Path, tmp_path: Path) -> None:
    bad = tmp_path / name
    bad.write_text(DEEP[name])
    began_s, before_mb = time.perf_counter(), peak_mb()
    words = option.format(bad=bad, folder=tmp_path) + " --assume-nadir"
    status, said = look(model, model.with_name("good.png"), options=words)
    assert status == 2 and harmless(said) and said.count("error: ") == 1, said[-500:]
    assert time.perf_counter() - began_s < SECONDS and peak_mb() - before_mb < MOST_MB


SUBTITLES = {
    "bytes": bytes(range(256)) * 4000,
    "lines": b"1\n00:00:00,000 --> 00:00:00,033\n[rel_alt: 1.300 abs_alt: 9] [gb_pitch: -90.0]\n\n" * 50_000,
    "word": b"1\n00:00:00,000 --> 00:00:00,033\n[rel_alt: " + b"1" * 2_000_000,
    "blank": b"\n " * 1_000_000,
    "huge": b"1\n00:00:00,000 --> 00:00:00,033\n[rel_alt: " + b"9" * 400 + b" abs_alt: 9] [gb_pitch: -90.0]\n\n",
}


@pytest.mark.parametrize("kind", SUBTITLES)
def test_hostile_subtitles_end_in_time(kind: str, model: Path, tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (160, 120))
    writer.write(fake_model.photograph(160, 120))
    writer.release()
    (tmp_path / "v.SRT").write_bytes(SUBTITLES[kind])
    began_s, before_mb = time.perf_counter(), peak_mb()
    status, said = look(model, tmp_path / "v.avi", options="--hfov-deg 70 --assume-nadir")
    assert status == (0 if kind == "lines" else 2) and harmless(said), said[-500:]
    assert time.perf_counter() - began_s < SECONDS and peak_mb() - before_mb < MOST_MB


@pytest.mark.parametrize("side", ["images", "labels"])
def test_a_hostile_data_set_is_listed(side: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    taxonomy = Taxonomy.load("synthetic")
    for name in "abc":
        write_pair(tmp_path / "images", tmp_path / "labels", name, picture(taxonomy, 1))
    (tmp_path / "taxonomy.toml").write_text(taxonomy.to_toml())
    names = [n for n in (*BYTES, *SPECIAL) if n.endswith((".png", ".jpg", ".tif"))]
    before_mb = peak_mb()
    with ExitStack() as stack:
        for number, name in enumerate(names):
            stem, suffix = Path(name).stem + str(number), ".png" if side == "labels" else Path(name).suffix
            write_pair(
                tmp_path / "images", tmp_path / "labels", stem.encode("ascii", "replace").decode(), picture(taxonomy, 2)
            )
            (
                tmp_path / side / f"{stem.encode('ascii', 'replace').decode()}{'.jpg' if side == 'images' else '.png'}"
            ).unlink()
            bad = tmp_path / side / f"{stem}{suffix}"
            SPECIAL[name](bad, stack) if name in SPECIAL else bad.write_bytes(BYTES[name])
        began_s = time.perf_counter()
        done = call("trainer", "data", "check", tmp_path, "--all")
    assert not list(recwarn)
    said = done.stdout + done.stderr
    assert done.returncode == 2 and harmless(said), said[-500:]
    plain = [name for name in names if name.isascii() and name.isprintable()]
    missing = [n for n in plain if not re.search(re.escape(Path(n).stem) + r"\d+\.", said)]
    assert not missing, (missing, said[-3000:])
    assert time.perf_counter() - began_s < 3 * SECONDS and peak_mb() - before_mb < MOST_MB
