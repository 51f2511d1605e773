"""What all representations of rows share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from defenses.bounds.rows.dense import Dense


@dataclass(frozen=True)
class Lines:
    """Two lines that enclose an elementwise function on its interval.

    ``lower_slope * x + lower_bias <= f(x) <= upper_slope * x + upper_bias``; each ``(B|1, *shape)``, or in
    the layout of a bundle of rows. A bias of None is zero.
    """

    lower_slope: Tensor
    lower_bias: Tensor | None
    upper_slope: Tensor
    upper_bias: Tensor | None


@dataclass(frozen=True)
class Rows(ABC):
    """``S`` linear functionals of a node's value for each of ``B`` samples.

    Attributes:
        shape: of the node's value for one sample.
        mirrored: the bundle stands for its rows followed by their negatives.
    """

    shape: tuple[int, ...]
    mirrored: bool

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of rows, mirror images not counted."""

    @property
    def numel(self) -> int:
        """How many numbers the bundle holds."""
        return self.values.numel()

    @property
    @abstractmethod
    def values(self) -> Tensor:
        """The stored coefficients, in whatever layout."""

    @abstractmethod
    def with_values(self, values: Tensor) -> Self:
        """Rows with other coefficients in the same layout."""

    def scaled(self, factor: float | Tensor) -> Self:
        """Every coefficient multiplied by one number."""
        return self if isinstance(factor, float) and factor == 1.0 else self.with_values(self.values * factor)

    def zeros(self) -> Tensor:
        """The constant zero for every row, ``(1, S)``."""
        return self.values.new_zeros(1, self.count)

    @abstractmethod
    def dense(self) -> Dense:
        """The same functionals with every coefficient written out."""

    @abstractmethod
    def mirror(self) -> Self:
        """The same rows with their negatives appended, no longer mirrored."""

    @abstractmethod
    def dot(self, value: Tensor) -> Tensor:
        """``<A[b, s], value[b]>`` for a value ``(B|1, *shape)``, as ``(B|1, S)``."""

    @abstractmethod
    def magnitude(self, value: Tensor) -> Tensor:
        """``<|A[b, s]|, value[b]>``, as ``(B|1, S)``."""

    @abstractmethod
    def norm(self, radius: Tensor, order: float) -> Tensor:
        """The ``order``-norm of ``A * radius`` for a radius ``()`` or ``(B|1, *shape)``, as ``(B|1, S)``."""

    @abstractmethod
    def times(self, value: Tensor) -> Rows:
        """Every coefficient multiplied by its entry of a value ``(B|1, *shape)``."""

    @abstractmethod
    def local(self, value: Tensor) -> Tensor:
        """A value ``(B|1, *shape)`` laid out as this bundle's coefficients are, for relaxations chosen row by
        row.
        """

    def relax(self, lines: Lines) -> tuple[Rows, Tensor]:
        """Pull unmirrored rows through an elementwise function.

        Returns:
            Rows over the function's argument, and the constant ``(B|1, S)`` that comes with them: together a
            lower bound.
        """
        return self._relaxed(lines, self.local)

    def relax_local(self, lines: Lines) -> tuple[Rows, Tensor]:
        """As :meth:`relax`, with lines already in the layout that :meth:`local` gives."""
        return self._relaxed(lines, lambda line: line)

    def _relaxed(self, lines: Lines, lay: Callable[[Tensor], Tensor]) -> tuple[Rows, Tensor]:
        """``A+ * lower + A- * upper``; line by line, as what is laid out may be as large as the rows themselves."""
        negative = self.values.clamp(max=0)
        bend = lay(lines.upper_slope - lines.lower_slope)
        values = torch.addcmul(self.values * lay(lines.lower_slope), negative, bend)
        del bend
        bias = self.zeros()
        if lines.upper_bias is not None:
            bias = bias + inner(negative, lay(lines.upper_bias))
        if lines.lower_bias is not None:
            bias = bias + inner(self.values.clamp(min=0), lay(lines.lower_bias))
        return self.with_values(values), bias

    def plus(self, other: Rows) -> Rows:
        """The sum of two bundles over the same node."""
        if self.mirrored != other.mirrored:
            return (self.mirror() if self.mirrored else self).plus(
                other.mirror() if other.mirrored else other
            )
        return self._plus(other)

    def _plus(self, other: Rows) -> Rows:
        a, b = self.dense(), other.dense()
        return replace(a, coefficients=a.coefficients + b.coefficients)


def flattened(t: Tensor, lead: int) -> Tensor:
    """All axes but the leading ones in one, which has length one where there are no others."""
    return t.reshape(*t.shape[:lead], math.prod(t.shape[lead:]))


def contract(coefficients: Tensor, value: Tensor) -> Tensor:
    """``(B|1, S, ...)`` against ``(B|1, ...)``, summed over all but the first axes: ``(B|1, S)``."""
    # the value as a row: ten times faster than as a column
    return torch.matmul(flattened(value, 1).unsqueeze(1), flattened(coefficients, 2).transpose(1, 2)).squeeze(
        1
    )


def inner(coefficients: Tensor, value: Tensor) -> Tensor:
    """``(B|1, S, ...)`` against ``(B|1, S|1, ...)``, summed over all but the first two axes: ``(B|1, S)``."""
    if value.shape[1] == 1:
        return contract(coefficients, value.squeeze(1))
    return flattened(coefficients * value, 2).sum(-1)
