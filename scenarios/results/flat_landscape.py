"""Certified training of a small reader of digits against changed weights.

A network whose loss is bounded over a ball of weights lies in a flat part of its landscape (Xu et al. 2020, section
4.3). Rounding weights to a few bits is a change too, of another shape and larger; whether flatness helps there is
measured.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from defenses.bounds import Backward
from defenses.bounds.fusion import RobustCrossEntropy
from defenses.bounds.training import CertifiedNetwork, weight_balls
from scenarios.results.both_trainings import recipe, train_both
from scenarios.results.digits import Digits, dense

BITS = (2, 3, 4)
DISTANCES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
"""From the trained weights, as the l2 norm of what is added to every matrix."""
DRAWS = 10
ASCENT = 20
"""Steps of the attack on the weights."""


@dataclass(frozen=True)
class Level:
    """The loss at one distance from the trained weights.

    Attributes:
        distance: l2 norm of the change of every matrix.
        random: mean loss over random directions.
        attacked: loss that gradient ascent found within the distance.
        proved: bound on the mean loss within the distance; None where it is infinite.
    """

    distance: float
    random: float
    attacked: float
    proved: float | None


@dataclass(frozen=True)
class WeightRow:
    """One way of training, judged on test pictures with the weights moved.

    Attributes:
        training: ``ordinary`` or ``certified``.
        clean: share of right answers.
        rounded: bits a weight, and the share of right answers once all weights have no more.
        loss: mean cross entropy.
        radius: of training.
        levels: the loss at some distances, in order; the radius is one of them.
        seconds: that the training took.
    """

    training: str
    clean: float
    rounded: dict[int, float]
    loss: float
    radius: float
    levels: tuple[Level, ...]
    seconds: float

    @property
    def within(self) -> Level:
        """The loss within the radius of training."""
        return next(level for level in self.levels if level.distance == self.radius)


def against_weights(
    train: Digits,
    test: Digits,
    radius: float,
    epochs: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    bits: Sequence[int] = BITS,
    distances: Sequence[float] = DISTANCES,
) -> list[WeightRow]:
    """Train a dense reader in both ways and move its weights.

    Args:
        train: to be trained on.
        test: to be judged on.
        radius: of the l2 ball around every weight matrix.
        epochs: of either training.
        seed: of first weights, order and directions.
        advance: told of each of twice as many epochs.
        bits: to round weights to.
        distances: at which the loss is looked at, beside the radius.
    """
    rows = []
    certified = recipe(weight_balls(radius), epochs)
    for name, trained in train_both(certified, dense, train.batches, seed, advance):
        rounded = {
            count: replace(trained, network=quantised(trained.network, count)).accuracy(
                test.images, test.labels
            )
            for count in bits
        }
        rows.append(
            WeightRow(
                name,
                trained.accuracy(test.images, test.labels),
                rounded,
                _loss(trained.network, test).item(),
                radius,
                tuple(_level(trained, test, distance, seed) for distance in sorted({radius, *distances})),
                trained.seconds,
            )
        )
    return rows


def quantised(network: nn.Module, bits: int) -> nn.Module:
    """A copy whose weight matrices have ``2 ** bits`` values each, evenly from minus to plus their greatest entry."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for weight in _matrices(rounded):
            reach = weight.abs().max()
            step = 2 * reach / (2**bits - 1)
            weight.copy_(((weight + reach) / step).round() * step - reach)
    return rounded


def _level(trained: CertifiedNetwork, test: Digits, distance: float, seed: int) -> Level:
    network = trained.network
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        drawn = [_loss(_shaken(network, distance, generator), test).item() for _ in range(DRAWS)]
    loss_of = RobustCrossEntropy.of(network, test.images, 10)
    inputs, moved = weight_balls(distance)(network, test.images, 1.0)
    with torch.no_grad():
        proved = loss_of.margin_loss(inputs, test.labels, moved, Backward()).mean().item()
    found = proved if math.isfinite(proved) else None
    return Level(distance, sum(drawn) / DRAWS, _ascended(network, test, distance), found)


def _matrices(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that move."""
    return [tensor for tensor in network.parameters() if tensor.ndim > 1]


def _loss(network: nn.Module, test: Digits) -> Tensor:
    return nn.functional.cross_entropy(network(test.images), test.labels)


def _shaken(network: nn.Module, distance: float, generator: torch.Generator) -> nn.Module:
    """A copy with every matrix so far away, in a random direction."""
    shaken = copy.deepcopy(network)
    with torch.no_grad():
        for weight in _matrices(shaken):
            direction = torch.randn(weight.shape, generator=generator)
            weight.add_(distance * direction / direction.norm())
    return shaken


def _ascended(network: nn.Module, test: Digits, distance: float) -> float:
    """The greatest loss that projected gradient ascent meets within a distance of every matrix."""
    moved = copy.deepcopy(network)
    starts = [weight.detach().clone() for weight in _matrices(network)]
    worst = float("-inf")
    for _ in range(ASCENT + 1):
        loss = _loss(moved, test)
        worst = max(worst, loss.item())
        slopes = torch.autograd.grad(loss, _matrices(moved))
        _step(zip(_matrices(moved), slopes, starts, strict=True), distance)
    return worst


def _step(moves: Iterable[tuple[nn.Parameter, Tensor, Tensor]], distance: float) -> None:
    with torch.no_grad():
        for weight, slope, start in moves:
            change = weight - start + distance / 4 * slope / slope.norm().clamp(min=1e-12)
            weight.copy_(start + change * (distance / change.norm().clamp(min=distance)))
