"""A marked pad: its tag in the picture, its place, its track, and what it changes in map and site."""
