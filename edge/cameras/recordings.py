"""Recordings as cameras: ``file://`` video and ``images://`` folder."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.contract import Camera, CameraInfo, CameraRequest, CameraTimeout, EndOfStream, Grabbed, Pacer
from landing.distribution import install_command
from landing.errors import PictureError
from landing.picture_files import (
    DAMAGED,
    MOST_PIXELS,
    PICTURE_BYTES,
    PICTURE_SUFFIXES,
    RAW_SUFFIXES,
    UNREAD_SUFFIXES,
    decode,
    files_of,
    is_whole_jpeg,
    read_picture_bytes,
)
from landing.problems import Problem
from landing.reading import open_file, require_file
from landing.types import ByteArray

logger = logging.getLogger("edge.cameras")

HEIF_SUFFIXES = (".heic", ".heif")
PHOTO_SUFFIXES = (*PICTURE_SUFFIXES, *HEIF_SUFFIXES)
RAW = "undeveloped (raw): develop it to JPEG, or take the JPEG beside it"
WHY_UNREAD = {
    **dict.fromkeys(RAW_SUFFIXES, RAW),
    **{suffix: f"of a kind that is not read ({suffix}): convert it to JPEG" for suffix in UNREAD_SUFFIXES},
}
"""Remedies, by suffix, for pictures that are not read."""

LEAST_SIDE_PX = 8
"""Of a photograph; a smaller one is enlarged to ground that nobody photographed."""

DEFAULT_FPS = 10.0
"""Rate of a folder of pictures, and of a replayed video that does not state one."""


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name; numbers in names count as numbers. Hidden files are left out."""
    return sorted(files_of(folder, PHOTO_SUFFIXES), key=_natural)


def unread_in(folder: Path) -> list[tuple[Path, str]]:
    """The pictures of a folder that `pictures_in` leaves out, by name, and why each is not read."""
    return [(path, WHY_UNREAD[path.suffix.lower()]) for path in files_of(folder, tuple(WHY_UNREAD))]


def _natural(path: Path) -> tuple[tuple[bool, int, str], ...]:
    parts = re.split(r"(\d+)", path.name)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)


def read_picture(path: Path) -> ByteArray:
    """A picture as uint8 (H, W, 3) BGR, as its pixels are stored.

    The EXIF orientation is left alone, as in a label map made for the stored pixels.

    Raises:
        PictureError: It cannot be read or is not a whole picture.
    """
    if path.suffix.lower() in WHY_UNREAD:
        raise PictureError(f"picture {path.name} is {WHY_UNREAD[path.suffix.lower()]}")
    if path.suffix.lower() in HEIF_SUFFIXES:
        return _read_heif(path)
    data = read_picture_bytes(path, "picture", PictureError)
    if data.startswith(b"\xff\xd8") and not is_whole_jpeg(data):
        # OpenCV fills the missing part of a truncated JPEG with grey and says nothing.
        raise PictureError(f"picture {path.name} is truncated: a JPEG without its end")
    image = decode(data, cv2.IMREAD_UNCHANGED)  # keeps bands and depth, and leaves the orientation alone
    if image is None:
        raise PictureError(f"picture {path.name} cannot be decoded: it is damaged")
    bands = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or bands not in (3, 4):
        raise PictureError(
            f"picture {path.name} has {bands} band{'s'[: bands != 1]} of {8 * image.dtype.itemsize} bits: expected "
            "colour, three bands of 8 bits; one band of a multispectral or thermal camera is no colour picture"
        )
    if bands == 4 and not image[..., 3].all():
        hidden = 100.0 * float(np.mean(image[..., 3] == 0))
        raise PictureError(
            f"picture {path.name}: {hidden:.3g} % of its pixels are transparent and show nothing: cut them off; an "
            "orthophoto is a GeoTIFF"
        )
    return _large_enough(np.ascontiguousarray(image[..., :3]), path)


