"""The loop with perfect perception: how good planner, controller and vehicle are by themselves."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lkas.ground_truth import GroundTruthAssistant, perfect_perception
from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Assistant
from lkas.pilot import Pilot
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Arc, Clothoid, Line, Segment, build_road
from simulator.scene import Scene
from simulator.traffic import OtherCar
from simulator.vehicle import PRESETS, VehicleParameters

CARS = {
    **PRESETS,
    "dynamic": replace(PRESETS["openpilot_0_6"], model="dynamic"),
    "dynamic_delayed": replace(PRESETS["openpilot_0_6_delayed"], model="dynamic"),
}
SPEEDS = (5.0, 8.0, 12.0, 20.0, 29.0, 35.0)


def world_of(
    cases: list[tuple[list[Segment], Start]], car: VehicleParameters, latency_s: float = 0.0
) -> EmbeddedWorld:
    layout = LaneLayout.two_way(3.4)
    scenes = [Scene(build_road(f"road {k}", segments, layout)) for k, (segments, _) in enumerate(cases)]
    return EmbeddedWorld(scenes, [start for _, start in cases], car, latency_s=latency_s)


def drive(world: EmbeddedWorld, assistant: Assistant, seconds: float) -> dict[str, Tensor]:
    """What happened, ``(frames, N)`` each."""
    assistant.reset(world.size)
    observation = world.reset(0)
    rows = []
    for _ in range(round(seconds * 20)):
        decision = assistant(observation)
        truth, state = observation.truth, observation.state
        rows.append(
            {
                "offset": truth.offset_m,
                "s": truth.s_m,
                "speed": state.speed_mps,
                "gap": truth.lead_distance_m,
                "lateral": state.yaw_rate_radps * state.speed_mps,
                "saturated": decision.saturated,
                "collided": truth.collided,
            }
        )
        observation = world.step(decision.command)
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("name", CARS)
def test_a_car_returns_to_the_centre_well_damped(name: str) -> None:
    car = CARS[name]
    world = world_of([([Line(300.0)], Start(offset_m=0.4, speed_mps=v)) for v in SPEEDS], car)
    offset = drive(world, GroundTruthAssistant(Pilot(car)), 7.0)["offset"]
    assert float(offset[0].min()) == pytest.approx(0.4)
    assert float(offset.min()) > -0.05
    assert float(offset[120:].abs().max()) < 0.02


@pytest.mark.parametrize("name", CARS)
def test_steady_arcs_are_driven_on_their_centre(name: str) -> None:
    car = CARS[name]
    cases: list[tuple[list[Segment], Start]] = []
    for radius, speed in ((300.0, 29.0), (-300.0, 29.0), (60.0, 12.0), (-60.0, 12.0), (150.0, 5.0)):
        bend = 1 / radius
        ramp = Clothoid(4.0 * speed, 0.0, bend)
        cases.append(([Line(5.0), ramp, Arc(6.0 * speed, radius)], Start(speed_mps=speed)))
    driven = drive(world_of(cases, car), GroundTruthAssistant(Pilot(car, slow_for_curves=False)), 9.0)
    # from two seconds after the arc's beginning, before its end comes into view
    assert float(driven["offset"][130:155].abs().max()) < 0.03
    assert float(driven["offset"].abs().max()) < 0.15


@pytest.mark.parametrize("name", PRESETS)
def test_abrupt_arcs_are_entered_within_the_lane(name: str) -> None:
    car = PRESETS[name]
    cases: list[tuple[list[Segment], Start]] = [
        ([Line(50.0), Arc(250.0, 300.0)], Start(speed_mps=29.0)),
        ([Line(50.0), Arc(100.0, -60.0)], Start(speed_mps=12.0)),
    ]
    driven = drive(world_of(cases, car), GroundTruthAssistant(Pilot(car)), 9.0)
    # a car that slips answers later, by a curve that its assistant does not know to be one
    assert float(driven["offset"].abs().max()) < (0.25 if car.model == "kinematic" else 0.45)


@pytest.mark.parametrize("latency_s", [0.05, 0.1])
def test_a_known_latency_is_planned_for(latency_s: float) -> None:
    car = PRESETS["openpilot_0_6_delayed"]
    world = world_of([([Line(300.0)], Start(offset_m=0.4, speed_mps=v)) for v in SPEEDS], car, latency_s)
    offset = drive(world, GroundTruthAssistant(Pilot(car, latency_s)), 7.0)["offset"]
    assert float(offset.min()) > -0.05
    assert float(offset[120:].abs().max()) < 0.02


def test_curves_are_slowed_down_for() -> None:
    car = PRESETS["iso_11270"]
    world = world_of([([Line(150.0), Arc(90.0, 60.0)], Start(speed_mps=20.0))], car)
    driven = drive(world, GroundTruthAssistant(Pilot(car)), 15.0)
    in_arc = (driven["s"] > 155.0) & (driven["s"] < 235.0)
    assert bool(in_arc.any())
    assert float(driven["lateral"][in_arc].max()) < 2.9
    assert float(driven["speed"][in_arc].min()) > 9.0


def test_gap_to_a_lead_that_brakes_is_kept() -> None:
    lead = OtherCar(gap_m=50.0, speed_mps=20.0, braking_time_s=5.0, braking_mps2=3.0)
    car = PRESETS["openpilot_0_6"]
    world = world_of([([Line(600.0)], Start(speed_mps=25.0, cars=(lead,)))], car)
    driven = drive(world, GroundTruthAssistant(Pilot(car)), 25.0)
    assert not bool(driven["collided"].any())
    assert 1.5 < float(driven["gap"].min()) < 10.0
    assert float(driven["speed"][-1]) < 0.5


def test_saturation_is_reported_when_the_wheel_is_too_slow() -> None:
    car = PRESETS["openpilot_0_6"]
    cases: list[tuple[list[Segment], Start]] = [
        ([Line(20.0), Arc(60.0, 25.0)], Start(speed_mps=9.0)),
        ([Line(300.0)], Start(speed_mps=9.0)),
    ]
    driven = drive(world_of(cases, car), GroundTruthAssistant(Pilot(car, slow_for_curves=False)), 4.0)
    assert driven["saturated"].any(dim=0).tolist() == [True, False]


def test_perfect_perception_says_what_is_there() -> None:
    car = PRESETS["openpilot_0_6"]
    lead = OtherCar(gap_m=30.0, speed_mps=10.0)
    world = world_of(
        [([Line(300.0)], Start(s_m=10.0, offset_m=0.2, cars=(lead,))), ([Line(300.0)], Start())], car
    )
    seen = perfect_perception(world.reset(0).truth)
    assert torch.allclose(seen.path_y_m[0], torch.full((33,), -0.2).double())
    assert torch.allclose(seen.lane_y_m[0, LEFT_NEAR], torch.full((33,), 1.5).double())
    assert torch.allclose(seen.lane_y_m[1, RIGHT_NEAR], torch.full((33,), -1.7).double())
    assert seen.lane_prob.tolist() == [[1, 1, 1, 0]] * 2
    assert seen.lead_prob.tolist() == [1, 0]
    assert float(seen.lead_distance_m[0]) == pytest.approx(30.0)
    assert all(bool(torch.isfinite(value).all()) for value in vars(seen).values())


def test_no_camera_is_needed() -> None:
    assistant = GroundTruthAssistant()
    assert isinstance(assistant, Assistant)
    assert assistant.cameras == ()


def test_loop_is_differentiable_from_the_start_to_the_end() -> None:
    car = PRESETS["openpilot_0_6_delayed"]
    layout = LaneLayout.two_way()
    scene = Scene(build_road("road", [Line(300.0)], layout))
    world = EmbeddedWorld([scene], Start(speed_mps=15.0), car, differentiable=True)

    def offset_after(y: Tensor) -> Tensor:
        assistant = GroundTruthAssistant(Pilot(car))
        assistant.reset(1)
        state = world.start(0)
        state = replace(state, vehicle=state.vehicle.replace(y_m=y))
        for _ in range(8):
            state = world.advance(state, assistant(world.observe(state)).command)
        return world.observe(state).truth.offset_m

    assert torch.autograd.gradcheck(
        offset_after, (torch.tensor([0.1], dtype=torch.float64, requires_grad=True),)
    )
    assert math.isclose(float(offset_after(torch.zeros(1, dtype=torch.float64))), 0.0, abs_tol=1e-9)
