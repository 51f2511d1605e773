"""Bounds where theory says what they are: affine networks, dual norms, one hidden layer against linear
programming.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from torch import Tensor, nn

from defenses.bounds import IBP, Affine, Backward, Ball, BoundedModel, Box, Forward, Optimised

METHODS = [Backward(), Backward(IBP()), Forward(), Backward(Forward()), IBP()]


def affine_network() -> nn.Sequential:
    torch.manual_seed(3)
    layers = (nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(18, 7), nn.Linear(7, 4))
    return nn.Sequential(*layers).double()


@pytest.fixture(scope="module")
def affine() -> tuple[nn.Sequential, Tensor, Tensor, BoundedModel]:
    model = affine_network()
    x = torch.rand(3, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    jacobian = torch.autograd.functional.jacobian(model, x[:1]).reshape(4, 36)
    return model, x, jacobian, BoundedModel.of(model, x)


@pytest.mark.parametrize(("p", "dual"), [(math.inf, 1), (2.0, 2), (1.0, math.inf)])
@pytest.mark.parametrize("method", METHODS[:4], ids=str)
def test_affine_network_reaches_the_dual_norm(affine, p, dual, method):
    model, x, jacobian, bounded = affine
    found = bounded.bounds(x, Ball(0.3, p), method)
    half = 0.3 * torch.linalg.vector_norm(jacobian, dual, dim=1)
    torch.testing.assert_close(found.lower, model(x).detach() - half)
    torch.testing.assert_close(found.upper, model(x).detach() + half)


def test_interval_arithmetic_is_exact_on_affine_images_of_round_sets(affine):
    _, x, jacobian, bounded = affine
    half = 0.3 * torch.linalg.vector_norm(jacobian, 2, dim=1)
    torch.testing.assert_close(bounded.bounds(x, Ball(0.3, 2.0), IBP()).radius, half.expand(3, 4))


@pytest.mark.parametrize("method", METHODS[:4], ids=str)
def test_masks_and_radii_by_element(affine, method):
    model, x, jacobian, bounded = affine
    radius = torch.rand(3, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[:, 2:4, 1:5] = True
    found = bounded.bounds(x, Ball(radius, mask=mask), method)
    half = (radius * mask).flatten(1) @ jacobian.abs().T
    torch.testing.assert_close(found.upper, model(x).detach() + half)


@pytest.mark.parametrize("method", METHODS[:4], ids=str)
@pytest.mark.parametrize("sparse", [False, True])
def test_affine_family_reaches_the_pulled_back_dual_norm(affine, method, sparse):
    model, x, jacobian, bounded = affine
    directions = torch.randn(5, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    given = directions.to_sparse() if sparse else directions.view(5, 1, 6, 6)
    found = bounded.bounds(x, Affine(given, Ball(0.2)), method)
    half = 0.2 * (jacobian @ directions.T).abs().sum(1)
    torch.testing.assert_close(found.upper, model(x).detach() + half)


def test_box_and_clipped_ball_agree(affine):
    _, x, _, bounded = affine
    clipped = bounded.bounds(x, Ball(0.2, low=0.0, high=1.0))
    boxed = bounded.bounds(x, Box((x - 0.2).clamp(0, 1), (x + 0.2).clamp(0, 1)))
    torch.testing.assert_close(clipped.lower, boxed.lower)


def test_specification_rows_are_functionals_of_the_output(affine):
    model, x, jacobian, bounded = affine
    rows = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.5, 0.5, 0.5, -2.0]], dtype=torch.float64)
    half = 0.1 * (rows @ jacobian).abs().sum(1)
    for method in METHODS:
        found = bounded.bounds(x, Ball(0.1), method, specification=rows)
        torch.testing.assert_close(found.lower, model(x).detach() @ rows.T - half)
    upper = bounded.bounds(x, Ball(0.1), specification=rows, sides="upper")
    torch.testing.assert_close(upper.upper, model(x).detach() @ rows.T + half)
    assert torch.isinf(upper.lower).all()


def triangle_optimum(model: nn.Sequential, x: np.ndarray, radius: float, sign: float) -> float:
    """The least value of the first output of ``linear, relu, linear`` over the triangle relaxation, by linear
    programming.
    """
    w1, b1 = (t.detach().numpy() for t in (model[0].weight, model[0].bias))
    w2, b2 = sign * model[2].weight[0].detach().numpy(), sign * model[2].bias[0].item()
    centre, spread = w1 @ x + b1, radius * np.abs(w1).sum(1)
    low, high = centre - spread, centre + spread
    n, hidden = len(x), len(b1)
    rows, limits, bounds = [], [], [(v - radius, v + radius) for v in x]
    for j in range(hidden):
        pick = np.eye(hidden)[j]
        rows.append(np.concatenate([w1[j], -pick]))
        limits.append(-b1[j])
        if high[j] <= 0:
            bounds.append((0, 0))
            continue
        share = high[j] / (high[j] - low[j]) if low[j] < 0 else 1.0
        rows.append(np.concatenate([-share * w1[j], pick]))
        limits.append(share * (b1[j] - min(low[j], 0)))
        bounds.append((0, None))
    cost = np.concatenate([np.zeros(n), w2])
    return float(linprog(cost, np.array(rows), np.array(limits), bounds=bounds, method="highs").fun) + b2


def test_optimised_bounds_reach_the_linear_programme_of_one_hidden_layer():
    torch.manual_seed(11)
    model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 1)).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    found = BoundedModel.of(model, x).bounds(x, Ball(0.4), Optimised(iterations=200, rate=0.05))
    low = triangle_optimum(model, x[0].numpy(), 0.4, 1.0)
    high = -triangle_optimum(model, x[0].numpy(), 0.4, -1.0)
    assert found.lower.item() <= low + 1e-9
    assert found.upper.item() >= high - 1e-9
    assert found.lower.item() == pytest.approx(low, abs=2e-3 * (high - low))
    assert found.upper.item() == pytest.approx(high, abs=2e-3 * (high - low))


def true_least(model: nn.Sequential, x: np.ndarray, radius: float, sign: float) -> float:
    """The least value of ``sign`` times the output of ``linear, relu, linear`` over a box, by integer programming.

    Variables are the input, the hidden values and, for every hidden neuron, whether it is active (Tjeng et al. 2019,
    "Evaluating robustness of neural networks with mixed integer programming").
    """
    w1, b1 = (t.detach().numpy() for t in (model[0].weight, model[0].bias))
    w2, b2 = sign * model[2].weight[0].detach().numpy(), sign * model[2].bias[0].item()
    centre, spread = w1 @ x + b1, radius * np.abs(w1).sum(1)
    low, high = np.minimum(centre - spread, 0), np.maximum(centre + spread, 0)
    n, hidden = len(x), len(b1)
    one, none = np.eye(hidden), np.zeros((hidden, hidden))
    constraints = [
        LinearConstraint(np.hstack([w1, -one, none]), ub=-b1),
        LinearConstraint(np.hstack([np.zeros((hidden, n)), one, -np.diag(high)]), ub=0),
        LinearConstraint(np.hstack([-w1, one, -np.diag(low)]), ub=b1 - low),
    ]
    box = Bounds(
        np.concatenate([x - radius, np.zeros(2 * hidden)]),
        np.concatenate([x + radius, high, np.ones(hidden)]),
    )
    kinds = np.concatenate([np.zeros(n + hidden), np.ones(hidden)])
    found = milp(
        np.concatenate([np.zeros(n), w2, np.zeros(hidden)]),
        constraints=constraints,
        bounds=box,
        integrality=kinds,
        options={"mip_rel_gap": 0.0},
    )
    return float(found.fun) + b2


@pytest.mark.parametrize("seed", range(3))
def test_one_hidden_layer_against_its_true_range(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 1)).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    low, high = (sign * true_least(model, x[0].numpy(), 0.4, sign) for sign in (1.0, -1.0))
    members = x + 0.4 * (2 * torch.rand(20000, 5, dtype=torch.float64) - 1)
    with torch.no_grad():
        assert low - 1e-6 <= model(members).min().item()
        assert high + 1e-6 >= model(members).max().item()
    bounded = BoundedModel.of(model, x)
    for method in (*METHODS, Optimised(iterations=20)):
        found = bounded.bounds(x, Ball(0.4), method)
        assert found.lower.item() <= low + 1e-6
        assert found.upper.item() >= high - 1e-6
    # where no hidden neuron counts negatively the network is convex, and what relaxations lose from below is nothing
    with torch.no_grad():
        model[2].weight.abs_()
    low, high = (sign * true_least(model, x[0].numpy(), 0.4, sign) for sign in (1.0, -1.0))
    found = bounded.bounds(x, Ball(0.4), Optimised(iterations=300, rate=0.05), sides="lower")
    assert found.lower.item() == pytest.approx(low, abs=2e-3 * (high - low))
