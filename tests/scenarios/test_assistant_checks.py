"""A sound assistant passes every check; each way of being unsound is found by the check that is meant for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from lkas.ground_truth import GroundTruthAssistant, perfect_perception
from lkas.perception import Decision
from lkas.pilot import Pilot
from scenarios.assistant_checks import check_assistant
from scenarios.cli import main
from simulator.world import Command, Observation


class Sound(GroundTruthAssistant):
    """Drives from the map; the unsound ones below are made of it."""


class WrongCameras(Sound):
    cameras = ["model"]  # noqa: RUF012


class UnknownCamera(Sound):
    cameras = ("hindsight",)


class Silent(Sound):
    def __call__(self, observation: Observation) -> Any:
        return None


class Raises(Sound):
    def __call__(self, observation: Observation) -> Decision:
        raise KeyError("lane_3")


class Decides(Sound):
    """Changes the decision of the sound one."""

    def change(self, decision: Decision, observation: Observation) -> Decision:
        raise NotImplementedError

    def __call__(self, observation: Observation) -> Decision:
        return self.change(super().__call__(observation), observation)


def steered(decision: Decision, steering: torch.Tensor) -> Decision:
    return replace(decision, command=Command(steering, decision.command.acceleration_mps2))


class WrongShape(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        return steered(decision, decision.command.steering_rad[:, None])


class WrongType(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        return steered(decision, decision.command.steering_rad.long())


class NotFinite(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        return steered(decision, decision.command.steering_rad * float("nan"))


class TooProbable(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        return replace(
            decision, perception=replace(decision.perception, lane_prob=decision.perception.lane_prob + 1)
        )


class NoDoubt(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        zero = torch.zeros_like(decision.perception.path_std_m)
        return replace(decision, perception=replace(decision.perception, path_std_m=zero))


class Scribbles(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        observation.state.speed_mps.mul_(1.01)
        return decision


class Dices(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        steering = decision.command.steering_rad
        return steered(decision, steering + 0.01 * torch.randn_like(steering))


class Remembers(Decides):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def change(self, decision: Decision, observation: Observation) -> Decision:
        self.calls += 1
        return steered(decision, decision.command.steering_rad + 0.001 * self.calls)


class Mixes(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        steering = decision.command.steering_rad
        return steered(decision, steering + 0.1 * steering.mean())


class RightHanded(Decides):
    def change(self, decision: Decision, observation: Observation) -> Decision:
        return steered(decision, -decision.command.steering_rad)


class Blind(Sound):
    """Goes straight on, whatever comes."""

    def __call__(self, observation: Observation) -> Decision:
        decision = Pilot()(perfect_perception(observation.truth), observation)
        return steered(decision, torch.zeros_like(decision.command.steering_rad))


def faults(make: Callable[[], Any], reads_truth: bool = True) -> dict[str, str]:
    return {finding.check: finding.fault for finding in check_assistant(make, reads_truth) if finding.fault}


def test_a_sound_assistant_passes() -> None:
    assert faults(Sound) == {}


@pytest.mark.parametrize(
    ("unsound", "check", "words"),
    [
        (WrongCameras, "names its cameras", "tuple"),
        (UnknownCamera, "names its cameras", "there are model"),
        (Raises, "answers", "KeyError: 'lane_3'"),
        (Silent, "shapes, types and ranges", "Decision, not NoneType"),
        (WrongShape, "shapes, types and ranges", "(2, 1), but must have (2,)"),
        (WrongType, "shapes, types and ranges", "floats, not torch.int64"),
        (NotFinite, "shapes, types and ranges", "not finite"),
        (TooProbable, "shapes, types and ranges", "[0, 1], but has"),
        (NoDoubt, "shapes, types and ranges", "path_std_m must be positive"),
        (Scribbles, "leaves what it is shown unchanged", "state.speed_mps"),
        (Dices, "answers the same every time", "generator"),
        (Remembers, "forgets when it is reset", "reset all memory"),
        (Mixes, "does not care who else is in the batch", "mix"),
        (RightHanded, "steers the right way", "positive to the left"),
        (Blind, "steers the right way", "positive to the left"),
    ],
)
def test_each_fault_is_found(unsound: type[Sound], check: str, words: str) -> None:
    assert words in faults(unsound)[check]


def test_who_looks_at_the_truth_without_leave_is_found() -> None:
    assert "observation.truth" in faults(Sound, reads_truth=False)["does not look at the truth"]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-assistant", "ground_truth", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sound"] is True
    assert all(finding["fault"] is None for finding in result["findings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["groundtruth"], "did you mean"),
        (["ground_truth", "--set", "eyes=2"], "eyes"),
        (["ground_truth", "--set", "x"], "--set x"),
    ],
)
def test_bad_input_exits_two(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["check-assistant", *arguments]) == 2
    assert message in capsys.readouterr().err
