"""Doubts about the picture: black, blank, blurred, frozen and repeated ones, and those that move wrongly."""
