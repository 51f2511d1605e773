"""Where the attack of a scenario lies on its road, and when it is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from attacks.perturbation import AttackResult, RoadPatch, lay
from attacks.target import RoadTarget
from scenarios.courses import course_of
from scenarios.plugins.attacks import PatchOptions, RoadPatchOptions, SavedPatchOptions
from scenarios.registry import plugin
from scenarios.schema import Scenario
from simulator.recording import Channel
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.roads.road import Road
from simulator.surface.layer import SurfaceLayer
from simulator.world import CAMERA_PERIOD_S, InvalidInput


def target_of(options: PatchOptions, scenario: Scenario, road: Road) -> RoadTarget:
    """Where the patch begins: where it was laid before, or ahead of the camera's foot after the warm-up."""
    if isinstance(options, SavedPatchOptions):
        return RoadTarget(road, RoadPatch.load(Path(options.path)).s_m + options.along_m)
    start_m = CAMERA_FOOT_M + course_of(scenario).driven_m(options.warm_up_s) + options.ahead_m
    return RoadTarget(road, start_m)


def time_zero_frame(options: PatchOptions, scenario: Scenario, start_m: float) -> int:
    """The first frame in which the camera's foot is within ``ahead_m`` of the patch, if nothing disturbs the car."""
    return frame_before(scenario, start_m, options.ahead_m)


def frame_before(scenario: Scenario, start_m: float, distance_m: float) -> int:
    """The first frame in which the camera's foot is so near to a patch, if nothing disturbs the car.

    Raises:
        InvalidInput: it does not come so near.
    """
    driven_m = course_of(scenario).driven_m
    for frame in range(scenario.steps):
        if CAMERA_FOOT_M + driven_m(frame * CAMERA_PERIOD_S) >= start_m - distance_m - 1e-6:
            return frame
    raise InvalidInput(
        f"duration_s: the car does not come near the patch at {start_m:.1f} m within {scenario.duration_s:g} s"
    )


def check_attack(scenario: Scenario, road: Road) -> None:
    """Whether the attack of a scenario fits its road.

    Raises:
        InvalidInput: it does not.
    """
    options = scenario.attack
    if options is None:
        return
    if not isinstance(options, PatchOptions):
        raise InvalidInput(f"attack: '{options.type}' does not lie on the road, and cannot be driven over")
    _, threat = plugin("attacks", options.type).load()(options)
    target = target_of(options, scenario, road)
    threat.check(target)
    if not scenario.recorded:  # of a recorded road nobody may know how wide it is
        threat.check_width(target)
    if target.start_m < CAMERA_FOOT_M:
        raise InvalidInput(
            f"attack: the patch begins {target.start_m:g} m along the road, behind the car, whose camera looks from "
            f"{CAMERA_FOOT_M:g} m; lay it further ahead"
        )
    time_zero_frame(options, scenario, target.start_m)
    if scenario.recorded and isinstance(options, RoadPatchOptions) and options.road_brightness is None:
        raise InvalidInput("attack.road_brightness: nothing says how bright a recorded road is; give 0 to 1")


@dataclass(frozen=True)
class LaidPatches:
    """The patches of N scenarios that are driven together.

    Attributes:
        patches: one a scenario.
        frames: the first frame in which each is there.
        zero_frames: the frame of each one's time zero.
    """

    patches: Sequence[RoadPatch]
    frames: Sequence[int]
    zero_frames: Sequence[int]

    @cached_property
    def _laid(self) -> dict[tuple[bool, ...], SurfaceLayer]:
        """Layers by which patches are in them, as they were made."""
        return {}

    def at(self, frame: int) -> list[SurfaceLayer]:
        """What lies on the roads in a frame."""
        there = tuple(first <= frame for first in self.frames)
        if not any(there):
            return []
        if there not in self._laid:
            self._laid[there] = lay(
                [
                    patch if shown else replace(patch, cells=torch.zeros_like(patch.cells))
                    for patch, shown in zip(self.patches, there, strict=True)
                ]
            )
        return [self._laid[there]]


def appearance(scenarios: Sequence[Scenario], results: Sequence[AttackResult | None]) -> LaidPatches | None:
    """When the patches of scenarios that are driven together are there; None where there are none."""
    patches, frames, zeros = [], [], []
    for scenario, result in zip(scenarios, results, strict=True):
        if result is None:
            return None  # scenarios that are driven together have the same attack
        assert isinstance(scenario.attack, PatchOptions)
        zeros.append(time_zero_frame(scenario.attack, scenario, result.patch.s_m))
        patches.append(result.patch)
        frames.append(0 if scenario.attack.appears == "from_start" else zeros[-1])
    return LaidPatches(patches, frames, zeros)


def patch_channels(result: AttackResult | None) -> dict[str, Channel]:
    """The patch, for whoever draws the run: its cells, and where it lies as s, d, length and width."""
    if result is None:
        return {}
    patch = result.patch
    place = torch.tensor([patch.s_m, patch.d_m, patch.length_m, patch.width_m], dtype=torch.float64)
    history = {
        f"attack/{name}": Channel(torch.tensor(values, dtype=torch.float64).numpy(), "1")
        for name, values in result.history.items()
    }
    return {
        "patch/brightness": Channel(patch.cells.numpy(), "1"),
        "patch/place_m": Channel(place.numpy(), "m"),
        **history,
    }
