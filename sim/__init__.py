"""The proving ground: a world, a camera over it, a stand-in autopilot, and whole landings."""
