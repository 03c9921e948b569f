"""Sites that the landing decision chooses on labelled pictures, and the hazards in them ("site false-safe").

The code that flies decides (`landing.ground.map`, `landing.choice.picker`) on each picture alone, as from a level
camera over flat ground. Data sets rarely state height and field of view, so the view is an assumption, shown beside
every figure.

Thresholds of `landable` are of one frame's probability; in flight they mark where evidence turns from against to for
(`landing.model.operating`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.choice.picker import Candidate, clean_regions, clearance_grid, hazard_clearance_grid, pick
from landing.ground.map import GroundMap
from landing.ground.merge import segmentation_from_labels
from landing.model.operating import SETTING_OF
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Pose, Segmentation
from trainer.data.samples import IGNORE
from trainer.evaluation.instances import Instance, instances_of
from trainer.evaluation.rates import rate
from trainer.evaluation.view import AssumedView

NEAR_PERSON_M = 2.0
"""No disc may have a person nearer to its rim."""


@dataclass(frozen=True)
class SiteDisc:
    """A chosen site on a picture.

    Attributes:
        u_px, v_px, radius_px: Circle, in pixels of the label map.
        clearance_m: Free radius that the decision found.
        hazard_px, not_landable_px: Labelled pixels of hazard roles, and of all that is not landable, in the circle.
        disc_px: All pixels in it.
        person_m: From its rim to the nearest true pixel of a person, m, 0 where that is inside; None without any.
        held: Pixels in the circle of each class that is not landable, by name.
    """

    u_px: float
    v_px: float
    radius_px: float
    clearance_m: float
    hazard_px: int
    not_landable_px: int
    disc_px: int
    person_m: float | None = None
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def near_person(self) -> bool:
        """True for a disc with somebody nearer than `NEAR_PERSON_M`."""
        return self.person_m is not None and self.person_m < NEAR_PERSON_M


@dataclass(frozen=True)
class SiteOutcome:
    """Decision on one picture: the site or None, and if the same code finds a site in the true labels."""

    name: str
    disc: SiteDisc | None
    truth_has_site: bool


@dataclass(frozen=True)
class SiteCount:
    """Sites on a set of pictures at one threshold of landable ground.

    Attributes:
        threshold: Threshold of landable ground.
        pictures, with_truth_site: Pictures, and those whose true labels have a site.
        sites, with_hazard, with_not_landable: Chosen sites, those with a hazard pixel, and with one not landable.
        where_truth_has_none: Sites chosen where the truth has none.
        missed, rightly_abstained: Pictures without a chosen site, where the truth has one, and where it has none.
        near_person: Chosen sites with somebody nearer than `NEAR_PERSON_M`.
        least_person_m: Least distance of a person from the rim of a chosen site, m; None without any.
    """

    threshold: float
    pictures: int
    with_truth_site: int
    sites: int
    with_hazard: int
    with_not_landable: int
    where_truth_has_none: int
    missed: int
    rightly_abstained: int
    near_person: int = 0
    least_person_m: float | None = None

    @classmethod
    def of(cls, threshold: float, outcomes: Sequence[SiteOutcome]) -> SiteCount:
        """Counts outcomes."""
        discs = [o.disc for o in outcomes if o.disc is not None]
        return cls(
            threshold=threshold,
            pictures=len(outcomes),
            with_truth_site=sum(o.truth_has_site for o in outcomes),
            sites=len(discs),
            with_hazard=sum(d.hazard_px > 0 for d in discs),
            with_not_landable=sum(d.not_landable_px > 0 for d in discs),
            where_truth_has_none=sum(o.disc is not None and not o.truth_has_site for o in outcomes),
            missed=sum(o.disc is None and o.truth_has_site for o in outcomes),
            rightly_abstained=sum(o.disc is None and not o.truth_has_site for o in outcomes),
            near_person=sum(d.near_person for d in discs),
            least_person_m=min((d.person_m for d in discs if d.person_m is not None), default=None),
        )

    def to_mapping(self) -> dict[str, object]:
        """Return the counts, and the rates with their Wilson 95 % intervals, for JSON."""
        return {
            **vars(self),
            "false_safe": rate(self.with_hazard, self.sites),
            "near": rate(self.near_person, self.sites),
            "not_landable": rate(self.with_not_landable, self.sites),
            "abstain": rate(self.missed, self.with_truth_site),
        }


@dataclass(frozen=True)
class _PackedPicture:
    """A picture's merged maps and labels, packed: they are mostly flat, a tenth is left."""

    name: str
    planes: bytes
    planes_shape: tuple[int, ...]
    labels: bytes
    labels_shape: tuple[int, ...]

    @classmethod
    def of(cls, name: str, maps: Segmentation, labels: ByteArray) -> _PackedPicture:
        planes = np.concatenate([maps.class_id[None], maps.landable[None], maps.hazards])
        packed = zlib.compress(planes.tobytes(), 1), zlib.compress(labels.tobytes(), 1)
        return cls(name, packed[0], planes.shape, packed[1], labels.shape)

    def unpacked(self) -> tuple[Segmentation, ByteArray]:
        """The maps and the labels."""
        planes = np.frombuffer(zlib.decompress(self.planes), np.uint8).reshape(self.planes_shape)
        labels = np.frombuffer(zlib.decompress(self.labels), np.uint8).reshape(self.labels_shape)
        return Segmentation(planes[0], planes[1], planes[2:]), labels


