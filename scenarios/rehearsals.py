"""Attacks as scenarios run them: the victim is put into a rehearsal, and what comes of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from attacks.perturbation import AttackResult, RoadPatch
from attacks.rehearsal import Rehearsal
from attacks.target import RoadTarget, unwatched
from lkas.perception import Assistant
from scenarios.build import cameras_of, fingerprints, start_of, vehicle_of
from scenarios.builtin_attacks import PatchOptions
from scenarios.factories import Setting
from scenarios.patches import target_of, time_zero_frame
from scenarios.registry import plugin
from scenarios.schema import Scenario
from scenarios.store import Store, read_json, write_json
from simulator.scene import Scene
from simulator.world import InvalidInput

RESULT = "result.json"
"""History of a kept patch."""


def rehearsal_of(
    scenario: Scenario, scene: Scene, assistant: Callable[[], Assistant], warm_up_steps: int
) -> Rehearsal:
    """The victim of a scenario, in a world of its own that keeps gradients.

    Raises:
        InvalidInput: the scenario's world has no gradients.
    """
    vehicle, spec = vehicle_of(scenario), scenario.world
    cameras = cameras_of(scenario, assistant().cameras)
    setting = Setting([scene], [start_of(scenario)], vehicle, cameras)
    world: Any = plugin("worlds", spec.type).load()(spec, setting)
    if not all(hasattr(world, name) for name in ("start", "observe", "advance", "differentiable")):
        raise InvalidInput(
            f"world: '{spec.type}' has no gradients to optimise a patch with; optimise in world: embedded, and lay it "
            "here with attack: {type: saved_patch, path: ...}"
        )
    world.differentiable = True
    return Rehearsal(world, world.start, assistant, vehicle, warm_up_steps)


def run_attack(
    scenario: Scenario,
    scene: Scene,
    assistant: Callable[[], Assistant],
    progress: Callable[[int], None] = unwatched,
    store: Store | None = None,
) -> AttackResult | None:
    """Run the attack of a scenario, if it has one, with the scenario's seed.

    Args:
        scenario: which.
        scene: its place.
        assistant: makes its assistant, behind its defenses.
        progress: told how many iterations were made since the last call.
        store: where patches are kept that take long to make, and looked for first.
    """
    options = scenario.attack
    if not isinstance(options, PatchOptions):
        return None
    attack, threat = plugin("attacks", options.type).load()(options)
    where = target_of(options, scenario, scene.road)

    def make() -> AttackResult:
        rehearsal = None
        if plugin("attacks", options.type).rehearsed:
            steps = time_zero_frame(options, scenario, where.start_m)
            rehearsal = rehearsal_of(scenario, scene, assistant, steps)
        known = None if scenario.recorded else scene
        target = RoadTarget(where.road, where.start_m, known, rehearsal, progress)
        result: AttackResult = attack.run(target, threat, torch.Generator().manual_seed(scenario.seed))
        return result

    if store is None or not plugin("attacks", options.type).rehearsed:
        return make()
    place = store.artifact("patches", scenario.name, patch_key(scenario), lambda folder: keep(make(), folder))
    return kept(place)


def patch_key(scenario: Scenario) -> dict[str, Any]:
    """All that the patch of a scenario depends on."""
    indifferent = {"name", "description", "criteria", "record", "duration_s", "on_road_end"}
    return {**scenario.model_dump(mode="json", exclude=indifferent), "fingerprints": fingerprints(scenario)}


def keep(result: AttackResult, folder: Path) -> None:
    """Write a patch with its history."""
    result.patch.save(folder)
    write_json(folder / RESULT, {"history": result.history})


def kept(folder: Path) -> AttackResult:
    """Read what was kept."""
    return AttackResult(RoadPatch.load(folder), read_json(folder / RESULT)["history"])
