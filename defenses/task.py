"""The contract of tasks: what a network shall learn, and how it is judged sample by sample, without a car around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Split = Literal["train", "validation"]


@runtime_checkable
class Task(Protocol):
    """What a network shall learn; a frozen dataclass of its hyper-parameters.

    Everything that attacks and defends networks of any kind needs no more than this.
    """

    def network(self) -> nn.Module:
        """A fresh one. Its first weights come from torch's own generator, which whoever asks has seeded."""

    def batches(self, split: Split, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, each ``(N, ...)``: without an end to train on, a few to be judged on.

        Args:
            split: what they are for; no sample is in both.
            generator: of all that is random.
        """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """``(N,)``, differentiable; less is better."""

    def quality(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """``(N,)``, what is reported; more is better, such as 1 for a right answer and 0 for a wrong one."""


@dataclass(frozen=True)
class TaskRecipe:
    """Everything that decides what comes out of training a task.

    Attributes:
        seed: of everything random.
        steps: of Adam.
        learning_rate: of Adam.
    """

    seed: int = 0
    steps: int = 500
    learning_rate: float = 1e-3


def train_task(
    task: Task, recipe: TaskRecipe, progress: Callable[[int], None] = lambda steps: None
) -> nn.Module:
    """A trained network; the same recipe gives the same weights.

    Args:
        task: what to learn.
        recipe: how.
        progress: told how many steps were made since the last call.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = task.network()
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    batches = task.batches("train", torch.Generator().manual_seed(recipe.seed))
    for inputs, targets in itertools.islice(batches, recipe.steps):
        optimizer.zero_grad()
        task.loss(network(inputs), targets).mean().backward()
        optimizer.step()
        progress(1)
    return network.eval()


@torch.inference_mode()
def mean_quality(task: Task, network: nn.Module, seed: int) -> float:
    """Of a network on samples that nobody trains on."""
    batches = task.batches("validation", torch.Generator().manual_seed(seed))
    return float(torch.cat([task.quality(network(inputs), targets) for inputs, targets in batches]).mean())
