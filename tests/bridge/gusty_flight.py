"""A multicopter flown hard in gusts, and what an estimator reports of it, to test resets with.

Velocity steps up to 10 m/s, turns up to 100 degrees/s, climbs and descents of 2.5 m/s. Samples carry the noise of an
estimator and stamps that are off by up to 20 ms.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from firmware_bridge.pose_history import PoseHistory
from landing.estimator import FrameShift
from landing.geometry import Quaternion, Vector, multiplied
from sim.vehicle import Vehicle, VehicleParameters, Wind

STEP_S = 0.01
MS = 1_000_000
CRUISE_M_S, CLIMB_M_S, TURN_RAD_S = 10.0, 2.5, math.radians(100.0)
ACCEL_M_S2 = 5.0
POSITION_NOISE_M, VELOCITY_NOISE_M_S, HEADING_NOISE_RAD = 0.02, 0.05, math.radians(0.1)


@dataclass(frozen=True)
class EstimatorSample:
    """One moment as the estimator reports it.

    Attributes:
        at_ns: Stamp.
        ned_m, velocity_ned_m_s: Position and velocity in the local frame.
        ned_from_frd: Attitude.
        rates_frd_rad_s: Body rates.
    """

    at_ns: int
    ned_m: Vector
    velocity_ned_m_s: Vector
    ned_from_frd: Quaternion
    rates_frd_rad_s: Vector


def fly(seconds: float, seed: int, gust_m_s: float = 3.0, *, hover: bool = False) -> Iterator[EstimatorSample]:
    """The truth of one flight, a hundred times a second.

    Args:
        seconds: Length.
        seed: Of manoeuvres and gusts.
        gust_m_s: Standard deviation of each gust component.
        hover: Hold the speed at zero and the heading, instead of manoeuvring.
    """
    draw = random.Random(seed)
    wind = Wind(speed_mps=6.0, from_deg=draw.uniform(0, 360), gust_mps=gust_m_s)
    parameters = VehicleParameters(yaw_rate_max_radps=TURN_RAD_S)
    vehicle = Vehicle(parameters, wind, seed=seed)
    vehicle.place(0.0, 0.0, 30.0, 0.0, flying=True)
    wanted = (0.0, 0.0, 0.0)
    heading_rad, until = 0.0, 0
    for step in range(round(seconds / STEP_S)):
        if step >= until and not hover:
            until = step + round(draw.uniform(1.0, 6.0) / STEP_S)
            speed, way = draw.uniform(0, CRUISE_M_S), draw.uniform(0, math.tau)
            low, high = vehicle.height_m < 15.0, vehicle.height_m > 60.0
            down = -CLIMB_M_S if low else CLIMB_M_S if high else draw.uniform(-1, 1) * CLIMB_M_S
            wanted = (speed * math.cos(way), speed * math.sin(way), down)
            heading_rad += draw.choice((0.0, 1.0)) * draw.uniform(-math.pi, math.pi)
        errors = (wanted[0] - vehicle.vn_mps, wanted[1] - vehicle.ve_mps, wanted[2] - vehicle.vd_mps)
        north, east, down = (max(-ACCEL_M_S2, min(ACCEL_M_S2, 2.0 * e)) for e in errors)
        vehicle.command(north, east, down, heading_rad)
        vehicle.step(STEP_S)
        yield EstimatorSample(
            round(step * STEP_S * 1e9),
            (vehicle.n_m, vehicle.e_m, vehicle.d_m),
            (vehicle.vn_mps, vehicle.ve_mps, vehicle.vd_mps),
            vehicle.q,
            vehicle.rates_radps,
        )


def reported(
    truth: list[EstimatorSample], rate_hz: float, seed: int, stamp_error_ms: float = 20.0
) -> Iterator[tuple[EstimatorSample, int]]:
    """What a stream of some rate reports, each sample with its true time, ns.

    Args:
        truth: From `fly`.
        rate_hz: Of the stream.
        seed: Of noise and stamp errors.
        stamp_error_ms: Largest error of a stamp, ms.
    """
    draw = random.Random(seed)
    every = max(1, round(1.0 / (rate_hz * STEP_S)))
    for sample in truth[::every]:
        # Stamps never run backward, as no autopilot's do.
        error_ms = min(stamp_error_ms, 450.0 * every * STEP_S) * draw.uniform(-1, 1)
        noise_m = (draw.gauss(0, POSITION_NOISE_M) for _ in range(3))
        noise_m_s = (draw.gauss(0, VELOCITY_NOISE_M_S) for _ in range(3))
        half_rad = 0.5 * draw.gauss(0, HEADING_NOISE_RAD)
        turn = (math.cos(half_rad), 0.0, 0.0, math.sin(half_rad))
        n, e, d = (a + b for a, b in zip(sample.ned_m, noise_m, strict=True))
        vn, ve, vd = (a + b for a, b in zip(sample.velocity_ned_m_s, noise_m_s, strict=True))
        yield (
            EstimatorSample(
                sample.at_ns + round(error_ms * MS),
                (n, e, d),
                (vn, ve, vd),
                multiplied(turn, sample.ned_from_frd),
                sample.rates_frd_rad_s,
            ),
            sample.at_ns,
        )


def after_reset(sample: EstimatorSample, shift: FrameShift) -> EstimatorSample:
    """The sample from an estimator whose heading turned in place and whose position stepped.

    Args:
        sample: Before the reset.
        shift: Turn of the heading, and step added to the position.
    """
    half_rad = 0.5 * shift.yaw_rad
    turn = (math.cos(half_rad), 0.0, 0.0, math.sin(half_rad))
    n, e, d = (a + b for a, b in zip(sample.ned_m, shift.offset_ned_m, strict=True))
    attitude = multiplied(turn, sample.ned_from_frd)
    return replace(sample, ned_m=(n, e, d), ned_from_frd=attitude)


def feed(history: PoseHistory, sample: EstimatorSample) -> None:
    """Gives a sample to a pose history as one attitude and one position."""
    history.add_attitude(sample.at_ns, sample.ned_from_frd, sample.rates_frd_rad_s)
    history.add_position(sample.at_ns, sample.ned_m, sample.velocity_ned_m_s)
