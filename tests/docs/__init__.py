"""Checks of the documentation: commands, links, generated parts, and the built site."""
