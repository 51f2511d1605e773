"""Word substitution: the closed form is the dynamic programme, bounds hold for every substitution."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, BoundedModel, Forward
from defenses.bounds.rows import Dense
from defenses.bounds.synonyms import Synonyms
from simulator.world import InvalidInput


def sentence(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    candidates = words.unsqueeze(2) + 0.3 * torch.randn(2, 4, 2, 3, generator=generator, dtype=torch.float64)
    valid = torch.rand(2, 4, 2, generator=generator) < 0.7
    return words, candidates, valid


def sentences(words: Tensor, candidates: Tensor, valid: Tensor, budget: int) -> Tensor:
    """Every admissible sentence of the first sample."""
    choices = [[None, *(k for k in range(2) if valid[0, t, k])] for t in range(4)]
    members = []
    for picks in itertools.product(*choices):
        if sum(pick is not None for pick in picks) <= budget:
            rows = [words[0, t] if k is None else candidates[0, t, k] for t, k in enumerate(picks)]
            members.append(torch.stack(rows))
    return torch.stack(members)


@pytest.mark.parametrize("budget", [0, 1, 2, 4])
def test_minimum_is_that_of_all_substitutions(budget):
    words, candidates, valid = sentence()
    region = Synonyms(candidates, valid, budget).around(words, "x")
    rows = torch.randn(1, 5, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = region.minimum(Dense((4, 3), False, rows))[0]
    members = sentences(words, candidates, valid, budget)
    torch.testing.assert_close(found, torch.einsum("mte,ste->sm", members, rows[0]).amin(1))


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.cell, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0].mean(1))


def test_bounds_hold_for_every_substitution_and_grow_with_the_budget():
    words, candidates, valid = sentence()
    model = Reader().double()
    bounded = BoundedModel.of(model, words)
    for method in (IBP(), Backward(IBP()), Backward(), Forward(), Backward(Forward())):
        widths = []
        for budget in (1, 2, 4):
            with torch.no_grad():
                found = bounded.bounds(words, Synonyms(candidates, valid, budget), method)
                outputs = model(sentences(words, candidates, valid, budget))
            assert (found.lower[0] <= outputs + 1e-9).all()
            assert (outputs <= found.upper[0] + 1e-9).all()
            widths.append((found.upper - found.lower).mean().item())
        assert widths == sorted(widths)


def test_shapes_and_budgets_are_checked():
    words, candidates, valid = sentence()
    with pytest.raises(InvalidInput, match="shapes"):
        Synonyms(candidates[:, :3], valid[:, :3], 1).around(words, "x")
    with pytest.raises(InvalidInput, match="negative"):
        Synonyms(candidates, valid, -1).around(words, "x")
