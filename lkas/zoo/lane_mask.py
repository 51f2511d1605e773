"""From a picture of lane-line probability to the two lines of the ego lane, in metres on flat ground.

Detection is discrete: the lane lines of a road are parallel, so one shape (heading and curvature) is voted for by all
lane pixels, and the lines are the peaks of their offsets from it; what is left over votes again. Each line is then
fitted on its own to the centre of the probability near it; that fit is differentiable in the probabilities.

Convention: the frame of the camera's foot, x forward, y positive left, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from simulator.camera import Camera

Array = NDArray[np.float64]

NEAR_M, FAR_M, SIDE_M = 3.0, 60.0, 9.0
"""The ground that is looked at: from NEAR_M to FAR_M ahead, SIDE_M to each side."""

ROW_STEP_M, COLUMN_STEP_M = 0.5, 0.05
LANE_PROBABILITY = 0.5

VOTE_HEADINGS_RAD = np.linspace(-0.2, 0.2, 41)
VOTE_CURVATURES_PER_M = np.linspace(-0.02, 0.02, 41)
VOTE_BIN_M = 0.2

LINE_HALF_WIDTH_M = 0.5
"""How far from a line lane pixels still belong to it: less than half the gap between a lane line and a kerb."""

MIN_SEEN_M, MAX_FIRST_SEEN_M = 3.0, 25.0
"""A line must be seen over so much road, a dash, and begin so near that extrapolating it back to the car means much."""

MAX_FAMILIES = 4
"""How many shapes are voted for, one after the other; roads where lanes part or join have more than one."""

LOOSE = (100.0, 0.3, 0.03 / 2, 0.0003 / 6)
TIGHT = (100.0, 0.03, 0.004 / 2, 0.0003 / 6)
"""Spread of a line's coefficients about what is expected: offset, heading, half the curvature, and a sixth of its
change; before any line of a road is known, and after."""


@dataclass(frozen=True)
class Expected:
    """A Gaussian over the coefficients of a line: their means ``(4,)`` and standard deviations."""

    coefficients: Array
    spread: tuple[float, float, float, float]


@dataclass(frozen=True)
class LaneLine:
    """A lane line ``y = c0 + c1 x + c2 x**2 + c3 x**3``.

    Attributes:
        coefficients: ``(4,)`` [m, 1, 1/m, 1/m^2], differentiable in the probabilities.
        near_m: where it is first seen.
        far_m: where it is last seen; beyond, the polynomial is extrapolation.
        seen_m: length of road over which it is seen, at most ``far_m - near_m``.
    """

    coefficients: Tensor
    near_m: float
    far_m: float
    seen_m: float

    def y_at(self, x_m: Tensor) -> Tensor:
        """Lateral position at distances ``x_m (...)``."""
        return _powers(x_m.to(self.coefficients)) @ self.coefficients


@dataclass(frozen=True)
class EgoLane:
    """The lines to the left and right of the car; None where none is seen."""

    left: LaneLine | None
    right: LaneLine | None


def fit_ego_lane(lane_probability: Tensor, camera: Camera) -> EgoLane:
    """The ego lane's lines in a picture of lane-line probability.

    Args:
        lane_probability: ``(H, W)`` in [0, 1].
        camera: calibration; the ground is taken as flat.
    """
    lines = fit_lane_lines(lane_probability, camera)
    left = [line for line in lines if _reference_y(line) > 0]
    right = [line for line in lines if _reference_y(line) <= 0]
    return EgoLane(
        min(left, key=_reference_y) if left else None,
        max(right, key=_reference_y) if right else None,
    )


def fit_lane_lines(lane_probability: Tensor, camera: Camera) -> list[LaneLine]:
    """All lane lines in a picture of lane-line probability ``(H, W)``, from right to left."""
    x_m, y_m = _lane_points(lane_probability.detach(), camera)
    lines: list[LaneLine] = []
    for _ in range(MAX_FAMILIES):
        if len(x_m) < MIN_SEEN_M / ROW_STEP_M:
            break
        shape, offsets = _vote(x_m, y_m)
        expected = Expected(np.array([0.0, shape[0], shape[1] / 2, 0.0]), LOOSE)
        taken = np.zeros(len(x_m), bool)
        for offset in offsets:
            mine = _grow(x_m, y_m, offset, expected)
            if mine is None:
                continue
            taken |= mine
            rows = np.unique(x_m[mine])
            refined = _refine(
                lane_probability, camera, _fit_points(x_m[mine], y_m[mine], expected), rows, expected
            )
            line = LaneLine(refined, float(rows[0]), float(rows[-1]), len(rows) * ROW_STEP_M)
            if line.near_m <= MAX_FIRST_SEEN_M and not any(_cross(line, other) for other in lines):
                lines.append(line)
                if expected.spread is LOOSE:
                    # the best line tells how the shorter ones go on
                    expected = Expected(refined.detach().numpy() * [0.0, 1.0, 1.0, 1.0], TIGHT)
        if not taken.any():
            break
        x_m, y_m = x_m[~taken], y_m[~taken]
    return sorted(lines, key=_reference_y)


def _grow(x_m: Array, y_m: Array, offset: float, expected: Expected) -> NDArray[np.bool_] | None:
    """The points of the line at an offset from the expected shape: those near it, then those near a fit to them."""
    coefficients = expected.coefficients + np.array([offset, 0.0, 0.0, 0.0])
    for _ in range(4):
        mine: NDArray[np.bool_] = (
            np.abs(y_m - np.polynomial.polynomial.polyval(x_m, coefficients)) < LINE_HALF_WIDTH_M
        )
        if len(np.unique(x_m[mine])) * ROW_STEP_M < MIN_SEEN_M:
            return None
        coefficients = _fit_points(x_m[mine], y_m[mine], expected)
    return mine


def _cross(a: LaneLine, b: LaneLine) -> bool:
    """Whether two lines meet where both are seen: then the later, lesser one is no lane line."""
    start, stop = max(a.near_m, b.near_m), min(a.far_m, b.far_m)
    if start >= stop:
        return False
    x_m = torch.arange(start, stop, 1.0, dtype=torch.float64)
    gap = (a.y_at(x_m) - b.y_at(x_m)).detach()
    return bool(gap.min() < LINE_HALF_WIDTH_M) and bool(gap.max() > -LINE_HALF_WIDTH_M)


def _reference_y(line: LaneLine) -> float:
    """Where a line passes the front of the car, which tells left from right and near from far."""
    return float(line.y_at(torch.tensor(max(6.0, line.near_m))).detach())


def _sample(probability: Tensor, camera: Camera, x_m: Tensor, y_m: Tensor) -> Tensor:
    """Probability at ground points of any one shape; 0 outside the picture."""
    points = torch.stack([x_m, y_m, torch.zeros_like(x_m)], -1)
    u, v, depth = camera.project(points)
    grid = torch.stack([2 * u / camera.width - 1, 2 * v / camera.height - 1], -1)
    grid = torch.where(depth[..., None] > 0.1, grid, torch.full_like(grid, 2.0))
    flat = grid.reshape(1, 1, -1, 2).to(probability)
    seen = functional.grid_sample(probability[None, None], flat, align_corners=False)
    return seen.reshape(x_m.shape)


def _lane_points(probability: Tensor, camera: Camera) -> tuple[Array, Array]:
    """Middles of the lane pixels' runs across the road, seen from above: x and y, each ``(P,)``."""
    rows = torch.arange(NEAR_M, FAR_M, ROW_STEP_M, dtype=torch.float64)
    columns = torch.arange(-SIDE_M, SIDE_M, COLUMN_STEP_M, dtype=torch.float64)
    x_m, y_m = torch.meshgrid(rows, columns, indexing="ij")
    lane = (_sample(probability, camera, x_m, y_m) > LANE_PROBABILITY).numpy().astype(np.int8)
    edges = np.diff(np.pad(lane, ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(edges > 0)
    stop = np.nonzero(edges < 0)[1]
    x = rows.numpy()[row]
    # a pixel row spans ever more road, so lines grow wider with distance; what is wider still lies across the road
    along = (stop - start) * COLUMN_STEP_M < 0.6 + 0.05 * x
    inside = (start > 0) & (stop < len(columns))
    y = -SIDE_M + COLUMN_STEP_M * (start + stop - 1) / 2
    keep = along & inside
    return x[keep], y[keep]


def _vote(x_m: Array, y_m: Array) -> tuple[tuple[float, float], list[float]]:
    """The shape that most lane points agree on, and the offsets of the lines that have it.

    Returns:
        (heading, curvature) of the lines at the camera's foot, and their lateral offsets there.
    """
    best, best_votes, best_score = (0.0, 0.0), np.zeros(1), -1.0
    bins = np.arange(-4 * SIDE_M, 4 * SIDE_M + VOTE_BIN_M, VOTE_BIN_M)
    for curvature in VOTE_CURVATURES_PER_M:
        for heading in VOTE_HEADINGS_RAD:
            offset = y_m - heading * x_m - 0.5 * curvature * x_m**2
            index = np.clip(((offset - bins[0]) / VOTE_BIN_M).astype(int), 0, len(bins) - 1)
            votes = np.bincount(index, minlength=len(bins)).astype(float)
            votes = votes + np.roll(votes, 1)  # neighbours together, lest a line be split between two bins
            # of shapes that agree alike, the straighter one
            score = (votes**2).sum() * (1 - 0.02 * abs(heading) - 2 * abs(curvature))
            if score > best_score:
                best, best_votes, best_score = (float(heading), float(curvature)), votes, score
    offsets = []
    while best_votes.max() >= MIN_SEEN_M / ROW_STEP_M:
        peak = int(best_votes.argmax())
        offsets.append(float(bins[peak]))  # the border between the two bins that were added up
        reach = round(2 * LINE_HALF_WIDTH_M / VOTE_BIN_M)
        best_votes[max(0, peak - reach) : peak + reach + 1] = 0
    return best, offsets


def _powers(x_m: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(x_m), x_m, x_m**2, x_m**3], -1)


def _fit(x_m: Tensor, y_m: Tensor, weight: Tensor, expected: Expected) -> Tensor:
    """Weighted cubic of lane points ``(P,)``, held to what is expected where the points leave it open.

    A pixel's error on the ground grows with distance.
    """
    prior = torch.from_numpy(expected.coefficients)
    sigma = 0.03 + 0.005 * x_m
    rows = _powers(x_m) / sigma[:, None] * weight[:, None].sqrt()
    hold = torch.diag(1 / x_m.new_tensor(expected.spread) ** 2)
    residual = (y_m - _powers(x_m) @ prior) / sigma * weight.sqrt()
    return prior + torch.linalg.solve(rows.T @ rows + hold, rows.T @ residual)


def _fit_points(x_m: Array, y_m: Array, expected: Expected) -> Array:
    """Fit to points of equal weight."""
    x, y = torch.from_numpy(x_m), torch.from_numpy(y_m)
    coefficients: Array = _fit(x, y, torch.ones_like(x), expected).numpy()
    return coefficients


def _refine(
    probability: Tensor, camera: Camera, coefficients: Array, rows_m: Array, expected: Expected
) -> Tensor:
    """Fit a line again to the centres of probability beside it; differentiable. Returns ``(4,)``."""
    x_m = torch.from_numpy(rows_m)
    middle = torch.from_numpy(np.polynomial.polynomial.polyval(rows_m, coefficients))
    across = torch.arange(-LINE_HALF_WIDTH_M, LINE_HALF_WIDTH_M + 1e-6, COLUMN_STEP_M, dtype=torch.float64)
    y_m = middle[:, None] + across
    mass = _sample(probability, camera, x_m[:, None].expand_as(y_m), y_m).double()
    total = mass.sum(1)
    centre = (mass * y_m).sum(1) / total.clamp_min(1e-6)
    return _fit(x_m, centre, total / total.detach().max().clamp_min(1e-6), expected)
