"""The start of a stand-in autopilot: place, mode, air, parameters and errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.vehicle import VehicleParameters, Wind
from sim.vehicle.autopilot.estimator import EstimatorErrors
from sim.vehicle.autopilot.modes import Mode
from sim.vehicle.autopilot.mount import GimbalRules
from sim.vehicle.autopilot.precision_landing import FrameRules
from sim.vehicle.home import Home


@dataclass(frozen=True)
class BatteryPack:
    """A battery at the start.

    Attributes:
        used_mah: Of its charge, before the start.
        draw_a: Of the vehicle in the air; of a quadrotor on ArduPilot's simulator.
        ends: The vehicle falls when it is empty.
    """

    used_mah: float = 0.0
    draw_a: float = 12.0
    ends: bool = False


@dataclass(frozen=True)
class AutopilotConfig:
    """Start of a stand-in.

    Attributes:
        parameters: Values different from the defaults, in force from the first boot.
        home: Origin of local NED.
        start_n_m, start_e_m: Place of the start.
        start_yaw_deg: Heading at the start, degrees clockwise from north.
        airborne_height_m: Start hovering, armed, this high above the ground; None: on the ground.
        airborne_mode: Mode of an airborne start.
        boot_ms: Silence after (re)boot.
        ready_after_ms: Time after boot until a position estimate exists (41 s in the real SITL).
        seed: Of gusts and estimator noise.
        frame_rules: Rules on LANDING_TARGET.frame.
        battery: Behind BATT_CAPACITY.
        gimbal_rules: Rules of the gimbal's manager.
        beams: Directions of further range sensors, body FRD; told with each DISTANCE_SENSOR.
    """

    parameters: Mapping[str, float] = field(default_factory=dict)
    home: Home = field(default_factory=Home)
    start_n_m: float = 0.0
    start_e_m: float = 0.0
    start_yaw_deg: float = 0.0
    airborne_height_m: float | None = None
    airborne_mode: Mode = Mode.GUIDED
    boot_ms: int = 500
    ready_after_ms: int = 3000
    wind: Wind = field(default_factory=Wind)
    seed: int = 0
    errors: EstimatorErrors = field(default_factory=EstimatorErrors)
    vehicle: VehicleParameters = field(default_factory=VehicleParameters)
    frame_rules: FrameRules = FrameRules.V4_6
    battery: BatteryPack = field(default_factory=BatteryPack)
    gimbal_rules: GimbalRules = GimbalRules.ARDUPILOT
    beams: tuple[tuple[float, float, float], ...] = ()
