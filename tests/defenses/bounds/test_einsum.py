"""Sums of products of three operands: sound where one is perturbed, refused where several are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward, Optimised, methods
from defenses.bounds.rules.base import UnsupportedOperator


class Form(nn.Module):
    """A bilinear form for every sample."""

    def forward(self, x: Tensor, matrix: Tensor, y: Tensor) -> Tensor:
        return torch.einsum("bi,ij,bj->b", x, matrix, y)


def subject() -> tuple[BoundedModel, tuple[Tensor, Tensor, Tensor]]:
    torch.manual_seed(0)
    inputs = tuple(torch.randn(shape, dtype=torch.float64) for shape in ((3, 4), (4, 5), (3, 5)))
    return BoundedModel.of(Form(), *inputs, batch_axes=(0, None, 0)), inputs  # type: ignore[return-value]


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("method", [IBP(), Backward(), Forward(), Optimised()])
def test_one_perturbed_operand_of_three(position: int, method: methods.Method) -> None:
    model, inputs = subject()
    found = model.bounds(inputs, {position: Ball(0.1)}, method)
    for _ in range(50):
        moved = list(inputs)
        moved[position] = moved[position] + 0.1 * torch.randn_like(moved[position]).sign()
        value = Form()(*moved)
        assert (value >= found.lower.view(-1) - 1e-9).all()
        assert (value <= found.upper.view(-1) + 1e-9).all()


@pytest.mark.parametrize("positions", [(0, 1), (0, 2), (1, 2)])
def test_more_are_refused(positions: tuple[int, ...]) -> None:
    model, inputs = subject()
    with pytest.raises(UnsupportedOperator, match="multiply two at a time"):
        model.bounds(inputs, {position: Ball(0.1) for position in positions})
