"""A cropped picture of a turned camera shows points where the wanted camera does."""

from __future__ import annotations

import pytest
import torch

from simulator.camera import CAMERAS, Camera
from simulator.carla.framing import Framing


def test_the_model_frame_is_asked_for_a_little_taller() -> None:
    framing = Framing.of(CAMERAS["model"])

    assert (framing.width, framing.height, framing.left, framing.top) == (512, 417, 0, 161)
    assert framing.fov_deg == pytest.approx(31.42, abs=0.01)


@pytest.mark.parametrize("name", CAMERAS)
def test_points_appear_where_they_should(name: str) -> None:
    camera = CAMERAS[name]
    framing = Framing.of(camera)
    pitch, yaw = framing.turn_rad
    large = Camera.from_fov("large", framing.width, framing.height, framing.fov_deg, camera.mount)
    large = large.with_mount(pitch_rad=camera.mount.pitch_rad + pitch, yaw_rad=camera.mount.yaw_rad + yaw)
    points = torch.tensor([[20.0, 2.0, 0.0], [60.0, -5.0, 0.0], [8.0, 0.0, 0.5]], dtype=torch.float64)

    u, v, _ = large.project(points)
    wanted_u, wanted_v, _ = camera.project(points)

    assert torch.allclose(u - framing.left, wanted_u, atol=0.03)
    assert torch.allclose(v - framing.top, wanted_v, atol=0.03)


def test_an_odd_principal_point_is_reached_by_turning() -> None:
    camera = Camera("odd", 100, 60, 200.0, 200.0, 40.3, 33.8)
    framing = Framing.of(camera)

    assert framing.width >= 2 * 59
    assert abs(framing.turn_rad[0]) < 0.25 / 200 + 1e-6
    assert 0 <= framing.left <= framing.width - 100
    assert 0 <= framing.top <= framing.height - 60
