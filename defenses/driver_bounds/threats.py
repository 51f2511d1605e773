"""What a road patch can do to frames: to the pixels that show it, or to its own cells through the camera."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from defenses.bounds import Affine, Ball, Perturbation
from defenses.driver_bounds.curvature import FIRST_ROW
from lkas.frames import MODEL_HEIGHT, MODEL_WIDTH
from simulator.errors import InvalidInput

NEGLIGIBLE = 1e-5
"""Weights of cells in pixels below this are what rounding has left of none."""

SHAPE = (3, MODEL_HEIGHT - FIRST_ROW, MODEL_WIDTH)
"""Of the part of a frame that the driver looks at."""


class FrameThreat(ABC):
    """A family of changes of one frame: K shares in [-1, 1] of a budget.

    Attributes:
        size: K.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many shares."""

    @abstractmethod
    def perturbation(self, radius: float) -> Perturbation:
        """All members, for bounds.

        Args:
            radius: the budget, in brightness.
        """

    @abstractmethod
    def apply(self, frame: Tensor, shares: Tensor, radius: float) -> Tensor:
        """Some members, for attacks; differentiable in the shares.

        Args:
            frame: ``(1, *SHAPE)``.
            shares: ``(M, K)`` in [-1, 1].
            radius: the budget, in brightness.

        Returns:
            ``(M, *SHAPE)``.
        """


@dataclass(frozen=True)
class PixelThreat(FrameThreat):
    """Every pixel that shows the patch may change by itself, within what a sensor can give.

    Attributes:
        mask: ``SHAPE`` bool, which values may change.
    """

    mask: Tensor

    @property
    def size(self) -> int:
        return int(self.mask.sum())

    def perturbation(self, radius: float) -> Perturbation:
        return Ball(radius, mask=self.mask, low=0.0, high=1.0)

    def apply(self, frame: Tensor, shares: Tensor, radius: float) -> Tensor:
        place = self.mask.flatten().nonzero().squeeze(1)
        moved = frame.flatten(1).expand(len(shares), -1).index_add(1, place, radius * shares)
        return moved.clamp(0, 1).view(-1, *SHAPE)


@dataclass(frozen=True)
class CellThreat(FrameThreat):
    """The patch's cells may change; pixels are weighted sums of them, up to the sensor's limits, which are not reached.

    Attributes:
        weights: ``(K, prod(SHAPE))`` sparse, of every cell in every value of the frame.
    """

    weights: Tensor

    @property
    def size(self) -> int:
        return len(self.weights)

    def perturbation(self, radius: float) -> Perturbation:
        return Affine(self.weights, Ball(radius))

    def apply(self, frame: Tensor, shares: Tensor, radius: float) -> Tensor:
        moved = torch.sparse.mm(self.weights.t(), radius * shares.t()).t()
        return frame + moved.view(-1, *SHAPE)


def threats(operator: csr_array) -> tuple[PixelThreat, CellThreat]:
    """Both threats of one patch in one frame.

    Args:
        operator: ``(3 * 256 * 512, cells)`` of ``simulator.patch_operator``.

    Raises:
        InvalidInput: the patch is not to be seen.
    """
    rows = torch.arange(3 * MODEL_HEIGHT * MODEL_WIDTH).view(3, MODEL_HEIGHT, MODEL_WIDTH)[:, FIRST_ROW:]
    part = operator[rows.flatten().numpy()].tocoo()
    kept = np.abs(part.data) > NEGLIGIBLE
    if not kept.any():
        raise InvalidInput("the patch is not to be seen in this frame")
    pixel, cell = (torch.from_numpy(axis[kept]).long() for axis in part.coords)
    weight = torch.from_numpy(part.data[kept]).float()
    mask = torch.zeros(SHAPE, dtype=torch.bool).flatten().index_fill(0, pixel, True)
    size = operator.shape[1], mask.numel()
    weights = torch.sparse_coo_tensor(
        torch.stack([cell, pixel]), weight, size, check_invariants=True
    ).coalesce()
    return PixelThreat(mask.view(SHAPE)), CellThreat(weights)
