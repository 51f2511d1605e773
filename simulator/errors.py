"""What can go wrong that is not a fault of the program."""

from __future__ import annotations


class InvalidInput(ValueError):
    """Something a user gave cannot be used. The message names file, field, value and remedy (exit 2)."""


class InfrastructureError(RuntimeError):
    """Something outside the experiment broke: a server, a disk, a time-out (exit 3, never scored as driving)."""


class MissingExtra(InvalidInput):
    """What was asked for needs an optional dependency that is not installed. The message names the extra (exit 2)."""
