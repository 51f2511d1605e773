"""Perturbed parameters: exact for one layer, sound for several, biases alone without loss of sign
information.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward


def test_one_layer_reaches_the_dual_norm_of_its_input():
    torch.manual_seed(0)
    model, x = nn.Linear(5, 3).double(), torch.randn(4, 5, dtype=torch.float64)
    bounded = BoundedModel.of(model, x)
    for p, dual in ((math.inf, 1), (2.0, 2), (1.0, math.inf)):
        for method in (Backward(), Backward(IBP()), Forward(), IBP()):
            found = bounded.bounds(x, {"weight": Ball(0.1, p), "bias": Ball(0.05, p)}, method)
            half = 0.1 * torch.linalg.vector_norm(x, dual, dim=1, keepdim=True) + 0.05
            torch.testing.assert_close(found.radius, half.expand(4, 3))
            torch.testing.assert_close(found.centre, model(x).detach())


@pytest.mark.parametrize(
    "method", [IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward())], ids=str
)
def test_deeper_networks_are_bounded_soundly(method):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    names = ["0.weight", "2.weight", "2.bias", "4.weight"]
    balls = {"0.weight": Ball(0.02), "2.weight": Ball(0.1, 2.0), "2.bias": Ball(0.05), "4.weight": Ball(0.03)}
    with torch.no_grad():
        found = BoundedModel.of(model, x).bounds(x, {**balls, 0: Ball(0.02)}, method)
    generator = torch.Generator().manual_seed(2)
    weights = dict(model.named_parameters())
    draws = {
        n: balls[n].around(weights[n].detach().unsqueeze(0), n).sample(60, generator)[:, 0] for n in names
    }
    moved = Ball(0.02).around(x, "x").sample(60, generator)
    for draw in range(60):
        state = {**weights, **{n: draws[n][draw] for n in names}}
        output = torch.func.functional_call(model, state, (moved[draw],))
        assert (found.lower - 1e-9 <= output).all()
        assert (output <= found.upper + 1e-9).all()


def test_intersection_with_intervals_keeps_backward_bounds_below_the_crown_ibp_ones():
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    ).double()
    x = torch.randn(2, 20, dtype=torch.float64)
    weights = {name: Ball(0.05) for name in ("0.weight", "2.weight", "4.weight")}
    bounded = BoundedModel.of(model, x)
    with torch.no_grad():
        tight = bounded.bounds(x, weights, Backward())
        loose = bounded.bounds(x, weights, Backward(IBP()))
    assert (tight.upper - tight.lower).mean() <= (loose.upper - loose.lower).mean() * (1 + 1e-9)
