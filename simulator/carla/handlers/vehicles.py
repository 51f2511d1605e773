"""Calls about vehicles: control, physics, lights, doors, telemetry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simulator.carla.actors import Ackermann, Car, Control
from simulator.carla.physics import USUAL_FRICTION
from simulator.carla.poses import finite
from simulator.carla.rpc import Dispatcher
from simulator.carla.sensors.inertial import GRAVITY_MPS2

if TYPE_CHECKING:
    from simulator.carla.server import Server


def register(dispatcher: Dispatcher, server: Server) -> None:
    """Answer these calls."""
    calls = VehicleCalls(server)
    value, done = dispatcher.value, dispatcher.done
    done("apply_control_to_vehicle", calls.control)
    done("apply_ackermann_control_to_vehicle", calls.control_ackermann)
    value("get_ackermann_controller_settings", lambda number: calls.car(number).ackermann_settings)
    done("apply_ackermann_controller_settings", calls.set_ackermann_gains)
    value("get_physics_control", lambda number: calls.car(number).physics.message(calls.car(number).pose))
    done("apply_physics_control", calls.set_physics)
    value("get_vehicle_light_state", lambda number: [calls.car(number).lights])
    done("set_vehicle_light_state", lambda number, flags: calls.set_lights(number, flags[0]))
    value("get_vehicle_light_states", calls.all_lights)
    done("open_vehicle_door", lambda number, door: calls.car(number).doors_open.add(int(door)))
    done("close_vehicle_door", lambda number, door: calls.car(number).doors_open.discard(int(door)))
    value("get_wheel_steer_angle", calls.wheel_angle)
    done("set_wheel_steer_direction", lambda number, wheel, angle: None)
    value("get_wheel_pitch_angle", lambda number, wheel: 0.0)
    done("set_wheel_pitch_angle", lambda number, wheel, angle: None)
    value("get_telemetry_data", calls.telemetry)
    done("show_vehicle_debug_telemetry", lambda number, enabled: None)
    value("get_vehicle_bone_world_transforms", lambda number: [])


class VehicleCalls:
    """Answers that need more than a line."""

    def __init__(self, server: Server) -> None:
        """Of a server."""
        self._server = server

    def car(self, number: int) -> Car:
        """A vehicle by id."""
        return self._server.episode.find_car(number)

    def control(self, number: int, message: list[Any]) -> None:
        """Drive."""
        car = self.car(number)
        throttle, steer, brake, hand_brake, reverse, manual, gear = message
        numbers = finite(throttle), finite(steer), finite(brake)
        car.control = Control(*numbers, bool(hand_brake), bool(reverse), bool(manual), int(gear))
        car.ackermann = None

    def control_ackermann(self, number: int, message: list[Any]) -> None:
        """Drive by angle and speed."""
        car = self.car(number)
        car.ackermann = Ackermann(*(finite(part) for part in message))

    def set_ackermann_gains(self, number: int, message: list[Any]) -> None:
        """Kept for whoever asks; the controller here needs none."""
        self.car(number).ackermann_settings = [finite(part) for part in message]

    def set_physics(self, number: int, message: list[Any]) -> None:
        """Change the car."""
        car = self.car(number)
        car.physics = car.physics.changed_by(message)

    def set_lights(self, number: int, flags: int) -> None:
        """Switch lights; nobody sees them."""
        self.car(number).lights = int(flags) & 0xFFFFFFFF

    def all_lights(self) -> list[Any]:
        """Lights of all vehicles."""
        return [[car.number, car.lights] for car in self._server.episode.of_kind(Car)]

    def wheel_angle(self, number: int, wheel: int) -> float:
        """Angle of a wheel [deg, right]; the front ones are turned alike."""
        car = self.car(number)
        turned = math.degrees(car.rolling.steering_rad / car.physics.car.steering_ratio)
        return turned if wheel in (0, 1) else 0.0

    def telemetry(self, number: int) -> list[Any]:
        """``VehicleTelemetryData``, as far as a bicycle has any."""
        car = self.car(number)
        control, speed = car.control, car.rolling.speed_mps
        count, turning = max(car.physics.wheels, 2), speed / car.physics.wheel_radius_m
        load = GRAVITY_MPS2 * car.physics.mass_kg / count
        wheels = [[USUAL_FRICTION, 0.0, 0.0, turning, load, load, 0.0, 0.0, 0.0, 0.0, 0.0]] * count
        rpm = 800.0 + 400.0 * abs(speed)
        return [speed, control.steer, control.throttle, control.brake, rpm, car.gear, 0.0, wheels]
