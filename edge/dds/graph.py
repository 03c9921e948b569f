"""Door to DDS: a participant that ROS 2 sees as a node, with readers and writers as ROS names and makes them.

ROS 2 reaches topic ``/a/b`` as DDS topic ``rt/a/b`` and learns the names of nodes from ``ros_discovery_info`` (design
document "Topic and Service name mapping to DDS", package rmw_dds_common).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.core import (
    DDSException,
    Entity,
    InstanceState,
    Policy,
    Qos,
    ReadCondition,
    SampleState,
    ViewState,
    WaitSet,
)
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from edge.dds import messages
from landing.errors import LinkError

TOPIC = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")
COMPRESSED = "/compressed"
"""End of the topics with pictures as JPEG or PNG (image_transport)."""

DAMAGED = (struct.error, ValueError, LookupError, TypeError, OverflowError, MemoryError)
"""Exceptions that cyclonedds raises for the bytes of a message that is none."""

MOST_WRITERS = 10_000
HIGHEST_DOMAIN = 232
"""DDS maps domains to UDP ports, of which there are no more."""


def sensor_data(depth: int) -> Qos:
    """Return what ROS calls sensor data: best effort, the newest `depth`."""
    return Qos(Policy.Reliability.BestEffort, Policy.Durability.Volatile, Policy.History.KeepLast(depth), _XCDR1)


def reliable(depth: int = 10) -> Qos:
    """Return ROS's default: what is lost is sent again."""
    return Qos(_RELIABLE, Policy.Durability.Volatile, Policy.History.KeepLast(depth), _XCDR1)


def latched() -> Qos:
    """Return what maps and static transforms have: who comes later is told the last one."""
    return Qos(_RELIABLE, Policy.Durability.TransientLocal, Policy.History.KeepLast(1), _XCDR1)


_XCDR1 = Policy.DataRepresentation(use_cdrv0_representation=True)
_RELIABLE = Policy.Reliability.Reliable(duration(milliseconds=100))


def topic_name(name: str, what: str = "topic") -> str:
    """Return a ROS topic with its leading slash.

    Raises:
        LinkError: It is no name of ROS.
    """
    if not TOPIC.fullmatch(name):
        raise LinkError(f"{what} {name!r}: expected a ROS name such as /camera/image_raw")
    return f"/{name.lstrip('/')}"


def info_topic(topic: str) -> str:
    """Return the topic of the calibration beside a picture's: ``camera_info`` in the same namespace."""
    return f"{topic.removesuffix(COMPRESSED).rpartition('/')[0]}/camera_info"


def domain_id() -> int:
    """Return ROS_DOMAIN_ID, 0 where it is not set.

    Raises:
        LinkError: It is no domain.
    """
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdecimal() or int(text) > HIGHEST_DOMAIN:
        raise LinkError(f"ROS_DOMAIN_ID={text}: expected a number from 0 to {HIGHEST_DOMAIN}")
    return int(text)


class RosReader:
    """Reads one topic. One thread at a time."""

    def __init__(self, participant: DomainParticipant, reader: DataReader, topic: str = "") -> None:
        self._reader = reader
        self._topic = topic
        alive = ReadCondition(reader, ViewState.Any | SampleState.NotRead | InstanceState.Any)
        self._waits = WaitSet(participant)
        self._waits.attach(alive)

    def take(self, timeout_s: float, most: int) -> list[Any]:
        """Return up to `most` messages, oldest first; an empty list where none came in time.

        Raises:
            LinkError: One is damaged, or is of another type than its topic says; all that were taken are lost.
        """
        if timeout_s > 0 and not self._waits.wait(duration(nanoseconds=max(1, round(timeout_s * 1e9)))):
            return []
        try:
            return [one for one in self._reader.take(most) if hasattr(one, "__idl__")]
        except DAMAGED as error:
            raise LinkError(
                f"{self._topic}: a message cannot be read ({error}): damaged, or of another type"
            ) from error

    @property
    def entity(self) -> Entity:
        """The DDS reader."""
        return self._reader


