"""What scenario files may name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.plugins.attacks import RoadPatchOptions
from scenarios.registry import Options, Plugin


class EdgeHuggerOptions(Options):
    """How far left of the lane's middle it drives."""

    type: Literal["edge_hugger"]
    offset_m: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.2


class StripeOptions(RoadPatchOptions):
    """Size, place and budget are those of every patch; the stripe's own width comes to them."""

    type: Literal["stripe"]
    stripe_m: Annotated[float, Field(gt=0.0, le=2.0)] = 0.2


class SunglassesOptions(Options):
    """How much light comes through."""

    type: Literal["sunglasses"]
    transmission: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5


class PuddlesOptions(Options):
    """How large pictures are."""

    type: Literal["puddles"]
    size: Annotated[int, Field(ge=4, le=64)] = 8


EDGE_HUGGER = Plugin(
    "edge_hugger",
    "Drives from the map, beside the lane's middle",
    "muddy_ways.factories:edge_hugger",
    EdgeHuggerOptions,
    reads_truth=True,
)
STRIPE = Plugin("stripe", "A bright stripe along the road", "muddy_ways.factories:stripe", StripeOptions)
SUNGLASSES = Plugin("sunglasses", "Darkens every frame", "muddy_ways.factories:sunglasses", SunglassesOptions)
PUDDLES = Plugin("puddles", "Is there a puddle on the road?", "muddy_ways.factories:puddles", PuddlesOptions)
