"""The learned car: what is ours about it is tested with a network that is known, the rest with the real one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from simulator.tiny_physics import (
    BINS_MPS2,
    CONTEXT,
    GAIN_MPS2,
    LearnedMemory,
    LearnedVehicle,
    TinyPhysics,
)
from simulator.vehicle import VehicleParameters
from simulator.world import Command, VehicleState

CAR = VehicleParameters(steering_rate_limit_radps=math.inf)


class Obedient:
    """A network that is sure of what the last steer command asks for."""

    def probabilities(self, states: np.ndarray, lateral_mps2: np.ndarray) -> np.ndarray:
        assert states.shape[1:] == (CONTEXT, 4)
        assert lateral_mps2.shape[1:] == (CONTEXT,)
        wanted = GAIN_MPS2 * states[:, -1, 0]
        return np.eye(len(BINS_MPS2))[np.abs(BINS_MPS2 - wanted[:, None]).argmin(axis=1)]


class Undecided:
    """A network to which everything is equally likely."""

    def probabilities(self, states: np.ndarray, lateral_mps2: np.ndarray) -> np.ndarray:
        return np.full((len(states), len(BINS_MPS2)), 1 / len(BINS_MPS2))


def rolling(*speeds_mps: float) -> VehicleState:
    zero = torch.zeros(len(speeds_mps), dtype=torch.float64)
    return VehicleState.at(zero, zero, zero, torch.tensor(speeds_mps, dtype=torch.float64))


def wheel_for(lateral_mps2: float, speed_mps: float) -> float:
    """Steering-wheel angle with which the bicycle has a lateral acceleration."""
    curvature = torch.tensor(lateral_mps2 / speed_mps**2, dtype=torch.float64)
    return float(CAR.steering_for(curvature, torch.tensor(speed_mps)))


def drive(car: LearnedVehicle, state: VehicleState, angle_rad: float, frames: int) -> list[VehicleState]:
    """States after every frame with the steering held."""
    memory, states = car.initial_memory(state), []
    steering = torch.full((len(state),), angle_rad, dtype=torch.float64)
    for _ in range(frames):
        state, memory = car.step(state, memory, Command(steering, torch.zeros_like(steering)))
        states.append(state)
    return states


def lateral(states: list[VehicleState]) -> np.ndarray:
    """``(frames, N)`` lateral accelerations."""
    return torch.stack([state.yaw_rate_radps * state.speed_mps for state in states]).numpy()


def test_lateral_acceleration_rises_evenly_within_its_limit() -> None:
    """Half a metre per second squared in a step of two frames, as the challenge has it, and no stairs in between."""
    car = LearnedVehicle(Obedient(), CAR)
    seen = lateral(drive(car, rolling(20.0), wheel_for(1.0, 20.0), 20))[:, 0]
    assert seen[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.03)
    # the integral has grown meanwhile and is taken back
    assert seen[-1] == pytest.approx(1.0, abs=0.06)


def test_it_turns_with_lateral_acceleration_over_speed() -> None:
    car = LearnedVehicle(Obedient(), CAR)
    states = drive(car, rolling(20.0), wheel_for(1.0, 20.0), 100)
    last = states[-1]
    rates = np.array([float(state.yaw_rate_radps) for state in states])
    assert float(last.yaw_rad) == pytest.approx(0.05 * (rates.sum() - 0.5 * rates[-1]), abs=1e-6)
    assert float(last.y_m) == pytest.approx(0.5 * 1.0 * 5.0**2, rel=0.05)
    # the angle that is reported is the bicycle's, so that whoever reads it knows how the car turns
    assert float(CAR.curvature_of(last.steering_rad, last.speed_mps)) == pytest.approx(rates[-1] / 20.0)
    assert torch.equal(last.lateral_speed_mps, torch.zeros(1, dtype=torch.float64))


def test_a_car_in_a_bend_goes_on_as_it_was() -> None:
    state = rolling(20.0).replace(
        steering_rad=torch.tensor([wheel_for(0.8, 20.0)]).double(),
        yaw_rate_radps=torch.tensor([0.04]).double(),
    )
    seen = lateral(drive(LearnedVehicle(Obedient(), CAR), state, wheel_for(0.8, 20.0), 20))
    assert seen == pytest.approx(np.full((20, 1), 0.8), abs=0.02)


def test_walking_pace_rolls_without_slip() -> None:
    states = drive(LearnedVehicle(Undecided(), CAR), rolling(1.0), 1.0, 10)
    expected = float(CAR.curvature_of(torch.tensor(1.0), torch.tensor(1.0)))
    assert float(states[-1].yaw_rate_radps) == pytest.approx(expected)
    assert float(states[-1].steering_rad) == pytest.approx(1.0)


def test_chance_is_a_matter_of_seed_and_time_alone() -> None:
    state = rolling(20.0, 20.0, 20.0)
    three = lateral(drive(LearnedVehicle(Undecided(), CAR, seeds=[1, 2, 1]), state, 0.0, 20))
    alone = lateral(drive(LearnedVehicle(Undecided(), CAR, seeds=[2]), rolling(20.0), 0.0, 20))
    assert np.array_equal(three[:, 0], three[:, 2])
    assert np.array_equal(three[:, 1], alone[:, 0])
    assert np.abs(three[:, 0] - three[:, 1]).max() > 0.1


def test_a_step_changes_nothing_that_it_was_given() -> None:
    car, state = LearnedVehicle(Undecided(), CAR, seeds=[3]), rolling(20.0)
    memory = car.initial_memory(state)
    command = Command(torch.tensor([0.3]).double(), torch.tensor([0.5]).double())
    first, again = car.step(state, memory, command), car.step(state, memory, command)
    assert isinstance(first[1], LearnedMemory)
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@pytest.fixture(scope="module")
def real(data: Path) -> TinyPhysics:
    pytest.importorskip("onnxruntime", reason="the extra 'openpilot' is not installed")
    return TinyPhysics(data / "tinyphysics/tinyphysics.onnx")


def test_the_real_car_goes_straight_when_it_is_not_steered(real: TinyPhysics) -> None:
    states = drive(LearnedVehicle(real, CAR), rolling(10.0, 20.0, 30.0), 0.0, 60)
    assert np.abs(lateral(states)).max() < 0.05


@pytest.mark.parametrize("wanted", [0.8, -0.8])
def test_the_real_car_does_what_it_is_asked_but_late(real: TinyPhysics, wanted: float) -> None:
    car = LearnedVehicle(real, CAR)
    seen = np.concatenate(
        [lateral(drive(car, rolling(v), wheel_for(wanted, v), 100)) for v in (10.0, 20.0, 30.0)], axis=1
    )
    seen = seen * np.sign(wanted)
    assert seen[3].max() < 0.2  # 0.2 s
    assert seen[15].min() > 0.4  # 0.8 s
    assert seen[-1] == pytest.approx(np.full(3, abs(wanted)), abs=0.2)
    assert np.abs(np.diff(seen, axis=0)).max() < 0.26
