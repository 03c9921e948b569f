"""Labelled pictures: which files there are, how they are split, read and varied."""
