"""ROS 2 messages that the node takes and gives, as DDS types, with the fields of ROS's `.msg` files in their order.

Type names are those that ROS 2 middlewares give: ``sensor_msgs/msg/Image`` is ``sensor_msgs::msg::dds_::Image_``.
Large fields of bytes are `bytes` when written, and views of the received message when read. Source of the fields:
common_interfaces, geometry2 and rmw_dds_common of ROS 2 Jazzy.
"""

# No postponed annotations here: cyclonedds reads the types themselves.
from dataclasses import dataclass, field
from typing import Any

from cyclonedds.idl import Buffer, IdlStruct
from cyclonedds.idl._machinery import BytesMachine
from cyclonedds.idl.types import array, float32, float64, int8, int32, sequence, uint8, uint32


@dataclass
class RosTime(IdlStruct, typename="builtin_interfaces.msg.dds_.Time_"):
    """Time since 1970, s and ns."""

    sec: int32 = 0
    nanosec: uint32 = 0


@dataclass
class RosHeader(IdlStruct, typename="std_msgs.msg.dds_.Header_"):
    """Time and frame of what follows."""

    stamp: RosTime = field(default_factory=RosTime)
    frame_id: str = ""


@dataclass
class RosImage(IdlStruct, typename="sensor_msgs.msg.dds_.Image_"):
    """A picture, row by row."""

    header: RosHeader
    height: uint32
    width: uint32
    encoding: str
    is_bigendian: uint8
    step: uint32
    data: sequence[uint8]


@dataclass
class RosCompressedImage(IdlStruct, typename="sensor_msgs.msg.dds_.CompressedImage_"):
    """A picture as the bytes of a JPEG or PNG file."""

    header: RosHeader
    format: str
    data: sequence[uint8]


@dataclass
class RosRegionOfInterest(IdlStruct, typename="sensor_msgs.msg.dds_.RegionOfInterest_"):
    """Part of a sensor, px."""

    x_offset: uint32 = 0
    y_offset: uint32 = 0
    height: uint32 = 0
    width: uint32 = 0
    do_rectify: bool = False


@dataclass
class RosCameraInfo(IdlStruct, typename="sensor_msgs.msg.dds_.CameraInfo_"):
    """Calibration of a camera: distortion, intrinsics, rectification, projection."""

    header: RosHeader
    height: uint32
    width: uint32
    distortion_model: str
    d: sequence[float64]
    k: array[float64, 9]
    r: array[float64, 9]
    p: array[float64, 12]
    binning_x: uint32 = 0
    binning_y: uint32 = 0
    roi: RosRegionOfInterest = field(default_factory=RosRegionOfInterest)


@dataclass
class RosPoint(IdlStruct, typename="geometry_msgs.msg.dds_.Point_"):
    """A place, m."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0


@dataclass
class RosVector3(IdlStruct, typename="geometry_msgs.msg.dds_.Vector3_"):
    """A way, m."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0


@dataclass
class RosQuaternion(IdlStruct, typename="geometry_msgs.msg.dds_.Quaternion_"):
    """A turn."""

    x: float64 = 0.0
    y: float64 = 0.0
    z: float64 = 0.0
    w: float64 = 1.0


@dataclass
class RosPose(IdlStruct, typename="geometry_msgs.msg.dds_.Pose_"):
    """Place and turn."""

    position: RosPoint = field(default_factory=RosPoint)
    orientation: RosQuaternion = field(default_factory=RosQuaternion)


@dataclass
class RosPoseWithCovariance(IdlStruct, typename="geometry_msgs.msg.dds_.PoseWithCovariance_"):
    """Place and turn with the covariance of x, y, z and the turns about them, row by row."""

    pose: RosPose
    covariance: array[float64, 36]


@dataclass
class RosPoseWithCovarianceStamped(IdlStruct, typename="geometry_msgs.msg.dds_.PoseWithCovarianceStamped_"):
    """Place and turn with covariance, time and frame."""

    header: RosHeader
    pose: RosPoseWithCovariance


@dataclass
class RosTransform(IdlStruct, typename="geometry_msgs.msg.dds_.Transform_"):
    """Way and turn from a frame to another."""

    translation: RosVector3 = field(default_factory=RosVector3)
    rotation: RosQuaternion = field(default_factory=RosQuaternion)


@dataclass
class RosTransformStamped(IdlStruct, typename="geometry_msgs.msg.dds_.TransformStamped_"):
    """Transform of a frame in its parent, at a time."""

    header: RosHeader
    child_frame_id: str
    transform: RosTransform


@dataclass
class RosTransforms(IdlStruct, typename="tf2_msgs.msg.dds_.TFMessage_"):
    """Transforms of frames in their parents."""

    transforms: sequence[RosTransformStamped]


