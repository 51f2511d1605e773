"""Autograd through bounds agrees with central differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward

METHODS = [IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward())]


class Small(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.kind = kind
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)
        self.kernel = nn.Parameter(torch.randn(2, 1, 3, 3) / 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "conv":
            x = F.conv2d(x.view(-1, 1, 3, 4), self.kernel, None, 1, 1).relu()
            return self.second(F.conv2d(x, self.kernel.transpose(0, 1), None, 2, 1).relu().flatten(1)[:, :4])
        y = self.first(x)
        if self.kind == "relu":
            return self.second(F.relu(y).sum(1))
        if self.kind == "smooth":
            return self.second((torch.tanh(y) * torch.sigmoid(x) + F.gelu(y)).mean(1))
        return self.second((torch.softmax(y @ x.transpose(1, 2), -1) @ x).sum(1))


@pytest.mark.parametrize("kind", ["relu", "conv", "smooth", "attention"])
def test_gradients_of_bounds(kind):
    model = Small(kind).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    bounded = BoundedModel.of(model, x)
    names = [name for name, _ in model.named_parameters()]
    starts = [p.detach().clone() for p in model.parameters()]
    generator = torch.Generator().manual_seed(9)
    for method in METHODS:
        move = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        directions = [torch.randn(s.shape, generator=generator, dtype=torch.float64) for s in starts]

        def width(shift: Tensor, method=method, move=move, directions=directions) -> Tensor:
            """The summed width of the bounds with inputs, radius and weights moved along a random direction."""
            values = [s + shift * d for s, d in zip(starts, directions, strict=True)]
            for name, value in zip(names, values, strict=True):
                owner, _, leaf = name.rpartition(".")
                module = model.get_submodule(owner)
                module._parameters.pop(leaf, None)
                setattr(module, leaf, value)
            found = bounded.bounds(x + shift * move, Ball(0.1 + shift * 0.05), method)
            return (found.upper - 0.3 * found.lower).sum()

        shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(width(shift), shift)
        step = torch.tensor(1e-6, dtype=torch.float64)
        with torch.no_grad():
            difference = (width(step) - width(-step)) / (2 * step)
        assert slope.item() == pytest.approx(difference.item(), rel=1e-4), method
