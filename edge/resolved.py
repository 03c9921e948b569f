"""Settings that fly: one value, made once from configuration, model, kept parameters and camera.

Every command takes its settings from here, so that what one prints is what another flies. The value has one
serialisation (JSON, sorted keys, numbers in full) and a digest of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pydantic import BaseModel, TypeAdapter

from edge.config import EdgeConfig
from edge.exact import RecordingError, exact
from edge.parameters import LIMITS, with_kept
from edge.runtimes import taxonomy_for
from firmware_bridge.settings import LinkSettings
from landing.camera import CameraModel
from landing.choice.known_sites import SiteBook
from landing.decider import Decider
from landing.ground.scale import GroundScale, axis_down
from landing.model.confidence import SiteConfidence
from landing.model.operating import SETTING_OF, Threshold, describe, origin_of, thresholds_in_force
from landing.model.spec import GroundRange, ModelSpec
from landing.pad.tag import PadFinder, PadSettings
from landing.picture.usable import PictureSettings
from landing.redaction import redact
from landing.relief.depth_image import DepthLens
from landing.settings import AuthoritySettings, DecisionSection, DecisionSettings, DirectorSettings
from landing.taxonomy import Role, Taxonomy


@dataclass(frozen=True)
class ResolvedDecision:
    """Settings of a decision where there is neither vehicle nor a camera of its own.

    Attributes:
        model: Name of the network; empty without one.
        taxonomy: In use; None where no network says its classes.
        decision: Settings in force.
        thresholds: Of a frame, each with where it comes from.
        sources: Where each setting comes from, as ``decision.margin_m`` to ``config``, ``model``, ``default`` or the
            name of a ``TD_*`` parameter.
        ground_range: From how near and how far the network was trained to see the ground; None where nobody said.
        input_px: Width and height of the network's input; None without a network.
        confidence: Curve of the model; None where it has none, or none for so wide a vehicle (`sources` says which).
    """

    model: str
    taxonomy: Taxonomy | None
    decision: DecisionSettings
    thresholds: tuple[Threshold, ...]
    sources: Mapping[str, str]
    ground_range: GroundRange | None = field(default=None, kw_only=True)
    input_px: tuple[int, int] | None = field(default=None, kw_only=True)
    confidence: SiteConfidence | None = field(default=None, kw_only=True)

    @property
    def classes(self) -> Taxonomy:
        """The taxonomy, where there is a network."""
        assert self.taxonomy is not None
        return self.taxonomy

    def scale(self, camera: CameraModel) -> GroundScale | None:
        """Return the scale of the ground through a camera; None where the network's range is not known."""
        if self.ground_range is None or self.input_px is None:
            return None
        return GroundScale.of(self.ground_range, self.input_px, camera)

    def decider(
        self, camera: CameraModel, clock_ns: Callable[[], int] | None = None, settings: DecisionSettings | None = None
    ) -> Decider:
        """Return a decision for a camera; `settings` take the place of those that fly."""
        chosen = self.decision if settings is None else settings
        return Decider(chosen, self.classes, camera, clock_ns, self.scale(camera), self.confidence)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, every number in full; no secret is among them."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @property
    def canonical(self) -> str:
        """The one text of this value: JSON with sorted keys and no spaces."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical`, hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def report(self) -> dict[str, Any]:
        """Digest and value, as logs, recordings and reports carry them."""
        return {"sha256": self.digest, "value": self.as_dict()}

    def _surfaces(self) -> str:
        """The order in which landable ground is chosen."""
        surfaces = {} if self.taxonomy is None else self.taxonomy.surfaces
        return " before ".join(surface.name for surface in surfaces.values()) or "all alike"

    def describe(self) -> str:
        """One line for people."""
        gathered = self.decision.landable_probability
        known = self.ground_range
        scale = "not known" if known is None else f"{known.describe()} a pixel"
        return (
            f"{self.digest[:12]}; thresholds of a frame: {describe(self.thresholds)}; landable in "
            f"all frames together {gathered:.3g} ({self.sources['decision.landable_probability']}); ground the model "
            f"was trained for: {scale}; surfaces: {self._surfaces()}; confidence in sites: {self.sources['confidence']}"
        )


@dataclass(frozen=True)
class ResolvedFlight(ResolvedDecision):
    """Settings of a flight.

    Attributes:
        director: Settings of the director.
        authority: What may be commanded.
        picture: Which pictures are refused.
        camera: Lens, and mount or gimbal.
        latency_ms: From exposure to arrival.
        max_frame_age_ms: Older frames are dropped.
        link: How the autopilot is reached and what is asked of it.
        pad: The marked pad that is wanted.
        depth: The depth sensor beside the camera; None without one.
    """

    director: DirectorSettings
    authority: AuthoritySettings
    picture: PictureSettings
    camera: CameraModel
    latency_ms: float
    max_frame_age_ms: float
    link: LinkSettings
    pad: PadSettings = field(default_factory=PadSettings, kw_only=True)
    depth: DepthLens | None = field(default=None, kw_only=True)

    def decider(
        self, camera: CameraModel, clock_ns: Callable[[], int] | None = None, settings: DecisionSettings | None = None
    ) -> Decider:
        """Return a decision for a camera, with the pad; `settings` take the place of those that fly."""
        chosen = self.decision if settings is None else settings
        return Decider(chosen, self.classes, camera, clock_ns, self.scale(camera), self.confidence, self.pad)

    def pad_finder(self) -> PadFinder | None:
        """Return what looks for the pad's tag in pictures; None where no pad is wanted."""
        return PadFinder(self.pad) if self.pad.enabled else None

    def describe(self) -> str:
        """One line for people."""
        mount = self.camera.mount
        held = "on a gimbal" if mount.gimbal else f"fixed at pitch {mount.pitch_deg:g} degrees"
        return (
            f"{super().describe()}; lens {self.camera.hfov_deg:.1f} degrees wide "
            f"({self.sources['camera.lens']}), {held}; {self.pad.describe()}; authority {self.authority.level.value}"
        )

    def site_book(self) -> SiteBook:
        """Return an empty book of known sites for these settings."""
        return SiteBook(self.decision, self.classes, self.camera, self.confidence)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> ResolvedFlight:
        """Reads what `as_dict` gave.

        Raises:
            RecordingError: It is no such value, or one of another version.
        """
        try:
            return cls(
                str(values["model"]),
                Taxonomy.parse(values["taxonomy"], "the recording's taxonomy"),
                DecisionSettings.model_validate(values["decision"]),
                _THRESHOLDS.validate_python(values["thresholds"]),
                dict(values["sources"]),
                DirectorSettings.model_validate(values["director"]),
                AuthoritySettings.model_validate(values["authority"]),
                PictureSettings.model_validate(values["picture"]),
                _CAMERA.validate_python(values["camera"]),
                float(values["latency_ms"]),
                float(values["max_frame_age_ms"]),
                LinkSettings.model_validate(values["link"]),
                ground_range=_GROUND_RANGE.validate_python(values.get("ground_range")),
                input_px=_INPUT_PX.validate_python(values.get("input_px")),
                confidence=_CONFIDENCE.validate_python(values.get("confidence")),
                pad=PadSettings.model_validate(values.get("pad", {})),
                depth=_DEPTH.validate_python(values.get("depth")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"the recorded flight settings cannot be read: {error}") from error


_THRESHOLDS = TypeAdapter(tuple[Threshold, ...])
_CAMERA = TypeAdapter(CameraModel)
_GROUND_RANGE: TypeAdapter[GroundRange | None] = TypeAdapter(GroundRange | None)
_INPUT_PX: TypeAdapter[tuple[int, int] | None] = TypeAdapter(tuple[int, int] | None)
_DEPTH: TypeAdapter[DepthLens | None] = TypeAdapter(DepthLens | None)
_CONFIDENCE: TypeAdapter[SiteConfidence | None] = TypeAdapter(SiteConfidence | None)


def resolve_decision(section: DecisionSection, spec: ModelSpec | None, taxonomy: str | None = None) -> ResolvedDecision:
    """Resolve the settings of a decision.

    Args:
        section: As configured.
        spec: Of the network; None without one.
        taxonomy: To use instead of the network's own, a name or file.

    Raises:
        TaxonomyError: The other taxonomy does not fit the network.
    """
    decision, thresholds = thresholds_in_force(section, None if spec is None else spec.operating)
    sources = _sources("decision", decision)
    sources.update({f"decision.{SETTING_OF[t.role]}": t.source for t in thresholds})
    if section.landable_probability is None:
        sources["decision.landable_probability"] = origin_of(section.strictness)
    confidence, sources["confidence"] = _confidence_in(spec, decision)
    return ResolvedDecision(
        "" if spec is None else spec.name,
        None if spec is None else taxonomy_for(spec, taxonomy),
        decision,
        thresholds,
        sources,
        ground_range=None if spec is None else spec.ground_range,
        input_px=None if spec is None else (spec.input.width_px, spec.input.height_px),
        confidence=confidence,
    )


def _confidence_in(spec: ModelSpec | None, decision: DecisionSettings) -> tuple[SiteConfidence | None, str]:
    """Return the curve of a model where it holds for the vehicle, and where it comes from, or why there is none."""
    curve = None if spec is None else spec.site_confidence
    if curve is None:
        return None, "none, the model says nothing of it"
    needed_m = decision.required_radius_m
    if curve.for_radius(needed_m) is None:
        return None, f"none, measured for discs of {curve.disc_m:g} m and {needed_m:g} m are needed"
    return curve, "model"


def resolve_flight(config: EdgeConfig, spec: ModelSpec | None, kept: Mapping[str, float]) -> ResolvedFlight:
    """Resolve the settings that a configuration flies with a network.

    Args:
        config: As the file says.
        spec: Of the network; None while there is none.
        kept: What ground stations set before, by name (`edge.parameters.read_kept`).

    Raises:
        ConfigError: The calibration cannot be read, or what was kept does not fit together.
        TaxonomyError: The configured taxonomy does not fit the network.
        LinkError, InvalidValueError: The link or the lens cannot be as configured.
    """
    bare = _resolved(config, spec)
    flight = _resolved(with_kept(config, kept), spec)
    changed = {f"{limit.section}.{limit.field}": limit.name for limit in LIMITS if limit.of(flight) != limit.of(bare)}
    thresholds = flight.thresholds
    person = changed.get("decision.person_probability")
    if person is not None:
        thresholds = tuple(replace(t, source=person) if t.role is Role.PERSON else t for t in thresholds)
    return replace(flight, thresholds=thresholds, sources={**bare.sources, **changed})


def _resolved(config: EdgeConfig, spec: ModelSpec | None) -> ResolvedFlight:
    decided = resolve_decision(config.decision, spec, config.model.taxonomy)
    camera = config.camera
    lens = next(n for n in ("hfov_deg", "calibration", "fx") if getattr(camera, n) is not None)
    sections = {
        "director": config.director,
        "authority": config.authority,
        "picture": config.picture,
        "pad": config.pad,
    }
    sources = {**decided.sources, "camera.lens": lens}
    for name, section in sections.items():
        sources.update(_sources(name, section))
    model = camera.model()
    authority, limited = authority_within(config.authority, decided.scale(model), model)
    sources.update(limited)
    return ResolvedFlight(
        decided.model,
        decided.taxonomy,
        decided.decision,
        decided.thresholds,
        sources,
        DirectorSettings.beside(config.director, decided.decision),
        authority,
        config.picture,
        model,
        camera.latency_ms,
        camera.max_frame_age_ms,
        config.link_settings(),
        ground_range=decided.ground_range,
        input_px=decided.input_px,
        confidence=decided.confidence,
        pad=config.pad,
        depth=config.depth.lens(),
    )


def authority_within(
    authority: AuthoritySettings, scale: GroundScale | None, camera: CameraModel
) -> tuple[AuthoritySettings, dict[str, str]]:
    """Return the authority's settings with no ceiling above the network's range, and its source where it is lower."""
    if scale is None:
        return authority, {}
    ceiling_m = max(scale.heights_m(axis_down(camera))[1], authority.clear_height_m)
    if ceiling_m >= authority.ceiling_m:
        return authority, {}
    return authority.model_copy(update={"ceiling_m": ceiling_m}), {"authority.ceiling_m": "model"}


def _sources(name: str, section: BaseModel) -> dict[str, str]:
    """Return where each setting comes from: one that is the default is from there, whether it was written or not."""
    sources: dict[str, str] = {}
    for key, info in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            sources.update(_sources(f"{name}.{key}", value))
        else:
            sources[f"{name}.{key}"] = "default" if value == info.default else "config"
    return sources


def _plain(value: Any) -> Any:
    if isinstance(value, LinkSettings) and value.video is not None:
        # An address may carry a password.
        video = value.video.model_copy(update={"uri": redact(value.video.uri)})
        value = value.model_copy(update={"video": video})
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else exact(value)
