"""The server's car drives the line of ``simulator.vehicle``, for every time step."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.carla.motion import Rolling, roll
from simulator.vehicle import PRESETS, Vehicle, VehicleParameters
from simulator.world import Command, VehicleState


@pytest.mark.parametrize("name", [name for name, car in PRESETS.items() if car.model == "kinematic"])
def test_both_cars_drive_the_same_line(name: str) -> None:
    car = PRESETS[name]
    vehicle = Vehicle(car)
    one = torch.ones(1, dtype=torch.float64)
    state = VehicleState.at(0 * one, 0 * one, 0 * one, 20 * one)
    memory = vehicle.initial_memory(state)
    own = Rolling(speed_mps=20.0)

    for frame in range(200):
        wheel, pedal = 0.6 * math.sin(frame / 15), 1.5 * math.cos(frame / 25)
        state, memory = vehicle.step(state, memory, Command(wheel * one, pedal * one))
        # the mirror image: to the left there is to the right here
        roll(own, car, -wheel, max(pedal, 0.0), max(-pedal, 0.0), 0.05)

    assert own.x_m == pytest.approx(float(state.x_m), abs=1e-6)
    assert -own.y_m == pytest.approx(float(state.y_m), abs=1e-6)
    assert -own.yaw_rad == pytest.approx(float(state.yaw_rad), abs=1e-9)
    assert own.speed_mps == pytest.approx(float(state.speed_mps), abs=1e-9)
    assert abs(float(state.y_m)) > 1.0


def test_the_length_of_a_step_hardly_matters() -> None:
    car = VehicleParameters()
    ends = []
    for step_s in (0.01, 0.05, 0.2):
        state = Rolling(speed_mps=15.0)
        for _ in range(round(4.0 / step_s)):
            roll(state, car, 0.5, 1.0, 0.0, step_s)
        ends.append((state.x_m, state.y_m, state.speed_mps))

    for end in ends[1:]:
        assert end == pytest.approx(ends[0], abs=1e-6)


def test_brakes_stop_and_hold() -> None:
    state, car = Rolling(speed_mps=8.0), VehicleParameters()

    for _ in range(100):
        roll(state, car, 0.0, 0.0, 8.0, 0.05)
    stood_at = state.x_m
    for _ in range(20):
        roll(state, car, 0.0, 0.0, 8.0, 0.05)

    assert state.speed_mps == 0.0
    assert state.x_m == stood_at
    # 8 m/s at 8 m/s^2, and 0.3 s until the brakes grip
    assert stood_at == pytest.approx(4.0 + 0.3 * 8.0, abs=0.5)


def test_it_drives_backwards_and_brakes_then() -> None:
    state, car = Rolling(), VehicleParameters()

    for _ in range(40):
        roll(state, car, 0.3, -2.0, 0.0, 0.05)
    assert state.speed_mps == pytest.approx(-2.0 * (2.0 - 0.3), abs=0.01)
    assert state.x_m < -2.5
    for _ in range(60):
        roll(state, car, 0.0, 0.0, 6.0, 0.05)

    assert state.speed_mps == 0.0


def test_steering_does_not_exceed_the_grip() -> None:
    car = VehicleParameters(
        steering_ratio=1.0,
        steering_limit_rad=1.2,
        steering_rate_limit_radps=math.inf,
        max_lateral_acceleration_mps2=8.0,
    )
    state = Rolling(speed_mps=20.0)

    roll(state, car, 1.2, 0.0, 0.0, 0.05)

    assert state.yaw_rate_radps * state.speed_mps == pytest.approx(8.0, rel=1e-3)
