"""Sets of inputs: what a perturbation allows around given values.

Every region bounds linear functionals over itself exactly; that is all the relaxations need from it.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.bounds.interval import Interval
from defenses.bounds.rows import Dense, Patches, Rows, flattened


class Region(ABC):
    """A compact set of values of one graph node, for each of ``B`` samples.

    Attributes:
        shape: of one sample's value.
        dimensions: how many variables :meth:`variables` needs.
        independent: the set is a box, so that interval arithmetic over it loses nothing at the first affine
            operator.
        breadth: how many numbers :meth:`minimum` writes down for every row, beside the row itself.
    """

    shape: tuple[int, ...]
    dimensions: int
    independent: bool = False
    breadth: int = 0

    @abstractmethod
    def interval(self) -> Interval:
        """The smallest box around the set, ``(B, *shape)``."""

    @abstractmethod
    def minimum(self, rows: Rows) -> Tensor:
        """The least value of every unmirrored row over the set, ``(B, S)``."""

    def maximum(self, rows: Rows) -> Tensor:
        """The greatest value of every unmirrored row over the set, ``(B, S)``."""
        return -self.minimum(rows.scaled(-1.0))

    @abstractmethod
    def variables(self) -> tuple[Tensor, Tensor, Region]:
        """The set as an affine image of a simpler one, for forward propagation.

        Returns:
            A basis ``(B|1, K, *shape)``, an offset ``(B, *shape)`` and the region of the K coefficients, of
            shape ``(K,)``.
        """

    @abstractmethod
    def view(self, shape: tuple[int, ...]) -> Region:
        """The same set of values in another shape with as many entries."""

    @abstractmethod
    def take(self, samples: slice) -> Region:
        """The sets of some of the samples."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Random members, extreme ones among them, ``(count, B, *shape)``."""


def of_samples(tensor: Tensor, samples: slice) -> Tensor:
    """The part of a tensor ``(B|1, ...)`` that belongs to some samples."""
    return tensor if len(tensor) == 1 else tensor[samples]


@dataclass(frozen=True)
class LpRegion(Region):
    """``{x : || (x - centre) / radius ||_p <= 1}``; entries of radius zero do not move.

    Attributes:
        centre: ``(B, *shape)``.
        radius: ``()`` or ``(B|1, *shape)``, not negative.
        p: 1, 2 or infinity.
    """

    centre: Tensor
    radius: Tensor
    p: float

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.centre.shape[1:])

    @property
    def independent(self) -> bool:  # type: ignore[override]
        return math.isinf(self.p)

    @property
    def _dual(self) -> float:
        return {1.0: math.inf, 2.0: 2.0, math.inf: 1.0}[self.p]

    def interval(self) -> Interval:
        return Interval.around(self.centre, self.radius)

    def minimum(self, rows: Rows) -> Tensor:
        return self._middle(rows) - rows.norm(self.radius, self._dual)

    def maximum(self, rows: Rows) -> Tensor:
        return self._middle(rows) + rows.norm(self.radius, self._dual)

    def _middle(self, rows: Rows) -> Tensor:
        if not self.centre.requires_grad and not bool(self.centre.any()):
            return rows.zeros()
        return rows.dot(self.centre)

    @property
    def dimensions(self) -> int:  # type: ignore[override]
        return int((self._flat_radius > 0).any(0).sum())

    @property
    def _flat_radius(self) -> Tensor:
        radius = self.radius.expand(1, *self.shape) if self.radius.ndim == 0 else self.radius
        return flattened(radius, 1)

    def variables(self) -> tuple[Tensor, Tensor, Region]:
        flat = self._flat_radius
        moving = (flat > 0).any(0).nonzero().squeeze(1)
        basis = flat.new_zeros(len(moving), flat.shape[1]).scatter(1, moving.unsqueeze(1), 1.0)
        inner = LpRegion(self.centre.new_zeros(len(self.centre), len(moving)), flat[:, moving], self.p)
        return basis.view(1, len(moving), *self.shape), self.centre, inner

    def view(self, shape: tuple[int, ...]) -> LpRegion:
        radius = self.radius if self.radius.ndim == 0 else self.radius.reshape(len(self.radius), *shape)
        return LpRegion(self.centre.reshape(len(self.centre), *shape), radius, self.p)

    def take(self, samples: slice) -> LpRegion:
        radius = self.radius if self.radius.ndim == 0 else of_samples(self.radius, samples)
        return LpRegion(of_samples(self.centre, samples), radius, self.p)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        shape = (count, *self.centre.shape)
        noise = torch.randn(shape, generator=generator, dtype=self.centre.dtype)
        if math.isinf(self.p):
            direction = noise.sign()
        elif self.p == 2.0:
            direction = noise / torch.linalg.vector_norm(flattened(noise, 2), dim=-1).view(
                shape[:2] + (1,) * len(self.shape)
            )
        else:
            peak = flattened(noise, 2).abs().argmax(-1, keepdim=True)
            direction = torch.zeros_like(flattened(noise, 2)).scatter(
                2, peak, flattened(noise, 2).gather(2, peak).sign()
            )
            direction = direction.view(shape)
        share = torch.rand((count, *(1,) * self.centre.ndim), generator=generator, dtype=self.centre.dtype)
        share = torch.where(torch.arange(count).view(share.shape) % 2 == 0, torch.ones_like(share), share)
        return self.centre + direction * self.radius * share


