"""What watches over a lane-keeping assistant: emergency braking, a lane departure warning, and the person at the wheel.

Simple models, to be switched on beside an attack that is judged without them. They do not look through the attacked
camera: braking goes by a radar, the person by their own eyes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Assistant, Decision
from simulator.radar import CLOSING, GAP
from simulator.world import Command, Observation

WARNING_DISTANCE_M = 1.08
"""A perceived lane line nearer than this to the car's middle line makes openpilot warn (`lane_departure_warning`)."""

SURE_OF_LINE = 0.5
"""A less probable line does not count."""

Array = TypeVar("Array", Tensor, NDArray[Any])


def departure_warned(lane_y_m: Array, lane_prob: Array) -> Array:
    """Whether the driver is warned: a near lane line that is seen is nearer than 1.08 m.

    Args:
        lane_y_m: ``(..., 4, 33)`` perceived lane lines, m to the left of the car.
        lane_prob: ``(..., 4)`` that they are there.

    Returns:
        ``(...)`` bool.
    """
    left, right = lane_y_m[..., LEFT_NEAR, 0], -lane_y_m[..., RIGHT_NEAR, 0]
    seen_left, seen_right = (
        lane_prob[..., LEFT_NEAR] > SURE_OF_LINE,
        lane_prob[..., RIGHT_NEAR] > SURE_OF_LINE,
    )
    return (seen_left & (left < WARNING_DISTANCE_M)) | (seen_right & (right < WARNING_DISTANCE_M))


@dataclass(frozen=True)
class EmergencyBraking:
    """Brakes as hard as tyres allow when a collision is near.

    Attributes:
        time_to_collision_s: at which braking begins, at constant speeds.
        braking_mps2: how hard, positive.
    """

    time_to_collision_s: float = 1.4
    braking_mps2: float = 8.0

    def needed(self, observation: Observation) -> Tensor:
        """Whether to brake now, ``(N,)`` bool; never where the world has no radar."""
        gap_m = observation.info.get(GAP)
        if gap_m is None:
            return torch.zeros(len(observation.state), dtype=torch.bool)
        closing = observation.info[CLOSING]
        return (closing > 0) & (gap_m < closing * self.time_to_collision_s)


class WatchedAssistant:
    """An assistant with a car and a person that may step in.

    Braking goes on until the car stands. The person steers along the lane, within the limits of the car's steering,
    and lets the assistant go on with the speed.

    Args:
        assistant: who drives until then.
        braking: the emergency brake; None if it is switched off.
        person: steers once they take over.
        takeover_s: one time a world at which the person takes over; inf for never.
        after_warning_s: how long after the first lane departure warning they do, too; inf for never.
    """

    def __init__(
        self,
        assistant: Assistant,
        braking: EmergencyBraking | None,
        person: GroundTruthAssistant,
        takeover_s: Sequence[float],
        after_warning_s: float = math.inf,
    ) -> None:
        self.assistant = assistant
        self._braking, self._person = braking, person
        self._planned_s = torch.tensor(takeover_s, dtype=torch.float64)
        self._after_warning_s = after_warning_s
        self.reset(len(takeover_s))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Those of the assistant."""
        return self.assistant.cameras

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds, as many as there are times."""
        self.assistant.reset(size)
        self._person.reset(size)
        self._takeover_s = self._planned_s.clone()
        self._brakes = torch.zeros(size, dtype=torch.bool)

    def __call__(self, observation: Observation) -> Decision:
        """Let the assistant decide, and step in where it is time to."""
        decision = self.assistant(observation)
        warned = departure_warned(decision.perception.lane_y_m, decision.perception.lane_prob)
        # the first warning counts: later ones would only put the time off
        noticed = torch.where(warned, observation.time_s + self._after_warning_s, math.inf)
        self._takeover_s = torch.minimum(self._takeover_s, noticed)
        steers = observation.time_s >= self._takeover_s - 1e-6
        if not steers.any():
            self._person.reset(len(steers))  # who takes over begins with the wheel as it is
        by_hand = self._person(observation).command
        steering = torch.where(steers, by_hand.steering_rad, decision.command.steering_rad)
        acceleration = decision.command.acceleration_mps2
        if self._braking is not None:
            self._brakes = self._brakes | self._braking.needed(observation)
            acceleration = acceleration.masked_fill(self._brakes, -self._braking.braking_mps2)
        watched = {"departure_warned": warned, "person_steers": steers, "emergency_braking": self._brakes}
        return replace(decision, command=Command(steering, acceleration), info={**decision.info, **watched})
