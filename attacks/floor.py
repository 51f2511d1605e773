"""The physical floor of every attack on the steering: a car that is steered to one side as hard as it can be."""

from __future__ import annotations

import math

import torch

from simulator.vehicle import Vehicle, VehicleParameters
from simulator.world import CAMERA_PERIOD_S, Command, VehicleState

LONGEST_S = 10.0
"""A car that has not got there by then never does."""


def fastest_deviation_s(
    vehicle: VehicleParameters, speed_mps: float, threshold_m: float, latency_s: float = 0.0
) -> float:
    """Time that steering to one side at the limits takes to move a car sideways.

    Args:
        vehicle: the car, with its limits and delays.
        speed_mps: constant; the car drives straight ahead at first.
        threshold_m: how far from where it would have been.
        latency_s: of the assistant's computer.

    Returns:
        The time of the first camera frame in which the deviation is beyond the threshold; inf if there is none.
    """
    car = Vehicle(vehicle, latency_s)
    zero = torch.zeros(1, dtype=torch.float64)
    state = VehicleState.at(zero, zero, zero, zero + speed_mps)
    memory = car.initial_memory(state)
    command = Command(zero + vehicle.steering_limit_rad, zero)
    for frame in range(1, round(LONGEST_S / CAMERA_PERIOD_S) + 1):
        state, memory = car.step(state, memory, command)
        if float(state.y_m) > threshold_m:
            return frame * CAMERA_PERIOD_S
    return math.inf
