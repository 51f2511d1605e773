"""The half of an assistant that comes after perception: planner, controller and cruise, with their memory.

Every assistant that perceives a path drives through this, so that assistants differ in what they see, not in how they
steer.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from lkas.controller import Controller
from lkas.lead import LeadTrack
from lkas.perception import Decision, Perception
from lkas.planner import Planner, PlannerMemory, PlannerParameters
from simulator.cruise import Cruise, CruiseParameters
from simulator.vehicle import VehicleParameters
from simulator.world import CAMERA_PERIOD_S, Command, Observation

SURE_OF_LEAD = 0.5
"""A car ahead that is less probable than this is not followed."""


class Pilot:
    """Turns perceptions into commands; keeps what planner and controller remember.

    The set speed is ``observation.info["set_speed_mps"]``; where a world gives none, the car keeps the speed it has.

    Args:
        vehicle: the car.
        latency_s: time that the assistant's computation is known to take: planned for like the actuator's delay.
        planner: constants of the plan; by default those that fit the vehicle.
        cruise: constants of the speed.
        follow_lead: keep a gap to the car ahead.
        slow_for_curves: respect the lateral acceleration of ``cruise`` in curves.
        dtype: of the state of the worlds.
        device: likewise.
    """

    def __init__(
        self,
        vehicle: VehicleParameters | None = None,
        latency_s: float = 0.0,
        planner: PlannerParameters | None = None,
        cruise: CruiseParameters | None = None,
        follow_lead: bool = True,
        slow_for_curves: bool = True,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        self.vehicle = vehicle or VehicleParameters()
        # a command is held for a camera period: a plan for its beginning overshoots
        answer_s = max(self.vehicle.predicted_delay_s, self.vehicle.steering_delay_s + CAMERA_PERIOD_S)
        rate = min(self.vehicle.steering_rate_limit_radps, math.radians(500.0)) / self.vehicle.steering_ratio
        self.planner = Planner(
            planner
            or PlannerParameters(
                wheelbase_m=self.vehicle.wheelbase_m,
                delay_s=answer_s + self.vehicle.course_lag_s + latency_s,
                steering_rate_limit_radps=rate,
            ),
            dtype,
            device,
        )
        self.controller = Controller(self.vehicle, dtype, device)
        self.cruise = Cruise(cruise, dtype, device)
        self._follow_lead, self._slow_for_curves = follow_lead, slow_for_curves
        self._memory: PlannerMemory | None = None
        self._steering_rad: Tensor | None = None
        self._lead: LeadTrack | None = None

    def reset(self, size: int) -> None:
        """Forget everything; the next observations are of ``size`` worlds."""
        self._memory = self.planner.initial_memory(size)
        self._steering_rad = None
        self._lead = None

    def __call__(self, perception: Perception, observation: Observation) -> Decision:
        """Decide what to do about what was seen.

        Args:
            perception: of N worlds.
            observation: of the same instant; the car's state and the set speed are read from it, never the truth.
        """
        state = observation.state
        if self._memory is None:
            self.reset(len(state))
        memory = self._memory
        assert memory is not None
        curvature = self.vehicle.curvature_of(state.steering_rad, state.speed_mps)
        if self._steering_rad is None:
            self._steering_rad = state.steering_rad
            memory = memory.after(curvature)
        slip = self.vehicle.slip_of(curvature, state.speed_mps)
        plan, memory = self.planner(perception, state.speed_mps, curvature, memory, slip)
        steering, saturated = self.controller(plan.curvature_per_m, state.speed_mps, self._steering_rad)
        self._memory = memory.after(self.vehicle.curvature_of(steering, state.speed_mps))
        self._steering_rad = steering
        return Decision(
            Command(steering, self._accelerate(perception, observation)),
            perception,
            plan.curvature_per_m,
            saturated,
            {"d_poly": plan.d_poly, "lane_weight": plan.lane_weight, "lane_width_m": plan.lane_width_m},
        )

    def _accelerate(self, perception: Perception, observation: Observation) -> Tensor:
        speed = observation.state.speed_mps
        gap = lead_speed = None
        present = perception.lead_prob > SURE_OF_LEAD
        if self._follow_lead and bool(present.any()):
            track = (self._lead or LeadTrack.none(speed)).update(
                perception.lead_distance_m.to(speed.dtype), present
            )
            gap = torch.where(present, track.gap_m, torch.full_like(speed, math.inf))
            lead_speed = (speed + track.closing_mps).clamp_min(0.0)
            self._lead = track
        else:
            self._lead = None
        path = perception.path_y_m.to(speed.dtype) if self._slow_for_curves else None
        set_speed = observation.info.get("set_speed_mps", speed)
        return self.cruise.acceleration(speed, set_speed, gap, lead_speed, path)


def without_lines(perception: Perception) -> Perception:
    """The same perception for a planner that shall follow the path alone."""
    return replace(perception, lane_prob=torch.zeros_like(perception.lane_prob))