def read_depth(path: Path) -> npt.NDArray[np.uint16]:
    """A depth image, uint16 (H, W), as its pixels are stored.

    Raises:
        PictureError: It cannot be read, or has colours or another number of bits.
    """
    image = decode(read_picture_bytes(path, "depth image", PictureError), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise PictureError(f"depth image {path.name} cannot be decoded: it is damaged")
    if image.dtype != np.uint16 or image.ndim != 2:
        raise PictureError(f"depth image {path.name} is {image.dtype} {image.shape}: expected one band of 16 bits")
    return np.asarray(image, np.uint16)


def _large_enough(image: ByteArray, path: Path) -> ByteArray:
    height_px, width_px = image.shape[:2]
    if min(height_px, width_px) < LEAST_SIDE_PX:
        raise PictureError(
            f"picture {path.name} has {width_px}x{height_px} pixels, at least {LEAST_SIDE_PX} each way expected: "
            "nobody on the ground can be seen in it"
        )
    return image


def _read_heif(path: Path) -> ByteArray:
    opener = heif_opener()
    if opener is None:
        raise PictureError(f"picture {path.name} is HEIF: {install_command('heif')} to read it")
    try:
        with open_file(path, "picture", PictureError, PICTURE_BYTES) as stream:
            heif = opener.open_heif(stream)
            width_px, height_px = heif.size
            if width_px * height_px > MOST_PIXELS:
                raise PictureError(
                    f"picture {path.name} has {width_px}x{height_px} pixels, at most {MOST_PIXELS} expected"
                )
            image = np.asarray(heif.to_pillow().convert("RGB"))
    except DAMAGED as error:
        raise PictureError(f"picture {path.name} cannot be decoded: {error}") from error
    return _large_enough(np.ascontiguousarray(image[..., ::-1]), path)


def heif_opener() -> Any:
    """The module that reads HEIF, known to Pillow from then on; None where it is not installed (extra ``heif``)."""
    try:
        import pi_heif
    except ImportError:
        return None
    pi_heif.register_heif_opener()
    return pi_heif


def _size_agrees(request: CameraRequest, width_px: int, height_px: int) -> None:
    asked = (request.width_px, request.height_px)
    if asked != (None, None) and asked != (width_px, height_px):
        raise PictureError(
            f"camera {request.source} delivers {width_px}x{height_px} px, "
            f"camera.width_px x height_px ask for {asked[0]}x{asked[1]}: set them to what it has",
            Problem.CAMERA_OTHER,
        )


class VideoCamera(Camera):
    """A video file. In real time it skips what is too late; in a replay nothing is skipped."""

    def __init__(self, request: CameraRequest, path: Path) -> None:
        super().__init__(request)
        self.path = path
        self._capture: cv2.VideoCapture | None = None
        self._pacer: Pacer | None = None
        self._index = 0
        self._skipped_frames = 0

    @property
    def dropped(self) -> int:
        """Frames passed over to keep up with real time."""
        return self._skipped_frames

    def _open(self) -> CameraInfo:
        require_file(self.path, "video", PictureError)
        self._capture = cv2.VideoCapture(str(self.path))
        if not self._capture.isOpened():
            raise PictureError(f"video {self.path} cannot be opened: it is damaged or of an unknown kind")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # frames as stored, as pictures are: mount angles hold
        width_px = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height_px = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width_px < 1 or height_px < 1:
            raise PictureError(f"video {self.path} states {width_px}x{height_px} px: it is damaged, or no video")
        _size_agrees(self.request, width_px, height_px)
        stated_fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        fps = self.request.fps or stated_fps
        if not 0.1 <= fps <= 1000.0 and not self.request.realtime:
            fps = DEFAULT_FPS
        if not 0.1 <= fps <= 1000.0:
            raise PictureError(f"video {self.path} states {stated_fps:g} frames per second: set camera.fps")
        self._pacer = Pacer(fps, self.request.realtime)
        self._index = 0
        self._skipped_frames = 0
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return CameraInfo(self.request.source, width_px, height_px, fps, f"video, {count} frames", max(0, count))

    def _grab(self, timeout_s: float) -> Grabbed:
        capture, pacer = self._capture, self._pacer
        if capture is None or pacer is None:
            raise PictureError(f"video {self.path} is not open")
        if not pacer.wait(self._index, timeout_s):
            raise CameraTimeout(f"video {self.path.name}: no frame due within {timeout_s:.2f} s")
        if pacer.realtime:
            # Late frames are passed over without decoding them.
            while self._index < pacer.due_index() and capture.grab():
                self._index += 1
                self._skipped_frames += 1
        ok, image = capture.read()
        stamp_ns = pacer.stamp_ns(self._index)
        if not ok:
            if not self.request.loop or self._index == 0:
                raise EndOfStream(f"video {self.path.name} ended after {self._index} frames")
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            ok, image = capture.read()
            if not ok:
                raise PictureError(f"video {self.path.name} cannot be played again from its start")
        index = self._index
        self._index += 1
        return Grabbed(image, stamp_ns, index)

    def _close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
        self._skipped_frames = 0


class FolderCamera(Camera):
    """A folder of pictures, by name. Unreadable ones are skipped, counted and said."""

    def __init__(self, request: CameraRequest, folder: Path) -> None:
        super().__init__(request)
        self.folder = folder
        self._paths: list[Path] = []
        self._position = 0
        self._index = 0
        self._read_in_pass = 0
        self._pacer: Pacer | None = None
        self._bad: dict[str, str] = {}
        self._size = (0, 0)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Reasons of the skipped pictures, one each."""
        return tuple(self._bad.values())

    def _open(self) -> CameraInfo:
        if not self.folder.is_dir():
            raise PictureError(f"picture folder {self.folder} does not exist")
        self._paths = pictures_in(self.folder)
        if not self._paths:
            raise PictureError(f"picture folder {self.folder} holds no pictures ({', '.join(PHOTO_SUFFIXES)})")
        self._bad = {}
        self._position = self._index = self._read_in_pass = 0
        first = next((i for i in map(self._readable, self._paths) if i is not None), None)
        if first is None:
            raise PictureError(
                f"picture folder {self.folder}: none of {len(self._paths)} pictures can be read; "
                f"the first: {self.skipped[0]}"
            )
        height_px, width_px = first.shape[:2]
        _size_agrees(self.request, width_px, height_px)
        self._size = (width_px, height_px)
        fps = self.request.fps or DEFAULT_FPS
        self._pacer = Pacer(fps, self.request.realtime)
        return CameraInfo(self.request.source, width_px, height_px, fps, f"folder of {len(self._paths)} pictures")

    def _grab(self, timeout_s: float) -> Grabbed:
        pacer = self._pacer
        if pacer is None:
            raise PictureError(f"picture folder {self.folder} is not open")
        if not pacer.wait(self._index, timeout_s):
            raise CameraTimeout(f"folder {self.folder.name}: none due within {timeout_s:.2f} s")
        while True:
            if self._position >= len(self._paths):
                if not self.request.loop or self._read_in_pass == 0:
                    raise EndOfStream(
                        f"folder {self.folder.name} ended after {self._index} pictures, "
                        f"{len(self._bad)} unreadable ones skipped"
                    )
                self._position = self._read_in_pass = 0
            path = self._paths[self._position]
            self._position += 1
            image = self._readable(path)
            if image is None:
                continue
            if (image.shape[1], image.shape[0]) != self._size:
                raise PictureError(
                    f"picture {path.name} is {image.shape[1]}x{image.shape[0]} px, the first was "
                    f"{self._size[0]}x{self._size[1]}: one camera has one size",
                    Problem.CAMERA_OTHER,
                )
            self._read_in_pass += 1
            index = self._index
            self._index += 1
            return Grabbed(image, pacer.stamp_ns(index), index)

    def _readable(self, path: Path) -> npt.NDArray[Any] | None:
        try:
            return read_depth(path) if self.request.depth else read_picture(path)
        except PictureError as error:
            if path.name not in self._bad:
                self._bad[path.name] = str(error)
                logger.warning("skipped: %s", error)
            return None

    def _close(self) -> None:
        self._paths = []
        self._pacer = None
