"""Matrix products relaxed for whole rows: as tight as the same sum written in elementwise products, and sound."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import Backward, Ball, BoundedModel, Optimised

BATCH, HEADS, HEIGHT, INNER, WIDTH = 3, 2, 4, 5, 6
BALL = Ball(0.1)
ONE_STEP = Optimised(iterations=1, inner_iterations=0)


class Attended(nn.Module):
    """``A B`` for two images of the input, heads side by side; or the sum that a row asks of it, written out.

    Args:
        row: ``(HEADS, HEIGHT, WIDTH)`` coefficients over the product; None for the product itself.
    """

    def __init__(self, row: Tensor | None = None) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        shapes = ((7, HEADS * HEIGHT * INNER), (7, HEADS * INNER * WIDTH))
        self.maps = nn.ParameterList(
            [torch.randn(shape, generator=generator, dtype=torch.float64) / 3 for shape in shapes]
        )
        self.row = row

    def forward(self, x: Tensor) -> Tensor:
        a = (x @ self.maps[0]).view(-1, HEADS, HEIGHT, INNER)
        b = (x @ self.maps[1]).view(-1, HEADS, INNER, WIDTH)
        if self.row is None:
            return a @ b
        return (a * (self.row @ b.transpose(-1, -2))).sum((1, 2, 3))


def inputs() -> Tensor:
    return torch.rand(BATCH, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("lines", [1, HEIGHT])
def test_a_row_is_bounded_as_if_the_sum_had_been_written_in_elementwise_products(lines: int) -> None:
    row = torch.randn(HEADS, HEIGHT, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    row[:, lines:] = 0
    asked = BoundedModel.of(Attended(), inputs()).bounds(inputs(), BALL, ONE_STEP, row.view(1, -1))
    one = torch.ones(1, 1, dtype=torch.float64)
    written = BoundedModel.of(Attended(row), inputs()).bounds(inputs(), BALL, ONE_STEP, one)
    torch.testing.assert_close(asked.lower, written.lower)
    torch.testing.assert_close(asked.upper, written.upper)


def test_the_sum_over_features_is_taken_before_the_relaxation() -> None:
    row = torch.ones(1, HEADS * HEIGHT * WIDTH, dtype=torch.float64)
    model, x = BoundedModel.of(Attended(), inputs()), inputs()
    plain, tuned = (model.bounds(x, BALL, method, row) for method in (Backward(), ONE_STEP))
    assert bool((tuned.upper - tuned.lower < 0.8 * (plain.upper - plain.lower)).all())
    # rows that do not fit keep the planes of every entry, and only these rows
    small = model.bounds(x, BALL, ONE_STEP, row, budget=BATCH * HEADS**2 * HEIGHT * INNER * INNER * WIDTH)
    assert bool((small.lower <= tuned.lower + 1e-9).all())
    assert bool((small.lower >= plain.lower - 1e-9).all())


def test_rows_that_ask_for_nothing_are_answered():
    rows = torch.zeros(2, HEADS * HEIGHT * WIDTH, dtype=torch.float64)
    found = BoundedModel.of(Attended(), inputs()).bounds(inputs(), BALL, ONE_STEP, rows)
    assert found.lower.tolist() == found.upper.tolist() == [[0.0, 0.0]] * BATCH


def test_no_member_leaves_the_bounds() -> None:
    rows = torch.randn(
        9, HEADS * HEIGHT * WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    network = Attended()
    bounds = BoundedModel.of(network, inputs()).bounds(inputs(), BALL, Optimised(iterations=5), rows)
    region = BALL.around(inputs(), "x")
    for x in region.sample(300, torch.Generator().manual_seed(0)):
        found = network(x).flatten(1) @ rows.T
        assert bool(((found >= bounds.lower - 1e-9) & (found <= bounds.upper + 1e-9)).all())
