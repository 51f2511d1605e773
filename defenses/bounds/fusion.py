"""Loss fusion: bound the cross entropy itself instead of every margin.

The graph ends in ``S(x) = sum_j exp(f_j - f_y - shift)``, and ``log S + shift`` is the cross entropy. One row
bounds S from above, however many classes there are, where margins need a row each (Xu et al. 2020, section
3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from defenses.bounds.bounded import BoundedModel
from defenses.bounds.certify import Specification
from defenses.bounds.methods import IBP, Backward, Method
from defenses.bounds.perturbations import Perturbation, Perturbations


class ExponentialSum(nn.Module):
    """``sum_j exp(f_j - f_y - shift)`` of a network f with one argument.

    Args:
        model: the network, ``(N, ...)`` to ``(N, classes)``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, own: Tensor, shift: Tensor) -> Tensor:
        """The sum for one-hot labels ``own`` ``(N, classes)`` and a shift ``(N, 1)``: ``(N, 1)``."""
        outputs = self.model(x)
        margins = outputs - (outputs * own).sum(1, keepdim=True) - shift
        return margins.exp().sum(1, keepdim=True)


@dataclass(frozen=True, eq=False)
class RobustCrossEntropy:
    """Upper bounds on the cross entropy under a perturbation, differentiable in the model's parameters.

    Attributes:
        plain: the network, for margins and the shift.
        fused: the network with the loss behind it.
        classes: number of classes.
    """

    plain: BoundedModel
    fused: BoundedModel
    classes: int

    @classmethod
    def of(cls, model: nn.Module, x: Tensor, classes: int) -> RobustCrossEntropy:
        """Capture a network and its loss; ``x`` is an example input ``(N, ...)``."""
        own, shift = x.new_zeros(len(x), classes), x.new_zeros(len(x), 1)
        return cls(BoundedModel.of(model, x), BoundedModel.of(ExponentialSum(model), x, own, shift), classes)

    def fused_loss(self, x: Tensor, labels: Tensor, perturbation: Perturbations, method: Method) -> Tensor:
        """Upper bounds ``(N,)`` by one row a sample.

        Args:
            x: inputs.
            labels: ``(N,)`` int64.
            perturbation: of the inputs, the parameters or both.
            method: ``Backward(IBP())`` is the one of certified training.
        """
        own = nn.functional.one_hot(labels, self.classes).to(x.dtype)
        with torch.no_grad():
            logits = self.plain.bounds(x, perturbation, IBP())
            shift = (logits.upper - (logits.lower * own).sum(1, keepdim=True)).amax(1, keepdim=True)
        parts = {0: perturbation} if isinstance(perturbation, Perturbation) else perturbation
        inside = {f"model.{key}" if isinstance(key, str) else key: part for key, part in parts.items()}
        bound = self.fused.bounds((x, own, shift), inside, method, sides="upper")
        return (bound.upper.log() + shift).squeeze(1)

    def margin_loss(self, x: Tensor, labels: Tensor, perturbation: Perturbations, method: Method) -> Tensor:
        """Upper bounds ``(N,)`` from a lower bound of every margin: the cross entropy at the worst margins."""
        rows = Specification.label(labels, self.classes, x.dtype).rows
        found = self.plain.bounds(x, perturbation, method, rows, sides="lower")
        worst = torch.cat([torch.zeros_like(found.lower[:, :1]), -found.lower], 1)
        return worst.logsumexp(1)

    def training_loss(
        self, x: Tensor, labels: Tensor, perturbation: Perturbations, share: float, fused: bool = True
    ) -> Tensor:
        """The loss of CROWN-IBP training ``()``: a mixture of the backward and the interval bound.

        Args:
            x: inputs.
            labels: ``(N,)`` int64.
            perturbation: of the inputs, the parameters or both.
            share: weight of the CROWN-IBP bound, in [0, 1]; training goes from 1 to 0.
            fused: one row a sample rather than one a margin.
        """
        loss = self.fused_loss if fused else self.margin_loss
        terms: Sequence[tuple[float, Method]] = ((share, Backward(IBP())), (1 - share, IBP()))
        total = x.new_zeros(())
        for weight, method in terms:
            if weight > 0:
                total = total + weight * loss(x, labels, perturbation, method).mean()
        return total
