"""The same network trained twice: in the ordinary way, and so that much can be proved of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from defenses.bounds.training import Batches, CertifiedNetwork, CertifiedTraining, Family
from simulator.errors import InvalidInput

LEARNING_RATE = 5e-3


def recipe(
    family: Family, epochs: int, warm_up: float = 0.2, ramp: float = 0.5, natural: float = 0.1
) -> CertifiedTraining:
    """How to train against a family of perturbations.

    A network that is pressed hard before it can read learns to give always the same answer: hence a start without
    pressure, and a share of the plain loss to the end.

    Args:
        family: what the network shall withstand.
        epochs: in all.
        warm_up: share of the epochs without a perturbation.
        ramp: share of the epochs during which it grows.
        natural: weight of the plain loss.

    Raises:
        InvalidInput: there are too few epochs.
    """
    if epochs < 3:
        raise InvalidInput(
            f"epochs {epochs}: give at least 3, for a start, a growing perturbation and a full one"
        )
    return CertifiedTraining(
        family,
        epochs,
        warm_up=max(1, round(warm_up * epochs)),
        ramp=max(1, round(ramp * epochs)),
        natural=natural,
        crown_at_end=1.0,
        learning_rate=LEARNING_RATE,
    )


def train_both(
    certified: CertifiedTraining,
    build: Callable[[], nn.Module],
    batches: Batches,
    seed: int,
    advance: Callable[[int], None],
) -> list[tuple[str, CertifiedNetwork]]:
    """The same first weights trained by a recipe, and by it without a perturbation.

    Args:
        certified: the recipe.
        build: makes the network.
        batches: to be trained on.
        seed: of first weights and order.
        advance: told of each of twice as many epochs.

    Returns:
        Name and network, ``ordinary`` first, then ``certified``.
    """
    ordinary = replace(certified, warm_up=certified.epochs, ramp=0)
    results = []
    for name, training in (("ordinary", ordinary), ("certified", certified)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build()
        generator = torch.Generator().manual_seed(seed)
        results.append((name, training.train(network, batches, generator, advance)))
    return results
