"""State of a vehicle with a wing, by EXTENDED_SYS_STATE.vtol_state: it hovers or it does not.

PX4's VTOLs have the modes of its multicopters by the same names, and circle in AUTO.LOITER while they fly on the wing.
ArduPilot's quadplanes call themselves fixed wings unless `Q_MAV_TYPE` is set (`QuadPlane::get_mav_type`), and tell the
state as PX4 does (`GCS_MAVLINK_Plane::vtol_state`); a plane without lift motors tells none.
"""

from __future__ import annotations

from firmware_bridge.dialect import enum_names, mavlink

WORDS = {
    mavlink.MAV_VTOL_STATE_MC: "",
    mavlink.MAV_VTOL_STATE_FW: "the vehicle flies on its wing",
    mavlink.MAV_VTOL_STATE_TRANSITION_TO_FW: "the vehicle goes over to its wing",
    mavlink.MAV_VTOL_STATE_TRANSITION_TO_MC: "the vehicle goes over to a hover",
}
NOT_TOLD = "the vehicle does not tell whether it hovers"

# ArduPlane's modes on the lift motors. Its other modes stay without a name: they are called as ArduCopter's are, and do
# something else
HOVER_MODES = {number: name for number, name in enum_names("PLANE_MODE_").items() if name.startswith("Q")}
LANDING_HOVER_MODES = frozenset({"QLAND", "QRTL"})


def no_hover(winged: bool, vtol_state: int | None) -> str:
    """Return why the vehicle cannot be led to the ground, in words; empty where it hovers.

    Args:
        winged: By the MAV_TYPE of its heartbeat it is no multicopter.
        vtol_state: MAV_VTOL_STATE; None where none was told lately.
    """
    if vtol_state in (None, mavlink.MAV_VTOL_STATE_UNDEFINED):
        return NOT_TOLD if winged else ""
    return WORDS.get(vtol_state, NOT_TOLD)
