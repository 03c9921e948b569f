"""Guidance to the site: the director's states, its gates, ways down and the rate of decisions."""
