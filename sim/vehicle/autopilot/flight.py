"""The flying half of the stand-in: estimate, modes, landing, arming. No traffic, no clock."""

from __future__ import annotations

import math
from enum import Enum, auto

from firmware_bridge.dialect import mavlink
from sim.vehicle import GRAVITY_MPS2, Vehicle
from sim.vehicle.autopilot.config import AutopilotConfig
from sim.vehicle.autopilot.control import HorizontalControl, VerticalControl, sqrt_rate
from sim.vehicle.autopilot.estimator import RANGEFINDER_GOOD_READINGS, PilotSticks, Rangefinder, StateEstimator, Vector
from sim.vehicle.autopilot.landing_rules import Action, LandingRules
from sim.vehicle.autopilot.mission import Leg, MissionFlight
from sim.vehicle.autopilot.modes import ARMABLE, NEEDS_POSITION, Mode, RefusedError
from sim.vehicle.autopilot.parameters import ParameterStore
from sim.vehicle.autopilot.precision_landing import InertialSample, PrecisionLanding, Say
from sim.vehicle.autopilot.rally import RallyPoints

THROTTLE_LOW_AFTER_MS = 1050
MAYBE_LANDED_AFTER_MS = THROTTLE_LOW_AFTER_MS + 200
LANDED_AFTER_MS = THROTTLE_LOW_AFTER_MS + 1000
DISARM_DELAY_MS = 10_000
SPOOL_UP_MS = 1000
PILOT_CLIMB_MPS = 2.5  # PILOT_SPEED_UP, down as well
_OPTION_AFTER_REPOSITION, _OPTION_FAST_FINAL = 2, 4


AUTO_MODES = (Mode.AUTO, Mode.AUTO_RTL)


class _Guided(Enum):
    HOLD = auto()
    TAKEOFF = auto()
    POSITION = auto()
    VELOCITY = auto()


class _Rtl(Enum):
    CLIMB = auto()
    RETURN = auto()
    LOITER = auto()
    LAND = auto()


