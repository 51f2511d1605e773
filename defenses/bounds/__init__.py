"""Verified bounds on the outputs of networks: automatic linear relaxation based perturbation analysis.

    model = BoundedModel.of(network, images)
    bounds = model.bounds(images, Ball(2 / 255))            # CROWN
    bounds = model.bounds(images, Ball(0.5, p=2), IBP())

A program that bounds networks of images does so up to twice as fast after :func:`keep_freed_memory`.

Convention: the first axis of inputs and bounds is the batch; every sample is bounded for itself.
"""

from defenses.bounds.allocation import keep_freed_memory
from defenses.bounds.bounded import BoundedModel
from defenses.bounds.forward_pass import Forward
from defenses.bounds.interval import Interval
from defenses.bounds.methods import IBP, Backward, Method
from defenses.bounds.optimised import Optimised
from defenses.bounds.perturbations import Affine, Ball, Box, Perturbation, brightness_contrast
from defenses.bounds.rules import RULES
from defenses.bounds.rules.base import UnsupportedOperator

__all__ = [
    "IBP",
    "RULES",
    "Affine",
    "Backward",
    "Ball",
    "BoundedModel",
    "Box",
    "Forward",
    "Interval",
    "Method",
    "Optimised",
    "Perturbation",
    "UnsupportedOperator",
    "brightness_contrast",
    "keep_freed_memory",
]
