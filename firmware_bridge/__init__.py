"""The flight-controller link: the only package that imports pymavlink and pyserial.

Read it from the outside in: `link.FlightLink` owns the thread and the way out, and `telemetry.Telemetry` makes sense of
what is heard, with no thread or socket. Under it are `frames`, `clock`, `pose_history`, `vehicle` and `streams`, each
pure. `target` and `messages` build what is sent; `connection` and its transports carry the bytes.
"""
