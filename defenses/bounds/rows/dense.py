"""Rows with every coefficient written out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from defenses.bounds.rows.base import Rows, contract, flattened


@dataclass(frozen=True)
class Dense(Rows):
    """Coefficients ``(B|1, S, *shape)``."""

    coefficients: Tensor

    @property
    def count(self) -> int:
        return self.coefficients.shape[1]

    @property
    def values(self) -> Tensor:
        return self.coefficients

    def with_values(self, values: Tensor) -> Dense:
        return replace(self, coefficients=values)

    def dense(self) -> Dense:
        return self

    def mirror(self) -> Dense:
        return replace(
            self, coefficients=torch.cat([self.coefficients, -self.coefficients], 1), mirrored=False
        )

    def dot(self, value: Tensor) -> Tensor:
        return contract(self.coefficients, value)

    def magnitude(self, value: Tensor) -> Tensor:
        return contract(self.coefficients.abs(), value)

    def norm(self, radius: Tensor, order: float) -> Tensor:
        if radius.ndim == 0:
            return torch.linalg.vector_norm(flattened(self.coefficients, 2), order, -1) * radius
        if order == 1:
            return self.magnitude(radius)
        return torch.linalg.vector_norm(flattened(self.coefficients * radius.unsqueeze(1), 2), order, -1)

    def times(self, value: Tensor) -> Dense:
        return replace(self, coefficients=self.coefficients * value.unsqueeze(1))

    def local(self, value: Tensor) -> Tensor:
        return value.unsqueeze(1)
