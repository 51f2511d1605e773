"""Other cars and barriers: boxes on the road, and the test whether they touch.

Convention: poses are in the world frame (ISO 8855), at the centre of the box's footprint. Everything has the batch of
worlds first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from simulator.geometry import rotate
from simulator.world import VehicleState

Batch = TypeVar("Batch", VehicleState, "Boxes")

OTHER_CAR_LENGTH_M, OTHER_CAR_WIDTH_M, OTHER_CAR_HEIGHT_M = 4.6, 1.85, 1.48
"""Body of a common passenger car; how wide the driven car is judged to be is a matter of the metrics."""


@dataclass(frozen=True)
class Boxes:
    """Up to K boxes in each of N worlds.

    Attributes:
        x_m: ``(N, K)`` centre of the footprint.
        y_m: ``(N, K)``.
        yaw_rad: ``(N, K)`` heading.
        length_m: ``(N, K)`` along the heading.
        width_m: ``(N, K)`` across.
        height_m: ``(N, K)``.
        color: ``(N, K, 3)`` in [0, 1], RGB, as under a clear noon.
        present: ``(N, K)`` bool.
        kinds: K keys of ``simulator.looks.LOOKS``: the k-th box of every world is of the k-th kind.
    """

    x_m: Tensor
    y_m: Tensor
    yaw_rad: Tensor
    length_m: Tensor
    width_m: Tensor
    height_m: Tensor
    color: Tensor
    present: Tensor
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x_m)

    @classmethod
    def cars(cls, x_m: Tensor, y_m: Tensor, yaw_rad: Tensor, color: Tensor | None = None) -> Boxes:
        """Passenger cars of common size at ``(N, K)`` poses; ``color (N, K, 3)`` is a dark blue if not given."""
        if color is None:
            color = x_m.new_tensor([0.16, 0.22, 0.38]).expand(*x_m.shape, 3)
        return cls(
            x_m,
            y_m,
            yaw_rad,
            torch.full_like(x_m, OTHER_CAR_LENGTH_M),
            torch.full_like(x_m, OTHER_CAR_WIDTH_M),
            torch.full_like(x_m, OTHER_CAR_HEIGHT_M),
            color,
            torch.ones_like(x_m, dtype=torch.bool),
            ("car",) * x_m.shape[1],
        )

    def footprints(self) -> Tensor:
        """``(N, K, 4, 2)`` corners on the road."""
        return footprint(self.x_m, self.y_m, self.yaw_rad, self.length_m, self.width_m)


def pick(batch: Batch, index: Tensor | slice) -> Batch:
    """Some worlds of a batch of cars or boxes."""
    picked: dict[str, Any] = {
        name: value[index] for name, value in vars(batch).items() if isinstance(value, Tensor)
    }
    return replace(batch, **picked)


def footprint(x_m: Tensor, y_m: Tensor, yaw_rad: Tensor, length_m: Tensor, width_m: Tensor) -> Tensor:
    """Corners of rectangles.

    Args:
        x_m: ``(...)`` centre.
        y_m: ``(...)``.
        yaw_rad: ``(...)``.
        length_m: ``(...)`` along the heading.
        width_m: ``(...)`` across.

    Returns:
        ``(..., 4, 2)`` counter-clockwise from the front left one.
    """
    along = torch.stack([length_m, -length_m, -length_m, length_m], -1) / 2
    across = torch.stack([width_m, width_m, -width_m, -width_m], -1) / 2
    dx, dy = rotate(along, across, yaw_rad[..., None])
    return torch.stack([x_m[..., None] + dx, y_m[..., None] + dy], -1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Whether rectangles overlap, by the separating axis theorem; touching is not overlapping.

    Args:
        a: ``(..., 4, 2)`` corners in turn, as of ``footprint``.
        b: ``(..., 4, 2)``, broadcast against ``a``.

    Returns:
        ``(...)`` bool.
    """
    a, b = torch.broadcast_tensors(a, b)
    # two rectangles are apart if they are apart along a side of one of them: two axes each
    axes = torch.cat([a[..., 1:3, :] - a[..., 0:2, :], b[..., 1:3, :] - b[..., 0:2, :]], -2)
    on_axes_a = axes @ a.transpose(-1, -2)
    on_axes_b = axes @ b.transpose(-1, -2)
    apart = (on_axes_a.amax(-1) <= on_axes_b.amin(-1)) | (on_axes_b.amax(-1) <= on_axes_a.amin(-1))
    return ~apart.any(-1)


def collides(own: Tensor, boxes: Boxes) -> Tensor:
    """``(N,)`` bool: whether the footprint ``own (N, 4, 2)`` overlaps one of the boxes."""
    return (overlap(own[:, None], boxes.footprints()) & boxes.present).any(-1)
