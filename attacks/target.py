"""What an attack knows of its victim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attacks.rehearsal import Rehearsal
from simulator.roads.road import Road
from simulator.scene import Scene
from simulator.world import InvalidInput


def unwatched(steps: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class RoadTarget:
    """A place on a road that the victim is about to drive over.

    Attributes:
        road: which road.
        start_m: arc length at which the attacker's patch begins.
        scene: how the road looks; None where nobody knows.
        rehearsal: the victim, driving towards that place as often as an attacker likes; None for attacks that do not
            ask it anything.
        progress: told how many iterations of an optimiser were made since the last call.
    """

    road: Road
    start_m: float
    scene: Scene | None = None
    rehearsal: Rehearsal | None = None
    progress: Callable[[int], None] = unwatched

    def require_rehearsal(self) -> Rehearsal:
        """The rehearsal.

        Raises:
            InvalidInput: there is none.
        """
        if self.rehearsal is None:
            raise InvalidInput(
                "attack: it is optimised against a victim, and there is none to be rehearsed with"
            )
        return self.rehearsal
