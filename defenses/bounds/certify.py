"""Proofs that a property holds for every member of a perturbation, by methods of rising strength."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.bounded import BoundedModel
from defenses.bounds.methods import IBP, Backward, Method
from defenses.bounds.optimised import Optimised
from defenses.bounds.perturbations import Perturbation, Perturbations
from simulator.world import InvalidInput

CASCADE: tuple[Method, ...] = (IBP(), Backward(IBP()), Backward(), Optimised())
"""From fast and loose to slow and tight."""


@dataclass(frozen=True)
class Specification:
    """``rows @ output + offset > 0`` in every row: what shall hold.

    Attributes:
        rows: ``(S, out)`` or ``(B, S, out)``.
        offset: broadcasts against ``(B, S)``.
    """

    rows: Tensor
    offset: Tensor | float = 0.0

    @classmethod
    def label(cls, labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Specification:
        """The given class beats every other one.

        Args:
            labels: ``(B,)`` int64.
            classes: number of classes.
            dtype: of the rows.
        """
        own = torch.eye(classes, dtype=dtype)[labels]
        rows = own.unsqueeze(1) - torch.eye(classes, dtype=dtype)
        others = torch.arange(classes) != labels.unsqueeze(1)
        return cls(rows[others].view(len(labels), classes - 1, classes))

    @classmethod
    def within(cls, lower: Tensor, upper: Tensor) -> Specification:
        """Every output entry stays strictly between two bounds ``(out,)``."""
        identity = torch.eye(lower.numel(), dtype=lower.dtype)
        return cls(torch.cat([identity, -identity]), torch.cat([-lower.flatten(), upper.flatten()]))


@dataclass(frozen=True)
class Certificate:
    """What could be proved.

    Attributes:
        margin: ``(B, S)`` proved lower bounds of ``rows @ output + offset``, the best of all methods used, less what
            rounding may have cost.
        verified: ``(B,)`` bool, all margins positive.
        method: ``(B,)`` int64, place in the cascade of the method that proved the sample first, -1 for none.
    """

    margin: Tensor
    verified: Tensor
    method: Tensor

    @property
    def share(self) -> float:
        """Share of samples verified."""
        return float(self.verified.double().mean())


def certify(
    model: nn.Module | BoundedModel,
    inputs: Tensor | Sequence[Tensor],
    perturbation: Perturbations,
    specification: Specification,
    methods: Sequence[Method] = CASCADE,
) -> Certificate:
    """Try to prove a property for every sample, with stronger methods as long as one is missing.

    Args:
        model: a network, or one already captured.
        inputs: its arguments.
        perturbation: what may change.
        specification: what shall hold.
        methods: used in this order until all samples are verified.
    """
    if not methods:
        raise InvalidInput("certify needs at least one method")
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    bounded = model if isinstance(model, BoundedModel) else BoundedModel.of(model, *tensors)
    margin: Tensor | None = None
    method_of: Tensor | None = None
    with torch.no_grad():
        for place, method in enumerate(methods):
            found = bounded.bounds(tensors, perturbation, method, specification.rows, sides="lower")
            lower = found.outward().lower + specification.offset
            margin = lower if margin is None else torch.maximum(margin, lower)
            verified = (margin > 0).all(1)
            if method_of is None:
                method_of = torch.full((len(verified),), -1)
            method_of = torch.where(verified & (method_of < 0), torch.full_like(method_of, place), method_of)
            if bool(verified.all()):
                break
    assert margin is not None
    assert method_of is not None
    return Certificate(margin, (margin > 0).all(1), method_of)


def certified_radius(
    model: nn.Module | BoundedModel,
    inputs: Tensor | Sequence[Tensor],
    perturbation: Callable[[float], Perturbation],
    specification: Specification,
    largest: float,
    steps: int = 12,
    methods: Sequence[Method] = (Backward(),),
) -> Tensor:
    """The greatest radius at which every sample could be verified, by bisection.

    Args:
        model: a network, or one already captured.
        inputs: its arguments.
        perturbation: of a radius, growing with it.
        specification: what shall hold.
        largest: where the search begins.
        steps: halvings; the result is within ``largest / 2 ** steps``.
        methods: see :func:`certify`.

    Returns:
        ``(B,)``; zero where even the smallest radius tried could not be verified.
    """
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    bounded = model if isinstance(model, BoundedModel) else BoundedModel.of(model, *tensors)
    tried: dict[float, Tensor] = {}

    def verified(radius: float) -> Tensor:
        if radius not in tried:
            tried[radius] = certify(bounded, tensors, perturbation(radius), specification, methods).verified
        return tried[radius]

    count = len(verified(largest))
    low, high = [0.0] * count, [largest] * count
    for sample in range(count):
        if bool(verified(largest)[sample]):
            low[sample] = largest
            continue
        for _ in range(steps):
            middle = (low[sample] + high[sample]) / 2
            if bool(verified(middle)[sample]):
                low[sample] = middle
            else:
                high[sample] = middle
    return torch.tensor(low, dtype=torch.float64)
