"""Files that `edge look` writes: annotated pictures and videos, `results.jsonl`, and `report.html`."""

from __future__ import annotations

import html
import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from importlib import resources
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Any
from urllib.parse import quote

import cv2

from landing.errors import FileError
from landing.picture_files import open_video, write_picture
from landing.types import ByteArray

_PAGE = Template(resources.files("edge.look").joinpath("report.html").read_text("utf-8"))


class LookOutput:
    """Writes into one folder; each input gets a file of its own.

    Args:
        folder: Made when it is missing.
        report: Also write `report.html`.

    Raises:
        TouchdownError: The folder cannot be made.
    """

    def __init__(self, folder: Path, report: bool = False) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"--out {folder}: {error.strerror or error}") from error
        self._folder = folder
        self._report = report
        self._page = folder / "report.html"
        if not report:
            _forget(self._page)
        self._taken: set[str] = set()
        self._records: list[dict[str, Any]] = []
        self._stack = ExitStack()
        self._results = self._stack.enter_context((folder / "results.jsonl").open("w", encoding="utf-8"))

    def picture(self, source: Path, image: ByteArray) -> str:
        """Write the annotated picture of an input and return its name.

        Raises:
            TouchdownError: It cannot be written.
        """
        path = self._path_for(source, ".look.jpg")
        write_picture(path, image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        return path.name

    def video(self, source: Path, fps: float, size_px: tuple[int, int]) -> tuple[str, cv2.VideoWriter]:
        """Open the annotated video of an input; the name and a writer that this object closes.

        Raises:
            TouchdownError: It cannot be written.
        """
        path = self._path_for(source, ".look.mp4")
        writer = open_video(path, fps, size_px)
        self._stack.callback(writer.release)
        return path.name, writer

    def document(self, source: Path, ending: str, value: Any) -> str:
        """Write a JSON document about an input and return its name.

        Raises:
            TouchdownError: It cannot be written.
        """
        path = self._path_for(source, ending)
        try:
            path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
        return path.name

    def record(self, record: dict[str, Any]) -> None:
        """Write one line of `results.jsonl`."""
        self._results.write(json.dumps(record) + "\n")
        if self._report:
            self._records.append(record)

    def close(self, skipped: Iterable[str] = ()) -> None:
        """Complete all files."""
        self._stack.close()
        if self._report:
            page = report_html(self._records, list(skipped)).encode("utf-8", "replace")  # names may be any bytes
            self._page.write_bytes(page)

    def __enter__(self) -> LookOutput:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _path_for(self, source: Path, ending: str) -> Path:
        """A name that no other input has: the folder's name stands before it where its own is taken."""
        names = [source.stem, f"{source.parent.name}-{source.stem}", f"{source.parent.name}-{source.name}"]
        names += [f"{names[-1]}-{number}" for number in range(2, len(self._taken) + 3)]
        name = next(n for n in names if n + ending not in self._taken)
        self._taken.add(name + ending)
        return self._folder / (name + ending)


def _forget(page: Path) -> None:
    """Remove the report of an earlier look, whose answers would stand beside the pictures of this one."""
    head = _PAGE.template[: _PAGE.template.index("<style>")].encode()
    with suppress(OSError):
        with page.open("rb") as stream:
            ours = stream.read(len(head)) == head
        if ours:
            page.unlink()


def report_html(records: list[dict[str, Any]], skipped: list[str]) -> str:
    """The page: counts first, then every picture with its answer. It opens from disk, beside its pictures."""
    wholes = [r for r in records if "sites" in r]
    records = [r for r in records if "sites" not in r]
    sites = sum("site" in r for r in records)
    reasons = Counter(r["no_site"]["reason"] for r in records if "no_site" in r)
    rows = "".join(f"<tr><th>no site: {html.escape(k)}</th><td>{v}</td></tr>" for k, v in reasons.most_common())
    rows += "".join(f"<tr><th>skipped</th><td>{html.escape(line)}</td></tr>" for line in skipped)
    shown: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if "window" not in record or "picture" in record:  # a window without a site is shown in its orthophoto
            shown.setdefault(record.get("picture", record["name"]), []).append(record)
    figures = "".join(map(_whole_figure, wholes))
    figures += "".join(_figure(picture, of_picture) for picture, of_picture in shown.items())
    return _PAGE.substitute(looked=len(records), sites=sites, rows=rows, figures=figures)


def _figure(picture: str, records: list[dict[str, Any]]) -> str:
    """One picture, or one video with the count of its frames."""
    record = records[-1]
    link = _link(picture)
    shown = f'<video src="{link}" controls preload="none"></video>' if picture.endswith(".mp4") else ""
    if picture.endswith(".jpg") and "picture" in record:
        shown = f'<a href="{link}"><img src="{link}" loading="lazy" alt=""></a>'
    kind = "site" if "site" in record else record["no_site"]["reason"]
    if len(records) > 1:
        words = f"{sum('site' in r for r in records)} of {len(records)} frames with a site"
    elif "site" in record:
        site = record["site"]
        words = f"site, clear {site['clearance_m']:.1f} m, {site['area_m2']:.0f} m2"
        if "surface" in site:
            words += f", on {site['surface']['text']}"
    else:
        words = f"no site: {record['no_site']['reason']}: {record['no_site']['detail']}"
    lines = [record["viewpoint"], *record["notes"]]
    notes = "".join(f"<br><small>{html.escape(line)}</small>" for line in lines)
    name = html.escape(record["name"])
    return (
        f'<figure class="{html.escape(kind, quote=True)}">{shown}<figcaption><b>{name}</b>: {html.escape(words)}{notes}'
        "</figcaption></figure>"
    )


def _link(name: str) -> str:
    """A file beside the page as the value of an attribute: `#`, `?` and `%` of its name are no part of an address."""
    return html.escape(quote(os.fsencode(name)), quote=True)


def _whole_figure(record: dict[str, Any]) -> str:
    """An orthophoto with its sites."""
    link = _link(record["picture"])
    words = f"{len(record['sites'])} sites on {record['windows']} windows"
    notes = "".join(f"<br><small>{html.escape(line)}</small>" for line in [record["viewpoint"], *record["notes"]])
    return (
        f'<figure class="site"><a href="{link}"><img src="{link}" loading="lazy" alt=""></a><figcaption>'
        f"<b>{html.escape(record['name'])}</b>: {words}{notes}</figcaption></figure>"
    )
