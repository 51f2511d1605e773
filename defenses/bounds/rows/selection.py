"""Rows with one coefficient each: single entries of a value, the identity when all are selected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from defenses.bounds.rows.base import Lines, Rows, flattened
from defenses.bounds.rows.dense import Dense
from defenses.bounds.rows.patches import Patches


@dataclass(frozen=True)
class Selection(Rows):
    """Row ``s`` of sample ``b`` is ``scale[b, s]`` times entry ``index[b, s]`` of the flattened value.

    Attributes:
        index: ``(B|1, S)`` int64.
        scale: ``(B|1, S)``.
    """

    index: Tensor
    scale: Tensor

    @property
    def count(self) -> int:
        return self.index.shape[1]

    @property
    def values(self) -> Tensor:
        return self.scale

    def with_values(self, values: Tensor) -> Selection:
        return replace(self, scale=values)

    def dense(self) -> Dense:
        batch = max(len(self.index), len(self.scale))
        size = int(torch.Size(self.shape).numel())
        zeros = self.scale.new_zeros(batch, self.count, size)
        index, scale = self.index.expand(batch, -1), self.scale.expand(batch, -1)
        full = zeros.scatter(2, index.unsqueeze(2), scale.unsqueeze(2))
        return Dense(self.shape, self.mirrored, full.view(batch, self.count, *self.shape))

    def patches(self) -> Patches:
        """The same rows as windows of one pixel, for a value of shape ``(1, C, H, W)``."""
        _, channels, height, width = self.shape
        pixels = height * width
        place = self.index % pixels
        channel = F.one_hot(self.index // pixels, channels).to(self.scale.dtype) * self.scale.unsqueeze(2)
        top, left = place // width, place % width
        extent = (0, height - 1, 0, width - 1)
        return Patches(self.shape, self.mirrored, channel[..., None, None], top, left, extent)

    def _plus(self, other: Rows) -> Rows:
        return other.plus(self) if isinstance(other, Patches) else super()._plus(other)

    def mirror(self) -> Selection:
        index = torch.cat([self.index, self.index], 1)
        return replace(self, index=index, scale=torch.cat([self.scale, -self.scale], 1), mirrored=False)

    def _gather(self, value: Tensor) -> Tensor:
        flat = flattened(value, 1)
        batch = max(len(flat), len(self.index))
        return flat.expand(batch, -1).gather(1, self.index.expand(batch, -1))

    def dot(self, value: Tensor) -> Tensor:
        return self.scale * self._gather(value)

    def magnitude(self, value: Tensor) -> Tensor:
        return self.scale.abs() * self._gather(value)

    def norm(self, radius: Tensor, order: float) -> Tensor:
        return self.scale.abs() * (radius if radius.ndim == 0 else self._gather(radius))

    def times(self, value: Tensor) -> Selection:
        return replace(self, scale=self.scale * self._gather(value))

    def local(self, value: Tensor) -> Tensor:
        return self._gather(value)

    def relax(self, lines: Lines) -> tuple[Rows, Tensor]:
        parts = (lines.lower_slope, lines.lower_bias, lines.upper_slope, lines.upper_bias)
        return self.relax_local(Lines(*(None if part is None else self._gather(part) for part in parts)))  # type: ignore[arg-type]

    def relax_local(self, lines: Lines) -> tuple[Rows, Tensor]:
        positive = self.scale >= 0
        zero = torch.zeros_like(self.scale)
        slope = torch.where(positive, lines.lower_slope, lines.upper_slope)
        lower = zero if lines.lower_bias is None else lines.lower_bias
        upper = zero if lines.upper_bias is None else lines.upper_bias
        return replace(self, scale=self.scale * slope), self.scale * torch.where(positive, lower, upper)
