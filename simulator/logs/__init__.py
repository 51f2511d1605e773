"""Recorded drives: how a car moved, and what its camera saw."""
