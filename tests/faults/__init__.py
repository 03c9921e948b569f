"""What the daemon does when something around it fails: each fault injected, timed and judged.

`camera` is a camera that misbehaves on order, `wire` a cable that does, `daemon` the ordinary daemon with a fault
inside, `bench` puts them around a hovering autopilot, `matrix` writes the table of all faults, docs/faults.md.
"""
