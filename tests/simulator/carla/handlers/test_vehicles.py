"""What the unmodified client asks of vehicles."""

from __future__ import annotations

import math
from typing import Any

import pytest

carla = pytest.importorskip("carla")


def test_throttle_and_brake(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    tools.ticks(world, 40)
    fast, shown, acceleration = tools.speed(car), car.get_control(), car.get_acceleration()
    car.apply_control(carla.VehicleControl(brake=1.0))
    tools.ticks(world, 40)

    # 4.5 m/s^2 for two seconds, less the lag of 0.2 s
    assert fast == pytest.approx(4.5 * (2.0 - 0.2), rel=0.02)
    assert shown.throttle == 1.0
    assert acceleration.x == pytest.approx(4.5, rel=0.02)
    assert tools.speed(car) == 0.0


def test_steering_right_turns_right_and_in_a_circle(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.set_target_velocity(carla.Vector3D(5.0, 0.0, 0.0))
    car.apply_control(carla.VehicleControl(steer=0.2))
    tools.ticks(world, 20)
    first = car.get_angular_velocity().z
    tools.ticks(world, 20)

    # to the right is clockwise, which is positive
    assert first > 5.0
    assert car.get_angular_velocity().z == pytest.approx(first, rel=1e-3)
    assert car.get_location().y > tools.start[1] + 1.0
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) == pytest.approx(
        0.2 * 70 * 0.91, rel=0.05
    )


def test_reverse_drives_backwards(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.apply_control(carla.VehicleControl(throttle=0.5, reverse=True))
    tools.ticks(world, 30)

    assert car.get_velocity().x < -1.0
    assert car.get_location().x < tools.start[0]
    assert car.get_control().gear == -1


def test_the_hand_brake_holds(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.apply_control(carla.VehicleControl(throttle=1.0, hand_brake=True))
    tools.ticks(world, 20)

    assert car.get_location().x == pytest.approx(tools.start[0])


def test_ackermann_control_reaches_speed_and_angle(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.apply_ackermann_control(carla.VehicleAckermannControl(steer=0.05, speed=6.0, acceleration=3.0))
    tools.ticks(world, 100)

    assert tools.speed(car) == pytest.approx(6.0, abs=0.2)
    angle = car.get_wheel_steer_angle(carla.VehicleWheelLocation.FR_Wheel)
    assert math.radians(angle) == pytest.approx(0.05, abs=1e-3)
    settings = car.get_ackermann_controller_settings()
    settings.speed_kp = 0.5
    car.apply_ackermann_controller_settings(settings)
    assert car.get_ackermann_controller_settings().speed_kp == pytest.approx(0.5)


def test_constant_velocity_is_held_until_released(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.enable_constant_velocity(carla.Vector3D(8.0, 0.0, 0.0))
    car.apply_control(carla.VehicleControl(brake=1.0))
    tools.ticks(world, 20)
    held = tools.speed(car)
    car.disable_constant_velocity()
    tools.ticks(world, 40)

    assert held == pytest.approx(8.0)
    assert car.get_location().x > tools.start[0] + 7.9
    assert tools.speed(car) == 0.0


def test_target_velocity_impulse_and_force(world: Any, tools: Any) -> None:
    car = tools.car(world)
    mass = car.get_physics_control().mass
    car.set_target_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    world.tick()
    first = tools.speed(car)
    car.add_impulse(carla.Vector3D(2.0 * mass, 0.0, 0.0))
    world.tick()
    second = tools.speed(car)
    car.add_force(carla.Vector3D(20.0 * mass, 0.0, 0.0))
    world.tick()

    assert (first, second, tools.speed(car)) == pytest.approx((10.0, 12.0, 13.0), abs=1e-3)


def test_angular_velocity_turns_a_car(world: Any, tools: Any) -> None:
    car = tools.car(world)
    car.set_target_angular_velocity(carla.Vector3D(0.0, 0.0, 40.0))
    world.tick()

    assert car.get_transform().rotation.yaw == pytest.approx(2.0, abs=1e-3)


def test_without_physics_a_car_stays(world: Any, tools: Any) -> None:
    car = tools.car(world, tools.place(z=3.0))
    car.set_simulate_physics(False)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    tools.ticks(world, 10)
    stood = car.get_location()
    car.set_simulate_physics(True)
    tools.ticks(world, 20)

    assert (stood.x, stood.z) == pytest.approx((tools.start[0], 3.0))
    assert car.get_location().x > tools.start[0] + 1.0


def test_without_collisions_cars_pass_through_each_other(world: Any, tools: Any) -> None:
    one, other = tools.car(world), tools.car(world, tools.place(x=110.0))
    one.set_collisions(False)
    one.set_target_velocity(carla.Vector3D(20.0, 0.0, 0.0))
    tools.ticks(world, 20)

    assert one.get_location().x == pytest.approx(120.0, abs=0.1)
    assert other.get_location().x == pytest.approx(110.0)


def test_physics_control_is_changed(world: Any, tools: Any) -> None:
    car = tools.car(world)
    control = car.get_physics_control()
    control.mass = 2500.0
    control.steering_curve = [carla.Vector2D(0, 1), carla.Vector2D(50, 0.5)]
    car.apply_physics_control(control)

    back = car.get_physics_control()

    assert back.mass == 2500.0
    assert [(point.x, point.y) for point in back.steering_curve] == [(0, 1), (50, 0.5)]
    assert len(back.wheels) == 4
    assert back.wheels[0].max_steer_angle == 70.0


def test_lights_doors_and_telemetry(world: Any, tools: Any) -> None:
    car = tools.car(world)
    state = carla.VehicleLightState(carla.VehicleLightState.Brake | carla.VehicleLightState.LowBeam)
    car.set_light_state(state)
    car.open_door(carla.VehicleDoor.FL)
    car.close_door(carla.VehicleDoor.All)
    car.set_target_velocity(carla.Vector3D(7.0, 0.0, 0.0))
    world.tick()

    assert car.get_light_state() == state
    assert world.get_vehicles_light_states()[car.id] == state
    assert car.get_telemetry_data().speed == pytest.approx(7.0)


def test_speed_limit_and_traffic_light_come_with_the_snapshot(world: Any, tools: Any) -> None:
    car = tools.car(world)
    world.tick()

    assert car.get_speed_limit() == 30.0
    assert not car.is_at_traffic_light()
    assert car.get_traffic_light() is None


def test_torque_turns_a_car_for_a_step(client: Any, world: Any, tools: Any) -> None:
    car = tools.car(world)
    # the client's add_torque arrives as an angular impulse; its command is a torque
    client.apply_batch_sync([carla.command.ApplyTorque(car, carla.Vector3D(0.0, 0.0, 1e5))], True)
    by_torque = car.get_transform().rotation.yaw
    car.add_angular_impulse(carla.Vector3D(0.0, 0.0, 0.05 * 1e5))
    world.tick()

    assert by_torque > 0.1
    assert car.get_transform().rotation.yaw == pytest.approx(2 * by_torque, rel=1e-4)


def test_wheels_are_turned_by_the_control_alone(world: Any, tools: Any) -> None:
    car, wheel = tools.car(world), carla.VehicleWheelLocation.FL_Wheel
    car.set_wheel_steer_direction(wheel, 10.0)
    car.set_wheel_pitch_angle(wheel, 10.0)
    car.show_debug_telemetry(True)
    world.tick()

    assert car.get_wheel_steer_angle(wheel) == car.get_wheel_pitch_angle(wheel) == 0.0
    assert len(car.get_vehicle_bone_world_transforms()) == 0
    assert car.get_failure_state() == carla.VehicleFailureState.NONE
