"""Questions that cannot be answered get an error that names what is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import RULES, Affine, Ball, BoundedModel, Box, UnsupportedOperator
from defenses.bounds.rules.elementwise import Convex
from simulator.world import InvalidInput


class Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cosh(torch.special.bessel_j0(self.inner(x)))


@pytest.fixture(scope="module")
def linear() -> tuple[BoundedModel, Tensor]:
    x = torch.rand(2, 3)
    return BoundedModel.of(nn.Linear(3, 2), x), x


def test_unsupported_operators_are_all_listed_and_can_be_registered():
    model, x = Strange(), torch.rand(1, 3)
    bounded = BoundedModel.of(model, x)
    with pytest.raises(UnsupportedOperator) as caught:
        bounded.bounds(x, Ball(0.1))
    message = str(caught.value)
    assert "bessel_j0" in message
    assert "aten.cosh" in message
    assert "RULES.add" in message
    RULES.add(Convex(torch.cosh, torch.sinh, least=0.0), torch.ops.aten.cosh.default)
    with pytest.raises(UnsupportedOperator) as caught:
        bounded.bounds(x, Ball(0.1))
    assert "cosh" not in str(caught.value).split("Register")[0].replace("torch.cosh(torch.special", "")


@pytest.mark.parametrize(
    ("perturbation", "fragment"),
    [
        (Ball(float("inf")), "finite"),
        (Ball(-0.1), "not negative"),
        (Ball(0.1, p=3.0), "p is 3.0"),
        (Ball(torch.ones(4)), "shape (4,)"),
        (Ball(0.1, mask=torch.ones(2, 2, dtype=torch.bool)), "mask"),
        (Ball(0.1, p=2.0, low=0.0), "p = infinity"),
        (Box(torch.ones(3), torch.zeros(3)), "above"),
        (Affine(torch.ones(1, 4), Ball(0.1)), "(1, 4)"),
    ],
)
def test_perturbations_that_do_not_fit(linear, perturbation, fragment):
    bounded, x = linear
    with pytest.raises(InvalidInput) as caught:
        bounded.bounds(x, perturbation)
    assert fragment in str(caught.value)


def test_inputs_that_do_not_fit(linear):
    bounded, x = linear
    for wrong in (torch.rand(2, 4), x.double(), x.log().log()):
        with pytest.raises(InvalidInput, match="input 0"):
            bounded.bounds(wrong, Ball(0.1))
    with pytest.raises(InvalidInput, match="1 inputs"):
        bounded.bounds((x, x), Ball(0.1))
    with pytest.raises(InvalidInput, match="no parameter"):
        bounded.bounds(x, {"wait": Ball(0.1)})
    with pytest.raises(InvalidInput, match="specification"):
        bounded.bounds(x, Ball(0.1), specification=torch.ones(1, 5))
    with pytest.raises(InvalidInput, match="sides"):
        bounded.bounds(x, Ball(0.1), sides="left")


def test_nan_weights_are_named():
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    x = torch.rand(1, 3)
    with pytest.raises(InvalidInput, match="parameter weight"):
        BoundedModel.of(model, x).bounds(x, Ball(0.1))


def test_leaving_the_domain_of_a_function_is_named():
    class Logarithm(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.log()

    x = torch.full((1, 2), 0.5)
    with pytest.raises(InvalidInput, match="domain"):
        BoundedModel.of(Logarithm(), x).bounds(x, Ball(0.6))


def test_a_change_of_precision_is_named():
    class Widened(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 2).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x).relu().double())

    x = torch.rand(2, 3)
    with pytest.raises(UnsupportedOperator, match=r"_to_copy.*float32 into torch\.float64"):
        BoundedModel.of(Widened(), x).bounds(x, Ball(0.1))


def test_control_flow_on_values_is_refused():
    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(InvalidInput, match="cannot capture Branch"):
        BoundedModel.of(Branch(), torch.rand(1, 2))
