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

from lkas.zoo.twinlitenet import TwinLiteNet
from simulator.camera import Camera

Array = NDArray[np.float64]

NEAR_M, FAR_M, SIDE_M = 3.0, 60.0, 9.0
"""The ground that is looked at: from NEAR_M to FAR_M ahead, SIDE_M to each side."""

ROW_STEP_M, COLUMN_STEP_M = 0.5, 0.05
LANE_PROBABILITY = 0.5

VOTE_HEADINGS_RAD = np.linspace(-0.2, 0.2, 41)
VOTE_CURVATURES_PER_M = np.linspace(-0.02, 0.02, 41)
VOTE_BIN_M = 0.2

MIN_COMMON_ROWS = 0.06
"""Two lines must share so much of the picture's height to tell where the horizon is."""

LINE_HALF_WIDTH_M = 0.5
"""How far from a line lane pixels still belong to it: less than half the gap between a lane line and a kerb."""

MIN_SEEN_M = 4.0
"""A line must be seen over so much road, a dash and a little more, ..."""

MAX_FAMILIES = 4
"""How many shapes are voted for, one after the other; roads where lanes part or join have more than one."""

MAX_FIRST_SEEN_M = 25.0
"""... and begin nearer than this, as extrapolating it back to the car would mean little."""


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


def ego_lane_lines(network: TwinLiteNet, image: Tensor | NDArray[np.uint8], camera: Camera) -> EgoLane:
    """Where TwinLiteNet sees the ego lane in a picture.

    Args:
        network: with trained weights.
        image: ``(H, W, 3) uint8 RGB`` or ``(3, H, W) float in [0, 1] RGB``, of the size that ``camera`` says.
        camera: calibration; the ground is taken as flat.
    """
    _, lane = network.probabilities(torch.as_tensor(image)[None])
    return fit_ego_lane(lane[0], camera)


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
        found = [grown for offset in offsets if (grown := _grow(x_m, y_m, shape, offset)) is not None]
        taken = np.zeros(len(x_m), bool)
        for coefficients, mine in found:
            taken |= mine
            rows = np.unique(x_m[mine])
            line = LaneLine(
                _refine(lane_probability, camera, coefficients, rows),
                float(rows[0]),
                float(rows[-1]),
                len(rows) * ROW_STEP_M,
            )
            if line.near_m <= MAX_FIRST_SEEN_M and not any(_cross(line, other) for other in lines):
                lines.append(line)
        if not taken.any():
            break
        x_m, y_m = x_m[~taken], y_m[~taken]
    return sorted(lines, key=_reference_y)


def _grow(
    x_m: Array, y_m: Array, shape: tuple[float, float], offset: float
) -> tuple[Array, NDArray[np.bool_]] | None:
    """Fit a line to the points near it, and again to those near the fit.

    Returns:
        Coefficients ``(4,)`` and which points are of the line, or None if there are too few.
    """
    coefficients = np.array([offset, shape[0], shape[1] / 2, 0.0])
    for _ in range(4):
        mine = np.abs(y_m - np.polynomial.polynomial.polyval(x_m, coefficients)) < LINE_HALF_WIDTH_M
        if len(np.unique(x_m[mine])) * ROW_STEP_M < MIN_SEEN_M:
            return None
        x, y = torch.from_numpy(x_m[mine]), torch.from_numpy(y_m[mine])
        coefficients = _fit(x, y, torch.ones_like(x)).numpy()
    return coefficients, mine


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


def _fit(x_m: Tensor, y_m: Tensor, weight: Tensor) -> Tensor:
    """Weighted cubic of lane points ``(P,)``, held to what roads are like where the points leave it open.

    A pixel's error on the ground grows with distance. The priors are standard deviations of heading 0.3, curvature
    0.03 per m and change of curvature 0.0003 per m^2.
    """
    sigma = 0.03 + 0.005 * x_m
    rows = _powers(x_m) / sigma[:, None] * weight[:, None].sqrt()
    prior = torch.diag(1 / x_m.new_tensor([100.0, 0.3, 0.03 / 2, 0.0003 / 6]) ** 2)
    return torch.linalg.solve(rows.T @ rows + prior, rows.T @ (y_m / sigma * weight.sqrt()))


def _refine(probability: Tensor, camera: Camera, coefficients: Array, rows_m: Array) -> Tensor:
    """Fit a line again to the centres of probability beside it; differentiable. Returns ``(4,)``."""
    x_m = torch.from_numpy(rows_m)
    middle = torch.from_numpy(np.polynomial.polynomial.polyval(rows_m, coefficients))
    across = torch.arange(-LINE_HALF_WIDTH_M, LINE_HALF_WIDTH_M + 1e-6, COLUMN_STEP_M, dtype=torch.float64)
    y_m = middle[:, None] + across
    mass = _sample(probability, camera, x_m[:, None].expand_as(y_m), y_m).double()
    total = mass.sum(1)
    centre = (mass * y_m).sum(1) / total.clamp_min(1e-6)
    return _fit(x_m, centre, total / total.detach().max().clamp_min(1e-6))


def level(lane_probability: Tensor, camera: Camera) -> Camera:
    """The camera with the pitch at which the lane lines of this picture keep their distance from each other.

    For cameras of unknown mount. The width between two lines shrinks linearly with the picture's rows, to nothing at
    the horizon, whatever their common curvature. Without two lines in the picture the camera is returned unchanged.

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
            if abs(slope) > 0.2:  # flatter than any pair of lane lines that could tell where the horizon is
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
