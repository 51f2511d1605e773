"""What loss fusion saves: one training step of a small network by four losses, for few classes and for many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds import IBP, Backward, Ball
from defenses.bounds.fusion import RobustCrossEntropy
from scenarios.benchmarks.bounds import observe
from scenarios.benchmarks.networks import SUBJECTS, make
from scenarios.cores import threads

CLASSES = (10, 200)
BATCH = 32


@dataclass(frozen=True)
class Step:
    """One step of training: the loss and its gradients.

    Attributes:
        classes: that the network tells apart.
        loss: its name.
        seconds: of one thread, the least of some repetitions.
        peak_mib: how far the memory of the process rose; None where the system does not tell.
        value: of the loss.
    """

    classes: int
    loss: str
    seconds: float
    peak_mib: float | None
    value: float


def steps(classes: int) -> Iterator[Step]:
    """Every loss for a number of classes."""
    network, x = make("cnn", BATCH)
    assert isinstance(network, nn.Sequential)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network[-1] = nn.Linear(256, classes)
    labels = torch.randint(classes, (BATCH,), generator=torch.Generator().manual_seed(3))
    robust, ball = RobustCrossEntropy.of(network, x, classes), Ball(SUBJECTS["cnn"].radius)
    losses: dict[str, Callable[[], Tensor]] = {
        "natural": lambda: nn.functional.cross_entropy(network(x), labels),
        "IBP": lambda: robust.margin_loss(x, labels, ball, IBP()).mean(),
        "CROWN-IBP": lambda: robust.margin_loss(x, labels, ball, Backward(IBP())).mean(),
        "CROWN-IBP fused": lambda: robust.fused_loss(x, labels, ball, Backward(IBP())).mean(),
    }
    for name, loss in losses.items():

        def step(loss: Callable[[], Tensor] = loss) -> float:
            network.zero_grad()
            value = loss()
            value.backward()
            return value.item()

        with threads(1):
            value, seconds, peak_mib = observe(step)
        yield Step(classes, name, seconds, peak_mib, value)