@dataclass
class RosMapMetaData(IdlStruct, typename="nav_msgs.msg.dds_.MapMetaData_"):
    """Size and place of a grid."""

    map_load_time: RosTime
    resolution: float32
    width: uint32
    height: uint32
    origin: RosPose


@dataclass
class RosOccupancyGrid(IdlStruct, typename="nav_msgs.msg.dds_.OccupancyGrid_"):
    """Grid of int8, row by row: 0 free to 100 occupied, -1 unknown."""

    header: RosHeader
    info: RosMapMetaData
    data: sequence[int8]


@dataclass
class RosKeyValue(IdlStruct, typename="diagnostic_msgs.msg.dds_.KeyValue_"):
    """A name and its value."""

    key: str
    value: str


@dataclass
class RosDiagnosticStatus(IdlStruct, typename="diagnostic_msgs.msg.dds_.DiagnosticStatus_"):
    """State of a part: 0 well, 1 a warning, 2 an error, 3 silent."""

    level: uint8
    name: str
    message: str
    hardware_id: str
    values: sequence[RosKeyValue]


@dataclass
class RosDiagnosticArray(IdlStruct, typename="diagnostic_msgs.msg.dds_.DiagnosticArray_"):
    """States of parts at a time."""

    header: RosHeader
    status: sequence[RosDiagnosticStatus]


@dataclass
class RosGid(IdlStruct, typename="rmw_dds_common.msg.dds_.Gid_"):
    """Name of a DDS entity."""

    data: array[uint8, 16]


@dataclass
class RosNodeEntities(IdlStruct, typename="rmw_dds_common.msg.dds_.NodeEntitiesInfo_"):
    """Readers and writers of a node."""

    node_namespace: str
    node_name: str
    reader_gid_seq: sequence[RosGid]
    writer_gid_seq: sequence[RosGid]


@dataclass
class RosParticipantEntities(IdlStruct, typename="rmw_dds_common.msg.dds_.ParticipantEntitiesInfo_"):
    """Nodes of a participant."""

    gid: RosGid
    node_entities_info_seq: sequence[RosNodeEntities]


@dataclass
class RosLongGid(IdlStruct, typename="rmw_dds_common.msg.dds_.Gid_"):
    """Name of a DDS entity as ROS 2 Humble has it: 24 bytes, of which 16 are used."""

    data: array[uint8, 24]


@dataclass
class RosHumbleNodeEntities(IdlStruct, typename="rmw_dds_common.msg.dds_.NodeEntitiesInfo_"):
    """Readers and writers of a node, for Humble."""

    node_namespace: str
    node_name: str
    reader_gid_seq: sequence[RosLongGid]
    writer_gid_seq: sequence[RosLongGid]


@dataclass
class RosHumbleParticipantEntities(IdlStruct, typename="rmw_dds_common.msg.dds_.ParticipantEntitiesInfo_"):
    """Nodes of a participant, for Humble."""

    gid: RosLongGid
    node_entities_info_seq: sequence[RosHumbleNodeEntities]


class _Received(Buffer):
    """A received message that is read where it lies."""

    def __init__(self, data: bytes) -> None:
        super().__init__(b"", align_offset=4)
        self._bytes = memoryview(data)
        self._size = len(data)

    def read_view(self, length: int) -> memoryview:
        """Read bytes without a copy.

        Raises:
            ValueError: The message ends before them.
        """
        found: memoryview = self._bytes[self._pos : self._pos + length]
        if len(found) != length:
            raise ValueError(f"{length} bytes expected, {len(found)} there")
        self._pos += length
        return found

    def read_bytes(self, length: int) -> bytes:
        """Read bytes as a copy; see `read_view`."""
        return bytes(self.read_view(length))


class _ViewMachine(BytesMachine):
    """Takes large bytes as a view of the message."""

    def deserialize(self, buffer: Any, *_: Any, **__: Any) -> Any:
        """Read a number of bytes, and these."""
        buffer.align(4)
        found = buffer.read_view(buffer.read("I", 4))
        return found if len(found) >= LARGE_BYTES else bytes(found)


LARGE_BYTES = 4096


def _in_one_piece(kind: type[IdlStruct]) -> None:
    """Have cyclonedds take a type's `data` as bytes; it would make a list of integers, of a picture some millions."""

    def deserialize(cls: Any, data: bytes, has_header: bool = True, use_version_2: bool | None = None) -> Any:
        return cls.__idl__.deserialize(_Received(data), has_header, use_version_2)

    kind.__idl__.populate()
    for machine in (kind.__idl__.v1_machine, kind.__idl__.v2_machine):
        machine.members_machines["data"] = _ViewMachine()
    kind.deserialize = classmethod(deserialize)


for _kind in (RosImage, RosCompressedImage, RosOccupancyGrid):
    _in_one_piece(_kind)
