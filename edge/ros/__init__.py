"""Answers of the daemon for a ROS 2 graph, and what is asked of one beside pictures."""
