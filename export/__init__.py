"""Turns a checkpoint into a model file that explains itself and provably computes the same."""
