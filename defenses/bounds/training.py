"""Certified training: minimise an upper bound of the cross entropy over a growing perturbation (CROWN-IBP)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.certify import CASCADE, Certificate, Specification, certify
from defenses.bounds.fusion import RobustCrossEntropy
from defenses.bounds.methods import Method
from defenses.bounds.perturbations import Ball, Perturbation
from simulator.world import InvalidInput

Batches = Callable[[torch.Generator], Iterable[tuple[Tensor, Tensor]]]
"""One epoch of (inputs ``(N, ...)``, labels ``(N,)`` int64), in an order drawn from a generator."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave.

    Attributes:
        radius: of the perturbation at its end.
        loss: mean training loss.
        accuracy: share of training samples classified correctly, without perturbation.
    """

    radius: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class CertifiedNetwork:
    """A trained network and how it came about.

    Attributes:
        network: in evaluation mode.
        history: epoch by epoch.
        seconds: what the training took.
    """

    network: nn.Module
    history: tuple[Epoch, ...]
    seconds: float

    def certificate(
        self,
        inputs: Tensor,
        labels: Tensor,
        perturbation: Perturbation,
        methods: tuple[Method, ...] = CASCADE,
    ) -> Certificate:
        """For which samples the class cannot change; samples classified wrongly are not verified."""
        with torch.no_grad():
            classes = self.network(inputs[:1]).shape[1]
        specification = Specification.label(labels, classes, inputs.dtype)
        return certify(self.network, inputs, perturbation, specification, methods)


@dataclass(frozen=True)
class CertifiedTraining:
    """CROWN-IBP training with a radius that grows linearly and, by default, a fused loss.

    The loss is ``natural`` times the cross entropy plus the rest times its upper bound, itself a mixture of
    the CROWN-IBP bound (from weight 1 to 0 as the radius grows) and of the interval bound (Zhang et al. 2020;
    Xu et al. 2020).

    Attributes:
        radius: of the perturbation at the end.
        epochs: in all.
        warm_up: epochs without a perturbation.
        ramp: epochs during which the radius grows.
        natural: weight of the plain cross entropy.
        crown_at_end: weight of the CROWN-IBP bound once the radius is full.
        learning_rate: of Adam, divided by ten for the last fifth of the epochs.
        clip_norm: greatest norm of a gradient.
        fused: use loss fusion.
        perturbation: of a radius; an l-infinity ball, not clipped, by default.
    """

    radius: float
    epochs: int = 20
    warm_up: int = 1
    ramp: int = 10
    natural: float = 0.0
    crown_at_end: float = 0.0
    learning_rate: float = 5e-4
    clip_norm: float = 8.0
    fused: bool = True
    perturbation: Callable[[float], Perturbation] = Ball

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise InvalidInput(f"certified training: the radius is {self.radius}, it must be positive")
        if self.warm_up + self.ramp > self.epochs or min(self.warm_up, self.ramp) < 0:
            raise InvalidInput(
                f"certified training: warm_up {self.warm_up} and ramp {self.ramp} do not fit into {self.epochs} epochs"
            )

    def train(self, network: nn.Module, batches: Batches, generator: torch.Generator) -> CertifiedNetwork:
        """Train a copy of a classifier.

        Args:
            network: ``(N, ...)`` to ``(N, classes)``, with batch normalisation (if any) in evaluation mode
                throughout.
            batches: the training data.
            generator: draws the order of the samples.
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
            for step, (x, labels) in enumerate(data):
                progress = self._progress(epoch + (step + 1) / len(data))
                logits = network(x)
                if loss_of is None:
                    loss_of = RobustCrossEntropy.of(network, x, logits.shape[1])
                loss = self._loss(loss_of, x, labels, logits, progress)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
                optimiser.step()
                total += loss.item() * len(x)
                correct += (logits.argmax(1) == labels).sum().item()
                count += len(x)
            history.append(Epoch(self.radius * self._progress(epoch + 1), total / count, correct / count))
        return CertifiedNetwork(network, tuple(history), time.monotonic() - start)

    def _progress(self, epochs: float) -> float:
        """The share of the final radius after some epochs."""
        return (
            min(max(epochs - self.warm_up, 0.0) / self.ramp, 1.0)
            if self.ramp
            else float(epochs > self.warm_up)
        )

    def _loss(
        self, loss_of: RobustCrossEntropy, x: Tensor, labels: Tensor, logits: Tensor, progress: float
    ) -> Tensor:
        plain = nn.functional.cross_entropy(logits, labels)
        if progress == 0:
            return plain
        share = 1 - (1 - self.crown_at_end) * progress
        robust = loss_of.training_loss(
            x, labels, self.perturbation(self.radius * progress), share, self.fused
        )
        return self.natural * plain + (1 - self.natural) * robust
