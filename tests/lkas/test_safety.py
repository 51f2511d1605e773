"""Who steps in when: the brake before a collision, the person after their reaction, and nobody else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from lkas.ground_truth import GroundTruthAssistant
from lkas.perception import Decision, Perception
from lkas.safety import EmergencyBraking, WatchedAssistant, departure_warned
from simulator.embedded import EmbeddedWorld, Start
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line, build_road
from simulator.scene import Scene
from simulator.traffic import OtherCar
from simulator.world import Command, Observation

SPEED_MPS = 20.0


class Stubborn:
    """Steers to the left from the first frame on, and sees a line to its left after half a second."""

    cameras = ()

    def reset(self, size: int) -> None:
        self.size = size

    def __call__(self, observation: Observation) -> Decision:
        zero = torch.zeros(self.size, dtype=torch.float64)
        lines = torch.zeros(self.size, 4, 33, dtype=torch.float64)
        lines[:, :2], lines[:, 2:] = 1.8, -1.8
        if observation.time_s >= 0.5:
            lines[:, 1] = 1.0
        sure = torch.ones(self.size, 4)
        seen = Perception(lines[:, 0], lines[:, 0], lines, lines, sure, zero, zero, zero, lines[:, 0, :6])
        return Decision(Command(zero + 0.1, zero), seen, zero, zero > 1)


def world(size: int = 1, cars: tuple[OtherCar, ...] = ()) -> EmbeddedWorld:
    scene = Scene(build_road("line", [Line(200.0)], LaneLayout.two_way()))
    return EmbeddedWorld([scene] * size, Start(speed_mps=SPEED_MPS, cars=cars))


def drive(assistant: WatchedAssistant, place: EmbeddedWorld, steps: int) -> list[Decision]:
    observation, decisions = place.reset(0), []
    assistant.reset(place.size)
    for _ in range(steps):
        decisions.append(assistant(observation))
        observation = place.step(decisions[-1].command)
    return decisions


def test_the_person_takes_over_at_their_time_and_brings_the_car_back() -> None:
    place = world(2)
    watched = WatchedAssistant(Stubborn(), None, GroundTruthAssistant(), [0.6, math.inf])
    decisions = drive(watched, place, 80)
    steers = torch.stack([decision.info["person_steers"] for decision in decisions])
    assert steers[:, 0].tolist() == [frame >= 12 for frame in range(80)]
    assert not steers[:, 1].any()
    offset = place.observe(place.state).truth.offset_m
    assert abs(float(offset[0])) < 0.3
    assert float(offset[1]) > 2.0


def test_after_a_warning_the_person_needs_their_time() -> None:
    watched = WatchedAssistant(Stubborn(), None, GroundTruthAssistant(), [math.inf], after_warning_s=0.4)
    steers = [bool(decision.info["person_steers"]) for decision in drive(watched, world(), 30)]
    assert steers.index(True) == 18
    assert all(steers[18:])


def test_the_brake_is_full_once_the_collision_is_near_and_stays_so() -> None:
    standing = (OtherCar(gap_m=60.0, speed_mps=0.0),)
    braking = EmergencyBraking(time_to_collision_s=1.5, braking_mps2=8.0)
    straight = replace_steering(Stubborn())
    watched = WatchedAssistant(straight, braking, GroundTruthAssistant(), [math.inf])
    decisions = drive(watched, world(cars=standing), 60)
    braked = [float(decision.command.acceleration_mps2) == -8.0 for decision in decisions]
    # 60 m at 20 m/s are 3 s; 1.5 s before the end half of them are driven
    assert braked.index(True) == pytest.approx(30, abs=1)
    assert all(braked[braked.index(True) :])


def replace_steering(assistant: Stubborn) -> Stubborn:
    class Straight(Stubborn):
        def __call__(self, observation: Observation) -> Decision:
            decision = super().__call__(observation)
            still = Command(
                torch.zeros_like(decision.command.steering_rad), decision.command.acceleration_mps2
            )
            return replace(decision, command=still)

    return Straight()


def test_without_a_radar_nothing_brakes() -> None:
    watched = WatchedAssistant(Stubborn(), EmergencyBraking(), GroundTruthAssistant(), [math.inf])
    assert not any(decision.info["emergency_braking"].any() for decision in drive(watched, world(), 3))


def test_a_near_line_warns_if_it_is_seen() -> None:
    lines = torch.tensor([3.6, 1.8, -1.0, -3.6])[:, None].expand(4, 33)
    seen = torch.tensor([[1.0, 1.0, 0.9, 1.0], [1.0, 1.0, 0.1, 1.0]])
    both = lines.expand(2, 4, 33)
    assert departure_warned(both, seen).tolist() == [True, False]
    assert departure_warned(both.numpy(), seen.numpy()).tolist() == [True, False]
