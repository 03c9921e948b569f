"""The contract of a simulated vehicle in a process of its own: stand-in, ArduPilot and PX4 keep it.

The code that flies a landing knows only `AutopilotProcess`. Each implementation knows how its autopilot starts, gets to
the start of the landing, and which mode lands.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sim.vehicle.failsafes import Failsafe
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.home import Home

AUTOPILOTS = ("stand-in", "ardupilot", "px4")


class LandingOrder(str, Enum):
    """A way of the pilot's to order a landing."""

    MODE = "mode"
    """Switches to the mode that lands."""
    MISSION = "mission"
    """Starts a mission whose last item lands."""
    MISSION_HOME = "mission-home"
    """Switches to ArduPilot's AUTO_RTL, which begins the mission at its landing sequence."""


@dataclass(frozen=True)
class Links:
    """Connection strings: for `edge serve`, for the simulated camera (`sim.camera.truth_link`), for the pilot."""

    daemon: str
    camera: str
    pilot: str


@dataclass(frozen=True)
class StartConditions:
    """Start of a landing, and the air it is flown in.

    Attributes:
        height_m: Above the ground.
        wind: Speed m/s, from `sim.vehicle.WIND_FULL_HEIGHT_M` up, and the direction it comes from, degrees.
        gust_mps: Standard deviation of gusts.
        home: World NED (0, 0, 0).
        parameters: Of the autopilot, in force from its first boot.
    """

    start_ne_m: tuple[float, float]
    height_m: float
    yaw_deg: float
    wind: tuple[float, float] = (0.0, 0.0)
    gust_mps: float = 0.0
    seed: int = 0
    home: Home = field(default_factory=Home)
    parameters: Mapping[str, float] = field(default_factory=dict)


class AutopilotProcess(Protocol):
    """A simulated vehicle in a process of its own.

    Attributes:
        name: One of `AUTOPILOTS`.
        home: World NED (0, 0, 0), the zero of the true position.
        links: Valid after `start`.
        failsafes: Parameters that bring each of its failsafes about; empty where that is not known.
        binds_everywhere: It listens on every interface, so it belongs in a namespace of its own.
    """

    name: str
    home: Home
    links: Links
    binds_everywhere: bool
    failsafes: Mapping[Failsafe, Mapping[str, float]]

    def start(self, stack: ExitStack) -> None:
        """Starts the process; it ends with the stack.

        Raises:
            FlightError: It did not start.
        """

    def hover(self, station: GroundStation) -> None:
        """Brings the vehicle to the start of the landing, hovering in `order_hover`'s mode.

        Raises:
            FlightError: It did not get there in time.
        """

    def order_landing(self, station: GroundStation, by: LandingOrder = LandingOrder.MODE) -> None:
        """The pilot orders a precision landing.

        Raises:
            FlightError: This autopilot knows no such order.
        """

    def order_hover(self, station: GroundStation) -> None:
        """The pilot takes over: hovers."""

    def hand_over(self, station: GroundStation) -> None:
        """The pilot lets a daemon with authority `land` land.

        Raises:
            FlightError: It is not known how on this autopilot.
        """

    def hovering(self, station: GroundStation) -> bool:
        """True in the mode of `order_hover`."""

    def die(self) -> None:
        """Ends the process at once, as a loss of power does."""


def fly_to_start(autopilot: AutopilotProcess, station: GroundStation) -> None:
    """Bring the vehicle to the start of the landing; its way there is no part of the track that is judged.

    Raises:
        FlightError: It did not get there in time.
    """
    before = len(station.track)
    autopilot.hover(station)
    del station.track[before:-1]
