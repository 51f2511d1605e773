"""From what was perceived to a desired curvature, in the manner of openpilot 0.6.6.

Lane lines and path become cubic polynomials; they are blended by their probabilities into one polynomial to follow; a
model-predictive controller over 2.5 s follows it. openpilot solves that problem with ACADO. Without its soft repulsion
from the lane lines it is linear-quadratic: for a given speed its solution is one fixed linear map, computed here once for
a table of speeds. So a plan is a few small tensor operations, batched over worlds and differentiable.

Convention: perceptions are in the frame of the camera's foot, ``CAMERA_FOOT_M`` ahead of the rear axle; plans are for the
rear axle, which is what the car is steered by. x forward, y left; polynomials have the lowest power first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Perception
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import DISTANCES_M

HORIZON_S = (*(0.05 * k for k in range(1, 6)), *(0.25 + 0.15 * k for k in range(1, 16)))
"""Nodes of the plan, as in openpilot: 5 steps of 0.05 s and 15 of 0.15 s."""


@dataclass(frozen=True)
class PlannerParameters:
    """Constants of the plan; those of openpilot 0.6.6 where it has them.

    Attributes:
        wheelbase_m: of the car.
        delay_s: of the steering actuator, which the plan starts after.
        steering_rate_limit_radps: at the front wheels: how far they get within the delay.
        path_cost: on the lateral error squared.
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
    path_cost: float = 1.0
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
        lane_width_m: slow average of the lane widths seen; NaN before the first.
        certainty: in [0, 1], how much that average is believed.
        curvature_per_m: commanded in the last frame.
    """

    lane_width_m: Tensor
    certainty: Tensor
    curvature_per_m: Tensor


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

    States are the error e and heading error h relative to the path, and the curvature k; over each step k changes evenly,
    dh/dt = v * (k - k_path) and de/dt = v * h, which keeps a car on any path that it is on already. Node by node, as
    openpilot weights them, the sum of ``dt * (path e^2 + heading ((v+1) h)^2 + rate ((v+1) L dk/dt)^2)`` is least.

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


class Planner:
    """Lane planner and lateral model-predictive controller.

    Args:
        parameters: constants.
        dtype: of the state of the cars that will be planned for.
        device: likewise.
    """

    _FASTEST_MPS, _SPEED_STEP_MPS = 70.0, 0.25

    def __init__(
        self,
        parameters: PlannerParameters | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.parameters = p = parameters or PlannerParameters()
        speeds = torch.arange(1.0, self._FASTEST_MPS, self._SPEED_STEP_MPS, dtype=torch.float64)
        self._gains = tracking_gains(p, speeds).to(device=device, dtype=dtype)
        nodes = torch.tensor([0.0, p.delay_s, *(p.delay_s + t for t in HORIZON_S)], dtype=torch.float64)
        self._nodes = nodes.to(device=device, dtype=dtype)
        self._steps = (nodes[1:] - nodes[:-1]).to(device=device, dtype=dtype)
        # as if a path were given at every metre, a point counts by the distance it stands for
        spacing = torch.gradient(DISTANCES_M)[0]
        self._distances = DISTANCES_M.to(device=device, dtype=dtype)
        self._share = spacing.to(device=device, dtype=dtype)
        self._powers = torch.arange(1, 4, dtype=dtype, device=device)

    def initial_memory(self, size: int) -> PlannerMemory:
        """Nothing seen yet, driving straight."""
        zero = self._nodes.new_zeros(size)
        return PlannerMemory(torch.full_like(zero, math.nan), zero + 1.0, zero)

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
            The plan, and a memory in which that command is still the last one's.
        """
        speed = speed_mps.clamp(1.0, self._FASTEST_MPS - 1.0)
        polys = self.fit(perception, speed)
        d_poly, width, weight, memory = self._blend(polys, perception, speed, memory)
        offset, heading, path = self._unroll(d_poly, speed)
        if slip_rad is not None:
            heading = heading + slip_rad
        # within the delay the wheels get as far as they can towards what was commanded last
        swing = (
            self.parameters.delay_s * self.parameters.steering_rate_limit_radps / self.parameters.wheelbase_m
        )
        soon = curvature_per_m + (memory.curvature_per_m - curvature_per_m).clamp(-swing, swing)
        inputs = torch.cat([torch.stack([offset, heading, curvature_per_m, soon], dim=1), path], dim=1)
        place = (speed - 1.0) / self._SPEED_STEP_MPS
        below = place.detach().long()
        gains = torch.lerp(self._gains[below], self._gains[below + 1], (place - below)[:, None])
        curvature = (gains * inputs).sum(dim=1)
        return Plan(d_poly, polys, width, weight, curvature, offset, heading), memory

    def fit(self, perception: Perception, speed_mps: Tensor) -> Tensor:
        """Cubic polynomials through path, left and right near line.

        As in openpilot, each is pinned to its value at the camera's foot, and points weigh by 1 / std. How far the fit
        reaches follows from the speed: the plan looks no further, and a cubic cannot follow a bend for much longer.

        Args:
            perception: of N worlds.
            speed_mps: ``(N,)``.

        Returns:
            ``(N, 3, 4)``.
        """
        p = self.parameters
        near = slice(LEFT_NEAR, RIGHT_NEAR + 1)
        y = torch.cat([perception.path_y_m[:, None], perception.lane_y_m[:, near]], dim=1).to(
            self._nodes.dtype
        )
        std = torch.cat([perception.path_std_m[:, None], perception.lane_std_m[:, near]], dim=1).to(y.dtype)
        reach = (speed_mps * (p.fit_stretch * self._nodes[-1])).clamp_min(p.shortest_fit_m)[:, None]
        u = self._distances / reach
        window = (1 - u * u).clamp_min(0.0) * self._share
        powers = u[..., None] ** self._powers
        weighted = (window[:, None] / (std * std))[..., None] * powers[:, None]
        transposed = weighted.transpose(-1, -2)
        pinned = y[..., :1]
        solution = torch.linalg.solve(transposed @ powers[:, None], transposed @ (y - pinned)[..., None])
        scaled = solution[..., 0] / (reach**self._powers)[:, None]
        return torch.cat([pinned, scaled], dim=-1)

    def _blend(
        self, polys: Tensor, perception: Perception, speed_mps: Tensor, memory: PlannerMemory
    ) -> tuple[Tensor, Tensor, Tensor, PlannerMemory]:
        """openpilot 0.6.6's LanePlanner: what to follow, the lane width, the weight of the lines, the new memory."""
        p = self.parameters
        beside = polys[:, 1:, 0]
        seen = perception.lane_prob[:, LEFT_NEAR : RIGHT_NEAR + 1].to(beside.dtype)
        both = seen[:, 0] * seen[:, 1]
        width = (beside[:, 0] - beside[:, 1]).abs()
        # openpilot starts from an assumed width; here the first sight replaces it, as far as both lines are seen
        first = torch.lerp(torch.full_like(width, p.initial_lane_width_m), width, both)
        average = torch.where(torch.isnan(memory.lane_width_m), first, memory.lane_width_m)
        average = torch.lerp(average, width, 0.005)
        certainty = memory.certainty + 0.05 * (both - memory.certainty)
        usual = 2.8 + (0.7 / 31.0) * speed_mps.clamp(0.0, 31.0)
        lane_width = torch.lerp(usual, average, certainty).clamp_max(p.max_lane_width_m)
        # a line that starts far to the side is hardly the ego lane's
        prob = seen * ((2.5 - beside.abs()) * 2.0).clamp(0.0, 1.0)
        total = prob.sum(dim=1)
        weight = total - prob[:, 0] * prob[:, 1]
        lines = (prob[..., None] * polys[:, 1:]).sum(dim=1)
        shift = 0.5 * lane_width * (prob[:, 1] - prob[:, 0])
        lines = (lines + torch.nn.functional.pad(shift[:, None], (0, 3))) / (total + 1e-4)[:, None]
        d_poly = torch.lerp(polys[:, 0], lines, weight[:, None])
        return d_poly, lane_width, weight, PlannerMemory(average, certainty, memory.curvature_per_m)

    def _unroll(self, d_poly: Tensor, speed_mps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Error and heading error of the rear axle, and the mean curvature of the path over every step ``(N, 21)``.

        Headings, not positions, are what a path is reduced to: so it stays right where small angles would not do.
        """
        c0, c1, c2, c3 = d_poly[:, :, None].unbind(dim=1)
        travel = speed_mps[:, None] * self._steps

        def slope(x: Tensor) -> Tensor:
            return c1 + x * (2 * c2 + 3 * c3 * x)

        flat = slope(speed_mps[:, None] * self._nodes - CAMERA_FOOT_M)
        forward = travel * torch.rsqrt(1 + (0.5 * (flat[:, 1:] + flat[:, :-1])) ** 2)
        x = torch.nn.functional.pad(torch.cumsum(forward, dim=1), (1, 0)) - CAMERA_FOOT_M
        heading = torch.atan(slope(x))
        start = x[:, :1]
        beside = c0 + start * (c1 + start * (c2 + start * c3))
        offset = -(beside * torch.cos(heading[:, :1]))[:, 0]
        return offset, -heading[:, 0], (heading[:, 1:] - heading[:, :-1]) / travel


def next_memory(memory: PlannerMemory, commanded_curvature_per_m: Tensor) -> PlannerMemory:
    """The memory for the next frame, once it is known what was commanded."""
    return PlannerMemory(memory.lane_width_m, memory.certainty, commanded_curvature_per_m)
