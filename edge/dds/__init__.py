"""ROS 2 without ROS: its messages, names and qualities of service over Cyclone DDS (extra ``ros2``)."""
