"""A learned car: comma's TinyPhysics in place of a bicycle model, behind the same interface.

TinyPhysics (github.com/commaai/controls_challenge) is a small transformer that predicts, ten times a second, the
lateral acceleration of a real car from the last two seconds of steer commands, speeds and lateral accelerations. Its
car is late by three of its steps, overshoots, and gains with speed: a plant to test controllers that were designed for
a bicycle.

A steer command of the network is a torque, and what assistants give is an angle. In between is what a real car has
there, after openpilot's controller for cars that are steered by torque: the angle says which lateral acceleration is
wanted, a feed-forward says which torque gives about that, and an integral of the error corrects it. In between two
predictions the lateral acceleration goes evenly from one to the next; the car turns with lateral acceleration over
speed. What the state calls the steering angle is the one with which the bicycle would turn alike.

Nothing here can be differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.onnx_network import open_network
from simulator.vehicle import (
    SLOWEST_DYNAMIC_MPS,
    STEPS_PER_FRAME,
    Vehicle,
    VehicleMemory,
    VehicleParameters,
    arriving,
)
from simulator.world import (
    CAMERA_PERIOD_S,
    DYNAMICS_PERIOD_S,
    Command,
    InvalidInput,
    VehicleState,
)

PERIOD_S = 0.1
FRAMES_PER_TICK = round(PERIOD_S / CAMERA_PERIOD_S)
CONTEXT = 20
"""Steps of the past that the network sees."""

BINS_MPS2 = np.linspace(-5.0, 5.0, 1024)
"""Lateral accelerations that its tokens stand for."""

LARGEST_ACTION = 2.0
LARGEST_CHANGE_MPS2 = 0.5
"""The challenge's limit on how far the lateral acceleration goes in one step."""

TEMPERATURE = 0.8

GAIN_MPS2 = 2.0
"""Lateral acceleration per unit of steer that the feed-forward reckons with. Measured: 1.2 to 1.5 at 5 to 20 m/s, 2 at
30 m/s and more beyond a unit. One that is too high is made up for by the integral; one that is too low makes every
assistant swing (with 1.3 the best one left its lane at 29 m/s)."""

INTEGRAL_PER_STEP = 0.05
"""Share of the error that one step adds to the wanted lateral acceleration."""

LARGEST_INTEGRAL_MPS2 = 1.0

DELAY_S = 0.35
"""Between a command and half of its effect: what a planner of this car should reckon with."""

Array = NDArray[np.float64]


