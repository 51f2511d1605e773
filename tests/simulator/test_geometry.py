"""Curves: known values, round trips, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simulator.geometry import Curve, rotate, wrap_angle


def arc(curvature: float, length: float = 400.0, step: float = 0.5) -> Curve:
    """A circle (or a line) from the origin along x."""
    s = torch.arange(0, length, step, dtype=torch.float64)
    heading = curvature * s
    x, y = (torch.sin(heading) / curvature, (1 - torch.cos(heading)) / curvature) if curvature else (s, 0 * s)
    return Curve(torch.stack([x, y, heading, torch.full_like(s, curvature)], -1)[None], 0.0, step)


def test_wrap_angle_keeps_direction_and_range() -> None:
    angles = torch.linspace(-20, 20, 401, dtype=torch.float64)
    wrapped = wrap_angle(angles)
    assert (wrapped >= -math.pi).all()
    assert (wrapped < math.pi).all()
    assert torch.allclose(torch.cos(wrapped), torch.cos(angles))
    assert torch.allclose(torch.sin(wrapped), torch.sin(angles))


def test_rotate_turns_counter_clockwise() -> None:
    x, y = rotate(torch.tensor(1.0), torch.tensor(0.0), torch.tensor(math.pi / 2))
    assert float(x) == pytest.approx(0, abs=1e-6)
    assert float(y) == pytest.approx(1)


def test_quarter_circle_ends_where_it_should() -> None:
    radius = 50.0
    x, y, heading, curvature = arc(1 / radius).frame_at(
        torch.tensor([[radius * math.pi / 2]], dtype=torch.float64)
    )
    assert (float(x), float(y)) == (pytest.approx(radius), pytest.approx(radius))
    assert float(heading) == pytest.approx(math.pi / 2)
    assert float(curvature) == pytest.approx(1 / radius)


def test_left_is_positive() -> None:
    s, d = arc(0.0).to_frenet(*(torch.tensor([[v]], dtype=torch.float64) for v in (10.0, 2.0, 9.0)))
    assert (float(s), float(d)) == (pytest.approx(10.0), pytest.approx(2.0))


@given(
    curvature=st.floats(-1 / 30, 1 / 30), s=st.floats(5, 350), d=st.floats(-12, 12), error=st.floats(-15, 15)
)
def test_frenet_round_trip(curvature: float, s: float, d: float, error: float) -> None:
    curve = arc(curvature if abs(curvature) > 1e-9 else 0.0)
    s_m, d_m = (torch.tensor([[v]], dtype=torch.float64) for v in (s, d))
    x, y = curve.to_cartesian(s_m, d_m)
    found_s, found_d = curve.to_frenet(x, y, s_m + error)
    assert float(found_s) == pytest.approx(s, abs=1e-7)
    assert float(found_d) == pytest.approx(d, abs=1e-7)


def test_frenet_gradient_is_that_of_central_differences() -> None:
    curve = arc(1 / 80)
    s, d = torch.tensor([[40.0, 90.0]], dtype=torch.float64), torch.tensor([[2.0, -3.0]], dtype=torch.float64)
    x, y = (v.requires_grad_() for v in curve.to_cartesian(s, d))
    guess = torch.tensor([[38.0, 93.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: curve.to_frenet(a, b, guess), (x, y))


def test_worlds_do_not_mix() -> None:
    both = Curve(torch.cat([arc(1 / 60).table, arc(-1 / 90).table]), 0.0, 0.5)
    s = torch.tensor([[30.0], [30.0]], dtype=torch.float64)
    alone = arc(-1 / 90).frame_at(s[1:])
    for batched, single in zip(both.frame_at(s), alone, strict=True):
        assert torch.equal(batched[1:], single)