class FlightController:
    """Estimate, control and modes around a `Vehicle`; its attributes are read-only to callers."""

    def __init__(self, vehicle: Vehicle, parameters: ParameterStore, say: Say, config: AutopilotConfig) -> None:
        self.vehicle = vehicle
        self._parameters = parameters
        self._p = parameters.in_force
        self._say = say
        self._estimator = StateEstimator(vehicle, config.errors, config.seed + 1)
        self.rangefinder = Rangefinder(vehicle, parameters)
        self._ready_after_ms = config.ready_after_ms
        self.target = PrecisionLanding(parameters.in_force, say, config.frame_rules)
        self.rules = LandingRules(parameters.in_force, self.target, say)
        self.mission = MissionFlight(parameters.in_force)
        self.rally = RallyPoints(parameters, config.home)
        self._horizontal = HorizontalControl()
        self._vertical = VerticalControl()
        self.boot(0.01)

    def boot(self, loop_s: float) -> None:
        """Start anew with the parameters as stored: disarmed, STABILIZE, time zero."""
        self._parameters.boot()
        self.now_ms = 0
        self.mode = Mode.STABILIZE
        self.armed = False
        self.landed = True
        self._estimator.boot()
        self.rangefinder.boot()
        self.sticks = PilotSticks()
        self._contact_ms: int | None = None
        self._landed_since_ms = 0
        self._guided = _Guided.HOLD
        self._guided_ned = self._guided_v = (0.0, 0.0, 0.0)
        self._guided_until_ms = 0
        self._motors_at_ms = 0
        self.mission.boot()
        self._yaw_rad = self.vehicle.yaw_rad
        self._repositioned = False
        self._pause_until_ms = 0
        self._controlling = False
        self.vehicle.motors_on = False
        self.estimate = self._estimator.estimate(loop_s)
        self._begin_way_home()
        self.target.boot(loop_s)
        self.rules.start()

    def start_airborne(self, mode: Mode) -> None:
        """Take over a vehicle that hovers already (see `Vehicle.place`)."""
        self.armed, self.landed = True, False
        self.vehicle.motors_on = True
        self._ready_after_ms = 0
        self._yaw_rad = self.vehicle.yaw_rad
        self.estimate = self._estimator.estimate(0.01)
        self._enter(mode)
        self.rangefinder.good = RANGEFINDER_GOOD_READINGS

    @property
    def ready(self) -> bool:
        """True once the position estimate exists."""
        return self.now_ms >= self._ready_after_ms

    @property
    def landing(self) -> bool:
        """True while a landing is flown."""
        if not self.armed:
            return False
        leg = self.mission.leg if self.mode in AUTO_MODES else None
        home = self.mode is Mode.RTL or leg is Leg.HOME
        return self.mode is Mode.LAND or leg is Leg.LAND or (home and self._rtl is _Rtl.LAND)

    @property
    def taking_off(self) -> bool:
        """True while a GUIDED take-off is flown."""
        return self.armed and self.mode is Mode.GUIDED and self._guided is _Guided.TAKEOFF

    def set_mode(self, number: int) -> None:
        """Change the flight mode; raises RefusedError without such a mode or its position estimate."""
        try:
            mode = Mode(number)
        except ValueError:
            raise RefusedError(f"No such mode {number}") from None
        if mode in NEEDS_POSITION and not self.ready:
            raise RefusedError(f"Mode change to {mode.name} failed: requires position")
        if mode in AUTO_MODES and self.armed and self.landed:
            raise RefusedError("Auto: Missing Takeoff Cmd")
        if mode is not self.mode:
            if mode in AUTO_MODES and not self.mission.enter(landing_sequence=mode is Mode.AUTO_RTL):
                raise RefusedError(f"Mode change to {mode.name} failed: no mission, or no landing sequence in it")
            self._enter(mode)

    def pause_landing(self, for_ms: int) -> None:
        """Hover for a time before the descent of the landing that has just begun."""
        self._pause_until_ms = self.now_ms + for_ms

    def arm(self) -> None:
        """Arm; raises RefusedError in a mode that is not armable, or when not ready."""
        if self.armed:
            return
        if self.mode not in ARMABLE:
            raise RefusedError(f"Arm: {self.mode.name} mode not armable")
        if not self.ready and int(self._p["ARMING_CHECK"]):
            raise RefusedError("Arm: Need Position StateEstimate")
        self._say(mavlink.MAV_SEVERITY_INFO, "Arming motors")
        self.armed, self.landed = True, True
        self._landed_since_ms = self.now_ms
        self._motors_at_ms = self.now_ms + SPOOL_UP_MS

    def disarm(self, *, force: bool = False) -> None:
        """Disarm; raises RefusedError in the air unless forced."""
        if not self.armed:
            return
        if not self.landed and not force:
            raise RefusedError("Disarm: not landed")
        self._say(mavlink.MAV_SEVERITY_INFO, "Disarming motors")
        self.armed, self.landed = False, True
        self._contact_ms = None
        self._guided = _Guided.HOLD
        self._controlling = False
        self.vehicle.motors_on = False

    def take_off(self, height_m: float) -> None:
        """Climb to a height above home in GUIDED; raises RefusedError elsewhere, in the air, or not upwards."""
        able = self.mode is Mode.GUIDED and self.armed and self.landed
        if not (able and 0.0 < height_m < math.inf):
            raise RefusedError("")
        self._guided = _Guided.TAKEOFF
        self._guided_ned = (self.estimate.n_m, self.estimate.e_m, -height_m)

    def fly_to(self, n_m: float, e_m: float, d_m: float, yaw_rad: float | None = None) -> bool:
        """GUIDED position target in local NED; False (and nothing) where it does not apply."""
        if self.mode is not Mode.GUIDED or not self.armed or self.landed:
            return False
        self._guided, self._guided_ned = _Guided.POSITION, (n_m, e_m, d_m)
        if yaw_rad is not None:
            self._yaw_rad = yaw_rad
        return True

    def fly_at(self, vn: float, ve: float, vd: float) -> bool:
        """GUIDED velocity target; it lapses after GUID_TIMEOUT."""
        if self.mode is not Mode.GUIDED or not self.armed or self.landed:
            return False
        self._guided, self._guided_v = _Guided.VELOCITY, (vn, ve, vd)
        self._guided_until_ms = self.now_ms + int(1000.0 * self._p["GUID_TIMEOUT"])
        return True

    def step(self, now_ms: int, dt_s: float) -> None:
        """StateEstimate, decide, control, move."""
        self.now_ms = now_ms
        before = self.estimate
        self.estimate = est = self._estimator.estimate(dt_s)
        self.rangefinder.read(now_ms)
        gx, gy, gz = self.vehicle.rates_radps
        sample = InertialSample(
            est.q,
            est.vn_mps - before.vn_mps,
            est.ve_mps - before.ve_mps,
            est.vn_mps,
            est.ve_mps,
            dt_s,
            math.sqrt(gx * gx + gy * gy + gz * gz),
        )
        self.target.update(now_ms, sample, (est.n_m, est.e_m, est.d_m), self.rangefinder.height_m(self.estimate.q))
        if self.armed:
            self._fly(dt_s)
        self.vehicle.step(dt_s)
        impact = self.vehicle.take_impact()
        if impact is not None and self.armed:
            self._say(mavlink.MAV_SEVERITY_INFO, f"SIM Hit ground at {impact:.6f} m/s")
        self._detect_landing()

    def _height_above_ground_m(self) -> float:
        measured = self.rangefinder.height_m(self.estimate.q)
        return -self.estimate.d_m if measured is None else measured

    def _detect_landing(self) -> None:
        if not self.armed:
            return
        if self.landed:
            taking_off = self._guided is _Guided.TAKEOFF and self.mode is Mode.GUIDED
            if taking_off and not self.vehicle.on_ground:
                self.landed = False
            elif self.landing or (not taking_off and self.now_ms - self._landed_since_ms > DISARM_DELAY_MS):
                self.disarm()
            return
        if not self.vehicle.on_ground:
            self._contact_ms = None
            return
        if self._contact_ms is None:
            self._contact_ms = self.now_ms
        if self.now_ms - self._contact_ms >= LANDED_AFTER_MS:
            self.landed = True
            self._landed_since_ms = self.now_ms
            if self.landing:
                self.disarm()

    def _maybe_landed(self) -> bool:
        since = self._contact_ms
        return since is not None and self.now_ms - since >= MAYBE_LANDED_AFTER_MS

    def _enter(self, mode: Mode) -> None:
        self.mode = mode
        self._set_limits()
        self._guided = _Guided.HOLD
        self._guided_ned = (self.estimate.n_m, self.estimate.e_m, self.estimate.d_m)
        self._yaw_rad = self.vehicle.yaw_rad
        self._repositioned = False
        self._pause_until_ms = 0
        self._begin_way_home()
        if mode in (Mode.LAND, Mode.RTL, *AUTO_MODES):
            self.rules.start()
        if mode in (Mode.GUIDED, Mode.LOITER, Mode.POSHOLD):
            self._guided_ned = self._stopping_point()

    def _begin_way_home(self) -> None:
        self._rtl, self._rtl_since_ms = _Rtl.CLIMB, self.now_ms
        self._way_home = self.rally.way_home(self.estimate.n_m, self.estimate.e_m)

    def _set_limits(self) -> None:
        self._horizontal.limit(self._p, self._lean_max_rad())
        self._vertical.limit(self._p)

    def _lean_max_rad(self) -> float:
        return math.radians(min(max(0.01 * self._p["ANGLE_MAX"], 10.0), 80.0))

    def _stopping_point(self) -> Vector:
        est = self.estimate
        speed = math.hypot(est.vn_mps, est.ve_mps)
        brake_s = 0.5 * speed / self._horizontal.accel_max_mps2
        climb_s = 0.5 * abs(est.vd_mps) / self._vertical.accel_max_mps2
        return (est.n_m + est.vn_mps * brake_s, est.e_m + est.ve_mps * brake_s, est.d_m + est.vd_mps * climb_s)

    def _fly(self, dt_s: float) -> None:
        est, xy, z = self.estimate, self._horizontal, self._vertical
        if self.landed and not self._spin_up():
            return
        if not self._controlling:
            held_n, held_e = self.vehicle.lean_command
            xy.reset(est.n_m, est.e_m, est.vn_mps, est.ve_mps, held_n, held_e)
            z.reset(-est.d_m, -est.vd_mps)
            self._set_limits()
            self._controlling = True
        if self.mode is Mode.STABILIZE:
            self._fly_level()
            return
        if self.mode is Mode.LAND:
            self._land(dt_s)
        elif self.mode is Mode.RTL:
            self._return(dt_s)
        elif self.mode in AUTO_MODES:
            self._fly_mission(dt_s)
        elif self.mode is Mode.GUIDED:
            self._guide(dt_s)
        else:
            self._hold(dt_s)
        an, ae = xy.update(est.n_m, est.e_m, est.vn_mps, est.ve_mps, dt_s)
        if self.mode is Mode.ALT_HOLD:
            an, ae = self._stick_ne()
            an, ae = an * xy.accel_limit_mps2, ae * xy.accel_limit_mps2
        up = z.update(-est.d_m, -est.vd_mps, -self.vehicle.ad_mps2, dt_s)
        self.vehicle.command(an, ae, -up, self._yaw_rad)

    def _spin_up(self) -> bool:
        """On the ground: motors run once a take-off is asked for and the spool-up is over."""
        if not self.taking_off or self.now_ms < self._motors_at_ms:
            return False
        if not self.vehicle.motors_on:
            self.vehicle.motors_on = True
            self._controlling = False
        return True

    def _fly_level(self) -> None:
        # A pilot with the throttle in the middle: level, and the climb rate damped to nothing.
        right_n, right_e = self._stick_ne()
        reach = GRAVITY_MPS2 * math.tan(self._lean_max_rad())
        vd = self.estimate.vd_mps
        self.vehicle.command(right_n * reach, right_e * reach, -1.0 * vd, self._yaw_rad)
        self._controlling = False

    def _stick_ne(self) -> tuple[float, float]:
        return self.sticks.north_east(self.now_ms, self.vehicle.yaw_rad)

    def _hold(self, dt_s: float) -> None:
        n, e, d = self._guided_ned
        stick_n, stick_e = self._stick_ne()
        if stick_n or stick_e:
            speed = self._horizontal.speed_max_mps
            self._horizontal.track_velocity(stick_n * speed, stick_e * speed, dt_s)
            n, e, _ = self._stopping_point()
            self._guided_ned = (n, e, d)
        else:
            self._horizontal.track_position(n, e, 0.0, 0.0, dt_s)
        up = self.sticks.up(self.now_ms) if self.mode is not Mode.BRAKE else 0.0
        if not up:
            self._vertical.track_height(-d, dt_s)
            return
        self._vertical.track_climb(up * PILOT_CLIMB_MPS, dt_s, pressed=self.vehicle.on_ground)
        self._guided_ned = (self._guided_ned[0], self._guided_ned[1], self._stopping_point()[2])

    def _guide(self, dt_s: float) -> None:
        if self._guided is _Guided.VELOCITY:
            vn, ve, vd = self._guided_v
            if self.now_ms >= self._guided_until_ms:
                vn = ve = vd = 0.0
            self._horizontal.track_velocity(vn, ve, dt_s)
            self._vertical.track_climb(-vd, dt_s)
            return
        n, e, d = self._guided_ned
        self._horizontal.track_position(n, e, 0.0, 0.0, dt_s)
        self._vertical.track_height(-d, dt_s)
        if self._guided is _Guided.TAKEOFF and abs(self.estimate.d_m - d) < 0.1:
            self._guided = _Guided.HOLD

    def _fly_mission(self, dt_s: float) -> None:
        leg = self.mission.step(self.estimate)
        if self.mode is Mode.AUTO_RTL and not self.mission.returning:
            self.mode = Mode.AUTO  # it left its landing sequence
        if leg is Leg.LAND:
            self._land(dt_s)
            return
        if leg is Leg.HOME:
            if self.mission.home_begins:
                self._begin_way_home()
                self._guided_ned = (self.estimate.n_m, self.estimate.e_m, self.estimate.d_m)
            self._return(dt_s)
            return
        n, e, d = self.mission.goal_ned_m
        self._horizontal.track_position(n, e, 0.0, 0.0, dt_s)
        self._vertical.track_height(-d, dt_s)

    def _return(self, dt_s: float) -> None:
        est = self.estimate
        n, e, point_m = self._way_home
        up_m = max(self.rally.within_fence_m(max(0.01 * self._p["RTL_ALT"], point_m)), -self._guided_ned[2])
        if self._rtl is _Rtl.LAND:
            self._land(dt_s)
            return
        away_m = math.hypot(est.n_m - n, est.e_m - e)
        if self._rtl is _Rtl.CLIMB:
            n, e, _ = self._guided_ned
            if abs(-est.d_m - up_m) < 0.3:
                self._rtl = _Rtl.RETURN
        elif self._rtl is _Rtl.RETURN and away_m < 1.0:
            self._rtl, self._rtl_since_ms = _Rtl.LOITER, self.now_ms
        elif (
            self._rtl is _Rtl.LOITER
            and self.now_ms - self._rtl_since_ms >= self._p["RTL_LOIT_TIME"]
            and self._p["RTL_ALT_FINAL"] <= 0
        ):
            self._rtl = _Rtl.LAND
        self._horizontal.track_position(n, e, 0.0, 0.0, dt_s)
        self._vertical.track_height(up_m, dt_s)

    def _land(self, dt_s: float) -> None:
        est = self.estimate
        if self._p["LAND_REPOSITION"]:
            stick = self._stick_ne()
            if stick[0] or stick[1]:
                self._repositioned = True
            elif int(self._p["PLND_OPTIONS"]) & _OPTION_AFTER_REPOSITION:
                self._repositioned = False
        action = Action.DESCEND
        if self.target.enabled and not self._repositioned:
            action = self.rules.decide(self.now_ms, (est.n_m, est.e_m, est.d_m))
        if action is Action.RETRY:
            n, e, d = self.rules.retry_ned_m
            self._horizontal.track_position(n, e, 0.0, 0.0, dt_s)
            self._vertical.track_height(-d, dt_s)
            return
        self._land_horizontal(dt_s)
        waits = action is Action.HOLD or self.now_ms < self._pause_until_ms
        climb = 0.0 if waits else self._descent_mps(dt_s)
        self._vertical.track_climb(climb, dt_s, pressed=self.vehicle.on_ground)

    def _land_horizontal(self, dt_s: float) -> None:
        xy = self._horizontal
        if self._maybe_landed():
            xy.soften(self.estimate.n_m, self.estimate.e_m, dt_s)
        if self._on_target():
            n, e = self.target.target_ne_m()
            vn, ve = self.target.target_velocity_mps()
            xy.track_position(n, e, vn, ve, dt_s)
        else:
            stick_n, stick_e = self._stick_ne() if self._p["LAND_REPOSITION"] else (0.0, 0.0)
            speed = 0.5 * xy.accel_max_mps2
            xy.track_velocity(stick_n * speed, stick_e * speed, dt_s)

    def _on_target(self) -> bool:
        return self.target.enabled and not self._repositioned and self.target.acquired()

    def _descent_mps(self, dt_s: float) -> float:
        p = self._p
        slow = abs(0.01 * p["LAND_SPEED"])
        fast = 0.01 * p["LAND_SPEED_HIGH"] or self._vertical.descent_max_mps
        above_low = max(0.01 * p["LAND_ALT_LOW"], 1.0) - self._height_above_ground_m()
        climb = sqrt_rate(above_low, self._vertical.POSITION_GAIN, self._vertical.accel_max_mps2, dt_s)
        climb = min(max(climb, -max(fast, slow)), -slow)
        if self._on_target():
            n, e = self.target.target_ne_m()
            off_m = math.hypot(n - self.estimate.n_m, e - self.estimate.e_m)
            furthest = p["PLND_XY_DIST_MAX"]
            careful = not int(p["PLND_OPTIONS"]) & _OPTION_FAST_FINAL
            if furthest and off_m > furthest:
                climb = 0.0
            elif careful and 0.35 < self.target.measured_down_m < 2.0:
                # Half speed, and slower the further off: to a crawl at some 0.15 m.
                climb = min(-0.1, -0.5 * slow + off_m * 0.5 * slow / 0.15)
        return climb
