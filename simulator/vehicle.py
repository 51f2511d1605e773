"""How the car moves: bicycle models behind the limits and delays of a real steering actuator.

Everything here is a pure function of tensors, batched over worlds and differentiable. A camera frame is five steps of
10 ms; because a command is held for a whole frame, the ramps of the rate limits have closed forms, so a frame costs a
few small operations instead of five times as many.

Convention: the reference point is the middle of the rear axle; steering is at the steering wheel, positive to the left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from simulator.world import CAMERA_PERIOD_S, DYNAMICS_PERIOD_S, Command, InvalidInput, VehicleState

STEPS_PER_FRAME = round(CAMERA_PERIOD_S / DYNAMICS_PERIOD_S)
"""Steps of the dynamics in one camera period."""

SLOWEST_DYNAMIC_MPS = 3.0
"""Below this speed the dynamic bicycle rolls without slip: its equations divide by the speed."""


@dataclass(frozen=True)
class VehicleParameters:
    """A car and the limits of its actuators. The defaults are openpilot's Toyota RAV4 of 2017.

    Attributes:
        model: ``kinematic`` (no slip) or ``dynamic`` (linear tyres, which understeer).
        wheelbase_m: distance between the axles.
        steering_ratio: steering-wheel angle per road-wheel angle.
        steering_limit_rad: largest steering-wheel angle.
        steering_rate_limit_radps: at the steering wheel; inf for none.
        max_lateral_acceleration_mps2: limit on speed**2 * curvature; inf for none.
        max_lateral_jerk_mps3: limit on speed**2 * d(curvature)/dt; inf for none.
        steering_delay_s: between a steering command and the first motion of the wheel, rounded to 10 ms.
        predicted_delay_s: what a planner should reckon with at least; published evaluations have it here only.
        acceleration_time_constant_s: of the first-order response to an acceleration command.
        max_acceleration_mps2: strongest acceleration of the car.
        max_braking_mps2: strongest deceleration, positive.
        mass_kg: with driver and load.
        yaw_inertia_kgm2: about the centre of mass.
        mass_to_front_axle_m: distance from the centre of mass to the front axle.
        front_stiffness_n_per_rad: cornering stiffness of the front axle (both tyres).
        rear_stiffness_n_per_rad: the same of the rear axle.
        length_m: from bumper to bumper.
        width_m: with mirrors.
        rear_overhang_m: from the rear axle back to the bumper.
    """

    model: Literal["kinematic", "dynamic"] = "kinematic"
    wheelbase_m: float = 2.65
    steering_ratio: float = 16.88
    steering_limit_rad: float = math.radians(500.0)
    steering_rate_limit_radps: float = math.radians(0.25) / 0.01
    max_lateral_acceleration_mps2: float = math.inf
    max_lateral_jerk_mps3: float = math.inf
    steering_delay_s: float = 0.0
    predicted_delay_s: float = 0.12
    acceleration_time_constant_s: float = 0.3
    max_acceleration_mps2: float = 3.0
    max_braking_mps2: float = 8.0
    mass_kg: float = 1791.6
    yaw_inertia_kgm2: float = 2951.0
    mass_to_front_axle_m: float = 0.44 * 2.65
    front_stiffness_n_per_rad: float = 121600.0
    rear_stiffness_n_per_rad: float = 151034.0
    length_m: float = 4.6
    width_m: float = 2.13
    rear_overhang_m: float = 1.0

    def __post_init__(self) -> None:
        if self.model not in ("kinematic", "dynamic"):
            raise InvalidInput(f"vehicle.model: {self.model!r} is unknown; give 'kinematic' or 'dynamic'")
        for name in (
            "wheelbase_m",
            "steering_ratio",
            "steering_limit_rad",
            "steering_rate_limit_radps",
            "max_lateral_acceleration_mps2",
            "max_lateral_jerk_mps3",
            "acceleration_time_constant_s",
            "mass_kg",
            "yaw_inertia_kgm2",
            "front_stiffness_n_per_rad",
            "rear_stiffness_n_per_rad",
        ):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"vehicle.{name}: {getattr(self, name)!r} must be positive")
        for name in ("steering_delay_s", "predicted_delay_s"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"vehicle.{name}: {getattr(self, name)!r} s must lie in 0 to 1")

    @property
    def understeer_s2_per_m2(self) -> float:
        """How much more steering a curve needs per speed**2; zero for the kinematic model."""
        if self.model == "kinematic":
            return 0.0
        front, rear = self.front_stiffness_n_per_rad, self.rear_stiffness_n_per_rad
        to_front = self.mass_to_front_axle_m
        to_rear = self.wheelbase_m - to_front
        return self.mass_kg * (rear * to_rear - front * to_front) / (self.wheelbase_m**2 * front * rear)

    def curvature_of(self, steering_rad: Tensor, speed_mps: Tensor) -> Tensor:
        """Curvature of the circle that the car settles on, 1/m; the shapes broadcast."""
        wheel = steering_rad / self.steering_ratio
        if self.model == "kinematic":
            return torch.tan(wheel) / self.wheelbase_m
        return wheel / (self.wheelbase_m * (1 + self.understeer_s2_per_m2 * speed_mps**2))

    def steering_for(self, curvature_per_m: Tensor, speed_mps: Tensor) -> Tensor:
        """Steering-wheel angle that settles on a curvature: the inverse of ``curvature_of``."""
        if self.model == "kinematic":
            return self.steering_ratio * torch.atan(self.wheelbase_m * curvature_per_m)
        stretch = self.wheelbase_m * (1 + self.understeer_s2_per_m2 * speed_mps**2)
        return self.steering_ratio * stretch * curvature_per_m

    def slip_of(self, curvature_per_m: Tensor, speed_mps: Tensor) -> Tensor | None:
        """Angle from the car's axis to the course of its rear axle on a circle, rad; None where tyres do not slip.

        A car points into the curve by as much as its rear tyres slip outwards, whether it understeers or not.
        """
        if self.model == "kinematic":
            return None
        load = self.mass_kg * self.mass_to_front_axle_m / self.wheelbase_m
        return (-load / self.rear_stiffness_n_per_rad) * speed_mps**2 * curvature_per_m

    @property
    def course_lag_s(self) -> float:
        """How much later than its wheels a car with slipping tyres turns its rear axle's course; else zero.

        The low-frequency delay of the linear bicycle model from steering to course rate, at 20 m/s: from there on it
        hardly depends on the speed.
        """
        if self.model == "kinematic":
            return 0.0
        speed, mass, inertia = 20.0, self.mass_kg, self.yaw_inertia_kgm2
        front, rear = self.front_stiffness_n_per_rad, self.rear_stiffness_n_per_rad
        to_front = self.mass_to_front_axle_m
        to_rear = self.wheelbase_m - to_front
        # lateral speed and yaw rate of the centre of mass: state matrix, input vector
        moment = to_front * front - to_rear * rear
        a11, a12 = -(front + rear) / (mass * speed), -moment / (mass * speed) - speed
        a21, a22 = -moment / (inertia * speed), -(to_front**2 * front + to_rear**2 * rear) / (inertia * speed)
        b1, b2 = front / mass, to_front * front / inertia
        sideways, turning = a12 * b2 - a22 * b1, a21 * b1 - a11 * b2  # gains, times the determinant
        # the course rate is the yaw rate and what the rear axle's lateral speed changes in a second, per speed
        zero_s = (b2 + (sideways - to_rear * turning) / speed) / turning
        return -(a11 + a22) / (a11 * a22 - a12 * a21) - zero_s

    def reachable(self, start_rad: Tensor, target_rad: Tensor, speed_mps: Tensor, steps: Tensor) -> Tensor:
        """The steering-wheel angle on the way to a target, after some steps within every limit.

        Lateral limits come first and in curvature, as in openpilot's ``clip_curvature``: jerk, then acceleration.

        Args:
            start_rad: ``(N,)`` angle now.
            target_rad: ``(N,)`` angle wanted, held for all the steps.
            speed_mps: ``(N,)``.
            steps: ``(K,)`` float, how many steps of 10 ms from now.

        Returns:
            ``(N, K)`` angles.
        """
        start = start_rad[:, None]
        wanted = target_rad.clamp(-self.steering_limit_rad, self.steering_limit_rad)[:, None]
        elapsed = steps * DYNAMICS_PERIOD_S
        if math.isfinite(self.max_lateral_jerk_mps3) or math.isfinite(self.max_lateral_acceleration_mps2):
            speed = speed_mps[:, None]
            squared = speed.clamp_min(1.0) ** 2
            now = self.curvature_of(start, speed)
            swing = elapsed * (self.max_lateral_jerk_mps3 / squared)
            bound = self.max_lateral_acceleration_mps2 / squared
            curvature = now + torch.clamp(self.curvature_of(wanted, speed) - now, -swing, swing)
            wanted = self.steering_for(torch.clamp(curvature, -bound, bound), speed)
        if math.isfinite(self.steering_rate_limit_radps):
            swing = elapsed * self.steering_rate_limit_radps
            return start + torch.clamp(wanted - start, -swing, swing)
        return wanted.expand(-1, len(steps))


PRESETS: dict[str, VehicleParameters] = {
    "openpilot_0_6": VehicleParameters(),
    "openpilot_0_6_dynamic": VehicleParameters(model="dynamic"),
    "openpilot_0_6_delayed": VehicleParameters(steering_delay_s=0.12),
    "iso_11270": VehicleParameters(
        steering_rate_limit_radps=math.inf, max_lateral_acceleration_mps2=3.0, max_lateral_jerk_mps3=5.0
    ),
}
"""``openpilot_0_6`` is the car of the dirty-road-patch evaluation (0.25 degrees per 10 ms); ``iso_11270`` has the
lateral limits of that standard, which today's openpilot keeps."""


