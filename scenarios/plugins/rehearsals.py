"""Attacks as scenarios run them: the victim is put into a rehearsal, and what comes of it is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from attacks.perturbation import AttackResult, RoadPatch
from attacks.rehearsal import Rehearsal
from attacks.target import RoadTarget, unwatched
from lkas.perception import Assistant
from scenarios.build import cameras_of, fingerprints, start_of, vehicle_of
from scenarios.factories import Setting
from scenarios.plugins.attacks import DirectedPatchOptions, PatchOptions
from scenarios.plugins.patches import frame_before, target_of, time_zero_frame
from scenarios.registry import plugin
from scenarios.schema import Scenario
from scenarios.store import Store, content_hash, read_json, write_json
from simulator.scene import Scene
from simulator.world import InvalidInput

IN_SIGHT_M = 80.0
"""From so far on a patch that lies on the road counts in a rehearsal."""

PATCHES = "patches"
"""Kind of artifact that patches are in a store."""

RESULT = "result.json"
"""History of a kept patch."""


def rehearsed_with(scenario: Scenario) -> Scenario:
    """What the attacker of a scenario drives to try things out: its victim, behind those defenses that it knows of."""
    options = scenario.attack
    if not isinstance(options, DirectedPatchOptions):
        return scenario
    changes: dict[str, Any] = {"attack": options.model_copy(update={"adaptive": True, "victim": None})}
    if options.victim is not None:
        changes["assistant"] = options.victim
    if options.victim is not None or not options.adaptive:
        changes["defenses"] = ()
    return scenario.model_copy(update=changes)


def rehearsal_of(
    scenario: Scenario,
    scene: Scene,
    assistant: Callable[[], Assistant],
    warm_up_steps: int,
    approach_steps: int,
) -> Rehearsal:
    """The victim of a scenario, in a world of its own that keeps gradients.

    Args:
        scenario: which.
        scene: its place.
        assistant: makes the victim.
        warm_up_steps: before time zero.
        approach_steps: how many of them the patch is in sight.

    Raises:
        InvalidInput: the scenario's world has no gradients.
    """
    vehicle, spec = vehicle_of(scenario), scenario.world.rehearsed
    cameras = cameras_of(scenario, assistant().cameras)
    setting = Setting([scene], [start_of(scenario)], vehicle, cameras)
    world: Any = plugin("worlds", spec.type).load()(spec, setting)
    if not all(hasattr(world, name) for name in ("start", "observe", "advance", "differentiable")):
        raise InvalidInput(
            f"world: '{spec.type}' has no gradients to optimise a patch with; optimise in world: embedded, and lay it "
            "here with attack: {type: saved_patch, path: ...}"
        )
    world.differentiable = True
    return Rehearsal(world, world.start, assistant, vehicle, warm_up_steps, approach_steps)


def run_attack(
    scenario: Scenario,
    scene: Scene,
    make_assistant: Callable[[Scenario], Assistant],
    progress: Callable[[int], None] = unwatched,
    store: Store | None = None,
) -> AttackResult | None:
    """Run the attack of a scenario, if it has one, with the scenario's seed.

    Args:
        scenario: which.
        scene: its place.
        make_assistant: makes the assistant of a scenario, behind its defenses.
        progress: told how many iterations were made since the last call.
        store: where patches are kept that take long to make, and looked for first.
    """
    options = scenario.attack
    if not isinstance(options, PatchOptions):
        return None
    attack, threat = plugin("attacks", options.type).load()(options)
    where, rehearsed = target_of(options, scenario, scene.road), rehearsed_with(scenario)

    def make() -> AttackResult:
        rehearsal = None
        if plugin("attacks", options.type).rehearsed:
            zero = time_zero_frame(options, scenario, where.start_m)
            sight = (
                frame_before(scenario, where.start_m, IN_SIGHT_M) if options.appears == "from_start" else zero
            )
            make_victim = functools.partial(make_assistant, rehearsed)
            rehearsal = rehearsal_of(rehearsed, scene, make_victim, zero, max(zero - sight, 0))
        known = None if scenario.recorded else scene
        target = RoadTarget(where.road, where.start_m, known, rehearsal, progress)
        result: AttackResult = attack.run(target, threat, torch.Generator().manual_seed(scenario.seed))
        return result

    if store is None or not plugin("attacks", options.type).rehearsed:
        return make()
    place = store.artifact(PATCHES, scenario.name, patch_key(rehearsed), lambda folder: keep(make(), folder))
    return kept(place)


def patch_folder(scenario: Scenario, store: Store) -> Path:
    """Where the patch of a scenario is kept, or would be."""
    return store.place(
        scenario.name, content_hash(patch_key(rehearsed_with(scenario))), f"artifacts/{PATCHES}"
    )


def patch_key(scenario: Scenario) -> dict[str, Any]:
    """All that a patch depends on, given the scenario that its attacker drives."""
    indifferent = {"name", "description", "criteria", "record", "safety", "duration_s", "on_road_end"}
    return {**scenario.model_dump(mode="json", exclude=indifferent), "fingerprints": fingerprints(scenario)}


def keep(result: AttackResult, folder: Path) -> None:
    """Write a patch with its history."""
    result.patch.save(folder)
    write_json(folder / RESULT, {"history": result.history})


def kept(folder: Path) -> AttackResult:
    """Read what was kept."""
    return AttackResult(RoadPatch.load(folder), read_json(folder / RESULT)["history"])
