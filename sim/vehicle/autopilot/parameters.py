"""Parameter table of the stand-in, with the names, defaults and types of ArduCopter 4.6.

Only parameters that change what the stand-in does, or that a companion is likely to read, exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum


class ParameterType(IntEnum):
    """MAV_PARAM_TYPE of the stored value."""

    INT8 = 2
    INT16 = 4
    INT32 = 6
    REAL32 = 9


@dataclass(frozen=True)
class ParameterRow:
    """One row; the running autopilot reads a value with `at_boot` only at boot."""

    name: str
    default: float
    type: ParameterType
    at_boot: bool = False


_INTEGER_LIMIT = {ParameterType.INT8: 2**7 - 1, ParameterType.INT16: 2**15 - 1, ParameterType.INT32: 2**31 - 1}
_I8, _I16, _I32, _F32 = (ParameterType.INT8, ParameterType.INT16, ParameterType.INT32, ParameterType.REAL32)

TABLE: tuple[ParameterRow, ...] = (
    ParameterRow("ANGLE_MAX", 3000, _I16),
    ParameterRow("ARMING_CHECK", 1, _I32),
    ParameterRow("BATT_CAPACITY", 3300, _I32),
    ParameterRow("BATT_CRT_MAH", 0, _F32),
    ParameterRow("BATT_FS_CRT_ACT", 0, _I8),
    ParameterRow("BATT_FS_LOW_ACT", 0, _I8),
    ParameterRow("BATT_LOW_MAH", 0, _F32),
    ParameterRow("BATT_LOW_TIMER", 10, _I8),
    ParameterRow("BATT_LOW_VOLT", 10.5, _F32),
    ParameterRow("BATT_MONITOR", 0, _I8, at_boot=True),
    ParameterRow("FENCE_ACTION", 1, _I8),
    ParameterRow("FENCE_ALT_MAX", 100, _F32),
    ParameterRow("FENCE_ENABLE", 0, _I8),
    ParameterRow("FENCE_MARGIN", 2, _F32),
    ParameterRow("FENCE_RADIUS", 300, _F32),
    ParameterRow("FENCE_TYPE", 7, _I8),
    ParameterRow("FRAME_CLASS", 1, _I8, at_boot=True),
    ParameterRow("FS_GCS_ENABLE", 0, _I8),
    ParameterRow("FS_GCS_TIMEOUT", 5, _F32),
    ParameterRow("FS_OPTIONS", 16, _I16),
    ParameterRow("FS_THR_ENABLE", 0, _I8),
    ParameterRow("GUID_TIMEOUT", 3, _F32),
    ParameterRow("LAND_ALT_LOW", 1000, _I16),
    ParameterRow("LAND_REPOSITION", 1, _I8),
    ParameterRow("LAND_SPEED", 50, _I16),
    ParameterRow("LAND_SPEED_HIGH", 0, _I16),
    ParameterRow("MIS_RESTART", 0, _I8),
    ParameterRow("MNT1_PITCH_MAX", 20, _F32),
    ParameterRow("MNT1_PITCH_MIN", -90, _F32),
    ParameterRow("MNT1_TYPE", 0, _I8, at_boot=True),
    ParameterRow("PLND_ACC_P_NSE", 2.5, _F32),
    ParameterRow("PLND_ALT_MAX", 8, _F32),
    ParameterRow("PLND_ALT_MIN", 0.75, _F32),
    ParameterRow("PLND_BUS", -1, _I8),
    ParameterRow("PLND_CAM_POS_X", 0, _F32),
    ParameterRow("PLND_CAM_POS_Y", 0, _F32),
    ParameterRow("PLND_CAM_POS_Z", 0, _F32),
    ParameterRow("PLND_ENABLED", 0, _I8),
    ParameterRow("PLND_EST_TYPE", 1, _I8),
    ParameterRow("PLND_LAG", 0.02, _F32, at_boot=True),
    ParameterRow("PLND_LAND_OFS_X", 0, _F32),
    ParameterRow("PLND_LAND_OFS_Y", 0, _F32),
    ParameterRow("PLND_OPTIONS", 0, _I16),
    ParameterRow("PLND_ORIENT", 25, _I8, at_boot=True),
    ParameterRow("PLND_RET_BEHAVE", 0, _I8),
    ParameterRow("PLND_RET_MAX", 4, _I8),
    ParameterRow("PLND_STRICT", 1, _I8),
    ParameterRow("PLND_TIMEOUT", 4, _F32),
    ParameterRow("PLND_TYPE", 0, _I8, at_boot=True),
    ParameterRow("PLND_XY_DIST_MAX", 2.5, _F32),
    ParameterRow("PLND_YAW_ALIGN", 0, _F32),
    ParameterRow("RALLY_INCL_HOME", 1, _I8),
    ParameterRow("RALLY_LIMIT_KM", 0.3, _F32),
    ParameterRow("RALLY_TOTAL", 0, _I8),
    ParameterRow("RNGFND1_MAX_CM", 4000, _I16),
    ParameterRow("RNGFND1_MIN_CM", 10, _I16),
    ParameterRow("RNGFND1_ORIENT", 25, _I8),
    ParameterRow("RNGFND1_TYPE", 0, _I8, at_boot=True),
    ParameterRow("RTL_ALT", 1500, _I32),
    ParameterRow("RTL_ALT_FINAL", 0, _I16),
    ParameterRow("RTL_LOIT_TIME", 5000, _I32),
    ParameterRow("RTL_SPEED", 0, _I16),
    ParameterRow("SCHED_LOOP_RATE", 400, _I16, at_boot=True),
    ParameterRow("SIM_BATT_VOLTAGE", 12.6, _F32),
    ParameterRow("SIM_RC_FAIL", 0, _I8),
    ParameterRow("SYSID_MYGCS", 255, _I16),
    ParameterRow("SYSID_THISMAV", 1, _I16, at_boot=True),
    ParameterRow("WPNAV_ACCEL", 250, _F32),
    ParameterRow("WPNAV_ACCEL_Z", 100, _F32),
    ParameterRow("WPNAV_SPEED", 1000, _F32),
    ParameterRow("WPNAV_SPEED_DN", 150, _F32),
    ParameterRow("WPNAV_SPEED_UP", 250, _F32),
)


class UnknownParameterError(KeyError):
    """The stand-in has no parameter of that name."""

    def __str__(self) -> str:
        return (
            f"the stand-in autopilot has no parameter {self.args[0]!r}; "
            "known ones are in sim.vehicle.autopilot.parameters.TABLE"
        )


class ParametersInForce(dict[str, float]):
    """Values by name."""

    def __missing__(self, name: str) -> float:
        raise UnknownParameterError(name)


class ParameterStore:
    """Current values, and the values as the last boot saw them.

    Attributes:
        in_force: The values that are flown with, looked up some twenty times a step: the boot-time ones of parameters
            that need a reboot.
    """

    def __init__(self, overrides: Mapping[str, float] | None = None) -> None:
        self._table = {row.name: row for row in TABLE}
        self._index = {row.name: i for i, row in enumerate(TABLE)}
        self._values = {row.name: float(row.default) for row in TABLE}
        self.in_force = ParametersInForce(self._values)
        for name, value in (overrides or {}).items():
            self.set(name, value)
        self.boot()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def __getitem__(self, name: str) -> float:
        """Value in force."""
        return self.in_force[name]

    def stored(self, name: str) -> float:
        """Value as stored, which PARAM_VALUE reports."""
        return self._values[name]

    def set(self, name: str, value: float) -> None:
        """Store a value; integer parameters round and saturate.

        Raises:
            UnknownParameterError: There is no such parameter.
        """
        row = self._table.get(name)
        if row is None:
            raise UnknownParameterError(name)
        limit = _INTEGER_LIMIT.get(row.type)
        self._values[name] = value if limit is None else float(min(max(round(value), -limit - 1), limit))
        if not row.at_boot:
            self.in_force[name] = self._values[name]

    def row(self, name: str) -> ParameterRow:
        """The table row of a parameter."""
        return self._table[name]

    def index(self, name: str) -> int:
        """Position in the list, as PARAM_VALUE.param_index."""
        return self._index[name]

    def name_at(self, index: int) -> str | None:
        """Name at a list position, or None beyond the end."""
        return TABLE[index].name if 0 <= index < len(TABLE) else None

    def boot(self) -> None:
        """Latch the values that only a boot reads."""
        self.in_force.update(self._values)
