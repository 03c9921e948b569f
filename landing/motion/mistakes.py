"""Mistakes of set-up that make a picture move otherwise than pose, lens and mount say, and which one explains a flight.

For each kind of mistake the set-up that fits the pairs best is sought, from a grid and then by Gauss-Newton with
weights that leave outliers out. The kind with the least cost is named, if it is beyond its stated size (`STATED`) and
explains what neither the configured set-up nor sloping ground does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from landing.geometry import FloatArray
from landing.motion.pairs import CONFIGURED, FITS, MOST_PER_PAIR, Fit, Pairs, Setup

STATED: dict[str, float] = {
    "mirrored": 0.0,
    "frozen": 0.0,
    "turned": 20.0,
    "tilted": 12.0,
    "field of view": 1.4,
    "height": 1.5,
    "late": 0.15,
    "drift": 0.6,
}
"""Size from which a mistake is named: degrees, degrees, ratio, ratio, s, m/s. Smaller ones are left to calibration."""

KINDS = tuple(STATED)

SLOPE = "slope"
"""Ground that is no level plane: no mistake, and none is named where it explains the pairs as well."""

LOOPED = "looped"
"""Old pictures that come again: a mistake too, told by `landing.picture.repeats` instead of by pairs of looks."""

EXPLAINED = 0.45
"""Part of the configured set-up's cost that a mistake's may have."""

LEAST_GAIN, LEAST_LEAD = 20.0, 4.0
"""Fall of the cost that names a mistake, and how much better it must be than all other kinds; good flights reach 7."""

EDGE = 3.0
"""Multiple of that fall that is asked for where the best value is the greatest one tried: a height of five times the
one told takes all motion from the ground, and so explains a position that wanders in a hover."""

OTHERS_GAIN = 5.0
"""Fall of the cost that is left without the pair that gains most: one look names nothing."""

RULED_OUT = 30.0
"""Cost that a mistake of the stated size would have caused, from which it is ruled out: noise may hide part of it."""

GOOD_PAIR = 0.5
"""Cost of a pair that even the best set-up leaves."""


@dataclass(frozen=True)
class Mistake:
    """A kind of `KINDS` with its size, or a loop.

    Attributes:
        kind: One of them, or `LOOPED`.
        value: In the unit of `STATED`; 0 where there is none; of a loop how old the pictures are, s.
        text: For people.
    """

    kind: str
    value: float
    text: str


_FREE: dict[str, tuple[str, ...]] = {
    "mirrored": (),
    "frozen": (),
    "turned": ("turn_rad",),
    "tilted": ("tilt_rad",),
    "field of view": ("focal",),
    "height": ("height",),
    "late": ("late_s",),
    "drift": ("drift_mps",),
    SLOPE: ("rise",),
}
"""Values of a set-up that are free in each kind."""

STEEPEST = 0.6
"""Rise of ground, m a m (31 degrees), beyond which it is none that somebody flies over to land."""

_STEPS = {
    "turn_rad": 0.01,
    "tilt_rad": 0.01,
    "focal": 0.02,
    "height": 0.02,
    "late_s": 0.02,
    "drift_mps": 0.05,
    "rise": 0.01,
}
_BOUNDS = {
    "turn_rad": math.pi,
    "tilt_rad": 1.0,
    "focal": 1.2,
    "height": 1.6,
    "late_s": 1.2,
    "drift_mps": 15.0,
    "rise": STEEPEST,
}


def starts_of(kind: str) -> list[Setup]:
    """Set-ups from which a kind is sought."""
    if kind == "mirrored":
        return [Setup(mirrored=True, turn_rad=k * math.pi / 2) for k in range(4)]
    if kind == "frozen":
        return [Setup(still=True)]
    if kind == "turned":
        return [Setup(turn_rad=math.radians(d)) for d in range(-165, 181, 15) if d]
    if kind == "tilted":
        around = [k * math.pi / 4 for k in range(8)]
        return [Setup(tilt_rad=(size * math.cos(a), size * math.sin(a))) for size in (0.2, 0.5) for a in around]
    if kind == "field of view":
        return [Setup(focal=f) for f in (-0.9, -0.6, -0.3, 0.3, 0.6, 0.9)]
    if kind == "height":
        return [Setup(height=f) for f in (-1.0, -0.6, -0.3, 0.3, 0.6, 1.0)]
    if kind == "late":
        return [Setup(late_s=s) for s in (-0.2, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)]
    return [CONFIGURED]


def _values(setup: Setup, names: tuple[str, ...]) -> FloatArray:
    return np.concatenate([np.atleast_1d(getattr(setup, name)) for name in names])


def _with(setup: Setup, names: tuple[str, ...], values: FloatArray) -> Setup:
    changed: dict[str, object] = {}
    at = 0
    for name in names:
        bound = _BOUNDS[name]
        if isinstance(getattr(setup, name), tuple):
            changed[name] = tuple(float(v) for v in np.clip(values[at : at + 2], -bound, bound))
            at += 2
        else:
            changed[name] = float(np.clip(values[at], -bound, bound))
            at += 1
    return replace(setup, **changed)  # type: ignore[arg-type]


def refined(pairs: Pairs, fit: Fit, names: tuple[str, ...]) -> Fit:
    """The best set-up near one, by damped Gauss-Newton with weights that leave outliers out."""
    damping = 1e-3
    for _ in range(4):
        values = _values(fit.setup, names)
        here = pairs.whitened(fit.setup)
        weight = 1.0 / (1.0 + (here**2).sum(axis=1, keepdims=True) / MOST_PER_PAIR)
        steps = np.concatenate([np.full(np.atleast_1d(getattr(fit.setup, n)).shape, _STEPS[n]) for n in names])
        columns = []
        for index, step in enumerate(steps):
            moved = values.copy()
            moved[index] += step
            columns.append(((pairs.whitened(_with(fit.setup, names, moved)) - here) / step * weight).ravel())
        jacobian = np.stack(columns, axis=1)
        normal = jacobian.T @ jacobian
        try:
            change = np.linalg.solve(
                normal + damping * np.diag(np.diag(normal) + 1e-9), -jacobian.T @ (here * weight).ravel()
            )
        except np.linalg.LinAlgError:
            return fit
        better = pairs.against(_with(fit.setup, names, values + change))
        if better.cost >= fit.cost:
            damping *= 30.0
            continue
        done = fit.cost - better.cost < 0.1
        fit, damping = better, damping / 3.0
        if done:
            break
    return fit


def best_of(pairs: Pairs, kind: str) -> Fit:
    """The set-up of a kind that explains the pairs best."""
    names = _FREE[kind]
    tried = sorted((pairs.against(start) for start in starts_of(kind)), key=lambda fit: fit.cost)
    if not names:
        return tried[0]
    return min((refined(pairs, fit, names) for fit in tried[:2]), key=lambda fit: fit.cost)


def _is_at_edge(kind: str, setup: Setup) -> bool:
    """True where a value is the greatest that is tried; turns have none."""
    names = [name for name in _FREE[kind] if name != "turn_rad"]
    return any(np.abs(getattr(setup, name)).max() >= _BOUNDS[name] for name in names)


def size_of(kind: str, setup: Setup) -> float:
    """Size of a mistake, in the unit of `STATED`, not negative; ratios are at least 1."""
    if kind in ("mirrored", "frozen"):
        return 0.0
    if kind == "turned":
        return abs(math.degrees(math.remainder(setup.turn_rad, math.tau)))
    if kind == "tilted":
        return math.degrees(math.hypot(*setup.tilt_rad))
    if kind == "field of view":
        return math.exp(abs(setup.focal))
    if kind == "height":
        return math.exp(abs(setup.height))
    return abs(setup.late_s) if kind == "late" else math.hypot(*setup.drift_mps)


def is_doubtful(configured: Fit) -> bool:
    """True where the configured set-up costs so much that a mistake could be named."""
    return configured.cost >= LEAST_GAIN + GOOD_PAIR * configured.pairs


def best_mistake(pairs: Pairs, configured: Fit) -> Mistake | None:
    """The mistake that explains the pairs; None while a good set-up, or one below the stated sizes, explains it too."""
    fits = {kind: best_of(pairs, kind) for kind in (*KINDS, SLOPE)}
    costs = {kind: fit.cost + 4.0 * len(_FREE[kind]) for kind, fit in fits.items()}
    kind, second = sorted(costs, key=lambda kind: costs[kind])[:2]
    best = fits[kind]
    gains = pairs.costs(CONFIGURED) - pairs.costs(best.setup)
    if (
        kind == SLOPE
        or gains.sum() < LEAST_GAIN * (EDGE if _is_at_edge(kind, best.setup) else 1.0)
        or gains.sum() - gains.max() < OTHERS_GAIN
        or costs[second] - costs[kind] < LEAST_LEAD
    ):
        return None
    # A longer lens, or nearer ground, makes the errors that are allowed for larger in the picture.
    larger = max(1.0, math.exp(2.0 * (best.setup.focal - best.setup.height)))
    if best.cost > EXPLAINED * configured.cost and best.cost / best.pairs > FITS * larger:
        return None
    if size_of(kind, best.setup) < STATED[kind]:
        return None
    return Mistake(kind, size_of(kind, best.setup), words(kind, best.setup))


def words(kind: str, setup: Setup) -> str:
    """A mistake in words, with its number."""
    if kind == "mirrored":
        quarter = round(math.degrees(setup.turn_rad)) % 360
        if quarter in (0, 180):
            return f"the picture is mirrored {'top to bottom' if quarter else 'left to right'}"
        return f"the picture is mirrored and turned by {quarter} degrees"
    if kind == "frozen":
        return "the picture does not move"
    if kind == "turned":
        degrees = math.degrees(math.remainder(setup.turn_rad, math.tau))
        return f"the camera is turned by about {degrees:.0f} degrees against camera.mount"
    if kind == "tilted":
        return f"the camera is tilted by about {size_of(kind, setup):.0f} degrees against camera.mount"
    if kind == "field of view":
        return f"the focal length is about {math.exp(setup.focal):.2g} times the configured one"
    if kind == "height":
        return f"the height told is about {math.exp(-setup.height):.2g} times the true one"
    if kind == "late":
        ms = 1000.0 * abs(setup.late_s)
        return f"the picture is about {ms:.0f} ms {'later' if setup.late_s > 0 else 'earlier'} than its stamp"
    return f"the position drifts by about {math.hypot(*setup.drift_mps):.1f} m/s"


def _probes() -> dict[str, tuple[Setup, ...]]:
    """Mistakes of the stated sizes, by kind."""
    turn, tilt = math.radians(STATED["turned"]), math.radians(STATED["tilted"])
    focal, height = math.log(STATED["field of view"]), math.log(STATED["height"])
    drift = STATED["drift"]
    return {
        "mirrored": (Setup(mirrored=True), Setup(mirrored=True, turn_rad=math.pi)),
        "frozen": (Setup(still=True),),
        "turned": (Setup(turn_rad=turn), Setup(turn_rad=-turn)),
        "tilted": (Setup(tilt_rad=(tilt, 0.0)), Setup(tilt_rad=(0.0, tilt))),
        "field of view": (Setup(focal=focal), Setup(focal=-focal)),
        "height": (Setup(height=height), Setup(height=-height)),
        "late": (Setup(late_s=STATED["late"]),),
        "drift": (Setup(drift_mps=(drift, 0.0)), Setup(drift_mps=(0.0, drift))),
    }


_PROBES = _probes()


def told_apart(pairs: Pairs) -> frozenset[str]:
    """Kinds of mistakes that would have shown by now at their stated sizes."""
    return frozenset(
        kind for kind, probes in _PROBES.items() if all(pairs.apart(probe) >= RULED_OUT for probe in probes)
    )
