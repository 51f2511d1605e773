"""The closed loop: look, decide, record, step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from lkas.perception import Assistant, Decision
from scenarios.channels import record_decision, record_observation
from scenarios.schema import Scenario
from simulator.recording import Recorder
from simulator.world import CAMERA_PERIOD_S, InvalidInput, Observation, World


@dataclass(frozen=True)
class Drive:
    """What N worlds did.

    Attributes:
        recorder: holds it.
        ends_s: when each car came to the end of its road; inf if it did not.
    """

    recorder: Recorder
    ends_s: list[float]


def drive_worlds(
    world: World,
    assistant: Assistant,
    scenarios: Sequence[Scenario],
    progress: Callable[[int], None],
    before_frame: Callable[[int], None] = lambda frame: None,
    watch: Callable[[Recorder, float], None] | None = None,
) -> Drive:
    """Drive until the time is over or every road has ended.

    Args:
        world: the worlds of some scenarios.
        assistant: drives all of them.
        scenarios: one a world, alike in all but roads, looks, seeds and criteria.
        progress: told how many steps of single scenarios were made since the last call.
        before_frame: told the number of every frame before it is taken: what lies on the roads may change then.
        watch: shown after every decision what has been recorded, and the time of the last instant in it.
    """
    first = scenarios[0]
    recorder = Recorder(first.record.jpeg_quality)
    assistant.reset(world.size)
    before_frame(0)
    observation = world.reset(0)  # every scene has a seed of its own, so that company changes nothing
    ends_s = torch.full((world.size,), math.inf, dtype=torch.float64)
    recorded = [name for name in observation.frames if name == "wide" or first.record.model_frames]
    for step in range(first.steps):
        decision = assistant(observation)
        check_decision(decision, observation, scenarios)
        record_observation(recorder, observation)
        record_decision(recorder, observation.time_s, decision)
        for name in recorded:
            recorder.add_frames(observation.time_s, f"frames/{name}", observation.frames[name])
        if watch is not None:
            watch(recorder, observation.time_s)
        before_frame(step + 1)
        observation = world.step(decision.command)
        ends_s = torch.where(
            observation.truth.finished.cpu() & ends_s.isinf(),
            observation.time_s - 0.5 * CAMERA_PERIOD_S,
            ends_s,
        )
        progress(world.size)
        if ends_s.isfinite().all():
            progress(world.size * (first.steps - step - 1))
            break
    record_observation(recorder, observation)
    return Drive(recorder, ends_s.tolist())


def check_decision(decision: Decision, observation: Observation, scenarios: Sequence[Scenario]) -> None:
    """Refuse to drive on with a command that is no number.

    Raises:
        InvalidInput: naming the assistant, the scenario and the time.
    """
    for name in ("steering_rad", "acceleration_mps2"):
        finite = torch.isfinite(getattr(decision.command, name))
        if not finite.all():
            scenario = scenarios[int((~finite).nonzero()[0, 0])]
            raise InvalidInput(
                f"{scenario.name}: assistant {scenario.assistant.type} gave a {name} that is no finite number "
                f"at {observation.time_s:.2f} s"
            )
