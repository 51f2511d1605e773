"""Tasks are learnt, the same every time, and judged on samples of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.task import Split, Task, TaskRecipe, mean_quality, train_task


@dataclass(frozen=True)
class Sign:
    """Which of two numbers is larger."""

    seen: list[str]

    def network(self) -> nn.Module:
        return nn.Linear(2, 2)

    def batches(self, split: Split, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        self.seen.append(split)
        while True:
            inputs = torch.randn(32, 2, generator=generator)
            yield inputs, inputs.argmax(1)
            if split == "validation":
                return

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def quality(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.argmax(1) == targets).double()


def test_a_task_is_learnt_the_same_every_time() -> None:
    task, told = Sign([]), []
    assert isinstance(task, Task)
    recipe = TaskRecipe(seed=3, steps=150, learning_rate=0.05)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, other = train_task(task, recipe, told.append), train_task(task, recipe)
    assert sum(told) == 150
    assert torch.equal(before, torch.get_rng_state()), "nobody else's draws are changed"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    third = train_task(task, TaskRecipe(seed=4, steps=150, learning_rate=0.05))
    assert not torch.equal(next(one.parameters()), next(third.parameters()))
    assert mean_quality(task, one, seed=0) > 0.9
    assert task.seen == ["train"] * 3 + ["validation"]
