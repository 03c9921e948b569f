"""Jerk-limited position control with ArduCopter 4.6's gains and limits (``PSC_*``, ``WPNAV_*``).

Two independent pieces, horizontal (north, east) and vertical (up). Each first moves a *desired* trajectory towards what
it is asked for, within speed, acceleration and jerk limits, and then closes the loop around it: position error ->
velocity -> acceleration. Time enters only as ``dt_s``.
"""

from __future__ import annotations

import math

from sim.vehicle import GRAVITY_MPS2
from sim.vehicle.autopilot.parameters import ParametersInForce


def sqrt_rate(error: float, gain_per_s: float, limit: float, dt_s: float) -> float:
    """Rate that closes ``error``: proportional when near, constant deceleration (``limit``) when far.

    It never closes more than the error within one step.
    """
    size = abs(error)
    linear = limit / (gain_per_s * gain_per_s)
    rate = gain_per_s * size if size <= linear else math.sqrt(2.0 * limit * (size - 0.5 * linear))
    most = size / dt_s
    return math.copysign(most if most < rate else rate, error)


def _clip(value: float, low: float, high: float) -> float:
    return low if value < low else high if value > high else value


def _low_pass(dt_s: float, cutoff_hz: float) -> float:
    return dt_s / (dt_s + 1.0 / (math.tau * cutoff_hz))


def _limited(x: float, y: float, longest: float) -> tuple[float, float]:
    length = math.hypot(x, y)
    if length <= longest:
        return x, y
    return x * longest / length, y * longest / length


