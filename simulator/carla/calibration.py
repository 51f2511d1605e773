"""What a CARLA car makes of throttle, brake and steer, measured before it drives, and the way back.

Steering is measured at a stand: a steer is given until the front wheels have stopped turning, and their angle read. How
the steer loses effect with speed is in the car's steering curve. Throttle and brake are measured on the move: the car
is given a speed, a pedal is held until the acceleration is steady, and that is read off the speeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.carla.physics import curve_at
from simulator.carla.session import Session, reaching
from simulator.world import CAMERA_PERIOD_S, InfrastructureError

if TYPE_CHECKING:
    import carla

PROBE_STEER = 0.1
PEDALS = (0.25, 0.5, 1.0)
SETTLING_FRAMES = 50
"""Frames that a pedal is held before its effect is read."""

READING_FRAMES = 10
LONGEST_TURN_FRAMES = 400
STILL_DEG = 1e-4
NO_ROLL_MPS2 = 1e-3
"""A car that loses less than this when nobody touches a pedal rolls freely."""

BRAKING_FROM_MPS = 30.0
DRIVING_FROM_MPS = 5.0


@dataclass(frozen=True)
class Calibration:
    """What a car does when told to.

    Attributes:
        wheel_rad_per_steer: angle of the front wheels at full steer, at a stand.
        steering_curve: speed [km/h] and factor on it.
        throttle_mps2: acceleration by throttle: pairs of acceleration and pedal, by rising acceleration.
        brake_mps2: deceleration by brake, likewise.
        coasting_mps2: acceleration of a car that is let alone; 0 or less.
    """

    wheel_rad_per_steer: float
    steering_curve: tuple[tuple[float, float], ...]
    throttle_mps2: tuple[tuple[float, float], ...]
    brake_mps2: tuple[tuple[float, float], ...]
    coasting_mps2: float

    def steer(self, wheel_rad: float, speed_mps: float) -> float:
        """Normalised steer for an angle of the front wheels, both positive to one side."""
        full = self.wheel_rad_per_steer * curve_at(self.steering_curve, speed_mps * 3.6)
        return min(max(wheel_rad / full, -1.0), 1.0)

    def pedals(self, acceleration_mps2: float) -> tuple[float, float]:
        """Throttle and brake for an acceleration."""
        if acceleration_mps2 >= self.coasting_mps2:
            return curve_at(self.throttle_mps2, acceleration_mps2), 0.0
        return 0.0, curve_at(self.brake_mps2, -acceleration_mps2)


def calibrate(session: Session, car: carla.Vehicle, start: carla.Transform) -> Calibration:
    """Measure a car; it is left standing somewhere near its start.

    Args:
        session: synchronous, with nothing in the car's way for a hundred metres.
        car: to be measured.
        start: where it begins each trial.

    Raises:
        InfrastructureError: the car does not react.
    """
    import carla

    with reaching(session.address):
        curve = tuple((point.x, point.y) for point in car.get_physics_control().steering_curve)
        angle = turn_wheels(session, car, PROBE_STEER)
        turn_wheels(session, car, 0.0)
        if abs(angle) < 1e-3:
            raise InfrastructureError(
                f"CARLA server at {session.address}: the car's front wheels do not turn"
            )
        coasting = _acceleration(session, car, start, DRIVING_FROM_MPS, carla.VehicleControl())
        throttle = [
            (
                _acceleration(session, car, start, DRIVING_FROM_MPS, carla.VehicleControl(throttle=pedal)),
                pedal,
            )
            for pedal in PEDALS
        ]
        brake = [
            (-_acceleration(session, car, start, BRAKING_FROM_MPS, carla.VehicleControl(brake=pedal)), pedal)
            for pedal in PEDALS
        ]
        car.set_target_velocity(carla.Vector3D())
        car.apply_control(carla.VehicleControl(brake=1.0))
    coasting = min(coasting, 0.0) if abs(coasting) > NO_ROLL_MPS2 else 0.0
    return Calibration(
        angle / PROBE_STEER / curve_at(curve or ((0.0, 1.0),), 0.0),
        curve or ((0.0, 1.0),),
        ((coasting, 0.0), *sorted(throttle)),
        ((-coasting, 0.0), *sorted(brake)),
        coasting,
    )


def turn_wheels(session: Session, car: carla.Vehicle, steer: float) -> float:
    """Hold a steer at a stand until the front wheels have it; their angle [rad, positive right]."""
    import carla

    wheel = carla.VehicleWheelLocation.FL_Wheel
    car.apply_control(carla.VehicleControl(steer=steer, brake=1.0))
    before = math.inf
    for frame in range(LONGEST_TURN_FRAMES):
        session.tick()
        now = float(car.get_wheel_steer_angle(wheel))
        # an actuator's delay makes wheels wait at first
        if frame > 5 and abs(now - before) < STILL_DEG:
            break
        before = now
    return math.radians(now)


def _acceleration(
    session: Session,
    car: carla.Vehicle,
    start: carla.Transform,
    speed_mps: float,
    control: carla.VehicleControl,
) -> float:
    """Steady acceleration under a control, or until the car stands."""
    import carla

    forward = start.get_forward_vector()
    car.set_transform(start)
    car.set_target_velocity(carla.Vector3D(*(speed_mps * part for part in (forward.x, forward.y, forward.z))))
    car.apply_control(control)
    speeds = []
    for _ in range(SETTLING_FRAMES + READING_FRAMES):
        session.tick()
        velocity = car.get_velocity()
        speeds.append(math.hypot(velocity.x, velocity.y))
        if speeds[-1] < 0.5:
            break
    # the last frame may be the one in which it has come to a stand
    steady = np.diff(speeds[:-1] if speeds[-1] < 0.5 else speeds)[-READING_FRAMES:]
    return float(np.mean(steady)) / CAMERA_PERIOD_S if len(steady) else 0.0
