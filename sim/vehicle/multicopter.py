"""A simple multicopter: point mass, tilting thrust, drag, wind and ground. Pure: no clock, no I/O.

The autopilot commands an acceleration; the body leans to produce it, with a lag, so a camera bolted to it really
swings. Frames: local NED (origin at home, metres) and body FRD. Attitude is the unit quaternion ``ned_from_frd`` in (w,
x, y, z) order.

The drag is a linear plus a quadratic term in airspeed. Both numbers are fitted to the recorded ArduCopter 4.6.2
flights: a lean of 28.8 degrees at a steady 10 m/s and of 45 degrees at 15 m/s.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

GRAVITY_MPS2 = 9.80665

WIND_FULL_HEIGHT_M = 60.0
"""Height from which the mean wind blows in full. Below, it falls with the square root of the height, as in ArduPilot
SITL (SIM_WIND_T_ALT)."""

Quaternion = tuple[float, float, float, float]
GroundHeight = Callable[[float, float], float]


def flat_ground_m(north_m: float, east_m: float) -> float:
    """Height of flat terrain above D = 0, metres: always zero."""
    return 0.0


@dataclass(frozen=True)
class VehicleParameters:
    """Physics of a small quadcopter, per mass; the defaults reproduce the recorded flights. Lags are time constants."""

    attitude_lag_s: float = 0.18
    thrust_lag_s: float = 0.10
    yaw_lag_s: float = 0.4
    yaw_rate_max_radps: float = 1.05
    lean_max_rad: float = math.radians(45.0)
    thrust_max_mps2: float = 2.0 * GRAVITY_MPS2
    drag_linear_per_s: float = 0.319
    drag_quadratic_per_m: float = 0.022


@dataclass(frozen=True)
class Wind:
    """A steady wind with seeded gusts.

    Attributes:
        speed_mps: Mean speed at `WIND_FULL_HEIGHT_M` and above.
        from_deg: Direction it blows from, degrees clockwise from north.
        gust_mps: Standard deviation of each gust component (first-order Markov).
        gust_time_s: Correlation time of the gusts.
    """

    speed_mps: float = 0.0
    from_deg: float = 0.0
    gust_mps: float = 0.0
    gust_time_s: float = 1.5


class Vehicle:
    """State and motion of the multicopter.

    Attributes (all read-only to callers):
        n_m, e_m, d_m: Position in local NED.
        vn_mps, ve_mps, vd_mps: Velocity in NED.
        an_mps2, ae_mps2, ad_mps2: Acceleration in NED over the last step.
        yaw_rad: Heading of the thrust frame, radians clockwise from north.
        q: Attitude quaternion ``ned_from_frd`` (w, x, y, z).
        rates_radps: Body rates, FRD.
        on_ground: The skids touch.
        impact_mps: Speed of the latest touch, or None until it is read by ``take_impact``.
    """

    def __init__(
        self,
        parameters: VehicleParameters | None = None,
        wind: Wind | None = None,
        *,
        seed: int = 0,
        ground_height_m: GroundHeight = flat_ground_m,
    ) -> None:
        self.parameters = parameters or VehicleParameters()
        self.ground_height_m = ground_height_m
        self._random = random.Random(seed)
        self._gust_n = self._gust_e = self._gust_d = 0.0
        self.wind = wind or Wind()
        self.n_m = self.e_m = self.d_m = 0.0
        self.vn_mps = self.ve_mps = self.vd_mps = 0.0
        self.an_mps2 = self.ae_mps2 = self.ad_mps2 = 0.0
        self.yaw_rad = 0.0
        self.q: Quaternion = (1.0, 0.0, 0.0, 0.0)
        self.rates_radps = (0.0, 0.0, 0.0)
        self.on_ground = True
        self.motors_on = False
        self._impact_mps: float | None = None
        # Lean as tangents: horizontal thrust over vertical thrust, positive north / east.
        self._lean_n = self._lean_e = 0.0
        self._thrust_up_mps2 = 0.0
        self._accel_command = (0.0, 0.0, 0.0)
        self._yaw_command_rad = 0.0

    def place(self, n_m: float, e_m: float, height_m: float, yaw_rad: float, *, flying: bool) -> None:
        """Put the vehicle somewhere at rest: hovering against the wind, or standing with its motors off."""
        self.n_m, self.e_m = n_m, e_m
        self.d_m = -(self.ground_height_m(n_m, e_m) + height_m)
        self.vn_mps = self.ve_mps = self.vd_mps = 0.0
        self.yaw_rad = self._yaw_command_rad = yaw_rad
        self.on_ground = not flying
        self.motors_on = flying
        self._thrust_up_mps2 = GRAVITY_MPS2 if flying else 0.0
        self._lean_n = self._lean_e = 0.0
        if flying:
            drag_n, drag_e, _ = self._drag_mps2()
            self._lean_n, self._lean_e = -drag_n / GRAVITY_MPS2, -drag_e / GRAVITY_MPS2
        self._accel_command = (self._lean_n * GRAVITY_MPS2, self._lean_e * GRAVITY_MPS2, 0.0)
        self.q = self._attitude()
        self.rates_radps = (0.0, 0.0, 0.0)

    @property
    def height_m(self) -> float:
        """Height above the ground directly below, metres."""
        return -self.d_m - self.ground_height_m(self.n_m, self.e_m)

    @property
    def cos_tilt(self) -> float:
        """Cosine of the angle between body down and NED down."""
        _, x, y, _ = self.q
        return 1.0 - 2.0 * (x * x + y * y)

    @property
    def lean_command(self) -> tuple[float, float]:
        """Acceleration (north, east) that the present lean produces in still air, m/s^2."""
        return self._lean_n * GRAVITY_MPS2, self._lean_e * GRAVITY_MPS2

    def command(self, an_mps2: float, ae_mps2: float, ad_mps2: float, yaw_rad: float) -> None:
        """Ask for an acceleration in NED (gravity already paid for) and a heading, clockwise from north."""
        self._accel_command = (an_mps2, ae_mps2, ad_mps2)
        self._yaw_command_rad = yaw_rad

    def take_impact(self) -> float | None:
        """Speed of a touchdown since the last call, m/s, or None."""
        impact, self._impact_mps = self._impact_mps, None
        return impact

    def step(self, dt_s: float) -> None:
        """Advance by ``dt_s`` seconds; 0.005 to 0.01 s keeps the integration accurate."""
        p = self.parameters
        an_command, ae_command, ad_command = self._accel_command
        thrust_command = min(max(GRAVITY_MPS2 - ad_command, 0.0), p.thrust_max_mps2) if self.motors_on else 0.0
        self._thrust_up_mps2 += (thrust_command - self._thrust_up_mps2) * min(dt_s / p.thrust_lag_s, 1.0)

        # The lean is referred to one g: a level-flight controller assumes hover thrust, too.
        lean_n, lean_e = an_command / GRAVITY_MPS2, ae_command / GRAVITY_MPS2
        lean = math.hypot(lean_n, lean_e)
        lean_max = math.tan(p.lean_max_rad)
        if lean > lean_max:
            lean_n, lean_e = lean_n * lean_max / lean, lean_e * lean_max / lean
        if self.on_ground or not self.motors_on:
            lean_n = lean_e = 0.0
        follow = min(dt_s / p.attitude_lag_s, 1.0)
        self._lean_n += (lean_n - self._lean_n) * follow
        self._lean_e += (lean_e - self._lean_e) * follow
        self._turn(dt_s)
        before = self.q
        self.q = self._attitude()
        self.rates_radps = _rates_radps(before, self.q, dt_s)

        if self.wind.gust_mps > 0.0:
            self._gust(dt_s)
        drag_n, drag_e, drag_d = self._drag_mps2()
        an = self._thrust_up_mps2 * self._lean_n + drag_n
        ae = self._thrust_up_mps2 * self._lean_e + drag_e
        ad = GRAVITY_MPS2 - self._thrust_up_mps2 + drag_d
        if self.on_ground and ad >= 0.0:
            self.an_mps2 = self.ae_mps2 = self.ad_mps2 = 0.0
            self.vn_mps = self.ve_mps = self.vd_mps = 0.0
            self.d_m = -self.ground_height_m(self.n_m, self.e_m)
            return
        self.an_mps2, self.ae_mps2, self.ad_mps2 = an, ae, ad
        self.n_m += (self.vn_mps + 0.5 * an * dt_s) * dt_s
        self.e_m += (self.ve_mps + 0.5 * ae * dt_s) * dt_s
        self.d_m += (self.vd_mps + 0.5 * ad * dt_s) * dt_s
        self.vn_mps += an * dt_s
        self.ve_mps += ae * dt_s
        self.vd_mps += ad * dt_s
        ground_d_m = -self.ground_height_m(self.n_m, self.e_m)
        if self.d_m >= ground_d_m and self.vd_mps >= 0.0:
            if not self.on_ground:
                self._impact_mps = self.vd_mps
            self.on_ground = True
            self.d_m = ground_d_m
            self.vn_mps = self.ve_mps = self.vd_mps = 0.0
        elif self.d_m < ground_d_m - 0.005:
            self.on_ground = False

    def _turn(self, dt_s: float) -> None:
        p = self.parameters
        error_rad = math.remainder(self._yaw_command_rad - self.yaw_rad, math.tau)
        rate = min(max(error_rad / p.yaw_lag_s, -p.yaw_rate_max_radps), p.yaw_rate_max_radps)
        if not (self.on_ground or not self.motors_on):
            self.yaw_rad = math.remainder(self.yaw_rad + rate * dt_s, math.tau)

    def _attitude(self) -> Quaternion:
        # Shortest arc from NED down to body down, after a turn by the heading about it.
        norm = math.sqrt(1.0 + self._lean_n * self._lean_n + self._lean_e * self._lean_e)
        down_n, down_e, down_d = -self._lean_n / norm, -self._lean_e / norm, 1.0 / norm
        w, x, y = 1.0 + down_d, -down_e, down_n
        scale = 1.0 / math.sqrt(w * w + x * x + y * y)
        w, x, y = w * scale, x * scale, y * scale
        c, s = math.cos(0.5 * self.yaw_rad), math.sin(0.5 * self.yaw_rad)
        return w * c, x * c + y * s, y * c - x * s, w * s

    def _drag_mps2(self) -> tuple[float, float, float]:
        p, wind = self.parameters, self.wind
        speed = wind.speed_mps
        if speed:
            speed *= math.sqrt(min(max(-self.d_m / WIND_FULL_HEIGHT_M, 0.0), 1.0))
        to_n, to_e = _blows_to(wind.from_deg)
        un = self.vn_mps - speed * to_n - self._gust_n
        ue = self.ve_mps - speed * to_e - self._gust_e
        ud = self.vd_mps - self._gust_d
        airspeed = math.sqrt(un * un + ue * ue + ud * ud)
        factor = -(p.drag_linear_per_s + p.drag_quadratic_per_m * airspeed)
        return factor * un, factor * ue, factor * ud

    def _gust(self, dt_s: float) -> None:
        wind = self.wind
        keep = 1.0 - dt_s / wind.gust_time_s
        kick = wind.gust_mps * math.sqrt(2.0 * dt_s / wind.gust_time_s)
        gauss = self._random.gauss
        self._gust_n = self._gust_n * keep + kick * gauss(0.0, 1.0)
        self._gust_e = self._gust_e * keep + kick * gauss(0.0, 1.0)
        # Vertical gusts are about half as strong near the ground.
        self._gust_d = self._gust_d * keep + 0.5 * kick * gauss(0.0, 1.0)


@lru_cache(maxsize=8)
def _blows_to(from_deg: float) -> tuple[float, float]:
    """North and east part of the direction in which a wind blows."""
    to_rad = math.radians(from_deg + 180.0)
    return math.cos(to_rad), math.sin(to_rad)


def _rates_radps(before: Quaternion, after: Quaternion, dt_s: float) -> tuple[float, float, float]:
    """Mean body rates between two attitudes (small-angle form of the relative rotation)."""
    w0, x0, y0, z0 = before
    w1, x1, y1, z1 = after
    w = w0 * w1 + x0 * x1 + y0 * y1 + z0 * z1
    scale = math.copysign(2.0 / dt_s, w)
    return (
        scale * (w0 * x1 - x0 * w1 - y0 * z1 + z0 * y1),
        scale * (w0 * y1 + x0 * z1 - y0 * w1 - z0 * x1),
        scale * (w0 * z1 - x0 * y1 + y0 * x1 - z0 * w1),
    )


def rotate(q: Quaternion, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Rotate a vector by a unit quaternion (``ned_from_frd`` takes FRD to NED)."""
    qw, qx, qy, qz = q
    tx, ty, tz = 2.0 * (qy * z - qz * y), 2.0 * (qz * x - qx * z), 2.0 * (qx * y - qy * x)
    return (x + qw * tx + qy * tz - qz * ty, y + qw * ty + qz * tx - qx * tz, z + qw * tz + qx * ty - qy * tx)


def rotate_back(q: Quaternion, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Rotate a vector by the inverse of a unit quaternion (NED to FRD)."""
    return rotate((q[0], -q[1], -q[2], -q[3]), x, y, z)
