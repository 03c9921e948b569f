"""Messages the stand-in can report, each built from a ``FlightController`` when it is due."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.geometry import euler_from_quaternion
from sim.vehicle import GRAVITY_MPS2, rotate_back
from sim.vehicle.autopilot.beams import beam_messages
from sim.vehicle.autopilot.config import AutopilotConfig
from sim.vehicle.autopilot.failsafes import FailsafeWatch
from sim.vehicle.autopilot.flight import FlightController
from sim.vehicle.autopilot.mission_protocol import MissionProtocol
from sim.vehicle.autopilot.modes import Mode
from sim.vehicle.autopilot.mount import GimbalMount

_SENSORS = (
    mavlink.MAV_SYS_STATUS_SENSOR_3D_GYRO
    | mavlink.MAV_SYS_STATUS_SENSOR_3D_ACCEL
    | mavlink.MAV_SYS_STATUS_SENSOR_GPS
    | mavlink.MAV_SYS_STATUS_AHRS
)
_VERSION = (4 << 24) | (6 << 16) | (2 << 8) | mavlink.FIRMWARE_VERSION_TYPE_OFFICIAL


_MESSAGES = (
    "heartbeat sys_status system_time gps_raw_int attitude attitude_quaternion local_position_ned global_position_int "
    "vfr_hud sim_state distance_sensor rangefinder extended_sys_state ekf_status_report rc_channels gps_global_origin "
    "home_position autopilot_version mission_current battery_status fence_status gimbal_device_attitude_status "
    "gimbal_manager_status"
)


class TelemetryMessages:
    """Builders by message id.

    SIM_STATE is the ground truth; everything else is the autopilot's estimate.
    """

    def __init__(
        self,
        flight: FlightController,
        config: AutopilotConfig,
        mission: MissionProtocol,
        failsafes: FailsafeWatch,
        mount: GimbalMount,
    ) -> None:
        self._f = flight
        self._failsafes = failsafes
        self._mission = mission
        self._home = config.home
        self._beams = config.beams
        self._mount = mount
        self._builders: dict[int, Callable[[], Any]] = {
            getattr(mavlink, f"MAVLINK_MSG_ID_{name.upper()}"): getattr(self, f"_{name}") for name in _MESSAGES.split()
        }

    def __contains__(self, message_id: int) -> bool:
        return message_id in self._builders

    def build(self, message_id: int) -> Any | None:
        """The message as of now, or None while the autopilot has nothing to say in it."""
        return self._builders[message_id]()

    def due(self, message_id: int) -> list[Any]:
        """The messages of a stream as of now: its own, and those of the array beside DISTANCE_SENSOR."""
        own = self.build(message_id)
        beams = self._beams if message_id == mavlink.MAVLINK_MSG_ID_DISTANCE_SENSOR else ()
        more = beam_messages(self._f.vehicle, beams, self._f.now_ms)
        return more if own is None else [own, *more]

    def _heartbeat(self) -> Any:
        f = self._f
        mode = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | mavlink.MAV_MODE_FLAG_STABILIZE_ENABLED
        if f.armed:
            mode |= mavlink.MAV_MODE_FLAG_SAFETY_ARMED
        if f.mode in (Mode.GUIDED, Mode.RTL, Mode.LAND, Mode.AUTO, Mode.AUTO_RTL):
            mode |= mavlink.MAV_MODE_FLAG_GUIDED_ENABLED
        flying = f.armed and not f.landed
        state = mavlink.MAV_STATE_ACTIVE if flying else mavlink.MAV_STATE_STANDBY
        if self._failsafes.in_force:
            state = mavlink.MAV_STATE_CRITICAL
        return mavlink.MAVLink_heartbeat_message(
            mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mode, f.mode, state, 3
        )

    def _sys_status(self) -> Any:
        health = _SENSORS
        # The real one reports a good pre-arm check before the position estimate exists.
        if self._f.now_ms >= 1000:
            health |= mavlink.MAV_SYS_STATUS_PREARM_CHECK
        present = _SENSORS | mavlink.MAV_SYS_STATUS_PREARM_CHECK
        return mavlink.MAVLink_sys_status_message(present, present, health, 100, 12587, 0, 100, 0, 0, 0, 0, 0, 0)

    def _system_time(self) -> Any:
        return mavlink.MAVLink_system_time_message(0, self._f.now_ms)

    def _place(self) -> tuple[int, int, int]:
        """Estimated latitude and longitude, 1e-7 degrees, and altitude, mm."""
        e = self._f.estimate
        lat, lon = self._home.global_from_ned(e.n_m, e.e_m)
        return round(lat * 1e7), round(lon * 1e7), round((self._home.alt_m - e.d_m) * 1000)

    def _gps_raw_int(self) -> Any:
        e = self._f.estimate
        speed_cmps = round(math.hypot(e.vn_mps, e.ve_mps) * 100)
        course_cdeg = round(math.degrees(math.atan2(e.ve_mps, e.vn_mps)) % 360.0 * 100) % 36000
        fix = mavlink.GPS_FIX_TYPE_RTK_FIXED if self._f.ready else mavlink.GPS_FIX_TYPE_NO_FIX
        return mavlink.MAVLink_gps_raw_int_message(
            self._f.now_ms * 1000, fix, *self._place(), 121, 200, speed_cmps, course_cdeg, 10
        )

    def _attitude(self) -> Any:
        roll, pitch, yaw = euler_from_quaternion(self._f.estimate.q)
        return mavlink.MAVLink_attitude_message(self._f.now_ms, roll, pitch, yaw, *self._f.vehicle.rates_radps)

    def _attitude_quaternion(self) -> Any:
        return mavlink.MAVLink_attitude_quaternion_message(
            self._f.now_ms, *self._f.estimate.q, *self._f.vehicle.rates_radps
        )

    def _local_position_ned(self) -> Any | None:
        if not self._f.ready:
            return None
        e = self._f.estimate
        return mavlink.MAVLink_local_position_ned_message(
            self._f.now_ms, e.n_m, e.e_m, e.d_m, e.vn_mps, e.ve_mps, e.vd_mps
        )

    def _ekf_status_report(self) -> Any:
        flags = mavlink.EKF_ATTITUDE | mavlink.EKF_VELOCITY_VERT | mavlink.EKF_POS_VERT_ABS
        if self._f.ready:
            flags |= mavlink.EKF_VELOCITY_HORIZ
            flags |= mavlink.EKF_POS_HORIZ_REL | mavlink.EKF_POS_HORIZ_ABS
        else:
            flags |= mavlink.EKF_CONST_POS_MODE
        return mavlink.MAVLink_ekf_status_report_message(flags, 0.0, 0.0, 0.0, 0.0, 0.0)

    def _global_position_int(self) -> Any:
        e = self._f.estimate
        heading_cdeg = round(math.degrees(euler_from_quaternion(e.q)[2]) % 360.0 * 100) % 36000
        velocity = (_int16(v * 100) for v in (e.vn_mps, e.ve_mps, e.vd_mps))
        return mavlink.MAVLink_global_position_int_message(
            self._f.now_ms, *self._place(), round(-e.d_m * 1000), *velocity, heading_cdeg
        )

    def _vfr_hud(self) -> Any:
        e = self._f.estimate
        speed = math.hypot(e.vn_mps, e.ve_mps)
        heading = round(math.degrees(euler_from_quaternion(e.q)[2])) % 360
        throttle = 38 if self._f.vehicle.motors_on else 0
        return mavlink.MAVLink_vfr_hud_message(speed, speed, heading, throttle, self._home.alt_m - e.d_m, -e.vd_mps)

    def _sim_state(self) -> Any:
        v = self._f.vehicle
        lat, lon = self._home.global_from_ned(v.n_m, v.e_m)
        motion = (*rotate_back(v.q, v.an_mps2, v.ae_mps2, v.ad_mps2 - GRAVITY_MPS2), *v.rates_radps)
        place = (lat, lon, self._home.alt_m - v.d_m, 0.0, 0.0)
        velocity = (v.vn_mps, v.ve_mps, v.vd_mps)
        return mavlink.MAVLink_sim_state_message(
            *v.q, *euler_from_quaternion(v.q), *motion, *place, *velocity, round(lat * 1e7), round(lon * 1e7)
        )

    def _distance_sensor(self) -> Any | None:
        if not self._f.rangefinder.fitted:
            return None
        reading = self._f.rangefinder.reading_m
        reading_cm = round(reading * 100) if reading is not None else 0
        laser, down = mavlink.MAV_DISTANCE_SENSOR_LASER, mavlink.MAV_SENSOR_ROTATION_PITCH_270
        return mavlink.MAVLink_distance_sensor_message(
            self._f.now_ms, *self._f.rangefinder.limits_cm, reading_cm, laser, 0, down, 0
        )

    def _rangefinder(self) -> Any | None:
        if not self._f.rangefinder.fitted:
            return None
        return mavlink.MAVLink_rangefinder_message(self._f.rangefinder.reading_m or 0.0, 0.0)

    def _extended_sys_state(self) -> Any:
        f = self._f
        if f.landed:
            state = mavlink.MAV_LANDED_STATE_ON_GROUND
        elif f.landing:
            state = mavlink.MAV_LANDED_STATE_LANDING
        elif f.taking_off:
            state = mavlink.MAV_LANDED_STATE_TAKEOFF
        else:
            state = mavlink.MAV_LANDED_STATE_IN_AIR
        return mavlink.MAVLink_extended_sys_state_message(mavlink.MAV_VTOL_STATE_UNDEFINED, state)

    def _battery_status(self) -> Any | None:
        """The charge follows from the time in the air, at a steady draw; the voltage is the simulator's parameter."""
        p, failsafes = self._failsafes.parameters, self._failsafes
        if not p["BATT_MONITOR"]:
            return None
        left = round(100.0 * failsafes.left_mah / p["BATT_CAPACITY"])
        cells_mv = [round(1000.0 * p["SIM_BATT_VOLTAGE"])] + [65535] * 9
        draw_ca = round(100 * failsafes.battery.draw_a) if self._f.vehicle.motors_on else 0
        return mavlink.MAVLink_battery_status_message(
            0, 0, 0, 32767, cells_mv, draw_ca, round(failsafes.used_mah), -1, left, 0, failsafes.charge_state
        )

    def _mission_current(self) -> Any:
        return self._mission.current()

    def _fence_status(self) -> Any | None:
        failsafes = self._failsafes
        if not failsafes.fenced:
            return None
        count, at_ms = failsafes.breaches
        kind = mavlink.FENCE_BREACH_BOUNDARY if failsafes.outside else mavlink.FENCE_BREACH_NONE
        return mavlink.MAVLink_fence_status_message(
            int(failsafes.outside), count, kind, at_ms, mavlink.FENCE_MITIGATE_NONE
        )

    def _gimbal_device_attitude_status(self) -> Any | None:
        return self._mount.attitude_status(self._f.now_ms, self._f.estimate.q)

    def _gimbal_manager_status(self) -> Any | None:
        return self._mount.manager_status(self._f.now_ms)

    def _rc_channels(self) -> Any:
        unused = [0] * 10  # SITL reports 8 channels, the switches among them at their ends
        return mavlink.MAVLink_rc_channels_message(
            self._f.now_ms, 8, *self._f.sticks.channels_us(self._f.now_ms), 1800, 1000, 1000, 1800, *unused, 255
        )

    def _origin(self) -> tuple[int, int, int]:
        h = self._home
        return round(h.lat_deg * 1e7), round(h.lon_deg * 1e7), round(h.alt_m * 1000)

    def _gps_global_origin(self) -> Any | None:
        if not self._f.ready:
            return None
        return mavlink.MAVLink_gps_global_origin_message(*self._origin(), self._f.now_ms * 1000)

    def _home_position(self) -> Any | None:
        if not self._f.ready:
            return None
        here, level, approach = (0.0, 0.0, 0.0), [1.0, 0.0, 0.0, 0.0], (0.0, 0.0, 0.0)
        return mavlink.MAVLink_home_position_message(*self._origin(), *here, level, *approach, self._f.now_ms * 1000)

    def _autopilot_version(self) -> Any:
        capabilities = (
            mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_FLOAT
            | mavlink.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
            | mavlink.MAV_PROTOCOL_CAPABILITY_SET_POSITION_TARGET_LOCAL_NED
            | mavlink.MAV_PROTOCOL_CAPABILITY_SET_POSITION_TARGET_GLOBAL_INT
            | mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2
        )
        return mavlink.MAVLink_autopilot_version_message(
            capabilities, _VERSION, 0, 0, 0, list(b"standin\0"), [0] * 8, [0] * 8, 0, 0, 0
        )


def _int16(value: float) -> int:
    return min(max(round(value), -32768), 32767)
