"""Rotations and the naming rule ``target_from_source``.

Quaternions are ``(w, x, y, z)``, Hamilton convention, unit norm. ``ned_from_frd`` turns a vector given in body axes (x
forward, y right, z down) into local north-east-down axes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError

FloatArray = npt.NDArray[np.float64]
Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]


def quaternion_from_euler(roll_rad: float, pitch_rad: float, yaw_rad: float) -> Quaternion:
    """Attitude ``ned_from_frd`` from aerospace Euler angles (yaw, then pitch, then roll)."""
    cr, sr = math.cos(roll_rad / 2), math.sin(roll_rad / 2)
    cp, sp = math.cos(pitch_rad / 2), math.sin(pitch_rad / 2)
    cy, sy = math.cos(yaw_rad / 2), math.sin(yaw_rad / 2)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def euler_from_quaternion(quaternion: Quaternion) -> tuple[float, float, float]:
    """Roll, pitch and yaw in radians of an attitude ``ned_from_frd``."""
    w, x, y, z = quaternion
    roll_rad = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch_rad = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
    yaw_rad = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return roll_rad, pitch_rad, yaw_rad


def matrix_from_quaternion(quaternion: Quaternion) -> FloatArray:
    """Rotation matrix, shape (3, 3), that does what the quaternion does: ``v_ned = R @ v_frd``."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def normalized(quaternion: Quaternion) -> Quaternion:
    """The quaternion at unit norm. Done twice it changes nothing, so a recorded one stays itself.

    Raises:
        InvalidValueError: A component is not finite, or the norm is too far from 1 to be rounding.
    """
    w, x, y, z = quaternion
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    if not math.isfinite(norm) or abs(norm - 1.0) > 0.05:
        raise InvalidValueError(f"attitude quaternion {quaternion} has norm {norm:.4g}, expected 1")
    if abs(norm - 1.0) < 1e-12:
        return quaternion
    return (w / norm, x / norm, y / norm, z / norm)


def multiplied(a: Quaternion, b: Quaternion) -> Quaternion:
    """The turn ``b`` and then ``a``: ``multiplied(c_from_b, b_from_a)`` is ``c_from_a``."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def heading_of(ned_from_frd: Quaternion) -> tuple[float, float]:
    """Two measures of the heading, rad: the aerospace yaw angle, and the twist about down.

    A turn of the frame about down adds the same to both; leaning changes at most one of them noticeably, depending on
    how a vehicle keeps its heading while it leans.
    """
    w, x, y, z = ned_from_frd
    yaw_rad = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return yaw_rad, 2.0 * math.atan2(z, w)


def heading_rate_of(ned_from_frd: Quaternion, rates_frd_rad_s: Vector) -> tuple[float, float]:
    """The rates of both measures of `heading_of` at body rates, rad/s; 0 where undefined."""
    w, x, y, z = ned_from_frd
    p, q, r = rates_frd_rad_s
    # Of roll and pitch: sin(roll) cos(pitch), cos(roll) cos(pitch), cos(pitch) squared.
    side, up = 2 * (w * x + y * z), 1 - 2 * (x * x + y * y)
    level = side * side + up * up
    yaw = (q * side + r * up) / level if level > 0.0025 else 0.0
    w_rate, z_rate = 0.5 * (-x * p - y * q - z * r), 0.5 * (w * r + x * q - y * p)
    upright = w * w + z * z
    return yaw, 2.0 * (w * z_rate - z * w_rate) / upright if upright > 0.05 else 0.0


def heading_between(before: Quaternion, after: Quaternion) -> float:
    """The turn of the heading between two attitudes, the smaller by both measures, rad."""
    turns = (math.remainder(b - a, 2.0 * math.pi) for a, b in zip(heading_of(before), heading_of(after), strict=True))
    return min(turns, key=abs)


def down_of(ned_from_frd: Quaternion) -> Vector:
    """The down axis in body axes: what leaning changes and turning about it does not."""
    w, x, y, z = ned_from_frd
    return 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)


def slerp(a: Quaternion, b: Quaternion, fraction: float) -> Quaternion:
    """Attitude between ``a`` (fraction 0) and ``b`` (fraction 1) along the shorter arc."""
    (aw, ax, ay, az), (bw, bx, by, bz) = a, b
    dot = aw * bw + ax * bx + ay * by + az * bz
    if dot < 0.0:
        bw, bx, by, bz, dot = -bw, -bx, -by, -bz, -dot
    if dot > 0.9995:
        w, x, y, z = (
            aw + fraction * (bw - aw),
            ax + fraction * (bx - ax),
            ay + fraction * (by - ay),
            az + fraction * (bz - az),
        )
    else:
        angle_rad = math.acos(dot)
        wa = math.sin((1 - fraction) * angle_rad) / math.sin(angle_rad)
        wb = math.sin(fraction * angle_rad) / math.sin(angle_rad)
        w, x, y, z = wa * aw + wb * bw, wa * ax + wb * bx, wa * ay + wb * by, wa * az + wb * bz
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    return (w / norm, x / norm, y / norm, z / norm)
