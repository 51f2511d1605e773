"""Rehearsal: the victim's closed loop, as an attacker tries it out before the patch is laid.

An attacker knows the victim's software and drives it in a simulator. What differs on the day (where exactly the car
is, how fast, what the sensor's noise is) is drawn anew for every rehearsed drive, so that a patch does not depend on
it: expectation over transformations (Athalye et al. 2018).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lkas.perception import Assistant
from simulator.geometry import rotate
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import VehicleParameters
from simulator.world import Command, Observation, VehicleState


class State(Protocol):
    """What a rehearsed world changes."""

    @property
    def vehicle(self) -> VehicleState:
        """The cars."""

    def detach(self) -> State:
        """The same, cut from the graph."""


class RehearsedWorld(Protocol):
    """A world whose steps are pure functions and whose frames are floats with gradients: embedded or replay."""

    @property
    def size(self) -> int:
        """How many worlds are stepped together."""

    def advance(self, state: Any, command: Command) -> Any:
        """One camera period later."""

    def observe(self, state: Any, layers: Sequence[SurfaceLayer] | None = None) -> Observation:
        """What is to be seen."""


@dataclass(frozen=True)
class Spread:
    """How much rehearsed drives differ: standard deviations, of normal distributions cut at two of them.

    Attributes:
        offset_m: lateral position of the car at the start.
        heading_rad: its heading.
        speed_share: its speed, as a share.
        along_m: placement of the patch along the road.
        across_m: placement across.
        light_share: brightness of the pictures, as a share.
    """

    offset_m: float = 0.0
    heading_rad: float = 0.0
    speed_share: float = 0.0
    along_m: float = 0.0
    across_m: float = 0.0
    light_share: float = 0.0

    def draw(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One value a world, ``(size,)`` float64 each."""
        drawn = {}
        for name, deviation in vars(self).items():
            normal = torch.randn(size, generator=generator, dtype=torch.float64).clamp(-2.0, 2.0)
            drawn[name] = deviation * normal
        return drawn


@dataclass(frozen=True)
class Warm:
    """N cars before a patch, with memories of what they saw on the way.

    Attributes:
        state: of the worlds.
        assistant: with its memory; branch it before use.
        set_speed_mps: ``(N,)``.
        along_m: ``(N,)`` by how much the patch is misplaced along the road.
        across_m: ``(N,)`` and across.
        light: ``(N,)`` factor on the brightness of the pictures.
    """

    state: Any
    assistant: Assistant
    set_speed_mps: Tensor
    along_m: Tensor
    across_m: Tensor
    light: Tensor

    def sees(self, observation: Observation) -> Observation:
        """The observation as these cars make it: with their driver's set speed, in their light."""
        frames = {
            name: (frame * self.light.to(frame)[:, None, None, None]).clamp_max(1.0)
            for name, frame in observation.frames.items()
        }
        info = {**observation.info, "set_speed_mps": self.set_speed_mps}
        return replace(observation, frames=frames, info=info)


@dataclass(frozen=True)
class Rehearsal:
    """The victim on its way.

    Attributes:
        world: N worlds to drive in.
        initial: their first instant, for a seed of the sensor's noise.
        assistant: makes the victim.
        vehicle: the car.
        warm_up_steps: camera periods before time zero.
        approach_steps: how many of them the patch lies on the road already.
    """

    world: RehearsedWorld
    initial: Callable[[int], Any]
    assistant: Callable[[], Assistant]
    vehicle: VehicleParameters
    warm_up_steps: int
    approach_steps: int = 0

    def warm(self, seed: int, drawn: dict[str, Tensor] | None = None) -> Warm:
        """Drive on the clean road, up to time zero or to where the patch comes into sight.

        Args:
            seed: of the sensor's noise.
            drawn: of a :class:`Spread`; the scenario's own start where None.
        """
        size = self.world.size
        drawn = drawn or Spread().draw(size, torch.Generator())
        state = self.initial(seed)
        car = state.vehicle
        dx, dy = rotate(torch.zeros_like(car.x_m), drawn["offset_m"], car.yaw_rad)
        speed = car.speed_mps * (1 + drawn["speed_share"])
        car = car.replace(
            x_m=car.x_m + dx, y_m=car.y_m + dy, yaw_rad=car.yaw_rad + drawn["heading_rad"], speed_mps=speed
        )
        state = replace(state, vehicle=car)
        assistant = self.assistant()
        assistant.reset(size)
        warm = Warm(state, assistant, speed, drawn["along_m"], drawn["across_m"], 1 + drawn["light_share"])
        with torch.no_grad():
            for _ in range(self.warm_up_steps - self.approach_steps):
                seen = warm.sees(self.world.observe(state, ()))
                state = self.world.advance(state, assistant(seen).command)
        return replace(warm, state=state)

    def curvature_step_per_m(self, speed_mps: Tensor) -> Tensor:
        """How far the car's curvature can move in one camera period from straight ahead, ``(N,)``."""
        zero = torch.zeros_like(speed_mps)
        frame = torch.full((1,), 5.0, dtype=speed_mps.dtype)
        far = torch.full_like(speed_mps, math.inf).clamp_max(self.vehicle.steering_limit_rad)
        return self.vehicle.curvature_of(self.vehicle.reachable(zero, far, speed_mps, frame)[:, 0], speed_mps)


def branch(assistant: Assistant) -> Assistant:
    """A copy with the same memory and the same networks: driving it changes nothing in the original."""
    shared: dict[int, Any] = {}

    def collect(thing: object) -> None:
        if isinstance(thing, nn.Module):
            shared[id(thing)] = thing
        elif hasattr(thing, "__dict__") and type(thing).__module__ != "builtins":
            for value in vars(thing).values():
                collect(value)

    collect(assistant)
    return copy.deepcopy(assistant, shared)
