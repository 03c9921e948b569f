"""Pictures with an EXIF orientation: whether label maps were drawn on them as stored or as shown.

Sizes tell where label maps lie on the stored rows of a picture that is shown on its side. They never tell a half turn
or a mirror image, nor which way a quarter turn went; then the user says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from landing.labels.maps import MaskFacts
from landing.picture_files import format_of, orientation_of, read_header, size_of
from trainer.data.findings import DataFinding, below
from trainer.data.samples import ExifTurn


@dataclass(frozen=True)
class PictureFacts:
    """Facts in a picture's header: format, size, EXIF orientation; `problem` where it cannot be read."""

    path: Path
    format: str = ""
    size_wh: tuple[int, int] = (0, 0)
    orientation: int = 1
    problem: str = ""

    def shown_wh(self, turn: ExifTurn) -> tuple[int, int]:
        """Return the size, turned or as stored."""
        return self.size_wh[::-1] if turn == "apply" and self.orientation >= 5 else self.size_wh


def read_picture_facts(path: Path) -> PictureFacts:
    """Read a picture's header."""
    try:
        header = read_header(path, "picture", DataError)
    except DataError as error:
        return PictureFacts(path, problem=str(error))
    return PictureFacts(path, format_of(header), size_of(header), orientation_of(header))


@dataclass(frozen=True)
class TurnDecision:
    """A decision: turn the pictures or not, the line that says so, and findings where it is not certain."""

    turn: ExifTurn
    line: str = ""
    findings: tuple[DataFinding, ...] = ()


def decide_turn(pairs: Sequence[tuple[PictureFacts, MaskFacts]], asked: ExifTurn | None, base: Path) -> TurnDecision:
    """Decide for a whole set; `asked` is the user's word, which decides."""
    turned = [(picture, mask) for picture, mask in pairs if picture.orientation != 1]
    odd = tuple(
        DataFinding(
            "uncertain EXIF turn", below(mask.path, base), f"the label map has EXIF orientation {mask.orientation}"
        )
        for picture, mask in pairs
        if asked is None and mask.orientation not in (1, picture.orientation)
    )
    if not turned:
        return TurnDecision("ignore", findings=odd)
    kinds = ", ".join(str(o) for o in sorted({picture.orientation for picture, _ in turned}))
    about = f"{len(turned)} of {len(pairs)} pictures have EXIF orientation {kinds}"
    if asked is not None:
        done = "turned as shown" if asked == "apply" else "left as stored"
        return TurnDecision(asked, f"{about}: {done}, as asked for")
    as_stored = [picture for picture, mask in turned if _on_stored(picture, mask)]
    against = [(picture, mask) for picture, mask in turned if _on_shown(picture, mask)]
    if as_stored and not against:
        return TurnDecision(
            "ignore", f"{about}: left as stored, as {len(as_stored)} label maps have the stored size or turn", odd
        )
    reason = (
        f"the label map has the size of the turned picture ({against[0][1].size_wh[0]}x{against[0][1].size_wh[1]})"
        if against
        else "the label map's size tells nothing of a half turn or a mirror image"
    )
    examples = against or turned
    found = [
        DataFinding(
            "uncertain EXIF turn", below(picture.path, base), f"EXIF orientation {picture.orientation}, {reason}"
        )
        for picture, _ in examples
    ]
    return TurnDecision(
        "ignore", f"{about}: not certain whether label maps were drawn on them as shown", (*found, *odd)
    )


def _on_stored(picture: PictureFacts, mask: MaskFacts) -> bool:
    width, height = picture.size_wh
    sideways = picture.orientation >= 5 and width != height
    return mask.orientation == picture.orientation or (sideways and mask.size_wh == picture.size_wh)


def _on_shown(picture: PictureFacts, mask: MaskFacts) -> bool:
    width, height = picture.size_wh
    return picture.orientation >= 5 and width != height and mask.size_wh == (height, width)
