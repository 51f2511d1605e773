"""How one car of the server moves: the kinematic bicycle of ``simulator.vehicle`` for steps of any length.

A server steps cars one by one, as clients spawn and destroy them, with whatever time step the client chose; in single
numbers that costs microseconds. The equations, their order and their inner steps of 10 ms are those of
``simulator.vehicle.Vehicle``, so that both cars drive the same line.

Convention: CARLA's frame (y to the right, yaw clockwise) is the mirror image of ISO 8855, and so is the bicycle: all
angles here are positive to the right, the steering wheel's too. The reference point is the middle of the rear axle.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from simulator.vehicle import VehicleParameters
from simulator.world import DYNAMICS_PERIOD_S


@dataclass
class Rolling:
    """State of a moving car.

    Attributes:
        x_m: of the rear axle's middle.
        y_m: likewise.
        yaw_rad: heading.
        speed_mps: negative when it rolls backwards.
        acceleration_mps2: along the heading.
        steering_rad: at the steering wheel.
        yaw_rate_radps: likewise.
        queue: steering commands on their way, oldest first, one for every 10 ms of delay.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    acceleration_mps2: float = 0.0
    steering_rad: float = 0.0
    yaw_rate_radps: float = 0.0
    queue: deque[float] = field(default_factory=deque)


def roll(
    state: Rolling,
    car: VehicleParameters,
    steering_rad: float,
    drive_mps2: float,
    braking_mps2: float,
    duration_s: float,
) -> None:
    """Let time pass, in place.

    Args:
        state: of the car.
        car: its parameters; the model is kinematic whatever they say.
        steering_rad: wanted angle of the steering wheel.
        drive_mps2: wanted acceleration, negative backwards.
        braking_mps2: wanted deceleration by the brakes, whichever way the car rolls, until it stands.
        duration_s: how much time.
    """
    steps = max(1, math.ceil(duration_s / DYNAMICS_PERIOD_S - 1e-6))
    step_s = duration_s / steps
    decay = math.exp(-step_s / car.acceleration_time_constant_s)
    wanted = min(max(drive_mps2, -car.max_acceleration_mps2), car.max_acceleration_mps2)
    braking = min(braking_mps2, car.max_braking_mps2)
    delay_steps = round(car.steering_delay_s / DYNAMICS_PERIOD_S)
    while len(state.queue) < delay_steps:
        state.queue.append(state.steering_rad)
    limit = _Limits(car, state, step_s)
    travelled = 0.0
    for _ in range(steps):
        target = steering_rad
        if delay_steps:
            state.queue.append(steering_rad)
            target = state.queue.popleft()
        before_rad, before_mps = state.steering_rad, state.speed_mps
        state.steering_rad = limit.approach(before_rad, target)
        _accelerate(state, car, wanted, braking, step_s, decay)
        middle_mps = 0.5 * (before_mps + state.speed_mps)
        bend = math.tan(0.5 * (before_rad + state.steering_rad) / car.steering_ratio) / car.wheelbase_m
        travelled = middle_mps * step_s
        turn = travelled * bend
        # the chord of an arc is shorter than the arc by (turn / 2)**2 / 6
        chord = travelled * (1 - turn * turn / 24)
        state.x_m += chord * math.cos(state.yaw_rad + 0.5 * turn)
        state.y_m += chord * math.sin(state.yaw_rad + 0.5 * turn)
        state.yaw_rad += turn
    state.yaw_rate_radps = (
        state.speed_mps * math.tan(state.steering_rad / car.steering_ratio) / car.wheelbase_m
    )


def _accelerate(
    state: Rolling, car: VehicleParameters, drive: float, braking: float, step_s: float, decay: float
) -> None:
    """First-order response of the speed; brakes do not push a standing car."""
    before = state.speed_mps
    direction = math.copysign(1.0, before) if before else math.copysign(1.0, drive)
    wanted = drive - direction * braking
    if braking >= abs(drive) and before == 0.0:
        state.acceleration_mps2 = 0.0
        return
    missing = state.acceleration_mps2 - wanted
    speed = before + step_s * wanted + car.acceleration_time_constant_s * (1 - decay) * missing
    state.acceleration_mps2 = wanted + decay * missing
    stopping = braking > 0.0 or drive * before <= 0.0
    if before * speed < 0.0 and stopping and abs(drive) <= braking:
        speed, state.acceleration_mps2 = 0.0, 0.0
    if before == 0.0 and speed * drive <= 0.0:
        # what is left of an earlier braking does not move a car that stands
        speed = 0.0
    state.speed_mps = speed


class _Limits:
    """How far the steering wheel gets in a step; as ``VehicleParameters.reachable``, with the speed at the start."""

    def __init__(self, car: VehicleParameters, state: Rolling, step_s: float) -> None:
        squared = max(abs(state.speed_mps), 1.0) ** 2
        self.ratio, self.wheelbase_m = car.steering_ratio, car.wheelbase_m
        self.bound = min(car.steering_limit_rad, 1.55 * car.steering_ratio)
        self.swing = step_s * car.steering_rate_limit_radps
        self.curvature_swing = step_s * car.max_lateral_jerk_mps3 / squared
        self.curvature_bound = car.max_lateral_acceleration_mps2 / squared

    def approach(self, now: float, target: float) -> float:
        wanted = min(max(target, -self.bound), self.bound)
        if math.isfinite(self.curvature_bound) or math.isfinite(self.curvature_swing):
            here = math.tan(now / self.ratio) / self.wheelbase_m
            there = math.tan(wanted / self.ratio) / self.wheelbase_m
            there = here + min(max(there - here, -self.curvature_swing), self.curvature_swing)
            there = min(max(there, -self.curvature_bound), self.curvature_bound)
            wanted = self.ratio * math.atan(self.wheelbase_m * there)
        return now + min(max(wanted - now, -self.swing), self.swing)
