"""What a car of the server is like: CARLA's ``VehiclePhysicsControl`` and what the bicycle model makes of it.

Of the message, mass, the front wheels' largest angle, the steering curve and the tyres' friction act on the motion;
everything else is kept and given back, but has no effect. A full throttle asks for the car's largest acceleration, a
full brake for its largest deceleration; a car that is let alone rolls on without loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.carla.poses import Pose, Vector, apply, finite, rotation
from simulator.vehicle import VehicleParameters

USUAL_FRICTION = 3.5

GRIP_MPS2 = 8.0
"""Largest lateral acceleration with tyres of the usual friction."""

_WHEEL_CURVE = [[0.0, 1.0], [20.0, 0.9], [60.0, 0.8], [120.0, 0.7]]
_NUMBER_OF_FIELDS = 17


@dataclass(frozen=True)
class Physics:
    """Parameters of one car.

    Attributes:
        car: of the bicycle model.
        rear_axle_m: from the middle of the car back to its rear axle.
        max_steer_deg: angle of the front wheels at full steer.
        steering_curve: speed [km/h] and factor on the steer, by rising speed.
        mass_kg: likewise.
        front_track_m: distance of the left wheels from the right ones.
        wheel_radius_m: likewise.
        wheels: how many.
        rest: the fields of the message that have no effect, by place.
    """

    car: VehicleParameters = field(default_factory=VehicleParameters)
    rear_axle_m: float = 1.3
    max_steer_deg: float = 70.0
    steering_curve: tuple[tuple[float, float], ...] = tuple((a, b) for a, b in _WHEEL_CURVE)
    mass_kg: float = 1800.0
    front_track_m: float = 1.6
    wheel_radius_m: float = 0.35
    wheels: int = 4
    rest: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def of_size(cls, half_size_m: Vector, base_type: str, wheels: int) -> Physics:
        """A car of CARLA's library, by the size of its box."""
        length, width = 2 * half_size_m[0], 2 * half_size_m[1]
        heavy = base_type in ("truck", "bus")
        mass = (
            8.0 * 1000
            if heavy
            else {"van": 2600.0, "bicycle": 110.0, "motorcycle": 280.0}.get(base_type, 1800.0)
        )
        overhang = 0.19 * length
        car = VehicleParameters(
            wheelbase_m=length - 2 * overhang,
            steering_ratio=1.0,
            steering_limit_rad=math.radians(70.0),
            steering_rate_limit_radps=math.radians(360.0),
            max_lateral_acceleration_mps2=GRIP_MPS2,
            acceleration_time_constant_s=0.2,
            max_acceleration_mps2=2.0 if heavy else 4.5,
            max_braking_mps2=7.0 if heavy else 9.0,
            mass_kg=mass,
            length_m=length,
            width_m=width,
            rear_overhang_m=overhang,
        )
        return cls(
            car,
            0.5 * length - overhang,
            mass_kg=mass,
            front_track_m=0.85 * width,
            wheel_radius_m=0.5 if heavy else 0.35,
            wheels=min(wheels, 4),
        )

    @classmethod
    def of_preset(cls, car: VehicleParameters) -> Physics:
        """A car of this project: full steer is its largest steering-wheel angle, at every speed."""
        return cls(
            car,
            0.5 * car.length_m - car.rear_overhang_m,
            max_steer_deg=math.degrees(car.steering_limit_rad / car.steering_ratio),
            steering_curve=((0.0, 1.0), (120.0, 1.0)),
            mass_kg=car.mass_kg,
            front_track_m=0.85 * car.width_m,
        )

    def steering_rad(self, steer: float, speed_mps: float) -> float:
        """Steering-wheel angle that a normalised steer asks for, positive to the right."""
        angle = math.radians(self.max_steer_deg) * min(max(steer, -1.0), 1.0)
        return angle * curve_at(self.steering_curve, abs(speed_mps) * 3.6) * self.car.steering_ratio

    def message(self, pose: Pose) -> list[Any]:
        """As ``VehiclePhysicsControl``; positions of wheels are in the world, in cm."""
        fields: list[Any] = [
            [[0.0, 500.0], [5000.0, 500.0]], 5000.0, 1.0, 0.15, 2.0, 0.35, True, 0.5, 10.0, 4.0,
            [[4.0, 0.5, 0.65], [2.0, 0.5, 0.65], [1.0, 0.5, 0.65]],
            self.mass_kg, 0.3, [0.0, 0.0, 0.0], [list(point) for point in self.steering_curve], [], False,
        ]  # fmt: skip
        for index, value in self.rest.items():
            fields[index] = value
        friction = USUAL_FRICTION * self.car.max_lateral_acceleration_mps2 / GRIP_MPS2
        friction = friction if math.isfinite(friction) else USUAL_FRICTION
        frame = rotation(pose)
        for front, side in ((1, -1), (1, 1), (0, -1), (0, 1))[: max(self.wheels, 2)]:
            along = front * self.car.wheelbase_m - self.rear_axle_m
            x, y, z = apply(frame, (along, 0.5 * side * self.front_track_m, self.wheel_radius_m))
            position = [100 * (pose[0] + x), 100 * (pose[1] + y), 100 * (pose[2] + z)]
            steer, handbrake = (self.max_steer_deg, 0.0) if front else (0.0, 3000.0)
            radius = 100 * self.wheel_radius_m
            fields[15].append([friction, 0.25, steer, radius, 1500.0, handbrake, 2.0, 17.0, 1000.0, position])
        return fields

    def changed_by(self, message: list[Any]) -> Physics:
        """The parameters after ``apply_physics_control``.

        Raises:
            ValueError: the message is not one, or a number in it makes no sense.
        """
        if len(message) != _NUMBER_OF_FIELDS:
            raise ValueError(f"physics control has {len(message)} fields, not {_NUMBER_OF_FIELDS}")
        mass, curve, wheels = finite(message[11]), message[14], message[15]
        points = tuple(sorted((finite(x), finite(y)) for x, y in curve))
        steer, friction = finite(wheels[0][2]), finite(wheels[0][0])
        if mass <= 0 or friction <= 0 or not 0 < steer < 89:
            raise ValueError(
                f"mass {mass}, tire friction {friction} and steering angle {steer} must be positive"
            )
        car = self.car
        if math.isfinite(car.max_lateral_acceleration_mps2):
            car = replace(car, max_lateral_acceleration_mps2=GRIP_MPS2 * friction / USUAL_FRICTION)
        car = replace(
            car,
            mass_kg=mass,
            steering_limit_rad=max(car.steering_limit_rad, math.radians(steer) * car.steering_ratio),
        )
        kept = (*range(11), 12, 13, 16)
        return replace(
            self,
            car=car,
            mass_kg=mass,
            max_steer_deg=steer,
            steering_curve=points or self.steering_curve,
            rest={index: message[index] for index in kept},
        )


def curve_at(points: tuple[tuple[float, float], ...], x: float) -> float:
    """A polygon at ``x``, held beyond its ends."""
    before = points[0]
    for point in points:
        if point[0] >= x:
            span = point[0] - before[0]
            return point[1] if span <= 0 else before[1] + (point[1] - before[1]) * (x - before[0]) / span
        before = point
    return before[1]