class TinyPhysics:
    """The network.

    Args:
        path: of ``tinyphysics.onnx``, which the user has.

    Raises:
        InvalidInput: there is no such file, or it holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self._session = open_network(path)
        inputs = {entry.name: entry.shape[1:] for entry in self._session.get_inputs()}
        if inputs != {"states": [CONTEXT, 4], "tokens": [CONTEXT]}:
            raise InvalidInput(f"{path}: its inputs are {inputs}; this is not TinyPhysics")

    def probabilities(self, states: Array, lateral_mps2: Array) -> Array:
        """How likely each of ``BINS_MPS2`` is in the next step.

        Args:
            states: ``(N, 20, 4)`` steer in [-2, 2], lateral acceleration by road roll [m/s^2], speed [m/s],
                acceleration [m/s^2], oldest first, each as it was when the step began.
            lateral_mps2: ``(N, 20)`` lateral accelerations at the beginning of those steps, positive left.

        Returns:
            ``(N, 1024)``.
        """
        tokens = np.digitize(np.clip(lateral_mps2, BINS_MPS2[0], BINS_MPS2[-1]), BINS_MPS2, right=True)
        feed = {"states": states.astype(np.float32), "tokens": tokens.astype(np.int64)}
        logits = self._session.run(None, feed)[0][:, -1].astype(np.float64) / TEMPERATURE
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class LearnedMemory(VehicleMemory):
    """What the learned car remembers.

    Attributes:
        wanted_rad: ``(N,)`` steering-wheel angle that is asked for, within the actuator's limits.
        states: ``(N, 20, 4)`` as in `TinyPhysics.probabilities`.
        lateral_mps2: ``(N, 20)`` lateral accelerations, the last one at the beginning of the present step.
        next_mps2: ``(N,)`` at its end.
        integral_mps2: ``(N,)`` of the error.
        frame: ``(N,)`` int64, camera periods since the start.
    """

    wanted_rad: Tensor
    states: Tensor
    lateral_mps2: Tensor
    next_mps2: Tensor
    integral_mps2: Tensor
    frame: Tensor


class LearnedVehicle(Vehicle):
    """A car that TinyPhysics moves sideways; forwards it rolls like any other.

    Args:
        network: how it moves.
        parameters: the car that assistants believe in, and the limits on what they may ask for.
        latency_s: as of every vehicle.
        seeds: one for each world, of what happens by chance; the expectation of every step, if not given.
    """

    def __init__(
        self,
        network: TinyPhysics,
        parameters: VehicleParameters,
        latency_s: float = 0.0,
        seeds: Sequence[int] | None = None,
    ) -> None:
        super().__init__(parameters, latency_s)
        self._network, self._seeds = network, seeds

    def initial_memory(self, state: VehicleState) -> LearnedMemory:
        """Two seconds of what the car is doing."""
        lateral = state.yaw_rate_radps * state.speed_mps
        zero = torch.zeros_like(lateral)
        now = torch.stack([lateral / GAIN_MPS2, zero, state.speed_mps, state.acceleration_mps2], dim=1)
        base = super().initial_memory(state)
        return LearnedMemory(
            base.steering_rad,
            base.acceleration_mps2,
            wanted_rad=state.steering_rad,
            states=now[:, None].expand(-1, CONTEXT, -1),
            lateral_mps2=lateral[:, None].expand(-1, CONTEXT),
            next_mps2=lateral,
            integral_mps2=zero,
            frame=torch.zeros(len(zero), dtype=torch.int64),
        )

    def step(
        self, state: VehicleState, memory: VehicleMemory, command: Command
    ) -> tuple[VehicleState, VehicleMemory]:
        """Let one camera period pass while a command is held."""
        assert isinstance(memory, LearnedMemory)
        with torch.no_grad():
            wheel, wheel_queue = arriving(memory.steering_rad, command.steering_rad, self._steering_late)
            pedal, pedal_queue = arriving(
                memory.acceleration_mps2, command.acceleration_mps2, self._acceleration_late
            )
            acceleration, speeds = self._accelerate(state, pedal)
            asked = self._steer(state.replace(steering_rad=memory.wanted_rad), wheel)[:, -1]
            memory = replace(
                memory, steering_rad=wheel_queue, acceleration_mps2=pedal_queue, wanted_rad=asked
            )
            memory = self._predict(state, memory)
            share = (memory.frame % FRAMES_PER_TICK).to(speeds)[:, None] + torch.arange(
                STEPS_PER_FRAME + 1, dtype=speeds.dtype
            ) / STEPS_PER_FRAME
            begin = memory.lateral_mps2[:, -1:]
            lateral = begin + (memory.next_mps2[:, None] - begin) * share / FRAMES_PER_TICK
            moved = self._turn_learned(state, acceleration, speeds, lateral, asked)
            return moved, replace(memory, frame=memory.frame + 1)

    def _predict(self, state: VehicleState, memory: LearnedMemory) -> LearnedMemory:
        """Ask the network where a step begins, as all worlds do that have gone on for as many frames."""
        due = memory.frame % FRAMES_PER_TICK == 0
        if not due.any():
            return memory
        speed, now = state.speed_mps, memory.next_mps2
        wanted = speed.square() * self.parameters.curvature_of(memory.wanted_rad, speed)
        integral = (memory.integral_mps2 + INTEGRAL_PER_STEP * (wanted - now)).clamp(
            -LARGEST_INTEGRAL_MPS2, LARGEST_INTEGRAL_MPS2
        )
        action = ((wanted + integral) / GAIN_MPS2).clamp(-LARGEST_ACTION, LARGEST_ACTION)
        current = torch.stack([action, torch.zeros_like(action), speed, state.acceleration_mps2], dim=1)
        states = torch.cat([memory.states[:, 1:], current[:, None]], dim=1)
        lateral = torch.cat([memory.lateral_mps2[:, 1:], now[:, None]], dim=1)
        likely = self._network.probabilities(states.numpy(), lateral.numpy())
        predicted = torch.from_numpy(self._chosen(likely, memory.frame))
        change = (predicted - now).clamp(-LARGEST_CHANGE_MPS2, LARGEST_CHANGE_MPS2)
        return replace(
            memory,
            states=torch.where(due[:, None, None], states, memory.states),
            lateral_mps2=torch.where(due[:, None], lateral, memory.lateral_mps2),
            next_mps2=torch.where(due, now + change, memory.next_mps2),
            integral_mps2=torch.where(due, integral, memory.integral_mps2),
        )

    def _chosen(self, likely: Array, frame: Tensor) -> Array:
        """One lateral acceleration of each distribution, ``(N,)``: the expectation, or one drawn from it."""
        if self._seeds is None:
            return np.asarray(likely @ BINS_MPS2)
        # a generator of its own for every world and step: company and order change nothing
        draws = [
            np.random.default_rng((seed, when)).random()
            for seed, when in zip(self._seeds, frame.tolist(), strict=True)
        ]
        tokens = (np.cumsum(likely, axis=1) < np.array(draws)[:, None]).sum(axis=1)
        return np.asarray(BINS_MPS2[np.minimum(tokens, len(BINS_MPS2) - 1)])

    def _turn_learned(
        self, state: VehicleState, acceleration: Tensor, speeds: Tensor, lateral: Tensor, asked: Tensor
    ) -> VehicleState:
        """Turn with a lateral acceleration; at walking pace, where that says little, as a car that does not slip."""
        slow = speeds < SLOWEST_DYNAMIC_MPS
        rolling = speeds * self.parameters.curvature_of(asked[:, None], speeds)
        rate = torch.where(slow, rolling, lateral / speeds.clamp_min(SLOWEST_DYNAMIC_MPS))
        travel, turn = (q @ (self._middle * DYNAMICS_PERIOD_S) for q in (speeds, rate))
        x, y, yaw = self._follow(state, travel, None, turn)
        speed = speeds[:, -1]
        turning = rate[:, -1] / speed.clamp_min(SLOWEST_DYNAMIC_MPS)
        alike = torch.where(slow[:, -1], asked, self.parameters.steering_for(turning, speed))
        return VehicleState(x, y, yaw, speed, acceleration, alike, rate[:, -1], torch.zeros_like(speed))
