"""From what a file says to what worlds take: the camera on the car."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scenarios.build import cameras_of, scene_of, start_of
from scenarios.factories import Setting
from scenarios.files import check
from scenarios.registry import plugin
from scenarios.runner import batches
from scenarios.schema import Scenario
from simulator.camera import CAMERAS
from simulator.vehicle import VehicleParameters
from simulator.world import InvalidInput


def scenario(**changes: Any) -> Scenario:
    data = {
        "schema_version": 1,
        "duration_s": 1.0,
        "road": {"type": "segments", "segments": [{"type": "line", "length_m": 50.0}]},
        "ego": {"speed_mps": 20.0},
        "assistant": "ground_truth",
    }
    return check({**data, **changes}, "data")


def seen(drive: Scenario) -> torch.Tensor:
    """The first model frame of a scenario, as floats."""
    setting = Setting([scene_of(drive)], [start_of(drive)], VehicleParameters(), cameras_of(drive, ["model"]))
    world = plugin("worlds", drive.world.type).load()(drive.world, setting)
    return world.reset(0).frames["model"][0].float()


def test_cameras_are_as_they_were_calibrated_unless_the_file_says_otherwise() -> None:
    assert cameras_of(scenario(), CAMERAS) == tuple(CAMERAS.values())
    (camera,) = cameras_of(scenario(camera={"height_m": 1.5, "pitch_rad": 0.02, "exposure": 2.0}), ["model"])
    assert (camera.mount.z_m, camera.mount.pitch_rad, camera.mount.x_m) == (1.5, 0.02, 1.5)
    assert camera.exposure == 2.0


def test_the_world_shows_what_the_real_camera_sees() -> None:
    usual = seen(scenario())
    # ten pixels further down, and so the picture moves up by as much
    pitched = seen(scenario(camera={"pitch_rad": 10 / 910}))
    moved = (pitched[40:-10] - usual[50:]).abs().mean()
    assert moved < 0.3 * (pitched[40:-10] - usual[40:-10]).abs().mean()
    dark = seen(scenario(camera={"exposure": 0.5}))
    assert float(dark.mean() / usual.mean()) == pytest.approx(0.5, abs=0.01)


def test_drives_with_different_cameras_are_not_stepped_together() -> None:
    assert batches([scenario(), scenario(camera={"yaw_rad": 0.01}), scenario()]) == [[0, 2], [1]]


def test_a_carla_server_does_not_expose_as_wanted() -> None:
    pytest.importorskip("carla", reason="the extra 'carla' is not installed")
    with pytest.raises(InvalidInput, match=r"camera\.exposure: .* leave this out"):
        seen(scenario(camera={"exposure": 0.5}, world="carla"))
