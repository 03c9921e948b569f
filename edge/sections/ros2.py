"""The node of a ROS 2 graph."""

from __future__ import annotations

from pydantic import Field

from edge.sections.base import Section

NAME = r"^/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$"


class Ros2Section(Section):
    """Answers for ROS 2, as `touchdown ros2 serve` gives them (extra ``ros2``); ROS_DOMAIN_ID is the domain."""

    enabled: bool = Field(default=False, description="be a node of the ROS 2 graph")
    namespace: str = Field(default="/touchdown", pattern=NAME, description="of the node and its topics")
    map_frame: str = Field(
        default="map", pattern=NAME, description="frame of the autopilot's local position, east-north-up"
    )
    body_frame: str = Field(default="base_link", pattern=NAME, description="frame of the vehicle, forward-left-up")
    picture_fps: float = Field(default=2.0, ge=0, le=30, description="annotated pictures a second at most, Hz")
