"""Samples and rows that are bounded a few at a time get the bounds that they get all at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import Backward, Ball, BoundedModel, Forward, methods
from defenses.bounds.perturbations import Perturbation
from defenses.bounds.regions import AffineRegion, LpRegion, Region
from defenses.bounds.synonyms import Synonyms
from simulator.world import InvalidInput

BATCH, PLENTY = 5, 2**24


class Brightness(Perturbation):
    """Every sample has a direction of its own in which it may move."""

    def around(self, x: Tensor, name: str) -> Region:
        matrix = x.flatten(1).cos().unsqueeze(1)
        inner = LpRegion(x.new_zeros(len(x), 1), x.new_full((len(x), 1), 0.2), float("inf"))
        return AffineRegion(x, matrix, inner)


def subject(shape: tuple[int, ...]) -> tuple[BoundedModel, Tensor]:
    torch.manual_seed(0)
    x = torch.rand(BATCH, *shape, dtype=torch.float64)
    size = x[0].numel()
    model = nn.Sequential(nn.Flatten(), nn.Linear(size, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    return BoundedModel.of(model, x), x


def perturbations() -> dict[str, Perturbation]:
    torch.manual_seed(1)
    words = torch.rand(BATCH, 4, 2, 3, dtype=torch.float64)
    return {
        "one radius": Ball(0.1),
        "radii of every sample": Ball(0.2 * torch.rand(BATCH, 4, 3, dtype=torch.float64), 2.0),
        "own directions": Brightness(),
        "words": Synonyms(words, torch.rand(BATCH, 4, 2) > 0.3, 2),
    }


@pytest.mark.parametrize("method", [Forward(), Backward(Forward())])
@pytest.mark.parametrize("name", perturbations())
@pytest.mark.parametrize("sides", ["both", "lower"])
def test_samples_are_bounded_alike_in_pieces(method: methods.Method, name: str, sides: str) -> None:
    model, x = subject((4, 3))
    perturbation = perturbations()[name]
    everyone = torch.rand(2, 3, dtype=torch.float64)
    each = torch.rand(BATCH, 2, 3, dtype=torch.float64)
    for specification in (None, everyone, each):
        whole, pieces = (
            model.bounds(x, perturbation, method, specification, sides, budget=budget)
            for budget in (PLENTY, 2 * 12 * 12)
        )
        assert pieces.lower.shape == whole.lower.shape
        assert torch.allclose(pieces.lower, whole.lower)
        assert torch.allclose(pieces.upper, whole.upper)


def test_the_budget_decides_how_many_samples_go_together() -> None:
    model, x = subject((4, 3))
    for budget, samples in ((1, 1), (2 * 12 * 12, 2), (PLENTY, PLENTY // 144)):
        problem = model.pose([x], Ball(0.1), 0, budget)
        assert Backward(Forward()).samples_at_once(problem) == samples
        assert Backward().samples_at_once(problem) == BATCH


def test_rows_are_bounded_alike_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = subject((4, 3))
    whole = model.bounds(x, Ball(0.1), Backward())
    monkeypatch.setattr(methods, "NEAR", 1)
    pieces = model.bounds(x, Ball(0.1), Backward())
    assert torch.allclose(pieces.lower, whole.lower)
    assert torch.allclose(pieces.upper, whole.upper)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 2, 3), (1, 1, 2, 3)])
def test_a_specification_that_does_not_fit_is_refused_before_the_work(shape: tuple[int, ...]) -> None:
    model, x = subject((4, 3))
    with pytest.raises(InvalidInput, match=r"expected \(S, 3\) or \(5, S, 3\)"):
        model.bounds(x, Ball(0.1), Forward(), torch.zeros(shape, dtype=torch.float64), budget=1)


def test_what_depends_on_a_shared_input_only_is_bounded_for_every_sample() -> None:
    class Shared(nn.Module):
        def forward(self, x: Tensor, shared: Tensor) -> Tensor:
            return shared.square() + 0 * x.detach().sum(1, keepdim=True)

    x, shared = torch.rand(3, 2), torch.rand(1, 2)
    model = BoundedModel.of(Shared(), x, shared, batch_axes=(0, None))
    for budget in (PLENTY, 1):
        found = model.bounds((x, shared), {1: Ball(0.1)}, Forward(), torch.ones(2, 2), budget=budget)
        assert found.lower.shape == (3, 2)
