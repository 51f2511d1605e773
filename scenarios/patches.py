"""What the attack of a scenario leaves on its road."""

from __future__ import annotations

import torch

from attacks.perturbation import AttackResult
from attacks.target import RoadTarget
from scenarios.builtin import RoadPatchOptions
from scenarios.courses import driven_m
from scenarios.registry import plugin
from scenarios.schema import Scenario
from simulator.recording import Channel
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.roads.road import Road
from simulator.world import InvalidInput


def target_of(options: RoadPatchOptions, scenario: Scenario, road: Road) -> RoadTarget:
    """Where the patch begins: ahead of the camera's foot after the warm-up."""
    start_m = CAMERA_FOOT_M + driven_m(scenario, options.warm_up_s) + options.ahead_m
    return RoadTarget(road, start_m)


def check_attack(scenario: Scenario, road: Road) -> None:
    """Whether the attack of a scenario fits its road.

    Raises:
        InvalidInput: it does not.
    """
    if scenario.attack is None:
        return
    if not isinstance(scenario.attack, RoadPatchOptions):
        raise InvalidInput(
            f"attack: '{scenario.attack.type}' does not lie on the road, and cannot be driven over"
        )
    _, threat = plugin("attacks", scenario.attack.type).load()(scenario.attack)
    threat.check(target_of(scenario.attack, scenario, road))


def run_attack(scenario: Scenario, road: Road) -> AttackResult | None:
    """Run the attack of a scenario, if it has one, with the scenario's seed."""
    options = scenario.attack
    if not isinstance(options, RoadPatchOptions):
        return None
    attack, threat = plugin("attacks", options.type).load()(options)
    generator = torch.Generator().manual_seed(scenario.seed)
    result: AttackResult = attack.run(target_of(options, scenario, road), threat, generator)
    return result


def patch_channels(result: AttackResult | None) -> dict[str, Channel]:
    """The patch, for whoever draws the run: its cells, and where it lies as s, d, length and width."""
    if result is None:
        return {}
    patch = result.patch
    place = torch.tensor([patch.s_m, patch.d_m, patch.length_m, patch.width_m], dtype=torch.float64)
    return {
        "patch/brightness": Channel(patch.cells.numpy(), "1"),
        "patch/place_m": Channel(place.numpy(), "m"),
    }
