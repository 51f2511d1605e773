"""Rows that are cut down to the window in which an image moves give the same bounds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.bounds import Backward, Ball, BoundedModel, Optimised, stillness
from defenses.bounds.rows import Dense, Patches


class Looker(nn.Module):
    """Convolutions with a residual, whose later rows cover the whole image."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Conv2d(2, 3, 3, 2, 1), nn.Conv2d(3, 3, 3, 1, 1)
        self.out = nn.Linear(3 * 6 * 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.first(x), 0.2)
        return self.out(F.leaky_relu(y + self.second(y), 0.2).flatten(1))


def question(window: tuple[int, int, int, int], batch: int) -> tuple[BoundedModel, Tensor, Ball]:
    top, bottom, left, right = window
    x = torch.rand(batch, 2, 12, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(2, 12, 16, dtype=torch.bool)
    mask[:, top:bottom, left:right] = True
    return BoundedModel.of(Looker().double(), x), x, Ball(0.1, mask=mask)


@pytest.mark.parametrize("method", [Backward(), Optimised(iterations=2)], ids=str)
@pytest.mark.parametrize("window", [(0, 4, 0, 3), (5, 8, 6, 12), (11, 12, 15, 16)])
def test_bounds_are_the_same(monkeypatch, method, window):
    bounded, x, ball = question(window, 2)
    found = bounded.bounds(x, ball, method)
    monkeypatch.setattr(stillness, "WORTH", 0.0)
    whole = bounded.bounds(x, ball, method)
    share = 1e-9 if isinstance(method, Backward) else 1e-3  # optimisers take their own ways
    torch.testing.assert_close(found.lower, whole.lower, rtol=share, atol=share)
    torch.testing.assert_close(found.upper, whole.upper, rtol=share, atol=share)
    assert (found.upper > found.lower).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_cut_off_is_known(mirrored):
    bounded, x, ball = question((2, 5, 4, 9), 1)
    problem = bounded.pose((x,), {0: ball}, 0, 2**20)
    node = bounded.graph.inputs[0]
    problem.intervals[node.index] = problem.regions[node.index].interval()
    generator = torch.Generator().manual_seed(2)
    coefficients = torch.randn(1, 5, 1, 2, 12, 16, dtype=torch.float64, generator=generator)
    whole = Dense(node.shape, mirrored, coefficients)
    member = ball.around(x, "x").sample(1, generator)[0].unsqueeze(1)
    far = Patches.cut(whole, (8, 12, 0, 16))
    for rows in (whole, Patches.cut(whole, (1, 12, 2, 16)), far):
        cut, known = stillness.settle(problem, node, rows)
        assert isinstance(cut, Patches)
        assert known is not None
        assert cut.window[0] <= 3
        assert cut.window[1] <= 5
        plain, inside = (r.mirror() if mirrored else r for r in (rows, cut))
        torch.testing.assert_close(inside.dot(member) + known, plain.dot(member))


def test_images_that_move_everywhere_are_left_alone():
    bounded, x, ball = question((0, 12, 0, 16), 1)
    problem = bounded.pose((x,), {0: ball}, 0, 2**20)
    node = bounded.graph.inputs[0]
    problem.intervals[node.index] = problem.regions[node.index].interval()
    rows = Dense(node.shape, False, torch.ones(1, 1, 1, 2, 12, 16, dtype=torch.float64))
    assert stillness.settle(problem, node, rows) == (rows, None)
