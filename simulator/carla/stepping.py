"""One step of the server's world: what every actor does in it."""

from __future__ import annotations

import math

from simulator.carla.actors import Actor, Car, Control, Walker, tuple_of
from simulator.carla.motion import roll
from simulator.carla.poses import NOWHERE, compose
from simulator.carla.town import Town

WALKER_STEEPEST_TURN_RADPS = 2 * math.pi
"""How fast a walker turns to where it walks."""


def step_car(car: Car, town: Town, duration_s: float) -> None:
    """Let a car drive."""
    before, rolling = car.pose, car.rolling
    old_velocity = car.velocity
    if not car.physics_on:
        car.velocity = car.acceleration = car.angular_velocity = NOWHERE
        return
    _push(car)
    steering, drive, braking = _wanted(car, duration_s)
    if car.constant_mps is not None:
        rolling.speed_mps, rolling.acceleration_mps2 = car.constant_mps, 0.0
        drive = braking = 0.0
    roll(rolling, car.physics.car, steering, drive, braking, duration_s)
    if car.constant_mps is not None:
        rolling.speed_mps = car.constant_mps
    spin, car.spin_radps = car.spin_radps, 0.0
    rolling.yaw_rad += spin * duration_s
    ahead, cos, sin = car.physics.rear_axle_m, math.cos(rolling.yaw_rad), math.sin(rolling.yaw_rad)
    x, y = rolling.x_m + ahead * cos, rolling.y_m + ahead * sin
    yaw_deg = math.degrees(rolling.yaw_rad)
    # the client's angles stay near zero, however often a car has turned round
    turned = 360.0 * round(yaw_deg / 360.0)
    yaw_deg, rolling.yaw_rad = yaw_deg - turned, rolling.yaw_rad - math.radians(turned)
    car.pose = (x, y, town.ground_m(x, y), 0.0, yaw_deg, 0.0)
    rate = rolling.yaw_rate_radps + spin
    sideways = ahead * rate
    climb = (car.pose[2] - before[2]) / duration_s if abs(rolling.speed_mps) > 0.1 else 0.0
    speed = rolling.speed_mps
    car.velocity = (speed * cos - sideways * sin, speed * sin + sideways * cos, climb)
    car.angular_velocity = (0.0, 0.0, math.degrees(rate))
    change = (new - old for new, old in zip(car.velocity, old_velocity, strict=True))
    car.acceleration = tuple_of(part / duration_s for part in change)


def _push(car: Car) -> None:
    """Add what pushes have given it since the last step."""
    if car.push_mps != NOWHERE:
        sum_ = tuple_of(a + b for a, b in zip(car.velocity, car.push_mps, strict=True))
        car.push_mps = NOWHERE
        car.take_speed_of(sum_)


def _wanted(car: Car, duration_s: float) -> tuple[float, float, float]:
    """Steering-wheel angle [rad, right], drive and braking [m/s^2]."""
    own, speed = car.physics.car, car.rolling.speed_mps
    if car.ackermann is not None:
        return _ackermann(car, duration_s)
    control = car.control
    steering = car.physics.steering_rad(control.steer, speed)
    throttle = min(max(control.throttle, 0.0), 1.0)
    reverse = control.reverse or (control.manual_gear_shift and control.gear < 0)
    drive = throttle * own.max_acceleration_mps2 * (-1.0 if reverse else 1.0)
    brake = 1.0 if control.hand_brake else min(max(control.brake, 0.0), 1.0)
    return steering, drive, brake * own.max_braking_mps2


def _ackermann(car: Car, duration_s: float) -> tuple[float, float, float]:
    """What an Ackermann controller makes of a speed and an angle of the front wheels."""
    asked, own, speed = car.ackermann, car.physics.car, car.rolling.speed_mps
    assert asked is not None
    now = car.rolling.steering_rad / own.steering_ratio
    swing = asked.steer_speed * duration_s if asked.steer_speed > 0 else math.inf
    steering = (now + min(max(asked.steer - now, -swing), swing)) * own.steering_ratio
    wanted = (asked.speed - speed) / max(duration_s, own.acceleration_time_constant_s)
    bound = abs(asked.acceleration) if asked.acceleration else math.inf
    wanted = min(max(wanted, -bound), bound)
    speeding_up = wanted * (asked.speed or speed) >= 0
    drive, braking = (wanted, 0.0) if speeding_up else (0.0, abs(wanted))
    car.control = Control(
        throttle=min(abs(drive) / own.max_acceleration_mps2, 1.0),
        steer=math.degrees(steering / own.steering_ratio) / car.physics.max_steer_deg,
        brake=min(braking / own.max_braking_mps2, 1.0),
        reverse=asked.speed < 0,
    )
    return steering, drive, braking


def step_walker(walker: Walker, town: Town, duration_s: float) -> None:
    """Let a walker walk."""
    if not walker.physics_on:
        walker.velocity = NOWHERE
        return
    length = math.hypot(*walker.direction[:2])
    speed = walker.speed_mps if length > 1e-6 else 0.0
    x, y, _, pitch, yaw, roll_deg = walker.pose
    vx = vy = 0.0
    if speed > 0.0:
        vx, vy = (speed * part / length for part in walker.direction[:2])
        turn = math.remainder(math.degrees(math.atan2(vy, vx)) - yaw, 360.0)
        most = math.degrees(WALKER_STEEPEST_TURN_RADPS) * duration_s
        yaw += min(max(turn, -most), most)
    x, y = x + vx * duration_s, y + vy * duration_s
    walker.pose = (x, y, town.ground_m(x, y) + walker.half_size_m[2], pitch, yaw, roll_deg)
    walker.velocity = (vx, vy, 0.0)


def ride_along(actor: Actor, parent: Actor) -> None:
    """Keep an attached actor in its place."""
    actor.pose = compose(parent.pose, actor.place)
    actor.velocity = parent.velocity
    actor.angular_velocity, actor.acceleration = parent.angular_velocity, parent.acceleration
