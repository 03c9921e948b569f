"""Landings by the thousand: randomized scenes, the code that flies, the truth, and a score."""
