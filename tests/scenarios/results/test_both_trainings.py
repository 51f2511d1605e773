"""One recipe, two trainings: they start alike, and only one of them meets a perturbation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from defenses.bounds.training import balls
from scenarios.results.both_trainings import recipe, train_both
from simulator.errors import InvalidInput


def batches(generator):
    x = torch.randn(40, 3, generator=generator)
    yield x, (x[:, 0] > 0).long()


def test_only_the_second_meets_a_perturbation():
    told: list[int] = []
    certified = recipe(balls(0.1), 10, 0.3, 0.4, 0.2)
    assert (certified.warm_up, certified.ramp) == (3, 4)
    found = train_both(certified, lambda: nn.Linear(3, 2), batches, 0, told.append)
    assert [name for name, _ in found] == ["ordinary", "certified"]
    assert sum(told) == 20
    strengths = [[epoch.strength for epoch in network.history] for _, network in found]
    assert strengths[0] == [0.0] * 10
    assert strengths[1] == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    first = [network.history[0].loss for _, network in found]
    assert first[0] == pytest.approx(first[1])


def test_too_few_epochs_are_named():
    with pytest.raises(InvalidInput, match="epochs 2"):
        recipe(balls(0.1), 2, 0.3, 0.4, 0.2)
