"""Certified training: minimise an upper bound of the cross entropy over a growing perturbation (CROWN-IBP)."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.certify import CASCADE, Certificate, Specification, certify
from defenses.bounds.fusion import RobustCrossEntropy
from defenses.bounds.methods import Method
from defenses.bounds.perturbations import Ball, Perturbations
from simulator.world import InvalidInput

Batches = Callable[[torch.Generator], Iterable[tuple[Tensor, Tensor]]]
"""One epoch of (data ``(N, ...)``, labels ``(N,)`` int64), in an order drawn from a generator."""

Family = Callable[[nn.Module, Tensor, float], tuple[Tensor, Perturbations]]
"""From a network, data ``(N, ...)`` and a strength in [0, 1] to what the network is given for the data and what may
change about it or about the network's parameters. Gradients may pass through the network into either."""


def balls(radius: float) -> Family:
    """L-infinity balls around every sample, not clipped.

    Args:
        radius: at full strength.

    Raises:
        InvalidInput: it is not positive, or infinite.
    """
    _check_radius(radius)
    return lambda network, data, strength: (data, Ball(strength * radius))


def weight_balls(radius: float, p: float = 2.0) -> Family:
    """Balls around every weight matrix and kernel of the network, nothing about the data.

    Args:
        radius: at full strength.
        p: the norm, over each matrix as a whole.

    Raises:
        InvalidInput: the radius is not positive, or infinite.
    """
    _check_radius(radius)

    def family(network: nn.Module, data: Tensor, strength: float) -> tuple[Tensor, Perturbations]:
        ball = Ball(strength * radius, p)
        return data, {name: ball for name, tensor in network.named_parameters() if tensor.ndim > 1}

    return family


def _check_radius(radius: float) -> None:
    if not 0 < radius < math.inf:
        raise InvalidInput(f"certified training: the radius is {radius}, it must be positive and finite")


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave.

    Attributes:
        strength: of the perturbation at its end, in [0, 1].
        loss: mean training loss.
        accuracy: share of training samples classified correctly, without perturbation.
    """

    strength: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class CertifiedNetwork:
    """A trained network and how it came about.

    Attributes:
        network: in evaluation mode.
        family: what it was trained against.
        history: epoch by epoch.
        seconds: what the training took.
    """

    network: nn.Module
    family: Family
    history: tuple[Epoch, ...]
    seconds: float

    def accuracy(self, data: Tensor, labels: Tensor) -> float:
        """Share of samples classified rightly, without perturbation."""
        with torch.no_grad():
            inputs, _ = self.family(self.network, data, 0.0)
            return float((self.network(inputs).argmax(1) == labels).double().mean())

    def certificate(
        self, data: Tensor, labels: Tensor, strength: float = 1.0, methods: tuple[Method, ...] = CASCADE
    ) -> Certificate:
        """For which samples the class cannot change; samples classified wrongly are not verified."""
        with torch.no_grad():
            inputs, perturbation = self.family(self.network, data, strength)
            classes = self.network(inputs[:1]).shape[1]
        specification = Specification.label(labels, classes, inputs.dtype)
        return certify(self.network, inputs, perturbation, specification, methods)


@dataclass(frozen=True)
class CertifiedTraining:
    """CROWN-IBP training with a perturbation that grows linearly and, by default, a fused loss.

    The loss is ``natural`` times the cross entropy plus the rest times its upper bound, itself a mixture of
    the CROWN-IBP bound (from weight 1 to 0 as the perturbation grows) and of the interval bound (Zhang et al. 2020;
    Xu et al. 2020).

    Attributes:
        family: what the network shall withstand.
        epochs: in all.
        warm_up: epochs without a perturbation; all of them for ordinary training.
        ramp: epochs during which the perturbation grows.
        natural: weight of the plain cross entropy.
        crown_at_end: weight of the CROWN-IBP bound at full strength.
        learning_rate: of Adam, divided by ten for the last fifth of the epochs.
        clip_norm: greatest norm of a gradient.
        fused: use loss fusion.
    """

    family: Family
    epochs: int = 20
    warm_up: int = 1
    ramp: int = 10
    natural: float = 0.0
    crown_at_end: float = 0.0
    learning_rate: float = 5e-4
    clip_norm: float = 8.0
    fused: bool = True

    def __post_init__(self) -> None:
        if self.warm_up + self.ramp > self.epochs or min(self.warm_up, self.ramp) < 0:
            raise InvalidInput(
                f"certified training: warm_up {self.warm_up} and ramp {self.ramp} do not fit into {self.epochs} epochs"
            )

    def train(
        self,
        network: nn.Module,
        batches: Batches,
        generator: torch.Generator,
        advance: Callable[[int], None] = lambda _: None,
    ) -> CertifiedNetwork:
        """Train a copy of a classifier.

        Args:
            network: what the family gives for data to ``(N, classes)``, with batch normalisation (if any) in
                evaluation mode throughout.
            batches: the training data.
            generator: draws the order of the samples.
            advance: told of each of the epochs.
        """
        start = time.monotonic()
        network = copy.deepcopy(network).eval()
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        history: list[Epoch] = []
        loss_of: RobustCrossEntropy | None = None
        for epoch in range(self.epochs):
            if epoch == self.epochs - max(1, self.epochs // 5):
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate / 10
            data = list(batches(generator))
            total = correct = count = 0.0
            for step, (samples, labels) in enumerate(data):
                strength = self._strength(epoch + (step + 1) / len(data))
                x, perturbation = self.family(network, samples, strength)
                logits = network(x)
                if loss_of is None:
                    loss_of = RobustCrossEntropy.of(network, x, logits.shape[1])
                loss = nn.functional.cross_entropy(logits, labels)
                if strength > 0:
                    share = 1 - (1 - self.crown_at_end) * strength
                    robust = loss_of.training_loss(x, labels, perturbation, share, self.fused)
                    loss = self.natural * loss + (1 - self.natural) * robust
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
                optimiser.step()
                total += loss.item() * len(x)
                correct += (logits.argmax(1) == labels).sum().item()
                count += len(x)
            history.append(Epoch(self._strength(epoch + 1), total / count, correct / count))
            advance(1)
        return CertifiedNetwork(network, self.family, tuple(history), time.monotonic() - start)

    def _strength(self, epochs: float) -> float:
        """Of the perturbation after some epochs."""
        if self.ramp == 0:
            return float(epochs > self.warm_up)
        return min(max(epochs - self.warm_up, 0.0) / self.ramp, 1.0)
