"""Models for the NPUs of Rockchip chips, built by their toolkit in an environment of its own."""