def preset(name: str) -> VehicleParameters:
    """The parameters of a preset by name."""
    if name not in PRESETS:
        raise InvalidInput(f"vehicle: {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class VehicleMemory:
    """Commands that were given and have not arrived yet, oldest first.

    Attributes:
        steering_rad: ``(N, frames of steering delay)``.
        acceleration_mps2: ``(N, frames of latency)``.
    """

    steering_rad: Tensor
    acceleration_mps2: Tensor

    def detach(self) -> VehicleMemory:
        """The same, cut from the graph."""
        return replace(
            self, steering_rad=self.steering_rad.detach(), acceleration_mps2=self.acceleration_mps2.detach()
        )


class Vehicle:
    """A car that obeys commands: pure steps of one camera period (5 x 10 ms).

    Args:
        parameters: the car.
        latency_s: time that passes before a command leaves the computer (inference), on top of the actuator's own
            delay; steering and acceleration both wait for it. Rounded to 10 ms.
        dtype: of the state that will be stepped.
        device: likewise.
    """

    def __init__(
        self,
        parameters: VehicleParameters,
        latency_s: float = 0.0,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 0 <= latency_s <= 1:
            raise InvalidInput(f"latency_s: {latency_s!r} s must lie in 0 to 1")
        self.parameters = p = parameters
        self._steering_frames, self._steering_late = _frames(latency_s + p.steering_delay_s)
        self._acceleration_frames, self._acceleration_late = _frames(latency_s)
        self._ramp = torch.arange(1, STEPS_PER_FRAME + 1, dtype=dtype, device=device)
        like = self._ramp
        self._roll = _roll_matrix(p.acceleration_time_constant_s, self._acceleration_late).to(like)
        self._middle = torch.zeros(STEPS_PER_FRAME + 1, STEPS_PER_FRAME).to(like)
        self._middle.diagonal().fill_(0.5)
        self._middle.diagonal(-1).fill_(0.5)
        # the heading in the middle of each step, and after the last, as sums of turns
        ones = torch.ones(STEPS_PER_FRAME, STEPS_PER_FRAME)
        self._heading = torch.cat([ones.triu() - 0.5 * torch.eye(STEPS_PER_FRAME), ones[:, :1]], dim=1).to(
            like
        )
        front, rear, a = p.front_stiffness_n_per_rad, p.rear_stiffness_n_per_rad, p.mass_to_front_axle_m
        b = self._mass_to_rear_m = p.wheelbase_m - a
        mass, inertia, coupling = p.mass_kg, p.yaw_inertia_kgm2, rear * b - front * a
        # d(lateral speed of the mass, yaw rate)/dt = (slip / v + turn * v) z + push * road-wheel angle
        damping = front * a**2 + rear * b**2
        slip = [[-(front + rear) / mass, coupling / mass], [coupling / inertia, -damping / inertia]]
        self._slip = torch.tensor(slip, dtype=dtype, device=device)
        self._turn = torch.tensor([[0.0, -1.0], [0.0, 0.0]], dtype=dtype, device=device)
        self._push = torch.tensor([[front / mass], [front * a / inertia]], dtype=dtype, device=device)
        self._identity = torch.eye(2, dtype=dtype, device=device)

    def initial_memory(self, state: VehicleState) -> VehicleMemory:
        """Nothing on its way but what the car is doing."""
        return VehicleMemory(
            state.steering_rad[:, None].expand(-1, self._steering_frames),
            state.acceleration_mps2[:, None].expand(-1, self._acceleration_frames),
        )

    def step(
        self, state: VehicleState, memory: VehicleMemory, command: Command
    ) -> tuple[VehicleState, VehicleMemory]:
        """Let one camera period pass while a command is held.

        Args:
            state: ``(N,)`` each.
            memory: of ``initial_memory`` or the step before.
            command: ``(N,)`` each.

        Returns:
            State and memory one camera period later.
        """
        wheel, wheel_queue = arriving(memory.steering_rad, command.steering_rad, self._steering_late)
        pedal, pedal_queue = arriving(
            memory.acceleration_mps2, command.acceleration_mps2, self._acceleration_late
        )
        acceleration, speeds = self._accelerate(state, pedal)
        turn = self._turn_dynamic if self.parameters.model == "dynamic" else self._turn_kinematic
        return turn(state, acceleration, speeds, self._steer(state, wheel)), VehicleMemory(
            wheel_queue, pedal_queue
        )

    def _accelerate(self, state: VehicleState, targets: list[Tensor]) -> tuple[Tensor, Tensor]:
        """First-order response to acceleration commands: acceleration ``(N,)`` after, speeds ``(N, 6)`` during."""
        p = self.parameters
        wanted = [target.clamp(-p.max_braking_mps2, p.max_acceleration_mps2) for target in targets]
        moved = torch.stack([state.speed_mps, state.acceleration_mps2, *wanted], dim=1) @ self._roll
        speeds = moved[:, :-1].clamp_min(0.0)
        # a car that stands does not decelerate
        return torch.maximum(moved[:, -1], speeds[:, -1] * -1e6), speeds

    def _steer(self, state: VehicleState, targets: list[Tensor]) -> Tensor:
        """Steering-wheel angles ``(N, 6)`` at the start and after every step."""
        angles = [state.steering_rad[:, None]]
        ends = (self._steering_late, STEPS_PER_FRAME - self._steering_late)[-len(targets) :]
        for target, steps in zip(targets, ends, strict=True):
            now = angles[-1][:, -1]
            angles.append(self.parameters.reachable(now, target, state.speed_mps, self._ramp[:steps]))
        return torch.cat(angles, dim=1)

    def _turn_kinematic(
        self, state: VehicleState, acceleration: Tensor, speeds: Tensor, steering: Tensor
    ) -> VehicleState:
        """Every step is an arc with the speed and the steering of its middle."""
        p = self.parameters
        bends = torch.tan(steering @ (self._middle * (1 / p.steering_ratio))) * (1 / p.wheelbase_m)
        travel = speeds @ (self._middle * DYNAMICS_PERIOD_S)
        x, y, yaw = self._follow(state, travel, None, travel * bends)
        speed, angle = speeds[:, -1], steering[:, -1]
        rate = speed * torch.tan(angle * (1 / p.steering_ratio)) * (1 / p.wheelbase_m)
        return VehicleState(x, y, yaw, speed, acceleration, angle, rate, torch.zeros_like(rate))

    def _turn_dynamic(
        self, state: VehicleState, acceleration: Tensor, speeds: Tensor, steering: Tensor
    ) -> VehicleState:
        """Linear tyres, by the implicit midpoint rule with the frame's mean speed in the matrices."""
        p, half = self.parameters, 0.5 * DYNAMICS_PERIOD_S
        mean_speed = speeds.mean(dim=1)[:, None, None].clamp_min(SLOWEST_DYNAMIC_MPS)
        wheel = steering @ (self._middle * (1 / p.steering_ratio))
        matrix = half * (self._slip / mean_speed + self._turn * mean_speed)
        kick = (DYNAMICS_PERIOD_S * self._push).expand(len(matrix), 2, 1)
        forward = torch.cat([self._identity + matrix, kick], dim=2)
        advance, push = torch.linalg.solve(self._identity - matrix, forward).split([2, 1], dim=2)
        pushes = push * wheel[:, None, :]
        lateral = state.lateral_speed_mps + self._mass_to_rear_m * state.yaw_rate_radps
        motions = [torch.stack([lateral, state.yaw_rate_radps], dim=1)[:, :, None]]
        for step in range(STEPS_PER_FRAME):
            motions.append(torch.baddbmm(pushes[:, :, step : step + 1], advance, motions[-1]))
        lateral, rate = torch.cat(motions, dim=2).unbind(dim=1)
        lateral = lateral - self._mass_to_rear_m * rate
        # at walking pace tyres do not slip
        slow = speeds < SLOWEST_DYNAMIC_MPS
        rate = torch.where(slow, speeds * torch.tan(steering / p.steering_ratio) / p.wheelbase_m, rate)
        lateral = torch.where(slow, torch.zeros_like(lateral), lateral)
        travel, drift, turn = (q @ (self._middle * DYNAMICS_PERIOD_S) for q in (speeds, lateral, rate))
        x, y, yaw = self._follow(state, travel, drift, turn)
        return VehicleState(
            x, y, yaw, speeds[:, -1], acceleration, steering[:, -1], rate[:, -1], lateral[:, -1]
        )

    def _follow(
        self, state: VehicleState, travel: Tensor, drift: Tensor | None, turn: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pose after a chain of arcs: lengths forward, lengths to the left (or None) and turns, each ``(N, 5)``."""
        headings = torch.addmm(state.yaw_rad[:, None], turn, self._heading)
        # the chord of an arc is shorter than the arc by (turn / 2)**2 / 6, up to a share of turn**4 / 1920
        shortening = turn * turn * (-1 / 24)
        middle = headings[:, :-1]
        cos, sin = torch.cos(middle), torch.sin(middle)
        along = torch.addcmul(travel, travel, shortening)
        dx, dy = along * cos, along * sin
        if drift is not None:
            across = torch.addcmul(drift, drift, shortening)
            dx, dy = dx - across * sin, dy + across * cos
        return state.x_m + dx.sum(dim=1), state.y_m + dy.sum(dim=1), headings[:, -1]


def _frames(delay_s: float) -> tuple[int, int]:
    """How many frames a command waits, begun ones included, and how many steps of a frame pass in the begun one."""
    steps = round(delay_s / DYNAMICS_PERIOD_S)
    return -(-steps // STEPS_PER_FRAME), steps % STEPS_PER_FRAME


def arriving(queue: Tensor, command: Tensor, late: int) -> tuple[list[Tensor], Tensor]:
    """The commands that are obeyed during a frame, one, or two where the second arrives ``late`` steps into it."""
    if queue.shape[1] == 0:
        return [command], queue
    waiting = torch.cat([queue, command[:, None]], dim=1)
    return list(waiting[:, : 2 if late else 1].unbind(1)), waiting[:, 1:]


def _roll_matrix(time_constant_s: float, late: int) -> Tensor:
    """Speeds at the start and after every step, then the acceleration, from speed, acceleration and 1 or 2 commands."""
    inputs = torch.eye(4 if late else 3, dtype=torch.float64)
    speed, acceleration = inputs[0], inputs[1]
    decay = math.exp(-DYNAMICS_PERIOD_S / time_constant_s)
    columns = [speed]
    for step in range(STEPS_PER_FRAME):
        wanted = inputs[2] if step < late or not late else inputs[3]
        missing = acceleration - wanted
        speed = speed + DYNAMICS_PERIOD_S * wanted + time_constant_s * (1 - decay) * missing
        acceleration = wanted + decay * missing
        columns.append(speed)
    return torch.stack([*columns, acceleration], dim=1)
