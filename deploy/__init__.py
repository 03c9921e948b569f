"""The bundle: files that put the daemon onto a drone."""