class SiteEvaluator:
    """Keeps the merged maps of pictures, so that sites can be counted at any thresholds and any width of the ground.

    `seen` are the classes of the maps where they are not those of the labels. `truths` caches, by name of a picture and
    width of its ground, if its true labels have a site; evaluators of the same pictures share it.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        view: AssumedView,
        settings: DecisionSettings | None = None,
        truths: dict[tuple[str, float], bool] | None = None,
        seen: Taxonomy | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self._seen = seen or taxonomy
        self.view = view
        self.settings = (settings or DecisionSettings()).single_look()
        self._kept: list[_PackedPicture] = []
        self._hazard, self._person = (
            np.isin(np.arange(256), [i for role in roles for i in taxonomy.ids_of(role)])
            for roles in (HAZARD_ROLES, (Role.PERSON,))
        )
        self._not_landable = ~taxonomy.landable_lut
        self._not_landable[IGNORE] = False
        self._truths: dict[tuple[str, float], bool] = {} if truths is None else truths
        self._instances: dict[float | None, list[Instance]] = {}

    def add(self, name: str, segmentation: Segmentation, labels: ByteArray) -> None:
        """Adds a picture: the network's maps, and true classes uint8 (H, W) of the whole picture."""
        self._kept.append(_PackedPicture.of(name, segmentation, labels))
        self._instances.clear()

    @property
    def assumed(self) -> bool:
        """True where the ground across a picture is not stated by the data set."""
        return any(kept.name not in self.view.of_each for kept in self._kept)

    def _truth_has_site(self, name: str, labels: ByteArray, view: AssumedView) -> bool:
        key = (name, round(view.across_m, 4))
        if key not in self._truths:
            truth = segmentation_from_labels(labels, self.taxonomy)
            # Labels are certain: no noise to filter, and any threshold decides alike.
            certain = self.settings.model_copy(
                update={"evidence": self.settings.evidence.model_copy(update={"smoothing_px": 1})}
            )
            camera = view.camera(labels.shape[1], labels.shape[0])
            even = dict.fromkeys(HAZARD_ROLES, 0.5)
            (found,) = decide(truth, self.taxonomy, camera, view.pose, certain, even, [0.5])
            self._truths[key] = found is not None
        return self._truths[key]

    def outcomes(
        self, hazards: Mapping[Role, float], landable: Sequence[float], width_m: float | None = None
    ) -> list[list[SiteOutcome]]:
        """Return the decision on each picture, for each threshold of landable ground.

        Args:
            hazards: Thresholds of the hazards.
            landable: Thresholds of landable ground, from 0.5 on.
            width_m: Ground across the pictures that do not state it, m; None for the assumed view.
        """
        results: list[list[SiteOutcome]] = [[] for _ in landable]
        for kept in self._kept:
            segmentation, labels = kept.unpacked()
            view = self.view.of(kept.name, width_m)
            camera = view.camera(labels.shape[1], labels.shape[0])
            found = decide(segmentation, self._seen, camera, view.pose, self.settings, hazards, landable)
            has_site = self._truth_has_site(kept.name, labels, view)
            judged: dict[Candidate, SiteDisc] = {}
            for result, candidate in zip(results, found, strict=True):
                disc = None
                if candidate is not None:
                    if candidate not in judged:  # mostly the same at all thresholds
                        judged[candidate] = self._judge(candidate, camera, view, labels)
                    disc = judged[candidate]
                result.append(SiteOutcome(kept.name, disc, has_site))
        return results

    def counts(
        self, hazards: Mapping[Role, float], landable: Sequence[float], width_m: float | None = None
    ) -> list[SiteCount]:
        """Sites at each threshold of landable ground; see `outcomes`."""
        found = self.outcomes(hazards, landable, width_m)
        return [SiteCount.of(t, outcomes) for t, outcomes in zip(landable, found, strict=True)]

    def instances(self, width_m: float | None = None) -> list[Instance]:
        """Return the hazards of all pictures one by one; for `width_m` see `outcomes`."""
        if width_m not in self._instances:
            self._instances[width_m] = [
                instance
                for kept in self._kept
                for instance in instances_of(
                    kept.name, *kept.unpacked(), self.taxonomy, self.view.of(kept.name, width_m), self.settings
                )
            ]
        return self._instances[width_m]

    def _judge(self, site: Candidate, camera: CameraModel, view: AssumedView, labels: ByteArray) -> SiteDisc:
        centre = np.array([(site.north_m, site.east_m, 0.0)])
        u, v = (float(x) for x in camera.pixel_from_ned(centre, view.pose)[0])
        px_per_m = camera.fx / view.height_m
        radius = self.settings.required_radius_m * px_per_m
        inside = labels[disc_mask(labels.shape, u, v, radius)]
        counts = np.bincount(inside, minlength=256)
        held = {c.name: int(counts[c.id]) for c in self.taxonomy.classes if self._not_landable[c.id] and counts[c.id]}
        rows, columns = np.nonzero(self._person[labels])
        away_m = None
        if len(rows):
            away_m = max(0.0, float(np.hypot(columns - u, rows - v).min() - radius) / px_per_m)
        return SiteDisc(
            u_px=u,
            v_px=v,
            radius_px=radius,
            clearance_m=site.clearance_m,
            hazard_px=int(counts[self._hazard].sum()),
            not_landable_px=int(counts[self._not_landable].sum()),
            disc_px=len(inside),
            person_m=away_m,
            held=held,
        )


