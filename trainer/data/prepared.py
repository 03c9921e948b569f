"""A prepared data set: a store that explains itself, and so can be opened without its source.

`dataset.json` holds the taxonomy, terms, groups and split; the pixels lie in packs beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from landing.errors import DataError
from landing.reading import TABLE_BYTES, read_json
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.pack import PIXELS, Pack, write_json
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy
from trainer.data.store import StoredPictures, fill, open_packs

PREPARED_FILE = "dataset.json"
FORMAT = "touchdown-dataset-1"


@dataclass(frozen=True)
class PreparedSet:
    """A prepared folder as a `LabeledSet`; its pictures are views of mapped files.

    Attributes:
        folder: Where it lies.
        size_limit_wh: Size that its pictures were shrunk to fit, pixels.
        places: Pack and number in it of each sample, by name.
    """

    name: str
    taxonomy: Taxonomy
    samples: tuple[Sample, ...]
    terms: str
    own_split: dict[str, str] | None
    folder: Path
    size_limit_wh: tuple[int, int]
    places: dict[str, tuple[Pack, int]] = field(repr=False)

    @classmethod
    def open(cls, folder: Path, taxonomy_name: str = "") -> PreparedSet:
        """Opens what `prepare` wrote.

        Args:
            folder: The folder.
            taxonomy_name: Another taxonomy with the same classes, to give them other roles.

        Raises:
            DataError: Not whole, of another version, or the taxonomy has other classes.
            TaxonomyError: The taxonomy is not readable.
        """
        path = folder / PREPARED_FILE
        try:
            content = read_json(path, "index", DataError, TABLE_BYTES)
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise ValueError(f"not of format {FORMAT}")
            taxonomy = Taxonomy.parse(content["taxonomy"], str(path))
            names, groups, digests = (content[key] for key in ("names", "groups", "digests"))
            width, height = content["size_limit_wh"]
        except (DataError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"prepared data set {path}: {error}; prepare it again") from error
        if taxonomy_name:
            other = Taxonomy.load(taxonomy_name)
            if [c.name for c in other.classes] != [c.name for c in taxonomy.classes]:
                raise DataError(
                    f"{folder} was prepared with the classes of {taxonomy.name!r}, and "
                    f"{taxonomy_name!r} has others; prepare it again with --taxonomy"
                )
            taxonomy = other
        wanted = dict(zip(names, digests, strict=True))
        places = {
            entry.name: (pack, number)
            for pack in open_packs(folder)
            for number, entry in enumerate(pack.entries)
            if wanted.get(entry.name) == entry.digest
        }
        missing = [name for name in names if name not in places]
        if missing:
            raise DataError(
                f"prepared data set {folder} lacks {len(missing)} of {len(names)} pictures, the "
                f"first is {missing[0]}; prepare it again"
            )
        samples = tuple(
            Sample(name, group, places[name][0].folder / PIXELS, places[name][0].folder / PIXELS)
            for name, group in zip(names, groups, strict=True)
        )
        return cls(
            content["name"], taxonomy, samples, content["terms"], content["own_split"], folder, (width, height), places
        )

    def pictures_within(self, samples: Sequence[Sample], limit_wh: tuple[int, int]) -> StoredPictures | None:
        """The pictures, ready to be varied, or None if one is larger than the limit."""
        sizes = [self.size_wh(sample) for sample in samples]
        if any(w > limit_wh[0] or h > limit_wh[1] for w, h in sizes):
            return None
        return StoredPictures([self.places[sample.name] for sample in samples])

    def read(self, sample: Sample, unknown: UnknownPolicy = "refuse") -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`; unknown labels were dealt with when it was prepared."""
        pack, number = self.places[sample.name]
        stored = pack.sample(number)
        return stored.image, stored.labels

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        pack, number = self.places[sample.name]
        return pack.entries[number].width, pack.entries[number].height

    def digest(self, sample: Sample) -> str:
        """See `LabeledSet.digest`."""
        pack, number = self.places[sample.name]
        return pack.entries[number].digest


def prepare(
    data: LabeledSet,
    folder: Path,
    limit_wh: tuple[int, int],
    unknown: UnknownPolicy = "refuse",
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> PreparedSet:
    """Decodes and shrinks a whole data set into a folder; does again only what changed.

    Args:
        data: What to prepare.
        folder: Where to.
        limit_wh: Greatest size kept, pixels.
        unknown: What becomes of labels the taxonomy does not know.
        done: Called for each picture that is ready.
        threads: Decoding threads; 0 for one per core.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written or holds other files.
    """
    strangers = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    if strangers and not any(n == PREPARED_FILE or n.startswith((".", "pack-")) for n in strangers):
        raise DataError(f"{folder} holds other files ({strangers[0]}); choose an empty --out")
    pictures = fill(folder, data, data.samples, limit_wh, unknown, done, threads)
    write_json(
        folder / PREPARED_FILE,
        {
            "format": FORMAT,
            "name": data.name,
            "taxonomy": data.taxonomy.model_dump(mode="json"),
            "terms": data.terms,
            "size_limit_wh": list(limit_wh),
            "own_split": data.own_split,
            "names": [sample.name for sample in data.samples],
            "groups": [sample.group for sample in data.samples],
            "digests": pictures.digests(),
        },
    )
    return PreparedSet.open(folder)
