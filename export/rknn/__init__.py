"""Models for the NPUs of Rockchip chips, built by their toolkit in an environment of its own."""

ALGORITHMS = ("normal", "mmse", "kl_divergence")
"""Ways of the toolkit to choose the steps of 8 bits."""
PICTURES, GATE_PICTURES = 32, 40
"""At most so many calibrate, and judge: the toolkit's simulator is slow."""
