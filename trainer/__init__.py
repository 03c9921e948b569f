"""Trains the ground segmentation network on a workstation. Nothing here flies."""
