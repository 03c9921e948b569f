"""Models for Hailo accelerators: what their compiler needs of us, and what it made wrapped. We do not have it."""
