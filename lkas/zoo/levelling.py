"""Pitch and height of a camera of unknown mount, from the lane lines that it sees."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lkas.zoo.lane_mask import LANE_PROBABILITY, EgoLane, fit_ego_lane
from simulator.camera import Camera

Array = NDArray[np.float64]

MIN_COMMON_ROWS = 0.06
"""Two lines must share so much of the picture's height to tell where the horizon is."""

MIN_SLOPE = 0.2
"""Width in pixels that a pair of lines must gain with every row; flatter ones say little about the horizon."""

LANE_WIDTH_M, AT_M = 3.6, 10.0
"""Lanes are taken to be so wide, measured so far ahead."""

BELIEVED_WIDTHS_M = (1.0, 9.0)
"""What is narrower or wider at the height that was assumed is no lane."""


def calibrate(lane_probability: Tensor, camera: Camera) -> tuple[Camera, EgoLane]:
    """The camera at the pitch that `level` finds, and at the height at which the ego lane is as wide as lanes are.

    Args:
        lane_probability: ``(H, W)`` in [0, 1].
        camera: its height is where the search begins.

    Returns:
        The camera, and the ego lane as it then is. Where either line is missing, the height is that of ``camera``.
    """
    camera = level(lane_probability, camera)
    lane = fit_ego_lane(lane_probability, camera)
    for _ in range(2):  # the first time, lines are fitted to ground that is too near or too far
        if lane.left is None or lane.right is None:
            break
        here = torch.tensor(AT_M, dtype=torch.float64)
        width = float((lane.left.y_at(here) - lane.right.y_at(here)).detach())
        if not BELIEVED_WIDTHS_M[0] < width < BELIEVED_WIDTHS_M[1]:
            break
        camera = camera.with_mount(z_m=camera.mount.z_m * LANE_WIDTH_M / width)
        lane = fit_ego_lane(lane_probability, camera)
    return camera, lane


def level(lane_probability: Tensor, camera: Camera) -> Camera:
    """The camera with the pitch at which the lane lines of this picture keep their distance from each other.

    The width between two lines shrinks linearly with the picture's rows, to nothing at the horizon, whatever their
    common curvature. Without two lines in the picture the camera is returned unchanged.

    Args:
        lane_probability: ``(H, W)`` in [0, 1].
        camera: its pitch is ignored, its roll taken as zero.
    """
    tracks = _tracks((lane_probability.detach() > LANE_PROBABILITY).numpy())
    horizons, weights = [], []
    for i, (row_a, u_a) in enumerate(tracks):
        for row_b, u_b in tracks[i + 1 :]:
            rows, in_a, in_b = np.intersect1d(row_a, row_b, return_indices=True)
            if len(rows) < MIN_COMMON_ROWS * camera.height:
                continue
            slope, intercept = np.polyfit(rows + 0.5, u_b[in_b] - u_a[in_a], 1)
            if abs(slope) > MIN_SLOPE:
                horizons.append(-intercept / slope)
                weights.append(len(rows))
    if not horizons:
        return camera
    order = np.argsort(horizons)
    middle = np.searchsorted(np.cumsum(np.array(weights)[order]), sum(weights) / 2)
    horizon = horizons[order[middle]]
    return camera.with_mount(pitch_rad=float(np.arctan2(camera.cy - horizon, camera.fy)), roll_rad=0.0)


def _tracks(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.int64], Array]]:
    """Lines in a mask followed from the bottom up: rows and the middles [px] of each."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    reach = 0.01 * mask.shape[1]
    tracks: list[list[tuple[int, float]]] = []
    for row in range(mask.shape[0] - 1, -1, -1):
        starts, stops = np.nonzero(edges[row] > 0)[0], np.nonzero(edges[row] < 0)[0]
        for middle in (starts + stops) / 2:
            near = [t for t in tracks if 0 < t[-1][0] - row <= 2 and abs(t[-1][1] - middle) < reach]
            if len(near) == 1:
                near[0].append((row, float(middle)))
            elif not near:
                tracks.append([(row, float(middle))])
    return [(np.array([r for r, _ in t]), np.array([u for _, u in t])) for t in tracks if len(t) > 1]
