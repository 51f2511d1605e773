"""The controller: the angle that gives a curvature, and honesty about what cannot be had."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from lkas.controller import Controller
from simulator.vehicle import PRESETS


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("model", ["kinematic", "dynamic"])
def test_angle_gives_the_curvature_wanted(model: str) -> None:
    car = replace(PRESETS["openpilot_0_6"], model=model)
    speed, wanted = column(8.0, 29.0), column(0.01, -0.002)
    steering, saturated = Controller(car)(wanted, speed, car.steering_for(wanted, speed) + 0.01)
    assert torch.allclose(car.curvature_of(steering, speed), wanted)
    assert not bool(saturated.any())


def test_openpilot_command_moves_by_at_most_what_the_wheel_does_in_a_frame() -> None:
    steering, saturated = Controller(PRESETS["openpilot_0_6"])(
        column(0.02, -0.02), column(20.0, 20.0), column(0.1, 0.1)
    )
    assert torch.allclose(steering, 0.1 + column(1, -1) * math.radians(1.25))
    assert bool(saturated.all())


def test_iso_command_keeps_lateral_jerk_and_acceleration() -> None:
    car = PRESETS["iso_11270"]
    speed = column(25.0)
    steering, lateral = column(0.0), [0.0]
    for _ in range(20):
        steering, saturated = Controller(car)(column(0.1), speed, steering)
        lateral.append(float(car.curvature_of(steering, speed) * speed**2))
    rises = [after - before for before, after in pairwise(lateral)]
    assert rises[0] == pytest.approx(5.0 * 0.05)
    assert max(rises) <= 5.0 * 0.05 + 1e-9
    assert lateral[-1] == pytest.approx(3.0)
    assert bool(saturated)


def test_gradient_passes_where_nothing_is_cut_off() -> None:
    controller = Controller(PRESETS["iso_11270"])
    wanted = column(0.001).requires_grad_()
    assert torch.autograd.gradcheck(lambda k: controller(k, column(20.0), column(0.04))[0], (wanted,))
