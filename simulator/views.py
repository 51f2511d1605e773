"""Where the pixels of a picture look: the geometry that a renderer works out before it colours anything."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class RayCast:
    """Where the rays of a mounted camera go, in the car's axes: G rows show ground, S rows sky, O rows both.

    Attributes:
        first_ground: first row that shows ground anywhere in the batch.
        last_sky: first row below which no sky is seen.
        ahead_m: ``(N, G, K)`` where a ray meets the road, ahead of the camera's foot, at the node columns.
        left_m: ``(N, G, K)`` the same to its left.
        range_m: ``(N, G)`` distance of the road at the middle of the row.
        drift_m: ``(N, G)`` how far a mark at the ego lane's border moves sideways from row to row by perspective alone.
        share: ``(N, O, W)`` how much of a pixel is ground and not sky.
        azimuth_rad: ``(N, S, W)`` direction of the rays.
        elevation_rad: ``(N, S, W)``.
    """

    first_ground: int
    last_sky: int
    ahead_m: Tensor
    left_m: Tensor
    range_m: Tensor
    drift_m: Tensor
    share: Tensor
    azimuth_rad: Tensor
    elevation_rad: Tensor


@dataclass(frozen=True)
class GroundView:
    """What the ground rows of a picture look at, at every row and every node column.

    Attributes:
        s_m: ``(N, G, K)`` arc length.
        d_m: ``(N, G, K)`` lateral position.
        along_m: ``(N, G)`` length of road in a pixel of each row, without gradient.
        across_m: ``(N, G)`` its width.
    """

    s_m: Tensor
    d_m: Tensor
    along_m: Tensor
    across_m: Tensor
