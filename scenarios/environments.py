"""Gymnasium environments made from scenario files: ``gymnasium.make("dirtyroad/LaneKeeping-v0", scenario=...)``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lkas.perception import Assistant, Perception
from scenarios.build import cameras_of, scene_of, start_of, vehicle_of
from scenarios.factories import Setting
from scenarios.files import load, locate
from scenarios.plugins.patches import appearance
from scenarios.plugins.rehearsals import run_attack
from scenarios.registry import plugin
from scenarios.runner import make_assistant
from scenarios.schema import Scenario
from simulator.camera import CAMERAS
from simulator.environment import LaneKeepingEnv, LaneKeepingVectorEnv, Spectator
from simulator.lane_keeping import LaneKeepingTask
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.world import InvalidInput, Observation

DEFAULT_SCENARIO = "benign/highway_straight"
SHOWN_CAMERA = "wide"


class AssistantsEyes:
    """What the assistant of a scenario would see, while a learner steers: a ``simulator.environment.Perceiver``."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def reset(self, size: int) -> None:
        """Forget everything."""
        self._assistant.reset(size)

    def __call__(self, observation: Observation) -> Perception:
        """Look once."""
        return self._assistant(observation).perception


def make_env(scenario: str | Path = DEFAULT_SCENARIO, render_mode: str | None = None) -> LaneKeepingEnv:
    """One car on the road of a scenario.

    Args:
        scenario: a packaged scenario's name, or a file. Its assistant does not drive, but with a render mode it looks,
            and what it sees is drawn.
        render_mode: None, ``rgb_array``, or ``human`` for a window.
    """
    return LaneKeepingEnv(**_parts([_load(scenario)], render_mode))


def make_vector_env(
    num_envs: int = 1,
    scenario: str | Path | Sequence[str | Path] = DEFAULT_SCENARIO,
    render_mode: str | None = None,
) -> LaneKeepingVectorEnv:
    """Cars on the roads of scenarios, stepped as one batch.

    Args:
        num_envs: how many.
        scenario: one, or several to be taken in turn. World ``i`` has its scenario's seed plus ``i``, so that no two
            roads look the same.
        render_mode: None or ``rgb_array``.
    """
    names = [scenario] if isinstance(scenario, str | Path) else list(scenario)
    if num_envs < 1 or not names:
        raise InvalidInput(
            f"num_envs: {num_envs} environments of {len(names)} scenarios; give at least one of each"
        )
    loaded = [_load(name) for name in names]
    chosen = [loaded[i % len(loaded)] for i in range(num_envs)]
    numbered = [s.with_seed(s.seed + i) for i, s in enumerate(chosen)]
    first = numbered[0]
    for other in numbered[1:]:
        if _shared(other) != _shared(first):
            raise InvalidInput(
                f"scenario: {other.name} and {first.name} differ in world, camera, attack, car or duration_s, and "
                "cannot be stepped as one batch"
            )
    return LaneKeepingVectorEnv(**_parts(numbered, render_mode))


def _shared(scenario: Scenario) -> tuple[object, ...]:
    """What scenarios that are stepped as one batch agree in."""
    ego = scenario.ego
    return (
        scenario.world, scenario.camera, scenario.attack, ego.vehicle, ego.plant, scenario.duration_s,
    )  # fmt: skip


def _load(scenario: str | Path) -> Scenario:
    files = locate(str(scenario))
    if len(files) != 1:
        raise InvalidInput(f"scenario: {scenario} means {len(files)} scenarios; give one")
    return load(files[0])


def _lay(scenarios: Sequence[Scenario], scenes: Sequence[Scene]) -> list[SurfaceLayer]:
    """What the attacks of scenarios put on their roads.

    Raises:
        InvalidInput: an attack has to be optimised against the scenario's own driver, or appears late.
    """
    for scenario in scenarios:
        if scenario.attack is not None and plugin("attacks", scenario.attack.type).rehearsed:
            raise InvalidInput(
                f"{scenario.name}: attack: '{scenario.attack.type}' is optimised against the driver, and here a "
                "learner drives; lay its patch with attack: {type: saved_patch, path: ...}, or set attack: null"
            )
    results = [
        run_attack(scenario, scene, lambda rehearsed: make_assistant([rehearsed]))
        for scenario, scene in zip(scenarios, scenes, strict=True)
    ]
    patches = appearance(scenarios, results)
    if patches is not None and any(patches.frames):
        raise InvalidInput(
            "attack.appears: in an environment a patch is there from the start; set it to from_start"
        )
    return patches.at(0) if patches else []


def _parts(scenarios: Sequence[Scenario], render_mode: str | None) -> dict[str, Any]:
    first = scenarios[0]
    scenes = [scene_of(scenario) for scenario in scenarios]
    cameras, spectator = {"model": None}, None
    if render_mode is not None:
        assistant = make_assistant(scenarios)
        cameras |= dict.fromkeys([*assistant.cameras, SHOWN_CAMERA])
        roads = [scene.road for scene in scenes]
        spectator = Spectator(CAMERAS[SHOWN_CAMERA], roads, AssistantsEyes(assistant))
    vehicle = vehicle_of(first)
    starts = [start_of(scenario) for scenario in scenarios]
    seen = cameras_of(first, cameras)
    setting = Setting(scenes, starts, vehicle, seen, _lay(scenarios, scenes), first.ego.plant)
    world = plugin("worlds", first.world.type).load()(first.world, setting)
    task = LaneKeepingTask(vehicle, first.duration_s)
    return {"world": world, "task": task, "render_mode": render_mode, "spectator": spectator}
