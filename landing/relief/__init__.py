"""Relief of the ground from parallax and depth sensors, and what it forbids in the map."""