@dataclass(frozen=True)
class BoxRegion(LpRegion):
    """All values between two bounds; the ball around their middle encloses them, however the middle was rounded.

    Attributes:
        ends: the bounds, ``(B, *shape)``.
    """

    ends: Interval

    @classmethod
    def of(cls, lower: Tensor, upper: Tensor) -> BoxRegion:
        """The box between two bounds ``(B, *shape)``."""
        centre = (lower + upper) / 2
        radius = torch.maximum(upper - centre, centre - lower)
        grown = radius * (1 + 2 * torch.finfo(radius.dtype).eps)
        return cls(centre, grown, math.inf, Interval(lower, upper))

    def interval(self) -> Interval:
        return self.ends

    def view(self, shape: tuple[int, ...]) -> BoxRegion:
        ends = self.ends.map(lambda t: t.reshape(len(t), *shape))
        return BoxRegion.of(ends.lower, ends.upper)

    def take(self, samples: slice) -> BoxRegion:
        ends = self.ends.map(lambda t: of_samples(t, samples))
        return BoxRegion.of(ends.lower, ends.upper)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return super().sample(count, generator).clamp(self.ends.lower, self.ends.upper)


@dataclass(frozen=True)
class AffineRegion(Region):
    """The image of a low-dimensional region under an affine map: ``offset + sum_k theta_k matrix[k]``.

    Attributes:
        offset: ``(B, *shape)``.
        matrix: ``(K, prod(shape))``, dense or sparse, shared by all samples; or ``(B, K, prod(shape))``,
            dense.
        inner: the region of theta, of shape ``(K,)``.
    """

    offset: Tensor
    matrix: Tensor
    inner: Region

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.offset.shape[1:])

    @property
    def _sparse(self) -> bool:
        return self.matrix.layout != torch.strided

    @property
    def _dense(self) -> Tensor:
        return self.matrix.to_dense() if self._sparse else self.matrix

    @property
    def dimensions(self) -> int:  # type: ignore[override]
        return self.matrix.shape[-2]

    @property
    def breadth(self) -> int:  # type: ignore[override]
        return self.dimensions

    def _image(self, coefficients: Tensor) -> Tensor:
        """``(B, S, K)`` coefficients to ``(B, S, *shape)``."""
        if self._sparse:
            flat = torch.sparse.mm(self.matrix.t(), coefficients.flatten(0, 1).t()).t()
            flat = flat.view(*coefficients.shape[:2], -1)
        else:
            flat = coefficients @ self.matrix
        return flat.view(*flat.shape[:2], *self.shape)

    def pull(self, rows: Rows) -> Dense:
        """Rows over the image as rows over theta."""
        if self._sparse and isinstance(rows, Patches) and not rows.common:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that compressed rows, used within, are in beta
                pulled = torch.sparse.mm(rows.sparse(), self.matrix.t()).to_dense()
            return Dense(self.inner.shape, rows.mirrored, pulled.view(-1, rows.count, pulled.shape[1]))
        flat = flattened(rows.dense().coefficients, 2)
        if self._sparse:
            pulled = torch.sparse.mm(self.matrix, flat.flatten(0, 1).t()).t().view(*flat.shape[:2], -1)
        else:
            pulled = flat @ self.matrix.transpose(-1, -2)
        return Dense(self.inner.shape, rows.mirrored, pulled)

    def interval(self) -> Interval:
        theta, dense = self.inner.interval(), self._dense
        if not self.inner.independent:
            columns = dense.transpose(-1, -2).reshape(-1, dense.shape[-1], dense.shape[-2])
            rows = Dense(self.inner.shape, False, columns)
            lower = self.inner.minimum(rows)
            upper = self.inner.maximum(rows)
            return Interval(lower, upper).map(lambda t: self.offset + t.view(len(t), *self.shape))
        middle = (theta.centre.unsqueeze(1) @ dense).view(-1, *self.shape)
        spread = (theta.radius.expand_as(theta.centre).unsqueeze(1) @ dense.abs()).view(-1, *self.shape)
        return Interval.around(self.offset + middle, spread)

    def minimum(self, rows: Rows) -> Tensor:
        return rows.dot(self.offset) + self.inner.minimum(self.pull(rows))

    def variables(self) -> tuple[Tensor, Tensor, Region]:
        dense = self._dense.reshape(-1, *self.matrix.shape[-2:])
        return dense.view(*dense.shape[:2], *self.shape), self.offset, self.inner

    def view(self, shape: tuple[int, ...]) -> AffineRegion:
        return AffineRegion(self.offset.reshape(len(self.offset), *shape), self.matrix, self.inner)

    def take(self, samples: slice) -> AffineRegion:
        matrix = self.matrix if self.matrix.ndim == 2 else of_samples(self.matrix, samples)
        return AffineRegion(of_samples(self.offset, samples), matrix, self.inner.take(samples))

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        theta = self.inner.sample(count, generator)
        return self.offset + self._image(theta.transpose(0, 1)).transpose(0, 1)
