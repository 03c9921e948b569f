"""We as a MAVLink component: what is asked of us, on whichever connection, and our answers. Pure.

Who addresses us by our own id is always answered, with COMMAND_ACK UNSUPPORTED where we do not know what is wanted. Who
addresses all components is answered only by what is meant for all: the list of parameters, and the camera's search.
Everything else is none of our business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_bridge import camera_protocol
from firmware_bridge.about import OLDER_COMMANDS, About, packed_version
from firmware_bridge.addressing import Address, is_for, is_for_all, target_of
from firmware_bridge.dialect import mavlink
from firmware_bridge.ftp import FtpServer
from firmware_bridge.metadata import metadata_files
from firmware_bridge.parameters import PARAMETER_MESSAGES, ParameterServer, ParameterTable
from firmware_bridge.requests import COMMANDS, CommandServer
from firmware_bridge.video import VIDEO_COMPONENT, VideoSettings
from landing.distribution import VERSION
from landing.vehicle import VehicleStatus

QUESTIONS = COMMANDS | PARAMETER_MESSAGES | {"FILE_TRANSFER_PROTOCOL"}  # All that is ever answered by a `Component`
Post = Callable[[Any, int], object]  # Takes a message and the component id of ours that it is sent as


@dataclass(frozen=True)
class AnswerContext:
    """State on which answers depend."""

    system: int  # Our system id: the autopilot's
    vehicle: VehicleStatus  # Reported state of the autopilot
    now_ns: int  # Our monotonic time


class Component:
    """Answers for the companion and, when a video stream is announced, for its camera. One caller at a time."""

    def __init__(self, component_id: int, table: ParameterTable, video: VideoSettings | None, started_ns: int) -> None:
        self._component_id = component_id
        files = metadata_files(table.parameters)
        self._about = About(files, started_ns)
        self._commands = CommandServer(self._about.sources(), OLDER_COMMANDS)
        self._files = FtpServer(files)
        self._parameters = ParameterServer(table)
        self._camera: CommandServer | None = None
        if video is not None:
            version = packed_version(VERSION)
            described = camera_protocol.CameraDescription(video, version, started_ns)
            self._camera = CommandServer(described.sources(), camera_protocol.OLDER_COMMANDS)

    def own(self, system: int) -> frozenset[Address]:
        """All our components."""
        ids = [self._component_id] if self._camera is None else [self._component_id, VIDEO_COMPONENT]
        return frozenset(Address(system, i) for i in ids)

    def take(self, message: Any, around: AnswerContext, post: Post) -> None:
        """Answer a message, if it is for us to answer."""
        target = target_of(message)
        if target is None:
            return
        companion = Address(around.system, self._component_id)
        if is_for(target, companion):
            for answer in self._answers(message, around):
                post(answer, self._component_id)
        elif message.get_type() == "PARAM_REQUEST_LIST" and is_for_all(target, companion):
            for answer in self._parameter_answers(message, around):
                post(answer, self._component_id)
        elif self._camera is not None and message.get_type() in COMMANDS:
            camera = Address(around.system, VIDEO_COMPONENT)
            searched = is_for_all(target, camera) and self._camera.supports(message)
            if searched or is_for(target, camera):
                for answer in self._camera.answer(message, around.now_ns):
                    post(answer, VIDEO_COMPONENT)

    def _answers(self, message: Any, around: AnswerContext) -> list[Any]:
        kind = message.get_type()
        if kind in COMMANDS:
            self._about.autopilot = around.vehicle.autopilot
            return self._commands.answer(message, around.now_ns)
        if kind in PARAMETER_MESSAGES:
            return self._parameter_answers(message, around)
        if kind == "FILE_TRANSFER_PROTOCOL":
            to = 0, message.get_srcSystem(), message.get_srcComponent()
            payloads = self._files.answer(bytes(message.payload))
            return [mavlink.MAVLink_file_transfer_protocol_message(*to, payload) for payload in payloads]
        return []

    def _parameter_answers(self, message: Any, around: AnswerContext) -> list[Any]:
        vehicle = around.vehicle
        # A vehicle not known to be disarmed counts as armed.
        armed = vehicle.armed or not vehicle.link_alive
        return self._parameters.answer(message, armed, vehicle.autopilot)
