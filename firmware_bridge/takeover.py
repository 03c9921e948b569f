"""Watch for PX4's failsafes that a command of ours took over. Pure: time is given.

In a failsafe PX4 takes any change of mode for the user's word: it carries it out, and its HEARTBEAT says "critical" no
more, though the link stays lost or the battery low (`FailsafeBase::getSelectedAction`; flown on PX4 1.18.0-beta).
From then on nothing of PX4's brings the vehicle down but a failsafe that is still to come. So the failsafe counts as in
force until another mode comes, or the vehicle is disarmed. While the heartbeat does say "critical", the mode is what
PX4's failsafe chose: first a hold for `COM_FAIL_ACT_T`, seconds later the way home or down.
"""

from __future__ import annotations

from landing.vehicle import FLIGHT_MODES, Autopilot

PX4_MODES = FLIGHT_MODES[Autopilot.PX4]
OUR_MODES = frozenset({PX4_MODES.hold, PX4_MODES.land[0]})


class TakeoverWatch:
    """Judges each heartbeat of a PX4 by what we asked for.

    Attributes:
        in_force: A failsafe goes on that the heartbeat does not tell any more.
        critical: The newest heartbeat tells of one.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served."""
        self.in_force = False
        self.critical = False

    def on_command(self) -> None:
        """Note that we ask for a mode."""
        self.in_force = self.in_force or self.critical

    def on_heartbeat(self, mode: str, *, critical: bool, armed: bool) -> None:
        """Take a heartbeat of a PX4.

        Args:
            mode: By its name.
            critical: It says that a failsafe is in force.
            armed: It says so.
        """
        ours = mode in OUR_MODES
        self.in_force = self.in_force and armed and (ours or critical)
        self.critical = critical
