"""Certified training of small readers of digits: against changed pixels, and against changed weights.

A network whose loss is bounded over a ball of weights lies in a flat part of its landscape (Xu et al. 2020, section
4.3). Rounding weights to a few bits is such a change, so it should do less harm there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from defenses.bounds import IBP, Backward
from defenses.bounds.fusion import RobustCrossEntropy
from defenses.bounds.training import CertifiedNetwork, CertifiedTraining, Family, balls, weight_balls
from scenarios.results.digits import Digits, convolutional, dense
from simulator.errors import InvalidInput

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class PixelRow:
    """One way of training, judged on test pictures.

    Attributes:
        training: ``ordinary`` or ``certified``.
        clean: share of right answers.
        certified: share of right answers that no change of pixels within the radius can alter, as far as is proved.
        seconds: that the training took.
    """

    training: str
    clean: float
    certified: float
    seconds: float


@dataclass(frozen=True)
class WeightRow:
    """One way of training, judged on test pictures with the weights moved.

    Attributes:
        training: ``ordinary`` or ``certified``.
        clean: share of right answers.
        loss: mean cross entropy.
        certified_loss: its proved upper bound over all weights within the radius.
        rounded: bits a weight, and the share of right answers once all weights have no more.
        seconds: that the training took.
    """

    training: str
    clean: float
    loss: float
    certified_loss: float
    rounded: dict[int, float]
    seconds: float


def against_pixels(
    train: Digits,
    test: Digits,
    radius: float,
    epochs: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> list[PixelRow]:
    """Train a convolutional reader in both ways and certify it.

    Args:
        train: to be trained on.
        test: to be judged on.
        radius: of the l-infinity ball around every picture.
        epochs: of either training.
        seed: of first weights and order.
        advance: told of each of twice as many epochs.
    """
    rows = []
    for name, trained in _both(convolutional, train, balls(radius), epochs, seed, advance):
        proved = trained.certificate(test.images, test.labels, methods=(IBP(), Backward(IBP())))
        clean = trained.accuracy(test.images, test.labels)
        rows.append(PixelRow(name, clean, proved.share, trained.seconds))
    return rows


def against_weights(
    train: Digits,
    test: Digits,
    radius: float,
    epochs: int,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    bits: Sequence[int] = (2, 3, 4),
) -> list[WeightRow]:
    """Train a dense reader in both ways and move its weights.

    Args:
        train: to be trained on.
        test: to be judged on.
        radius: of the l2 ball around every weight matrix.
        epochs: of either training.
        seed: of first weights and order.
        advance: told of each of twice as many epochs.
        bits: to round weights to.
    """
    rows = []
    for name, trained in _both(dense, train, weight_balls(radius), epochs, seed, advance):
        loss_of = RobustCrossEntropy.of(trained.network, test.images, 10)
        inputs, moved = trained.family(trained.network, test.images, 1.0)
        with torch.no_grad():
            loss = nn.functional.cross_entropy(trained.network(test.images), test.labels)
            bounded = loss_of.margin_loss(inputs, test.labels, moved, Backward(IBP())).mean()
        rounded = {
            count: replace(trained, network=quantised(trained.network, count)).accuracy(
                test.images, test.labels
            )
            for count in bits
        }
        clean = trained.accuracy(test.images, test.labels)
        rows.append(WeightRow(name, clean, float(loss), float(bounded), rounded, trained.seconds))
    return rows


def quantised(network: nn.Module, bits: int) -> nn.Module:
    """A copy whose weight matrices have ``2 ** bits`` values each, evenly from minus to plus their greatest entry."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for weight in rounded.parameters():
            if weight.ndim > 1:
                reach = weight.abs().max()
                step = 2 * reach / (2**bits - 1)
                weight.copy_(((weight + reach) / step).round() * step - reach)
    return rounded


def _both(
    build: Callable[[], nn.Module],
    train: Digits,
    family: Family,
    epochs: int,
    seed: int,
    advance: Callable[[int], None],
) -> list[tuple[str, CertifiedNetwork]]:
    if epochs < 3:
        raise InvalidInput(
            f"epochs {epochs}: give at least 3, for a start, a growing perturbation and a full one"
        )
    certified = CertifiedTraining(
        family, epochs, warm_up=1, ramp=max(1, epochs // 2), learning_rate=LEARNING_RATE
    )
    ordinary = replace(certified, warm_up=epochs, ramp=0)
    results = []
    for name, recipe in (("ordinary", ordinary), ("certified", certified)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build()
        generator = torch.Generator().manual_seed(seed)
        results.append((name, recipe.train(network, train.batches, generator, advance)))
    return results
