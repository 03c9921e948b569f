"""Sites that the landing decision chooses on labelled pictures, and the hazards in them ("site false-safe").

The code that flies decides (`landing.groundmap`, `landing.picker`) on each picture alone, as from a level camera over
flat ground. Data sets rarely state height and field of view, so the view is an assumption, shown beside every figure.

Thresholds of `landable` are of one frame's probability; in flight they mark where evidence turns from against to for
(`landing.operating`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.groundmap import GroundMap
from landing.merge import segmentation_from_labels
from landing.operating import SETTING_OF
from landing.picker import Candidate, clean_regions, clearance_grid, hazard_clearance_grid, pick
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Pose, Segmentation
from trainer.data.samples import IGNORE
from trainer.evaluation.view import AssumedView

Z_95 = 1.959964


@dataclass(frozen=True)
class SiteDisc:
    """A chosen site on a picture.

    Attributes:
        u_px, v_px, radius_px: Circle, in pixels of the label map.
        clearance_m: Free radius that the decision found.
        hazard_px, not_landable_px: Labelled pixels of hazard roles, and of all that is not landable, in the circle.
        disc_px: All pixels in it.
    """

    u_px: float
    v_px: float
    radius_px: float
    clearance_m: float
    hazard_px: int
    not_landable_px: int
    disc_px: int


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
        )

    def to_mapping(self) -> dict[str, object]:
        """Return the counts, and the rates with their Wilson 95 % intervals, for JSON."""
        return {
            **vars(self),
            "false_safe": rate(self.with_hazard, self.sites),
            "not_landable": rate(self.with_not_landable, self.sites),
            "abstain": rate(self.missed, self.with_truth_site),
        }


def rate(part: int, whole: int) -> dict[str, float] | None:
    """A share with its Wilson 95 % interval; None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if whole == 0:
        return None
    share, z2 = part / whole, Z_95**2
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z_95 / (1 + z2 / whole)
    half *= math.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2))
    low = 0.0 if part == 0 else max(0.0, centre - half)
    high = 1.0 if part == whole else min(1.0, centre + half)
    return {"share": share, "low": low, "high": high}


@dataclass(frozen=True)
class _PackedPicture:
    """A picture's merged maps and labels, packed: they are mostly flat, a tenth is left."""

    name: str
    planes: bytes
    planes_shape: tuple[int, ...]
    labels: bytes
    labels_shape: tuple[int, ...]
    truth_has_site: bool


class SiteEvaluator:
    """Keeps the merged maps of pictures, so that sites can be counted at any thresholds.

    `truths` caches, by name of a picture, if its true labels have a site; evaluators of the same pictures share it.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        view: AssumedView,
        settings: DecisionSettings | None = None,
        truths: dict[str, bool] | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.view = view
        self.settings = (settings or DecisionSettings()).single_look()
        self._kept: list[_PackedPicture] = []
        hazards = [i for role in HAZARD_ROLES for i in taxonomy.ids_of(role)]
        self._hazard = np.zeros(256, np.bool_)
        self._hazard[hazards] = True
        self._not_landable = ~taxonomy.landable_lut
        self._not_landable[IGNORE] = False
        self._truths: dict[str, bool] = {} if truths is None else truths

    def add(self, name: str, segmentation: Segmentation, labels: ByteArray) -> None:
        """Adds a picture: the network's maps, and true classes uint8 (H, W) of the whole picture."""
        if name not in self._truths:
            truth = segmentation_from_labels(labels, self.taxonomy)
            # Labels are certain: no noise to filter, and any threshold decides alike.
            certain = self.settings.model_copy(
                update={"evidence": self.settings.evidence.model_copy(update={"smoothing_px": 1})}
            )
            camera = self.view.camera(labels.shape[1], labels.shape[0])
            (found,) = decide(
                truth, self.taxonomy, camera, self.view.pose, certain, {role: 0.5 for role in HAZARD_ROLES}, [0.5]
            )
            self._truths[name] = found is not None
        planes = np.concatenate([segmentation.landable[None], segmentation.hazards])
        self._kept.append(
            _PackedPicture(
                name,
                zlib.compress(planes.tobytes(), 1),
                planes.shape,
                zlib.compress(labels.tobytes(), 1),
                labels.shape,
                self._truths[name],
            )
        )

    def outcomes(self, hazards: Mapping[Role, float], landable: Sequence[float]) -> list[list[SiteOutcome]]:
        """Return the decision on each picture, for each threshold of landable ground."""
        results: list[list[SiteOutcome]] = [[] for _ in landable]
        for kept in self._kept:
            planes = np.frombuffer(zlib.decompress(kept.planes), np.uint8)
            planes = planes.reshape(kept.planes_shape)
            labels = np.frombuffer(zlib.decompress(kept.labels), np.uint8)
            labels = labels.reshape(kept.labels_shape)
            segmentation = Segmentation(np.zeros_like(planes[0]), planes[0], planes[1:])
            camera = self.view.camera(labels.shape[1], labels.shape[0])
            found = decide(segmentation, self.taxonomy, camera, self.view.pose, self.settings, hazards, landable)
            for result, candidate in zip(results, found, strict=True):
                disc = None if candidate is None else self._judge(candidate, camera, labels)
                result.append(SiteOutcome(kept.name, disc, kept.truth_has_site))
        return results

    def counts(self, hazards: Mapping[Role, float], landable: Sequence[float]) -> list[SiteCount]:
        """Sites at each threshold of landable ground."""
        found = self.outcomes(hazards, landable)
        return [SiteCount.of(t, outcomes) for t, outcomes in zip(landable, found, strict=True)]

    def _judge(self, site: Candidate, camera: CameraModel, labels: ByteArray) -> SiteDisc:
        centre = np.array([(site.north_m, site.east_m, 0.0)])
        u, v = (float(x) for x in camera.pixel_from_ned(centre, self.view.pose)[0])
        radius = self.settings.required_radius_m * camera.fx / self.view.height_m
        inside = labels[disc_mask(labels.shape, u, v, radius)]
        return SiteDisc(
            u,
            v,
            radius,
            site.clearance_m,
            int(np.count_nonzero(self._hazard[inside])),
            int(np.count_nonzero(self._not_landable[inside])),
            len(inside),
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
