"""From what was perceived to a desired curvature, in the manner of openpilot 0.6.6.

Lane lines and path become cubic polynomials; they are blended by their probabilities into one polynomial to follow; a
model-predictive controller over 2.5 s follows it. openpilot solves that problem with ACADO. Without its soft repulsion
from the lane lines it is linear-quadratic: for a given speed its solution is one fixed linear map, taken from a table
made once. So a plan is a few small tensor operations, batched over worlds and differentiable.

Convention: perceptions are in the frame of the camera's foot, ``CAMERA_FOOT_M`` ahead of the rear axle; plans are for
the rear axle, which is what the car is steered by. x forward, y left; polynomials have the lowest power first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Perception
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import DISTANCES_M

HORIZON_S = (*(0.05 * k for k in range(1, 6)), *(0.25 + 0.15 * k for k in range(1, 16)))
"""Nodes of the plan, as in openpilot: 5 steps of 0.05 s and 15 of 0.15 s."""


@dataclass(frozen=True)
class PlannerParameters:
    """Constants of the plan; those of openpilot 0.6.6 but for ``path_cost``.

    Attributes:
        wheelbase_m: of the car.
        delay_s: until the car answers (actuator, computer, tyres), which the plan starts after.
        steering_rate_limit_radps: at the front wheels: how far they get within the delay.
        path_cost: on the lateral error e squared. openpilot 0.6.6 has 1.3: 1 for the path, and the quadratic part of
            its repulsion from the lane lines. So little lets a car that sees a bend begin early drive into it early;
            later versions weigh the path an order of magnitude more against the heading, and 5 lies between.
        heading_cost: on the heading error times (speed + 1 m/s), squared.
        rate_cost: on the rate of the front wheels times (speed + 1 m/s), squared.
        initial_lane_width_m: assumed before any lane was seen.
        max_lane_width_m: a lane is taken to be no wider.
        shortest_fit_m: polynomials are fitted over at least this distance.
        fit_stretch: how far beyond the plan's own reach polynomials are fitted.
    """

    wheelbase_m: float = 2.65
    delay_s: float = 0.12
    steering_rate_limit_radps: float = math.radians(25.0) / 16.88
    path_cost: float = 5.0
    heading_cost: float = 1.0
    rate_cost: float = 1.0
    initial_lane_width_m: float = 3.7
    max_lane_width_m: float = 4.0
    shortest_fit_m: float = 15.0
    fit_stretch: float = 1.2


@dataclass(frozen=True)
class PlannerMemory:
    """What the planner remembers from frame to frame, each ``(N,)``.

    Attributes:
        lane_width_m: slow average of the lane widths seen; None before the first frame.
        certainty: in [0, 1], how much that average is believed.
        curvature_per_m: commanded in the last frame.
    """

    lane_width_m: Tensor | None
    certainty: Tensor
    curvature_per_m: Tensor

    def after(self, commanded_curvature_per_m: Tensor) -> PlannerMemory:
        """The memory for the next frame, once it is known what was commanded in this one."""
        return PlannerMemory(self.lane_width_m, self.certainty, commanded_curvature_per_m)


@dataclass(frozen=True)
class Plan:
    """What to follow and how.

    Attributes:
        d_poly: ``(N, 4)`` blended path ``y = sum d_poly[i] * x**i`` in the frame of the camera's foot.
        lane_polys: ``(N, 3, 4)`` fits of the path, the left and the right near line.
        lane_width_m: ``(N,)`` used in the blend.
        lane_weight: ``(N,)`` in [0, 1], how much the lane lines count against the path.
        curvature_per_m: ``(N,)`` desired, of the rear axle, one camera period after the delay.
        offset_m: ``(N,)`` of the rear axle from the path, positive left of it.
        heading_error_rad: ``(N,)`` of its course, likewise.
    """

    d_poly: Tensor
    lane_polys: Tensor
    lane_width_m: Tensor
    lane_weight: Tensor
    curvature_per_m: Tensor
    offset_m: Tensor
    heading_error_rad: Tensor


def tracking_gains(parameters: PlannerParameters, speeds_mps: Tensor) -> Tensor:
    """Solve the linear-quadratic problem for several speeds.

    States are the error e and heading error h relative to the path, and the curvature k; over each step k changes
    evenly, dh/dt = v * (k - k_path) and de/dt = v * h, which keeps a car on any path that it is on already. Node by
    node, as openpilot weights them, ``dt * (path e^2 + heading ((v+1) h)^2 + rate ((v+1) L dk/dt)^2)`` adds up to the
    cost.

    Args:
        parameters: costs, delay, wheelbase.
        speeds_mps: ``(M,)`` float64, positive.

    Returns:
        ``(M, 4 + 21)``: the curvature desired at the first node as a linear form of e and h now, the curvature now, the
        curvature after the delay, and the mean curvature of the path over the delay and over each of the 20 steps.
    """
    times = torch.tensor([0.0, *HORIZON_S], dtype=torch.float64)
    steps = torch.cat([torch.tensor([parameters.delay_s], dtype=torch.float64), times[1:] - times[:-1]])
    controls, inputs = len(HORIZON_S), 4 + len(steps)
    count = len(speeds_mps)
    # every state is a linear form of the unknown curvature rates and of the inputs
    unit = torch.eye(controls + inputs, dtype=torch.float64).expand(count, -1, -1)
    given = unit[:, controls:]
    error, heading, curvature = given[:, 0], given[:, 1], given[:, 2]
    v = speeds_mps[:, None]
    rows = []
    for index, dt in enumerate(steps.tolist()):
        after = given[:, 3] if index == 0 else curvature + dt * unit[:, index - 1]
        path = given[:, 4 + index]
        error = error + v * dt * heading + (v * dt) ** 2 * (curvature / 3 + after / 6 - path / 2)
        heading = heading + v * dt * (0.5 * (curvature + after) - path)
        curvature = after
        if index > 0:
            rate = parameters.wheelbase_m * unit[:, index - 1]
            for cost, residual in (
                (parameters.path_cost, error),
                (parameters.heading_cost, (v + 1) * heading),
                (parameters.rate_cost, (v + 1) * rate),
            ):
                rows.append(math.sqrt(cost * dt) * residual)
    stacked = torch.stack(rows, dim=1)
    unknown, known = stacked[..., :controls], stacked[..., controls:]
    rates = -torch.linalg.lstsq(unknown, known).solution
    return given[:, 3, controls:] + HORIZON_S[0] * rates[:, 0]


def _on_headings(gains: Tensor, speeds_mps: Tensor, steps_s: Tensor) -> Tensor:
    """The same linear form of e, the curvature now and soon, the 22 headings of the path at the nodes, and slip.

    The heading error is slip less the path's first heading; a mean curvature is a difference of headings over a length.
    """
    per_length = gains[:, 4:] / (speeds_mps[:, None] * steps_s)
    headings = pad(per_length, (1, 0)) - pad(per_length, (0, 1))
    headings[:, 0] -= gains[:, 1]
    return torch.cat([gains[:, :1], gains[:, 2:4], headings, gains[:, 1:2]], dim=1)


class Planner:
    """Lane planner and lateral model-predictive controller.

    Args:
        parameters: constants.
        dtype: of the state of the cars that will be planned for.
        device: likewise.
    """

    _SLOWEST_MPS, _FASTEST_MPS, _PER_MPS = 1.0, 69.0, 4

    def __init__(
        self,
        parameters: PlannerParameters | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.parameters = p = parameters or PlannerParameters()
        count = round((self._FASTEST_MPS - self._SLOWEST_MPS) * self._PER_MPS) + 2
        speeds = self._SLOWEST_MPS + torch.arange(count, dtype=torch.float64) / self._PER_MPS
        nodes = torch.tensor([0.0, p.delay_s, *(p.delay_s + t for t in HORIZON_S)], dtype=torch.float64)
        steps = nodes[1:] - nodes[:-1]
        gains = _on_headings(tracking_gains(p, speeds), speeds, steps)
        # how far fits reach: the plan looks no further, and a cubic cannot follow a bend for much longer
        reach = (speeds * (p.fit_stretch * nodes[-1])).clamp_min(p.shortest_fit_m)[:, None]
        u = DISTANCES_M / reach
        # as if a path were given at every metre, a point counts by the distance it stands for
        share = (1 - u * u).clamp_min(0.0) * torch.gradient(DISTANCES_M)[0]
        moments = torch.stack([share * u**k for k in (2, 3, 4, 5, 6, 1, 2, 3)], dim=2)
        like = torch.zeros(1, dtype=dtype, device=device)
        scales = torch.cat([reach**-1, reach**-2, reach**-3], dim=1)
        faster = torch.cat([gains[1:], gains[-1:]])
        parts = [moments.flatten(1), scales, gains, faster]
        # all that depends on the speed in one table: one look-up instead of four
        self._by_speed, self._widths = torch.cat(parts, dim=1).to(like), [part.shape[1] for part in parts]
        self._nodes = nodes.to(like)
        self._foot = torch.full_like(self._nodes, -CAMERA_FOOT_M)
        self._derivative = torch.tensor([1.0, 2.0, 3.0]).to(like)
        self._at_axle = (-((-CAMERA_FOOT_M) ** torch.arange(4.0)))[:, None].to(like)
        middle = torch.zeros(len(nodes), len(steps))
        middle.diagonal().fill_(0.5)
        middle.diagonal(-1).fill_(0.5)
        self._middle = middle.to(like)
        self._travelled = (steps[:, None] * torch.ones(len(steps), len(nodes)).triu(1)).to(like)
        self._sides = torch.tensor([1.0, -1.0]).to(like)
        self._constant = torch.tensor([1.0, 0.0, 0.0, 0.0]).to(like)
        self._one = torch.ones(()).to(like)

    def initial_memory(self, size: int) -> PlannerMemory:
        """Nothing seen yet, driving straight."""
        zero = self._nodes.new_zeros(size)
        return PlannerMemory(None, zero + 1.0, zero)

    def __call__(
        self,
        perception: Perception,
        speed_mps: Tensor,
        curvature_per_m: Tensor,
        memory: PlannerMemory,
        slip_rad: Tensor | None = None,
    ) -> tuple[Plan, PlannerMemory]:
        """Plan once.

        Args:
            perception: of N worlds.
            speed_mps: ``(N,)``.
            curvature_per_m: ``(N,)`` that the car drives now, by its measured steering.
            memory: of the last frame; its ``curvature_per_m`` is what was commanded then.
            slip_rad: ``(N,)`` from the car's axis to the course of its rear axle; None for a car that does not slip.

        Returns:
            The plan, and the memory; see ``PlannerMemory.after``.
        """
        p = self.parameters
        speed = speed_mps.clamp(self._SLOWEST_MPS, self._FASTEST_MPS)
        place = (speed - self._SLOWEST_MPS) * self._PER_MPS
        below = place.detach().long()
        moments, scales, gains, faster = self._by_speed.index_select(0, below).split(self._widths, dim=1)
        polys = self._fit(perception, moments, scales)
        d_poly, width, weight, memory = self._blend(polys, perception, speed, memory)
        offset, headings = self._unroll(d_poly, speed[:, None])
        # within the delay the wheels get as far as they can towards what was commanded last
        swing = p.delay_s * p.steering_rate_limit_radps / p.wheelbase_m
        soon = curvature_per_m + (memory.curvature_per_m - curvature_per_m).clamp(-swing, swing)
        inputs = torch.cat([offset, curvature_per_m[:, None], soon[:, None], headings], dim=1)
        gains = torch.lerp(gains, faster, (place - below)[:, None])
        curvature = torch.linalg.vecdot(gains[:, :-1], inputs)
        heading_error = -headings[:, 0]
        if slip_rad is not None:
            curvature = torch.addcmul(curvature, gains[:, -1], slip_rad)
            heading_error = heading_error + slip_rad
        return Plan(d_poly, polys, width, weight, curvature, offset[:, 0], heading_error), memory

    def fit(self, perception: Perception, speed_mps: Tensor) -> Tensor:
        """Cubic polynomials through path, left and right near line.

        As in openpilot, each is pinned to its value at the camera's foot, and points weigh by 1 / std.

        Args:
            perception: of N worlds.
            speed_mps: ``(N,)`` sets how far ahead the fit reaches.

        Returns:
            ``(N, 3, 4)``.
        """
        speed = speed_mps.detach().clamp(self._SLOWEST_MPS, self._FASTEST_MPS)
        below = ((speed - self._SLOWEST_MPS) * self._PER_MPS).long()
        moments, scales, *_ = self._by_speed.index_select(0, below).split(self._widths, dim=1)
        return self._fit(perception, moments, scales)

    def _fit(self, perception: Perception, moments: Tensor, scales: Tensor) -> Tensor:
        near = slice(LEFT_NEAR, RIGHT_NEAR + 1)
        y = torch.cat([perception.path_y_m[:, None], perception.lane_y_m[:, near]], dim=1).to(self._one)
        std = torch.cat([perception.path_std_m[:, None], perception.lane_std_m[:, near]], dim=1).to(self._one)
        certainty = std**-2
        pinned = y[..., :1]
        squares, products = moments.unflatten(1, (len(DISTANCES_M), -1)).split([5, 3], dim=2)
        powers = certainty @ squares
        values = (certainty * (y - pinned)) @ products
        # the normal matrix of a polynomial fit has the sum of u**(i + j) in row i and column j
        solution = torch.linalg.solve(powers.unfold(2, 3, 1), values[..., None])[..., 0]
        return torch.cat([pinned, solution * scales[:, None]], dim=2)

    def _blend(
        self, polys: Tensor, perception: Perception, speed_mps: Tensor, memory: PlannerMemory
    ) -> tuple[Tensor, Tensor, Tensor, PlannerMemory]:
        """openpilot 0.6.6's LanePlanner: what to follow, the lane width, the weight of the lines, the new memory."""
        p = self.parameters
        beside = polys[:, 1:, 0]
        seen = perception.lane_prob[:, LEFT_NEAR : RIGHT_NEAR + 1].to(self._one)
        both = seen.prod(dim=1)
        width = (beside @ self._sides).abs()
        if memory.lane_width_m is None:
            # openpilot starts from an assumed width; here the first sight replaces it, as far as both lines are seen
            average = p.initial_lane_width_m + both * (width - p.initial_lane_width_m)
        else:
            average = torch.lerp(memory.lane_width_m, width, 0.005)
        certainty = torch.lerp(memory.certainty, both, 0.05)
        usual = 2.8 + (0.7 / 31.0) * speed_mps.clamp_max(31.0)
        lane_width = torch.lerp(usual, average, certainty).clamp_max(p.max_lane_width_m)
        # a line that starts far to the side is hardly the ego lane's
        prob = seen * (5.0 - 2.0 * beside.abs()).clamp(0.0, 1.0)
        total = prob.sum(dim=1)
        weight = total - prob.prod(dim=1)
        centres = polys[:, 1:] - (0.5 * self._sides[:, None] * lane_width[:, None, None]) * self._constant
        lines = (prob[:, None] @ centres)[:, 0] / (total + 1e-4)[:, None]
        d_poly = torch.lerp(polys[:, 0], lines, weight[:, None])
        return d_poly, lane_width, weight, PlannerMemory(average, certainty, memory.curvature_per_m)

    def _unroll(self, d_poly: Tensor, speed_mps: Tensor) -> tuple[Tensor, Tensor]:
        """Error of the rear axle ``(N, 1)``, and headings of the path at the nodes ``(N, 22)``.

        The nodes are equal times apart along the path, not along x: so the plan stays right where a path turns far.
        """
        linear, square, cube = (d_poly[:, 1:] * self._derivative).split(1, dim=1)

        def slope(x: Tensor) -> Tensor:
            return torch.addcmul(linear, x, torch.addcmul(square, x, cube))

        middle = slope(torch.addcmul(self._foot, speed_mps, self._nodes)) @ self._middle
        run = torch.rsqrt(torch.addcmul(self._one, middle, middle)) @ self._travelled
        headings = torch.atan(slope(torch.addcmul(self._foot, speed_mps, run)))
        return (d_poly @ self._at_axle) * torch.cos(headings[:, :1]), headings
