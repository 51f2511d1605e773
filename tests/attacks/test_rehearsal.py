"""A victim is rehearsed with on recorded roads as on rendered ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from attacks.coupling import roll
from attacks.dirty_road_patch import DirtyRoadPatch
from attacks.perturbation import lay
from attacks.rehearsal import Rehearsal, Spread
from attacks.target import RoadTarget
from attacks.threat import RoadPatchThreat
from lkas.perception import Assistant, Decision, Perception
from simulator.camera import Camera
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.replay import ReplayWorld
from simulator.world import Command, Observation

CAMERA = Camera("small", 64, 32, 114.0, 114.0, 32.0, 6.0)


@pytest.fixture
def recorded(rehearsal: Rehearsal, tmp_path: Path) -> Rehearsal:
    """The victim of the other tests on a recorded road: an evenly grey one, at 20 m/s."""
    cv2.imwrite(str(tmp_path / "road.png"), np.full((CAMERA.height, CAMERA.width, 3), 100, np.uint8))
    drive = RecordedDrive(Footage(tmp_path / "road.png"), CAMERA, MotionLog.straight(20.0, 200))
    world = ReplayWorld(drive, lane_m=(1.8, -1.8), differentiable=True)
    return replace(rehearsal, world=world, initial=world.start)


def test_rehearsed_drives_start_beside_the_recorded_one(recorded: Rehearsal) -> None:
    warm = recorded.warm(0)
    assert float(warm.state.vehicle.x_m) == pytest.approx(10.0, abs=1e-3)
    assert float(warm.state.vehicle.y_m) == pytest.approx(0.0, abs=1e-3)
    drawn = Spread().draw(1, torch.Generator()) | {"offset_m": torch.tensor([0.3], dtype=torch.float64)}
    assert float(recorded.warm(0, drawn).state.vehicle.y_m) == pytest.approx(0.3, abs=0.02)


class Dazzled:
    """Drives like another one until the picture is too bright: then it sees nothing, and goes straight ahead."""

    def __init__(self, driver: Assistant) -> None:
        self.driver, self.cameras = driver, driver.cameras

    def reset(self, size: int) -> None:
        self.driver.reset(size)

    def __call__(self, observation: Observation) -> Decision:
        decision = self.driver(observation)
        if float(observation.frames["small"].detach().mean()) < 0.42:
            return decision
        nothing = torch.zeros_like(decision.desired_curvature_per_m).detach()
        seen = decision.perception
        blank = Perception(*(torch.zeros_like(value).detach() for value in vars(seen).values()))
        return Decision(Command(nothing, nothing), blank, nothing, decision.saturated)


def test_a_patch_that_blinds_is_faded_until_there_is_something_to_follow(recorded: Rehearsal) -> None:
    """TwinLiteNet finds no line under a strong random patch: nothing that it does depends on the patch then."""
    assert isinstance(recorded.world, ReplayWorld)
    driver = recorded.assistant
    dazzled = replace(recorded, assistant=lambda: Dazzled(driver()), warm_up_steps=2)
    target = RoadTarget(recorded.world.road, 10.0, rehearsal=dazzled)
    threat = RoadPatchThreat(
        length_m=20.0,
        width_m=5.6,
        cell_m=0.4,
        keep_marks=False,
        darker=0.0,
        brighter=0.6,
        road_brightness=0.39,
    )
    attack = DirtyRoadPatch(coupling="fixed_point", iterations=6, frames=3, variations=0)
    found = attack.run(target, threat, torch.Generator().manual_seed(0))
    loss = found.history["loss"]
    assert min(loss) < loss[0]


@pytest.mark.parametrize(("direction", "sign"), [("left", 1.0), ("right", -1.0)])
def test_a_patch_on_a_recorded_road_draws_the_car_to_its_side(
    recorded: Rehearsal, direction: str, sign: float
) -> None:
    assert isinstance(recorded.world, ReplayWorld)
    target = RoadTarget(recorded.world.road, 18.5, rehearsal=recorded)
    threat = RoadPatchThreat(length_m=20.0, width_m=5.6, cell_m=0.4, keep_marks=False, road_brightness=0.39)
    attack = DirtyRoadPatch(
        direction=direction, coupling="fixed_point", iterations=8, frames=10, variations=1
    )
    found = attack.run(target, threat, torch.Generator().manual_seed(0))
    with torch.no_grad():
        clean, dirty = (
            roll(recorded, recorded.warm(0), layers, 10).offset_m[-1] for layers in ((), [lay([found.patch])])
        )
    assert sign * float(dirty - clean) > 0.01
