"""Certified training of a small reader of digits against changed pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from defenses.bounds import IBP, Backward
from defenses.bounds.training import balls
from scenarios.results.both_trainings import recipe, train_both
from scenarios.results.digits import Digits, convolutional

RESTARTS, STEPS = 2, 20
"""Of the attack beside the proof."""


@dataclass(frozen=True)
class PixelRow:
    """One way of training, judged on test pictures.

    Attributes:
        training: ``ordinary`` or ``certified``.
        clean: share of right answers.
        attacked: share of right answers that projected gradient steps within the radius could not alter.
        certified: share of right answers that no change of pixels within the radius can alter, as far as is proved.
        seconds: that the training took.
    """

    training: str
    clean: float
    attacked: float
    certified: float
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
    certified = recipe(balls(radius), epochs)
    for name, trained in train_both(certified, convolutional, train.batches, seed, advance):
        proved = trained.certificate(test.images, test.labels, methods=(IBP(), Backward(IBP())))
        clean = trained.accuracy(test.images, test.labels)
        attacked = _attacked(trained.network, test, radius, torch.Generator().manual_seed(seed))
        rows.append(PixelRow(name, clean, attacked, proved.share, trained.seconds))
    return rows


def _attacked(network: nn.Module, test: Digits, radius: float, generator: torch.Generator) -> float:
    """Share of answers that stay right in every step of projected gradient ascent (Madry et al. 2018)."""
    right = network(test.images).argmax(1) == test.labels
    for _ in range(RESTARTS):
        change = radius * (2 * torch.rand(test.images.shape, generator=generator) - 1)
        for _ in range(STEPS):
            change.requires_grad_(True)
            logits = network(test.images + change)
            right &= logits.argmax(1) == test.labels
            (slope,) = torch.autograd.grad(nn.functional.cross_entropy(logits, test.labels), change)
            change = (change.detach() + 4 * radius / STEPS * slope.sign()).clamp(-radius, radius)
        with torch.no_grad():
            right &= network(test.images + change).argmax(1) == test.labels
    return float(right.double().mean())
