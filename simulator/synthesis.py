"""View synthesis: what a camera would have seen from a little beside where the frame was taken.

The road is flat: what is on it moves by the homography of the ground. What is above the horizon is far: it only turns
with the camera. At the horizon both agree. Things that stand on the road lean, as in every such synthesis, so views are
to be trusted for small deviations only.

Convention: poses are of the rear axle in the axes of the car that took the frame: x forward, y left, yaw
counter-clockwise. Pixel centres at integers + 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from simulator.camera import Camera, Mounts, rotation_matrix
from simulator.geometry import rotate

OUTSIDE_PX = 1e6
"""Where points behind a camera are projected to: outside of every picture."""


@dataclass(frozen=True)
class RelativePose:
    """Where a car stands relative to the one that took the frame; scalars or tensors that broadcast over pixels.

    Attributes:
        x_m: of the rear axle, ahead.
        y_m: to the left.
        yaw_rad: counter-clockwise.
    """

    x_m: Tensor
    y_m: Tensor
    yaw_rad: Tensor

    @classmethod
    def between(
        cls, recorded: tuple[Tensor, Tensor, Tensor], car: tuple[Tensor, Tensor, Tensor]
    ) -> RelativePose:
        """The pose of ``car`` as seen from ``recorded``; each is x, y, yaw in a common frame."""
        x, y = rotate(car[0] - recorded[0], car[1] - recorded[1], -recorded[2])
        return cls(x, y, car[2] - recorded[2])


def project_ground(camera: Camera, x_m: Tensor, y_m: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels of road points given in the axes of the car that carries the camera (rear axle), in any one shape."""
    mount = camera.mount
    foot = torch.stack([x_m - mount.x_m, y_m - mount.y_m, torch.zeros_like(x_m)], -1)
    u, v, depth = camera.project(foot)
    behind = depth < 1e-3
    return u.masked_fill(behind, OUTSIDE_PX), v.masked_fill(behind, OUTSIDE_PX)


def sample(frame: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Colours of a frame at pixel positions, bilinear; beyond its border those of the border.

    Args:
        frame: ``(3, H, W)`` float.
        u: ``(h, w)`` columns.
        v: ``(h, w)`` rows.

    Returns:
        ``(3, h, w)`` colours, differentiable in frame and positions; ``(h, w)`` bool, whether they are in the frame.
    """
    height, width = frame.shape[-2:]
    inside = (u >= 0) & (u <= width) & (v >= 0) & (v <= height)
    grid = torch.stack([2 * u / width - 1, 2 * v / height - 1], -1).to(frame)
    found = functional.grid_sample(frame[None], grid[None], padding_mode="border", align_corners=False)
    return found[0], inside


class Viewpoint:
    """Views through one camera, made from frames of another one (or the same).

    Args:
        source: that took the frames, mounted as it was.
        target: that is to be imitated.
        hood_row: rows of the source from here on show the car's own bonnet, which moves with the car; None if none do.
    """

    def __init__(self, source: Camera, target: Camera, hood_row: int | None = None) -> None:
        self.source, self.target = source, target
        u = torch.arange(target.width, dtype=torch.float64) + 0.5
        v = torch.arange(target.height, dtype=torch.float64) + 0.5
        mount = target.mount
        self._rays = Mounts.of(mount, 1, torch.float64).rays(target, u, v)[0]
        below = -self._rays[..., 2]
        self.is_ground = below > 1e-6
        """``(H, W)`` bool: pixels of the target below the horizon."""
        reach = mount.z_m / torch.where(self.is_ground, below, torch.ones_like(below))
        self.ground_x_m = self._rays[..., 0] * reach + mount.x_m
        """``(H, W)`` road points that these pixels see, from the target's rear axle, ahead; meaningless elsewhere."""
        self.ground_y_m = self._rays[..., 1] * reach + mount.y_m
        """``(H, W)`` the same to the left."""
        zero = self.ground_x_m.new_zeros(())
        self._still = self._pixels(RelativePose(zero, zero, zero))
        self.hood = self._still[1] >= (OUTSIDE_PX if hood_row is None else hood_row)
        """``(H, W)`` bool: pixels that show the bonnet."""

    def ground_from(self, pose: RelativePose) -> tuple[Tensor, Tensor]:
        """The road points in the axes of the car that took the frame, ``(H, W)`` each."""
        x, y = rotate(self.ground_x_m, self.ground_y_m, pose.yaw_rad)
        return x + pose.x_m, y + pose.y_m

    def _pixels(self, pose: RelativePose) -> tuple[Tensor, Tensor]:
        """Pixels of the source that the target's pixels see, ``(H, W)`` each."""
        ground_u, ground_v = project_ground(self.source, *self.ground_from(pose))
        angles = (self.source.mount.roll_rad, self.source.mount.pitch_rad, self.source.mount.yaw_rad)
        axes = rotation_matrix(*(self._rays.new_tensor(angle) for angle in angles))
        east, north = rotate(self._rays[..., 0], self._rays[..., 1], pose.yaw_rad)
        forward, left, up = (torch.stack([east, north, self._rays[..., 2]], -1) @ axes).unbind(-1)
        behind = forward < 1e-3
        forward = forward.clamp_min(1e-3)
        far_u = (self.source.cx - self.source.fx * left / forward).masked_fill(behind, OUTSIDE_PX)
        far_v = (self.source.cy - self.source.fy * up / forward).masked_fill(behind, OUTSIDE_PX)
        return torch.where(self.is_ground, ground_u, far_u), torch.where(self.is_ground, ground_v, far_v)

    def __call__(self, frame: Tensor, pose: RelativePose) -> tuple[Tensor, Tensor]:
        """The target's view from a pose.

        Args:
            frame: ``(3, H, W)`` float in [0, 1] of the source.
            pose: of the target's car relative to the source's.

        Returns:
            ``(3, h, w)`` picture, differentiable in the pose, and ``(h, w)`` bool, which pixels the frame shows.
        """
        u, v = self._pixels(pose)
        # the bonnet, and nothing that comes to lie behind it
        u, v = torch.where(self.hood, self._still[0], u), torch.where(self.hood, self._still[1], v)
        return sample(frame, u, v)
