"""Windows on an image are the rows that they stand for, in every form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import Affine, Backward, Ball, BoundedModel
from defenses.bounds.rows import Patches


@pytest.fixture
def windows(generator: torch.Generator) -> Patches:
    """Windows of 3 by 2 here and there, some of them over the edge."""
    blocks = torch.randn(2, 6, 2, 3, 2, dtype=torch.float64, generator=generator)
    top = torch.tensor([[-1, 0, 2, 3, 4, 1]]).expand(2, -1)
    left = torch.tensor([[-1, 5, 2, 0, 4, 3]]).expand(2, -1)
    return Patches((1, 2, 6, 6), False, blocks, top, left, (-1, 4, -1, 5)).mask()


def test_sparse_rows_are_the_dense_ones(windows):
    dense = windows.dense().coefficients.flatten(2).flatten(0, 1)
    torch.testing.assert_close(windows.sparse().to_dense(), dense)


def test_a_common_window_is_broadcast(windows, generator):
    common = Patches.cut(windows.dense(), (1, 5, 0, 3))
    assert common.common
    assert not windows.common
    value = torch.randn(2, 1, 2, 6, 6, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(common.dot(value), common.dense().dot(value))
    for window in ((2, 4, 1, 6), (0, 1, 4, 6)):
        inside = torch.zeros_like(value)
        inside[..., window[0] : window[1], window[2] : window[3]] = 1
        torch.testing.assert_close(common.trim(window).dot(value), common.dense().dot(value * inside))


def test_sparse_and_dense_families_give_the_same_bounds(generator):
    class Looker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 3, 3, 2, 1), nn.Conv2d(3, 2, 3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).relu()).relu().sum((2, 3))

    x = torch.rand(2, 1, 8, 10, dtype=torch.float64, generator=generator)
    directions = torch.randn(5, 80, dtype=torch.float64, generator=generator)
    directions = directions * (torch.rand(5, 80, generator=generator) < 0.2)
    bounded = BoundedModel.of(Looker().double(), x)
    sparse, dense = (
        bounded.bounds(x, Affine(d, Ball(0.3)), Backward()) for d in (directions.to_sparse(), directions)
    )
    torch.testing.assert_close(sparse.lower, dense.lower)
    torch.testing.assert_close(sparse.upper, dense.upper)