class HorizontalControl:
    """North-east controller; ask with one ``track_*`` per step, then ``update``."""

    POSITION_GAIN = 1.0  # PSC_POSXY_P
    VELOCITY_P, VELOCITY_I, VELOCITY_D = 2.0, 1.0, 0.25  # PSC_VELXY_*
    FILTER_HZ = 5.0  # PSC_VELXY_FLTE and _FLTD
    JERK_MPS3 = 5.0  # PSC_JERK_XY
    LEAN_MAX_RAD = math.radians(30.0)  # ANGLE_MAX
    RELAX_S = 0.16  # how fast the position target is let go when about to be landed

    def __init__(self) -> None:
        self.speed_max_mps = 10.0
        self.accel_max_mps2 = 2.5
        self.accel_limit_mps2 = GRAVITY_MPS2 * math.tan(self.LEAN_MAX_RAD)
        self.reset(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def reset(self, n_m: float, e_m: float, vn: float, ve: float, held_an: float, held_ae: float) -> None:
        """Start from a state; ``held_a*`` is the acceleration already held against the wind."""
        self.pn, self.pe, self.vn, self.ve = n_m, e_m, vn, ve
        self.an = self.ae = 0.0
        self.i_n, self.i_e = held_an, held_ae
        self._err_n = self._err_e = self._d_n = self._d_e = 0.0
        self._saturated: tuple[float, float] | None = None
        self._pos_err = (0.0, 0.0)
        self._frozen_integral = False

    def limit(self, p: ParametersInForce, lean_max_rad: float) -> None:
        """Take the limits of the parameters; the floors stand for the real one's: a zero here would divide."""
        self.speed_max_mps = max(0.01 * p["WPNAV_SPEED"], 0.2)
        self.accel_max_mps2 = max(0.01 * p["WPNAV_ACCEL"], 0.5)
        self.accel_limit_mps2 = GRAVITY_MPS2 * math.tan(lean_max_rad)

    def _advance(self, dt_s: float) -> None:
        move_n = self.vn * dt_s + 0.5 * self.an * dt_s * dt_s
        move_e = self.ve * dt_s + 0.5 * self.ae * dt_s * dt_s
        dv_n, dv_e = self.an * dt_s, self.ae * dt_s
        limit = self._saturated
        if limit is not None:
            # The vehicle cannot lean further: do not run away from it in that direction.
            ln, le = limit
            behind = self._pos_err[0] * ln + self._pos_err[1] * le
            if behind > 0.0 and move_n * ln + move_e * le > 0.0:
                move_n = move_e = 0.0
            if (
                dv_n * ln + dv_e * le > 0.0
                and self._err_n * ln + self._err_e * le > 0.0
                and self.vn * ln + self.ve * le >= 0.0
            ):
                dv_n = dv_e = 0.0
        self.pn += move_n
        self.pe += move_e
        self.vn += dv_n
        self.ve += dv_e

    def track_position(self, n_m: float, e_m: float, vn: float, ve: float, dt_s: float) -> None:
        """Move the desired trajectory towards a position that moves at (vn, ve)."""
        self._advance(dt_s)
        gain = 0.5 * self.JERK_MPS3 / self.accel_max_mps2
        dn, de = n_m - self.pn, e_m - self.pe
        far = math.hypot(dn, de)
        target_n = target_e = 0.0
        if far > 0.0:
            speed = sqrt_rate(far, gain, 0.5 * self.accel_max_mps2, dt_s)
            speed = min(speed, self.speed_max_mps)
            target_n, target_e = dn / far * speed, de / far * speed
        target_n, target_e = _limited(target_n + vn, target_e + ve, self.speed_max_mps)
        self._shape(target_n, target_e, dt_s)

    def track_velocity(self, vn: float, ve: float, dt_s: float) -> None:
        """Move the desired trajectory towards a velocity."""
        self._advance(dt_s)
        self._shape(vn, ve, dt_s)

    def soften(self, n_m: float, e_m: float, dt_s: float) -> None:
        """Let the position error fade and stop the integral: the skids may be touching."""
        share = dt_s / (dt_s + self.RELAX_S)
        self.pn += (n_m - self.pn) * share
        self.pe += (e_m - self.pe) * share
        self._frozen_integral = True

    def _shape(self, target_vn: float, target_ve: float, dt_s: float) -> None:
        err_n, err_e = target_vn - self.vn, target_ve - self.ve
        err = math.hypot(err_n, err_e)
        an = ae = 0.0
        if err > 0.0:
            rate = sqrt_rate(err, self.JERK_MPS3 / self.accel_max_mps2, self.JERK_MPS3, dt_s)
            an, ae = err_n / err * rate, err_e / err * rate
        speed = math.hypot(target_vn, target_ve)
        if speed > 0.0:
            # Of a limited acceleration, keep the part across the path first (up to 1/sqrt 2).
            un, ue = target_vn / speed, target_ve / speed
            along = an * un + ae * ue
            cross_n, cross_e = an - un * along, ae - ue * along
            if along * along <= cross_n * cross_n + cross_e * cross_e:
                an, ae = _limited(an, ae, self.accel_max_mps2)
            else:
                cross_n, cross_e = _limited(cross_n, cross_e, self.accel_max_mps2 / math.sqrt(2.0))
                rest = self.accel_max_mps2**2 - cross_n * cross_n - cross_e * cross_e
                along = _clip(along, -math.sqrt(rest), math.sqrt(rest))
                an, ae = cross_n + un * along, cross_e + ue * along
        else:
            an, ae = _limited(an, ae, self.accel_max_mps2)
        jn, je = _limited(an - self.an, ae - self.ae, self.JERK_MPS3 * dt_s)
        self.an += jn
        self.ae += je

    def update(self, n_m: float, e_m: float, vn: float, ve: float, dt_s: float) -> tuple[float, float]:
        """Close the loop around the desired trajectory; returns the acceleration to fly, m/s^2."""
        dn, de = self.pn - n_m, self.pe - e_m
        self._pos_err = (dn, de)
        far = math.hypot(dn, de)
        correct_n = correct_e = 0.0
        if far > 0.0:
            rate = sqrt_rate(far, self.POSITION_GAIN, 0.5 * self.accel_max_mps2, dt_s)
            rate = min(rate, self.speed_max_mps)
            correct_n, correct_e = dn / far * rate, de / far * rate
        raw_n, raw_e = self.vn + correct_n - vn, self.ve + correct_e - ve
        a = _low_pass(dt_s, self.FILTER_HZ)
        old_n, old_e = self._err_n, self._err_e
        self._err_n += (raw_n - old_n) * a
        self._err_e += (raw_e - old_e) * a
        self._d_n += ((self._err_n - old_n) / dt_s - self._d_n) * a
        self._d_e += ((self._err_e - old_e) / dt_s - self._d_e) * a
        grows = self._saturated is not None and (
            self._saturated[0] * self._err_n + self._saturated[1] * self._err_e > 0.0
        )
        if not grows and not self._frozen_integral:
            self.i_n = _clip(self.i_n + self.VELOCITY_I * self._err_n * dt_s, -10.0, 10.0)
            self.i_e = _clip(self.i_e + self.VELOCITY_I * self._err_e * dt_s, -10.0, 10.0)
        self._frozen_integral = False
        an = self.VELOCITY_P * self._err_n + self.i_n + self.VELOCITY_D * self._d_n + self.an
        ae = self.VELOCITY_P * self._err_e + self.i_e + self.VELOCITY_D * self._d_e + self.ae
        if math.hypot(an, ae) > self.accel_limit_mps2:
            self._saturated = (an, ae)
            return _limited(an, ae, self.accel_limit_mps2)
        self._saturated = None
        return an, ae


class VerticalControl:
    """Height controller, up positive; ask with one ``track_*`` per step, then ``update``."""

    POSITION_GAIN = 1.0  # PSC_POSZ_P
    VELOCITY_P = 5.0  # PSC_VELZ_P
    ACCEL_I = 1.0  # integral of the acceleration loop: pays for drag and thrust errors
    FILTER_HZ = 5.0
    JERK_MPS3 = 5.0  # PSC_JERK_Z

    def __init__(self) -> None:
        self.climb_max_mps = 2.5
        self.descent_max_mps = 1.5
        self.accel_max_mps2 = 1.0
        self.reset(0.0, 0.0)

    def reset(self, up_m: float, up_mps: float) -> None:
        """Start from a height and a climb rate."""
        self.p, self.v, self.a = up_m, up_mps, 0.0
        self._err = 0.0
        self._pos_err = 0.0
        self.integral = 0.0

    def limit(self, p: ParametersInForce) -> None:
        """Take the limits of the parameters."""
        self.climb_max_mps = max(0.01 * p["WPNAV_SPEED_UP"], 0.1)
        self.descent_max_mps = max(0.01 * p["WPNAV_SPEED_DN"], 0.1)
        self.accel_max_mps2 = max(0.01 * p["WPNAV_ACCEL_Z"], 0.5)

    def _advance(self, dt_s: float, *, pressed: bool) -> None:
        move = self.v * dt_s + 0.5 * self.a * dt_s * dt_s
        if not (pressed and move < 0.0 and self._pos_err < 0.0):
            self.p += move
        self.v += self.a * dt_s

    def _shape(self, target_v: float, dt_s: float) -> None:
        accel = sqrt_rate(target_v - self.v, self.JERK_MPS3 / self.accel_max_mps2, self.JERK_MPS3, dt_s)
        accel = _clip(accel, -self.accel_max_mps2, self.accel_max_mps2)
        self.a += _clip(accel - self.a, -self.JERK_MPS3 * dt_s, self.JERK_MPS3 * dt_s)

    def track_climb(self, up_mps: float, dt_s: float, *, pressed: bool = False) -> None:
        """Move the desired height at a climb rate; ``pressed``: the ground holds us up."""
        self._advance(dt_s, pressed=pressed)
        self._shape(up_mps, dt_s)

    def track_height(self, up_m: float, dt_s: float) -> None:
        """Move the desired height towards a height."""
        self._advance(dt_s, pressed=False)
        gain = 0.5 * self.JERK_MPS3 / self.accel_max_mps2
        rate = sqrt_rate(up_m - self.p, gain, 0.5 * self.accel_max_mps2, dt_s)
        self._shape(_clip(rate, -self.descent_max_mps, self.climb_max_mps), dt_s)

    def update(self, up_m: float, up_mps: float, accel_up_mps2: float, dt_s: float) -> float:
        """Close the loop; returns the upward acceleration to fly, m/s^2."""
        self._pos_err = self.p - up_m
        rate = sqrt_rate(self._pos_err, self.POSITION_GAIN, self.accel_max_mps2, dt_s)
        rate = _clip(rate, -self.descent_max_mps, self.climb_max_mps)
        raw = self.v + rate - up_mps
        self._err += (raw - self._err) * _low_pass(dt_s, self.FILTER_HZ)
        target = self.a + self.VELOCITY_P * self._err
        self.integral = _clip(self.integral + self.ACCEL_I * (target - accel_up_mps2) * dt_s, -4.0, 4.0)
        return target + self.integral