class RosNode:
    """A node: made, used and closed by one owner.

    Args:
        name: Of the node.
        namespace: Of the node and its private topics, such as ``/touchdown``.

    Raises:
        LinkError: A name is none of ROS, or DDS does not start.
    """

    def __init__(self, name: str, namespace: str = "/") -> None:
        self.name = name
        self.namespace = namespace if namespace == "/" else topic_name(namespace, "namespace")
        try:
            self._participant = DomainParticipant(domain_id(), Qos(Policy.Userdata(b"enclave=/;")))
        except DDSException as error:
            raise LinkError(f"ROS 2 node {name}: DDS does not start: {error}; look at CYCLONEDDS_URI") from error
        self._readers: list[RosReader] = []
        self._writers: list[DataWriter] = []
        self._publications = BuiltinDataReader(self._participant, BuiltinTopicDcpsPublication)
        self._alive = ReadCondition(self._publications, ViewState.Any | SampleState.Any | InstanceState.Alive)
        humble = os.environ.get("ROS_DISTRO") == "humble"
        kinds: tuple[type[Any], type[Any], type[Any]] = _HUMBLE if humble else _CURRENT
        self._gid, self._entities, self._info = kinds
        topic = Topic(self._participant, "ros_discovery_info", self._info)
        self._discovery = DataWriter(self._participant, topic, latched())
        self._announce()

    def reader(self, topic: str, kind: type[Any], qos: Qos) -> RosReader:
        """Read a topic."""
        mangled = Topic(self._participant, f"rt{topic_name(topic)}", kind)
        made = RosReader(self._participant, DataReader(self._participant, mangled, qos), topic_name(topic))
        self._readers.append(made)
        self._announce()
        return made

    def writer(self, topic: str, kind: type[Any], qos: Qos) -> Callable[[Any], None]:
        """Write a topic; returns what sends a message, and drops it where nobody takes it in time."""
        return self._write(self._writer(topic, kind, qos))

    def watched_writer(self, topic: str, kind: type[Any], qos: Qos) -> tuple[Callable[[Any], None], Callable[[], bool]]:
        """Write a topic that costs; returns what sends a message, and what tells that somebody listens."""
        made = self._writer(topic, kind, qos)
        return self._write(made), lambda: bool(made.get_matched_subscriptions())

    def has_rival(self, *topics: str) -> bool:
        """Tell whether somebody else in the graph writes one of the topics too."""
        names, own = {f"rt{topic_name(topic)}" for topic in topics}, self._participant.guid
        known = self._publications.read(MOST_WRITERS, condition=self._alive)
        return any(one.topic_name in names and one.participant_key != own for one in known)

    def close(self) -> None:
        """Leave the graph."""
        for entity in (self._discovery, *self._writers, *(one.entity for one in self._readers), self._participant):
            with suppress(DDSException):
                entity._delete(entity._ref)
        self._writers, self._readers = [], []

    def _writer(self, topic: str, kind: type[Any], qos: Qos) -> DataWriter:
        mangled = Topic(self._participant, f"rt{topic_name(topic)}", kind)
        made = DataWriter(self._participant, mangled, qos)
        self._writers.append(made)
        self._announce()
        return made

    @staticmethod
    def _write(made: DataWriter) -> Callable[[Any], None]:
        def send(message: Any) -> None:
            with suppress(DDSException):  # a reader that does not keep up: the next message is newer
                made.write(message)

        return send

    def _announce(self) -> None:
        """Tell ROS which readers and writers are this node's."""
        readers = [self._gid_of(one.entity) for one in self._readers]
        writers = [self._gid_of(one) for one in self._writers]
        node = self._entities(self.namespace, self.name, readers, writers)
        self._discovery.write(self._info(self._gid_of(self._participant), [node]))

    def _gid_of(self, entity: Entity) -> Any:
        data = entity.guid.bytes
        return self._gid(data.ljust(24, b"\0") if self._gid is messages.RosLongGid else data)


_CURRENT = (messages.RosGid, messages.RosNodeEntities, messages.RosParticipantEntities)
_HUMBLE = (messages.RosLongGid, messages.RosHumbleNodeEntities, messages.RosHumbleParticipantEntities)
