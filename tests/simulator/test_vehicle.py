"""Vehicles: known circles, limits, delays, gradients."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from simulator.vehicle import PRESETS, Vehicle, VehicleMemory, VehicleParameters, preset
from simulator.world import CAMERA_PERIOD_S, Command, InvalidInput, VehicleState

RAV4 = VehicleParameters(steering_rate_limit_radps=math.inf)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def moving(*speeds: float) -> VehicleState:
    zero = torch.zeros(len(speeds), dtype=torch.float64)
    return VehicleState.at(zero, zero, zero, column(*speeds))


def drive(
    vehicle: Vehicle, state: VehicleState, steering: Tensor, acceleration: Tensor, frames: int
) -> list[VehicleState]:
    memory = vehicle.initial_memory(state)
    states = [state]
    for _ in range(frames):
        state, memory = vehicle.step(state, memory, Command(steering, acceleration))
        states.append(state)
    return states


@pytest.mark.parametrize("radius", [10.0, 60.0, -300.0])
def test_kinematic_car_returns_to_where_its_circle_began(radius: float) -> None:
    vehicle = Vehicle(RAV4)
    lap_frames = 200
    speed = 2 * math.pi * abs(radius) / (lap_frames * CAMERA_PERIOD_S)
    steering = RAV4.steering_for(column(1 / radius), column(speed))
    start = moving(speed).replace(steering_rad=steering)
    states = drive(vehicle, start, steering, column(0.0), lap_frames)
    assert abs(float(states[-1].x_m)) < 1e-6
    assert abs(float(states[-1].y_m)) < 1e-6
    assert float(states[-1].yaw_rad) == pytest.approx(math.copysign(2 * math.pi, radius), abs=1e-9)
    half = states[lap_frames // 2]
    assert float(half.y_m) == pytest.approx(2 * radius, rel=1e-6)
    assert float(half.yaw_rate_radps) == pytest.approx(speed / radius)


def test_dynamic_car_settles_on_the_circle_of_its_understeer() -> None:
    parameters = replace(RAV4, model="dynamic")
    speeds = column(2.0, 5.0, 15.0, 30.0)
    steering = torch.full_like(speeds, 0.3)
    state = drive(Vehicle(parameters), moving(*speeds.tolist()), steering, torch.zeros_like(speeds), 100)[-1]
    expected = parameters.curvature_of(steering, speeds)
    assert torch.allclose((state.yaw_rate_radps / speeds)[1:], expected[1:], rtol=1e-6)
    # at walking pace it rolls like the kinematic one
    assert float(state.yaw_rate_radps[0] / speeds[0]) == pytest.approx(math.tan(0.3 / 16.88) / 2.65)
    slip = parameters.slip_of(expected, speeds)
    assert slip is not None
    assert torch.allclose((state.lateral_speed_mps / speeds)[1:], slip[1:], rtol=1e-5)


def test_understeer_of_the_rav4_halves_its_curvature_at_motorway_speed() -> None:
    dynamic = replace(RAV4, model="dynamic")
    ratio = dynamic.curvature_of(column(0.2), column(29.0)) / RAV4.curvature_of(column(0.2), column(29.0))
    assert float(ratio) == pytest.approx(1 / (1 + 1.144e-3 * 29**2), rel=1e-3)


def test_stiff_tyres_make_the_dynamic_car_kinematic() -> None:
    stiff = replace(RAV4, model="dynamic", front_stiffness_n_per_rad=1e8, rear_stiffness_n_per_rad=1e8)
    steering, zero = column(0.4), column(0.0)
    dynamic = drive(Vehicle(stiff), moving(10.0), steering, zero, 60)[-1]
    kinematic = drive(Vehicle(RAV4), moving(10.0), steering, zero, 60)[-1]
    assert float(dynamic.x_m) == pytest.approx(float(kinematic.x_m), abs=0.02)
    assert float(dynamic.y_m) == pytest.approx(float(kinematic.y_m), abs=0.05)


@pytest.mark.parametrize("model", ["kinematic", "dynamic"])
def test_steering_for_inverts_curvature_of(model: str) -> None:
    parameters = replace(RAV4, model=model)
    curvature, speed = torch.linspace(-0.1, 0.1, 7, dtype=torch.float64), column(*range(1, 8))
    assert torch.allclose(
        parameters.curvature_of(parameters.steering_for(curvature, speed), speed), curvature
    )


def test_openpilot_wheel_turns_a_quarter_degree_in_ten_milliseconds() -> None:
    states = drive(Vehicle(preset("openpilot_0_6")), moving(20.0), column(1.0), column(0.0), 3)
    degrees = [math.degrees(float(state.steering_rad)) for state in states]
    assert degrees == pytest.approx([0, 1.25, 2.5, 3.75])


@pytest.mark.parametrize("model", ["kinematic", "dynamic"])
def test_iso_11270_limits_lateral_jerk_and_acceleration(model: str) -> None:
    parameters = replace(preset("iso_11270"), model=model)
    speeds = column(5.0, 12.0, 29.0)
    states = drive(
        Vehicle(parameters), moving(5.0, 12.0, 29.0), column(8.0, 8.0, 8.0), torch.zeros(3).double(), 30
    )
    lateral = torch.stack([parameters.curvature_of(s.steering_rad, speeds) * speeds**2 for s in states])
    jerk = lateral.diff(dim=0) / CAMERA_PERIOD_S
    assert float(lateral.max()) == pytest.approx(3.0)
    assert float(jerk.max()) == pytest.approx(5.0)
    # 3 m/s^2 at 5 m/s^3 is reached after 0.6 s, and not before
    assert torch.all(lateral[11] < 3.0 - 1e-6)
    assert torch.allclose(lateral[12], torch.full((3,), 3.0).double())


@pytest.mark.parametrize(("latency_ms", "delay_ms"), [(0, 0), (50, 0), (0, 120), (30, 120)])
def test_steering_begins_after_the_delay_to_the_step(latency_ms: int, delay_ms: int) -> None:
    vehicle = Vehicle(replace(preset("openpilot_0_6"), steering_delay_s=delay_ms / 1000), latency_ms / 1000)
    steps = (latency_ms + delay_ms) // 10
    states = drive(vehicle, moving(20.0), column(1.0), column(0.0), 8)
    step_rad = math.radians(0.25)
    for frame, state in enumerate(states):
        assert float(state.steering_rad) == pytest.approx(step_rad * max(0, 5 * frame - steps), abs=1e-12)


def test_delayed_commands_are_carried_out_in_turn() -> None:
    vehicle = Vehicle(replace(RAV4, steering_delay_s=0.12))
    state = moving(20.0)
    memory = vehicle.initial_memory(state)
    seen = []
    for frame in range(8):
        state, memory = vehicle.step(state, memory, Command(column(0.1 * frame), column(0.0)))
        seen.append(float(state.steering_rad))
    # after frame f the steps up to 5 (f + 1) - 12 obey: those of frame f - 2, begun two steps into this frame
    assert seen == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_latency_delays_acceleration_but_the_steering_actuator_does_not() -> None:
    late = drive(Vehicle(RAV4, 0.03), moving(10.0), column(0.0), column(2.0), 1)[-1]
    prompt = drive(Vehicle(replace(RAV4, steering_delay_s=0.12)), moving(10.0), column(0.0), column(2.0), 1)[
        -1
    ]
    time_constant = RAV4.acceleration_time_constant_s
    assert float(late.acceleration_mps2) == pytest.approx(2 * (1 - math.exp(-0.02 / time_constant)))
    assert float(prompt.acceleration_mps2) == pytest.approx(2 * (1 - math.exp(-0.05 / time_constant)))


def test_acceleration_follows_a_first_order_response() -> None:
    states = drive(Vehicle(RAV4), moving(10.0), column(0.0), column(2.0), 40)
    time, tau = 2.0, RAV4.acceleration_time_constant_s
    gained = 2 * (time - tau * (1 - math.exp(-time / tau)))
    assert float(states[-1].speed_mps) == pytest.approx(10 + gained)
    assert float(states[-1].acceleration_mps2) == pytest.approx(2 * (1 - math.exp(-time / tau)))


def test_braking_ends_at_standstill() -> None:
    states = drive(Vehicle(RAV4), moving(3.0), column(0.5), column(-6.0), 60)
    speeds = torch.cat([state.speed_mps for state in states])
    assert torch.all(speeds >= 0)
    assert float(speeds[-1]) == 0
    assert float(states[-1].acceleration_mps2) == 0
    assert float(states[-1].x_m) == float(states[-2].x_m)


@pytest.mark.parametrize("model", ["kinematic", "dynamic"])
def test_gradients_of_a_step(model: str) -> None:
    vehicle = Vehicle(replace(RAV4, model=model, steering_delay_s=0.02))

    def step(x: Tensor) -> tuple[Tensor, ...]:
        state = VehicleState(*x[:8, None])
        memory = VehicleMemory(x[8:9, None], x.new_zeros(1, 0))
        after, _ = vehicle.step(state, memory, Command(x[9:10], x[10:11]))
        return tuple(vars(after).values())

    x = column(1.0, -2.0, 0.3, 15.0, 0.4, 0.2, 0.05, 0.1, 0.25, 0.3, 1.0).requires_grad_()
    assert torch.autograd.gradcheck(step, (x,))


def test_cars_in_a_batch_do_not_feel_each_other() -> None:
    vehicle = Vehicle(replace(PRESETS["openpilot_0_6_delayed"], model="dynamic"))
    together = drive(vehicle, moving(5.0, 12.0, 29.0), column(0.1, -0.5, 0.2), column(1.0, 0.0, -1.0), 20)[-1]
    alone = drive(vehicle, moving(12.0), column(-0.5), column(0.0), 20)[-1]
    assert float(together.y_m[1]) == pytest.approx(float(alone.y_m), abs=1e-12)


@pytest.mark.parametrize("change", [{"wheelbase_m": 0.0}, {"steering_delay_s": 2.0}, {"model": "tank"}])
def test_impossible_cars_are_refused_by_name_of_the_field(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        replace(RAV4, **change)


def test_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="iso_11270"):
        preset("formula_1")


def test_the_course_of_slipping_tyres_lags_as_their_transfer_function_says() -> None:
    """The delay of a linear system is minus the derivative of the logarithm of its transfer function at zero."""
    assert PRESETS["openpilot_0_6"].course_lag_s == 0.0
    car = PRESETS["openpilot_0_6_dynamic"]
    speed, front, rear = 20.0, car.front_stiffness_n_per_rad, car.rear_stiffness_n_per_rad
    arms = np.array([car.mass_to_front_axle_m, car.mass_to_front_axle_m - car.wheelbase_m])
    # each axle's force on lateral speed and yaw rate, by the slip of its tyres
    pull = np.stack([np.ones(2) / car.mass_kg, arms / car.yaw_inertia_kgm2])
    slip = np.stack([-np.ones(2) / speed, -arms / speed], 1)
    matrix = pull @ (np.array([[front], [rear]]) * slip) - [[0.0, speed], [0.0, 0.0]]
    steered = pull[:, 0] * front

    def course_rate(s: float) -> float:
        sideways, turning = np.linalg.solve(s * np.eye(2) - matrix, steered)
        return float(turning + s * (sideways + arms[1] * turning) / speed)

    step = 1e-5
    slope = (course_rate(step) - course_rate(-step)) / (2 * step)
    assert car.course_lag_s == pytest.approx(-slope / course_rate(0.0), rel=1e-6)
