"""Settings of an episode, as ``carla.WorldSettings``; those of rendering distances are kept and have no effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.carla.poses import finite
from simulator.carla.rpc import Refusal

_FIELDS = 11

USUAL_STEP_S = 0.05
"""Where no step is fixed: of synchronous worlds, and how often asynchronous ones advance."""

LONGEST_STEP_S = 10.0


@dataclass(frozen=True)
class Settings:
    """What clients may set.

    Attributes:
        synchronous: whether the world waits for ticks.
        no_rendering: whether cameras are off.
        step_s: fixed time step, None for a variable one.
        rest: the fields after the step, as they came.
    """

    synchronous: bool = False
    no_rendering: bool = False
    step_s: float | None = None
    rest: tuple[Any, ...] = (True, 0.01, 10, 0.0, True, 3000.0, 2000.0, True)

    @property
    def period_s(self) -> float:
        """How much time a step takes, or about so much."""
        return self.step_s or USUAL_STEP_S

    def message(self) -> list[Any]:
        """As ``EpisodeSettings``."""
        step = [False] if self.step_s is None else [True, self.step_s]
        return [self.synchronous, self.no_rendering, step, *self.rest]

    @classmethod
    def of(cls, message: list[Any]) -> Settings:
        """Out of ``EpisodeSettings``.

        Raises:
            Refusal: the time step is not one.
        """
        if len(message) != _FIELDS:
            raise ValueError(f"settings have {len(message)} fields, not {_FIELDS}")
        synchronous, no_rendering, step, *rest = message
        step_s = finite(step[1]) if step[0] else None
        if step_s is not None and not 0.0 <= step_s <= LONGEST_STEP_S:
            raise Refusal(f"fixed_delta_seconds is {step_s}, but must be between 0 and {LONGEST_STEP_S:g}")
        # 0 stands for none in CARLA's own client
        return cls(bool(synchronous), bool(no_rendering), step_s or None, tuple(rest))
