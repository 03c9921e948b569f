"""Shipped models: the registry, one card for each, and the way to a model's file."""
