"""Pinhole cameras and where they are mounted.

Convention: pixel (0, 0) is the top left one and its centre is at (0.5, 0.5); u to the right, v down. A camera's points
are given in the frame of its *foot*, the point on the road below it: x forward, y left, z up, axes of the car.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mount:
    """Where a camera sits on the car.

    Attributes:
        x_m: ahead of the rear axle.
        y_m: left of the car's middle line.
        z_m: above the road.
        roll_rad: about the forward axis, positive leans right.
        pitch_rad: positive looks down.
        yaw_rad: positive looks left.
    """

    x_m: float = 1.5
    y_m: float = 0.0
    z_m: float = 1.22
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion.

    Attributes:
        name: the key of its frames in an Observation.
        width: [px].
        height: [px].
        fx: focal length [px].
        fy: focal length [px].
        cx: principal point [px].
        cy: principal point [px].
        mount: where it sits.
        exposure: factor on the brightness of its pictures.
    """

    name: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    mount: Mount = Mount()
    exposure: float = 1.0

    @classmethod
    def from_fov(cls, name: str, width: int, height: int, fov_deg: float, mount: Mount = Mount()) -> Camera:
        """A camera given as CARLA gives it: horizontal field of view, centred principal point."""
        focal = width / (2 * math.tan(math.radians(fov_deg) / 2))
        return cls(name, width, height, focal, focal, width / 2, height / 2, mount)

    def with_mount(self, **changes: float) -> Camera:
        """The same camera, mounted differently."""
        return replace(self, mount=replace(self.mount, **changes))

    def project(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image of points in the foot frame.

        Args:
            points: ``(..., 3)`` m, x forward, y left, z up.

        Returns:
            u, v [px] and depth along the optical axis [m], each ``(...)``; u and v mean nothing where depth <= 0.
        """
        mount = self.mount
        rotation = rotation_matrix(
            points.new_tensor(mount.roll_rad),
            points.new_tensor(mount.pitch_rad),
            points.new_tensor(mount.yaw_rad),
        )
        origin = points.new_tensor([0.0, 0.0, mount.z_m])
        forward, left, up = ((points - origin) @ rotation).unbind(-1)
        depth = torch.where(forward.abs() < 1e-6, torch.full_like(forward, 1e-6), forward)
        return self.cx - self.fx * left / depth, self.cy - self.fy * up / depth, forward


def rotation_matrix(roll_rad: Tensor, pitch_rad: Tensor, yaw_rad: Tensor) -> Tensor:
    """Rotation from a camera's axes (forward, left, up) to the car's: ``Rz(yaw) Ry(pitch) Rx(roll)``.

    Args:
        roll_rad: ``(...)``.
        pitch_rad: ``(...)``, positive looks down.
        yaw_rad: ``(...)``.

    Returns:
        ``(..., 3, 3)``; ``v_car = R @ v_camera``.
    """
    cr, sr = torch.cos(roll_rad), torch.sin(roll_rad)
    cp, sp = torch.cos(pitch_rad), torch.sin(pitch_rad)
    cy, sy = torch.cos(yaw_rad), torch.sin(yaw_rad)
    rows = [
        torch.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], -1),
        torch.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], -1),
        torch.stack([-sp, cp * sr, cp * cr], -1),
    ]
    return torch.stack(rows, -2)


CAMERAS: dict[str, Camera] = {
    "model": Camera("model", 512, 256, 910.0, 910.0, 256.0, 47.6),
    "big_model": Camera("big_model", 512, 256, 455.0, 455.0, 256.0, 151.8),
    "road": Camera("road", 1164, 874, 910.0, 910.0, 582.0, 437.0),
    "wide": Camera("wide", 1280, 720, 760.0, 760.0, 640.0, 320.0),
}
"""``model``: openpilot's model frame, which the driver sees. ``big_model``: the frame of twice its angle that its
networks since 0.8.13 also see. ``road``: its camera (EON). ``wide``: for people."""


@dataclass(frozen=True)
class Mounts:
    """Mounts of a batch of cameras, every attribute ``(N,)``; a :class:`Mount` of tensors that may carry gradients."""

    x_m: Tensor
    y_m: Tensor
    z_m: Tensor
    roll_rad: Tensor
    pitch_rad: Tensor
    yaw_rad: Tensor

    @classmethod
    def of(cls, mount: Mount, size: int, dtype: torch.dtype, device: torch.device | str = "cpu") -> Mounts:
        """The same mount ``size`` times."""
        return cls(
            *(torch.full((size,), value, dtype=dtype, device=device) for value in vars(mount).values())
        )

    def cameras(self, camera: Camera) -> list[Camera]:
        """``camera`` at each of these mounts, without gradients."""
        names = list(vars(self))
        values = torch.stack([getattr(self, name) for name in names], -1).tolist()
        return [camera.with_mount(**dict(zip(names, row, strict=True))) for row in values]

    def rays(self, camera: Camera, u: Tensor, v: Tensor) -> Tensor:
        """Directions of the rays through pixel positions, in the car's axes.

        Args:
            camera: whose intrinsics to use (its own mount is ignored).
            u: ``(K,)`` columns.
            v: ``(H,)`` rows.

        Returns:
            ``(N, H, K, 3)``, not normalised: length 1 along the optical axis.
        """
        left = (camera.cx - u) / camera.fx
        up = (camera.cy - v) / camera.fy
        directions = torch.stack(
            torch.broadcast_tensors(torch.ones_like(left)[None], left[None], up[:, None]), -1
        )
        rotation = rotation_matrix(self.roll_rad, self.pitch_rad, self.yaw_rad)
        return torch.einsum("nij,hkj->nhki", rotation, directions)
