"""Perturbed parameters: exact for one layer, sound for several, biases alone without loss of sign
information.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Forward
from defenses.bounds.rows import Outer


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


@pytest.mark.parametrize("samples", [1, 3])
def test_rows_over_a_matrix_answer_as_if_they_were_written_out(samples):
    generator = torch.Generator().manual_seed(samples)

    def draw(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    rows = Outer((4, 5), False, draw(samples, 6, 4), draw(samples, 5))
    for value in (draw(1, 4, 5), draw(3, 4, 5)):
        torch.testing.assert_close(rows.dot(value), rows.dense().dot(value))
        torch.testing.assert_close(rows.magnitude(value.abs()), rows.dense().magnitude(value.abs()))
        for radius, order in itertools.product((value.abs(), value.abs()[0, 0, 0]), (1, 2, math.inf)):
            torch.testing.assert_close(rows.norm(radius, order), rows.dense().norm(radius, order))
    torch.testing.assert_close(rows.mirror().dense().coefficients, rows.dense().mirror().coefficients)


def test_a_matrix_used_twice_is_bounded_soundly():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 4, dtype=torch.float64) / 2)

        def forward(self, x):
            return nn.functional.linear(nn.functional.linear(x, self.weight).relu(), self.weight)

    torch.manual_seed(3)
    model, x = Twice(), torch.randn(2, 4, dtype=torch.float64)
    with torch.no_grad():
        found = BoundedModel.of(model, x).bounds(x, {"weight": Ball(0.1, 2.0)}, Backward())
    region = Ball(0.1, 2.0).around(model.weight.detach().unsqueeze(0), "weight")
    for weight in region.sample(200, torch.Generator().manual_seed(0))[:, 0]:
        output = torch.func.functional_call(model, {"weight": weight}, (x,))
        assert ((found.lower - 1e-9 <= output) & (output <= found.upper + 1e-9)).all()


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
