"""What an attack knows of its victim."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.roads.road import Road


@dataclass(frozen=True)
class RoadTarget:
    """A place on a road that the victim is about to drive over.

    Attributes:
        road: which road.
        start_m: arc length at which the attacker's patch begins.
    """

    road: Road
    start_m: float
