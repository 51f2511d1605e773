"""Relaxations of operators. Importing the package fills :data:`defenses.bounds.rules.base.RULES`."""

from defenses.bounds.rules import (
    affine,
    arithmetic,
    bilinear,
    convolution,
    curved,
    elementwise,
    linear,
    movement,
    piecewise,
    s_shaped,
)
from defenses.bounds.rules.base import RULES

__all__ = [
    "RULES",
    "affine",
    "arithmetic",
    "bilinear",
    "convolution",
    "curved",
    "elementwise",
    "linear",
    "movement",
    "piecewise",
    "s_shaped",
]
