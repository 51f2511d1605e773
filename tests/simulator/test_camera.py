"""Cameras: known values of projection, and rays against projection."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.camera import CAMERAS, Camera, Mount, Mounts


def test_point_straight_ahead_at_camera_height_is_at_the_principal_point() -> None:
    u, v, depth = CAMERAS["model"].project(torch.tensor([20.0, 0.0, 1.22]))
    assert (float(u), float(v), float(depth)) == (pytest.approx(256), pytest.approx(47.6), pytest.approx(20))


def test_road_ten_metres_ahead() -> None:
    u, v, _ = CAMERAS["model"].project(torch.tensor([10.0, 1.8, 0.0], dtype=torch.float64))
    assert float(v) == pytest.approx(47.6 + 910 * 0.122)
    assert float(u) == pytest.approx(256 - 910 * 0.18)


def test_looking_down_raises_the_horizon() -> None:
    pitch = math.radians(2)
    u, v, _ = (
        CAMERAS["model"]
        .with_mount(pitch_rad=pitch)
        .project(torch.tensor([1e7, 0.0, 0.0], dtype=torch.float64))
    )
    assert float(v) == pytest.approx(47.6 - 910 * math.tan(pitch), abs=1e-3)
    assert float(u) == pytest.approx(256)


def test_looking_left_moves_what_is_ahead_to_the_right() -> None:
    u, _, _ = (
        CAMERAS["model"].with_mount(yaw_rad=0.05).project(torch.tensor([30.0, 0.0, 0.0], dtype=torch.float64))
    )
    assert float(u) == pytest.approx(256 + 910 * math.tan(0.05))


def test_field_of_view_as_in_carla() -> None:
    camera = Camera.from_fov("c", 800, 600, 90.0)
    assert (camera.fx, camera.cx, camera.cy) == (pytest.approx(400), 400, 300)


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_rays_meet_what_projects_there(name: str) -> None:
    mount = Mount(1.4, 0.1, 1.3, 0.03, 0.05, -0.04)
    camera = CAMERAS[name]
    mounts = Mounts.of(mount, 2, torch.float64)
    u = torch.linspace(0.5, camera.width - 0.5, 7, dtype=torch.float64)
    v = torch.linspace(camera.cy + 60, camera.height - 0.5, 5, dtype=torch.float64)
    rays = mounts.rays(camera, u, v)[1]
    ground = rays * (mount.z_m / -rays[..., 2:]) + torch.tensor([0.0, 0.0, mount.z_m], dtype=torch.float64)
    found_u, found_v, depth = camera.with_mount(**vars(mount)).project(ground)
    assert (depth > 0).all()
    assert torch.allclose(found_u, u.expand_as(found_u))
    assert torch.allclose(found_v, v[:, None].expand_as(found_v))


def test_mounts_give_their_cameras_back() -> None:
    mount = Mount(yaw_rad=0.25, z_m=1.5)
    cameras = Mounts.of(mount, 3, torch.float64).cameras(CAMERAS["road"])
    assert cameras == [CAMERAS["road"].with_mount(**vars(mount))] * 3