def disc_mask(shape: tuple[int, ...], u_px: float, v_px: float, radius_px: float) -> npt.NDArray[np.bool_]:
    """Return a mask of the pixels whose centre lies within a circle: a disc on flat ground, seen by a level camera."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - u_px) ** 2 + (rows - v_px) ** 2 <= radius_px**2


def decide(
    segmentation: Segmentation,
    taxonomy: Taxonomy,
    camera: CameraModel,
    pose: Pose,
    settings: DecisionSettings,
    hazards: Mapping[Role, float],
    landable: Sequence[float],
) -> list[Candidate | None]:
    """Return the site on one picture for each threshold of landable ground, as `landing.Decider` finds it.

    The picture is projected once; a threshold, from 0.5 on, changes only which cells are free. The pose is over ground
    at down 0; the settings are from `DecisionSettings.single_look`.
    """
    chosen = settings.model_copy(update={SETTING_OF[r]: t for r, t in hazards.items()})
    ground = GroundMap(chosen, taxonomy)
    ground.update(segmentation, camera, pose, 0.0)
    view = ground.view(segmentation.captured_at_ns)
    if view is None:
        return [None] * len(landable)
    anything = np.zeros_like(view.known)
    for cells in view.hazards.values():
        anything |= cells
    hazard_clearance_m = hazard_clearance_grid(view, taxonomy, chosen)
    found: list[Candidate | None] = []
    for threshold in landable:
        free = view.known & (view.probability >= threshold) & ~anything
        tried = replace(view, free=free)
        clearance_m = clearance_grid(tried, hazard_clearance_m)
        regions = clean_regions(tried, clearance_m, chosen, (0.0, 0.0))
        best = pick(tried, clearance_m, regions, chosen, (0.0, 0.0), pose.height_agl_m)
        found.append(best if isinstance(best, Candidate) else None)
    return found
