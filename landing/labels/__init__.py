"""Label maps: their files, how they are stored, and how they are to be read."""
