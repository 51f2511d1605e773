"""Bounds where operators, values or questions are unusual: each case was wrong once, or nearly."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball, BoundedModel, Box, Forward, Interval, Method, Optimised
from defenses.bounds.regions import AffineRegion, BoxRegion, LpRegion, Region
from defenses.bounds.rows import Dense, Outer
from defenses.bounds.synonyms import Synonyms

METHODS = [IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward()), Optimised(iterations=2)]
BALL = Ball(0.1)


class Function(nn.Module):
    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: Tensor) -> Tensor:
        return self.function(*x)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def assert_inside(values: Tensor, bounds: Interval) -> None:
    assert (values >= bounds.lower - 1e-9).all()
    assert (values <= bounds.upper + 1e-9).all()


def assert_sound(model: nn.Module, *inputs: Tensor, bounds: Interval) -> None:
    moved = BALL.around(inputs[0], "x").sample(100, torch.Generator().manual_seed(1))
    assert_inside(torch.stack([model(x, *inputs[1:]) for x in moved]), bounds)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_indices_may_be_others_next_time(method: Method) -> None:
    model, x = Function(lambda x, i: x.index_select(1, i).tanh()), draw(2, 4)
    bounded = BoundedModel.of(model, x, torch.tensor([0, 1]), batch_axes=(0, None))
    for index in (torch.tensor([0, 1]), torch.tensor([3, 2])):
        assert_sound(model, x, index, bounds=bounded.bounds((x, index), BALL, method))


class Scalars(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.factor = nn.Parameter(draw(3, 4)), nn.Parameter(torch.tensor(0.7).double())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight).relu() * self.factor + self.weight.sum()


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_scalars_within_a_network(method: Method) -> None:
    model, x = Scalars(), draw(2, 4, seed=3)
    balls = {"weight": Ball(0.05), "factor": Ball(0.1)}
    with torch.no_grad():
        bounds = BoundedModel.of(model, x).bounds(x, balls, method)
    generator, parameters = torch.Generator().manual_seed(0), dict(model.named_parameters())
    drawn = {
        name: ball.around(parameters[name].detach().unsqueeze(0), name).sample(100, generator)[:, 0]
        for name, ball in balls.items()
    }
    for k in range(100):
        state = {name: values[k] for name, values in drawn.items()}
        assert_inside(torch.func.functional_call(model, state, (x,)), bounds)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_both_ends_meet_the_operand_of_their_own_sample(method: Method) -> None:
    model = Function(lambda x, y: (x - 2 * y).relu() + torch.cat([x, y], 1)[:, 1:4])
    inputs = draw(3, 3), draw(3, 3, seed=5)
    assert_sound(model, *inputs, bounds=BoundedModel.of(model, *inputs).bounds(inputs, BALL, method))


@pytest.mark.parametrize(("padding", "stride"), [("same", 1), ("valid", (2, 1))])
def test_padding_in_words(padding: str, stride: int | tuple[int, int]) -> None:
    weight = draw(2, 3, 4, 3)
    model, x = Function(lambda x: F.conv2d(x, weight, None, stride, padding).relu()), draw(2, 3, 6, 5)
    for method in (Backward(), Forward()):
        assert_sound(model, x, bounds=BoundedModel.of(model, x).bounds(x, BALL, method))


def test_a_line_above_a_nearly_flat_tail() -> None:
    model, x = Function(lambda x: x.tanh() - 1e-34 * x), torch.zeros(1, 1, dtype=torch.float64)
    bounds = BoundedModel.of(model, x).bounds(x, Box(x, x + 1e40), Backward())
    assert bounds.upper.item() >= 0


def test_a_box_encloses_its_ends_in_single_precision() -> None:
    lower, upper = torch.tensor([[1e-3, -7.3, 0.1]]), torch.tensor([[100.0, 1e-4, 0.1]])
    region = BoxRegion.of(lower, upper)
    assert torch.equal(region.interval().lower, lower)
    assert torch.equal(region.interval().upper, upper)
    centre, radius = region.centre.double(), region.radius.double()
    assert (centre - radius <= lower.double()).all()
    assert (centre + radius >= upper.double()).all()
    assert radius[0, 2] == 0


def test_rows_over_a_matrix_with_radii_of_its_own_are_not_written_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(rows: Outer) -> Dense:
        raise AssertionError("written out")

    monkeypatch.setattr(Outer, "dense", refuse)
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 4)).double(), draw(3, 20)
    bounded = BoundedModel.of(model, x)
    for p in (1.0, 2.0, math.inf):
        one, each = (
            bounded.bounds(x, {"0.weight": Ball(radius, p)}, Backward(IBP()))
            for radius in (0.1, torch.full((6, 20), 0.1).double())
        )
        torch.testing.assert_close(each.lower, one.lower)
        torch.testing.assert_close(each.upper, one.upper)


def regions() -> dict[str, Region]:
    inner = LpRegion(draw(3, 2), torch.full((3, 2), 0.3).double(), 2.0)
    synonyms = Synonyms(draw(3, 4, 2, 5), torch.ones(3, 4, 2, dtype=torch.bool), 2)
    return {
        "ball": LpRegion(draw(3, 4, 5), torch.tensor(0.2).double(), 1.0),
        "about zero": LpRegion(torch.zeros(3, 4, 5).double(), torch.tensor(0.2).double(), 2.0),
        "box": BoxRegion.of(draw(3, 4, 5), draw(3, 4, 5).abs() + 3),
        "affine": AffineRegion(draw(3, 4, 5), draw(2, 20, seed=8), inner),
        "words": synonyms.around(draw(3, 4, 5), "x"),
    }


@pytest.mark.parametrize("name", list(regions()))
def test_members_lie_between_the_least_and_the_greatest_value(name: str) -> None:
    region, rows = regions()[name], Dense((4, 5), False, draw(3, 6, 4, 5, seed=2))
    members = region.sample(50, torch.Generator().manual_seed(0))
    values = torch.einsum("nbij,bsij->nbs", members, rows.coefficients)
    assert_inside(values, Interval(region.minimum(rows), region.maximum(rows)))
    negative = -region.minimum(rows.scaled(-1.0))
    torch.testing.assert_close(region.maximum(rows).expand(3, 6), negative.expand(3, 6))
