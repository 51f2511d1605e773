"""The fastest way off a lane, against the closed form of a ramp of curvature."""

from __future__ import annotations

import math

import pytest

from attacks.floor import fastest_deviation_s
from simulator.vehicle import preset


@pytest.mark.parametrize(("speed_mps", "threshold_m"), [(29.0, 0.735), (20.0, 0.285)])
def test_it_is_that_of_a_constant_rate_of_steering(speed_mps: float, threshold_m: float) -> None:
    """y = v^2 k' t^3 / 6 with k' the rate limit of the front wheels over the wheelbase."""
    rate = math.radians(25.0) / 16.88 / 2.65
    exact = (6 * threshold_m / (speed_mps**2 * rate)) ** (1 / 3)
    found = fastest_deviation_s(preset("openpilot_0_6"), speed_mps, threshold_m)
    assert exact <= found <= exact + 0.06


def test_delay_adds_to_it() -> None:
    prompt, late = (
        fastest_deviation_s(preset(f"openpilot_0_6{name}"), 29.0, 0.735) for name in ("", "_delayed")
    )
    assert late - prompt == pytest.approx(0.12, abs=0.05)
    assert fastest_deviation_s(preset("openpilot_0_6"), 29.0, 0.735, 0.2) - prompt == pytest.approx(
        0.2, abs=0.05
    )


def test_a_car_that_stands_never_gets_there() -> None:
    assert fastest_deviation_s(preset("openpilot_0_6"), 0.0, 0.3) == math.inf
