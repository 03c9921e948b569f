"""Motion of the picture against pose, lens, mount and height: the check of a set-up, and its calibration."""
