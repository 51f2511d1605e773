"""Boxes on the road: their corners, and when they touch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from simulator.objects import footprint, overlap


def _rectangle(x: float, y: float, yaw: float, length: float, width: float) -> Tensor:
    return footprint(*(torch.tensor(v, dtype=torch.float64) for v in (x, y, yaw, length, width)))


def test_footprint_corners() -> None:
    corners = _rectangle(1.0, 2.0, math.pi / 2, 4.0, 2.0)
    expected = torch.tensor([[0.0, 4.0], [0.0, 0.0], [2.0, 0.0], [2.0, 4.0]], dtype=torch.float64)
    assert torch.allclose(corners, expected)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((0.0, 0.0, 0.0, 1.0, 1.0), True),  # inside
        ((3.99, 0.0, 0.0, 4.0, 2.0), True),
        ((4.0, 0.0, 0.0, 4.0, 2.0), False),  # touching
        ((0.0, 2.01, 0.0, 4.0, 2.0), False),
        ((2.75, 1.75, math.pi / 4, 2.0, 2.0), False),  # bounding boxes overlap, rectangles do not
        ((2.6, 1.6, math.pi / 4, 2.0, 2.0), True),
        ((0.0, 0.0, math.pi / 2, 9.0, 0.1), True),  # a cross: no corner inside the other
    ],
)
def test_overlap(other: tuple[float, float, float, float, float], expected: bool) -> None:
    assert bool(overlap(_rectangle(0, 0, 0, 4, 2), _rectangle(*other))) is expected


_POSES = st.tuples(st.floats(-4, 4), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.5, 5), st.floats(0.5, 5))


@given(a=_POSES, b=_POSES, turn=st.floats(-3, 3))
def test_overlap_is_symmetric_and_does_not_depend_on_the_frame(
    a: tuple[float, ...], b: tuple[float, ...], turn: float
) -> None:
    one, other = _rectangle(*a), _rectangle(*b)
    spin = torch.tensor(
        [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]], dtype=torch.float64
    )
    # shrunk and grown a little, so that rounding does not decide
    smaller = one.mean(0) + (one - one.mean(0)) * (1 - 1e-9)
    larger = one.mean(0) + (one - one.mean(0)) * (1 + 1e-9)
    if bool(overlap(smaller, other)) == bool(overlap(larger, other)):
        assert bool(overlap(other, one)) == bool(overlap(smaller, other))
        assert bool(overlap(one @ spin, other @ spin)) == bool(overlap(smaller, other))
