"""Rows over a weight matrix: what a layer of one vector makes of rows over its result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from defenses.bounds.rows.base import Lines, Rows, contract
from defenses.bounds.rows.dense import Dense


@dataclass(frozen=True)
class Outer(Rows):
    """Coefficients ``left[b, s, i] right[b, j]`` on a matrix, without writing out the products.

    Attributes:
        left: ``(B|1, S, I)``.
        right: ``(B|1, J)``.
    """

    left: Tensor
    right: Tensor

    @property
    def count(self) -> int:
        return self.left.shape[1]

    @property
    def values(self) -> Tensor:
        return self.left

    def with_values(self, values: Tensor) -> Outer:
        return replace(self, left=values)

    def dense(self) -> Dense:
        written = self.left.unsqueeze(-1) * self.right[:, None, None, :]
        return Dense(self.shape, self.mirrored, written)

    def mirror(self) -> Outer:
        return replace(self, left=torch.cat([self.left, -self.left], 1), mirrored=False)

    def dot(self, value: Tensor) -> Tensor:
        return contract(self.left, _apply(value, self.right))

    def magnitude(self, value: Tensor) -> Tensor:
        return contract(self.left.abs(), _apply(value, self.right.abs()))

    def norm(self, radius: Tensor, order: float) -> Tensor:
        if radius.ndim == 0:
            left, right = (torch.linalg.vector_norm(side, order, -1) for side in (self.left, self.right))
            return left * right.unsqueeze(1) * radius
        if order == 1:
            return self.magnitude(radius)
        if order == 2:
            square = contract(self.left.square(), _apply(radius.square(), self.right.square()))
            return square.clamp(min=torch.finfo(square.dtype).tiny).sqrt()  # a slope of zero at zero
        reach = (radius * self.right.abs().unsqueeze(1)).amax(2)
        return (self.left.abs() * reach.unsqueeze(1)).amax(2)

    def times(self, value: Tensor) -> Dense:
        return self.dense().times(value)

    def relax(self, lines: Lines) -> tuple[Rows, Tensor]:
        return self.dense().relax(lines)

    def local(self, value: Tensor) -> Tensor:
        raise NotImplementedError("rows over a matrix that is itself perturbed meet no relaxation")


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """``(B|1, I, J)`` by ``(B|1, J)``: ``(B|1, I)``."""
    if len(matrix) == 1:
        return vector @ matrix[0].T
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
