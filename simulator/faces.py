"""Faces of boxes as a camera sees them: where they are in the picture, and which place of a face a pixel shows.

Convention: a box's own frame has its origin in the middle of the footprint, x along the heading, y left, z up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from simulator.camera import Camera, rotation_matrix
from simulator.geometry import rotate
from simulator.looks import TEXTURE_COLUMNS, TEXTURE_LEVELS, TEXTURE_ROWS, Solid
from simulator.objects import Boxes
from simulator.world import VehicleState

NEAR_M = 0.3
"""What is nearer to the camera is not seen."""

_EDGE_ON_M = 0.01


def projections(boxes: Boxes, cameras: Sequence[Camera], state: VehicleState) -> tuple[Tensor, Tensor]:
    """From every box's own frame to depth times (u, v, 1), ``(N, K, 3, 4)``, and the cameras there, ``(N, K, 3)``."""
    new = boxes.x_m.new_tensor
    mounts = [camera.mount for camera in cameras]
    offset = new([(m.x_m, m.y_m, m.z_m) for m in mounts])
    angles = new([(m.roll_rad, m.pitch_rad, m.yaw_rad) for m in mounts])
    intrinsics = new([[(c.cx, -c.fx, 0.0), (c.cy, 0.0, -c.fy), (1.0, 0.0, 0.0)] for c in cameras])
    dx, dy = boxes.x_m - state.x_m[:, None], boxes.y_m - state.y_m[:, None]
    ahead, left = rotate(dx, dy, -state.yaw_rad[:, None])
    zero = torch.zeros_like(ahead)
    centre = torch.stack([ahead, left, zero], -1) - offset[:, None]
    turn = rotation_matrix(zero, zero, boxes.yaw_rad - state.yaw_rad[:, None])
    view = intrinsics @ rotation_matrix(*angles.unbind(-1)).mT
    to_pixel = view[:, None] @ torch.cat([turn, centre[..., None]], -1)
    return to_pixel, -(turn.mT @ centre[..., None])[..., 0]


def project(to_pixel: Tensor, points: Tensor) -> Tensor:
    """Depth times (u, v, 1) of ``points (..., P, 3)``, with ``to_pixel (..., 3, 4)``."""
    return points @ to_pixel[..., :3].mT + to_pixel[..., None, :, 3]


@dataclass(frozen=True)
class Faces:
    """All faces of all boxes as a camera sees them: batch ``(N, K, F)``, without it for one box.

    Attributes:
        forms: ``(..., 7, 3)`` linear forms over (u, v, 1) of a pixel: signed distances [px] to the left, right, lower
            and upper edge; then the face's own u and v, and 1, all three divided by depth.
        detail: ``(..., 2)`` int, how often columns and rows of its texture are halved.
        widening: ``(...)`` a face may be a trapezoid: its half width is 0.5 + widening * v.
        bounds: ``(..., 4)`` least and greatest u, least and greatest v [px]; inf and -inf out of sight.
        facing: ``(...)`` bool, turned towards the camera.
        below_eye: ``(...)`` bool, its lower edge lies below the camera.
    """

    forms: Tensor
    detail: Tensor
    widening: Tensor
    bounds: Tensor
    facing: Tensor
    below_eye: Tensor

    def of(self, world: int, k: int) -> Faces:
        """Those of one box."""
        return Faces(*(getattr(self, f.name)[world, k] for f in fields(self)))


def project_faces(solids: Sequence[Solid], size: Tensor, to_pixel: Tensor, eye: Tensor) -> Faces:
    corners = size.new_tensor([face.corners for solid in solids for face in solid.faces])
    corners = corners * size[:, :, None, None]  # (N, K, F, 4, 3)
    start, right = corners[..., 0, :], corners[..., 1, :] - corners[..., 0, :]
    up = (corners[..., 2, :] + corners[..., 3, :] - corners[..., 0, :] - corners[..., 1, :]) / 2
    normal = torch.linalg.cross(right, up)
    out_of_plane = ((eye[:, :, None] - start) * normal).sum(-1)
    facing = out_of_plane > _EDGE_ON_M * torch.linalg.norm(normal, dim=-1)
    to_face = from_pixel(to_pixel[:, :, None], start, right, up)
    widening = 0.5 * torch.linalg.norm(corners[..., 2, :] - corners[..., 3, :], dim=-1)
    widening = widening / torch.linalg.norm(right, dim=-1) - 0.5
    u, v, one = to_face.unbind(-2)
    spread = widening[..., None] * v
    edges = torch.stack([u + spread, one - u + spread, v, one - v], -2)
    edges = edges / torch.linalg.norm(edges[..., :2], dim=-1, keepdim=True).clamp_min(1e-9)
    middle = project(to_pixel[:, :, None], (start + 0.5 * right + 0.5 * up)[..., None, :])[..., 0, 2]
    gradient = (to_face[..., :2, :2] - 0.5 * to_face[..., 2:, :2]) * middle.clamp_min(NEAR_M)[..., None, None]
    texels = torch.linalg.norm(gradient, dim=-1).detach() * size.new_tensor([TEXTURE_COLUMNS, TEXTURE_ROWS])
    return Faces(
        forms=torch.cat([edges, to_face], -2),
        detail=texels.clamp(1, 2 ** (TEXTURE_LEVELS - 1)).log2().round().long(),
        widening=widening,
        bounds=_bounds(project(to_pixel[:, :, None], corners).detach()),
        facing=facing,
        below_eye=corners[..., 0, 2] < eye[:, :, None, 2],
    )


def _bounds(seen: Tensor) -> Tensor:
    """Least and greatest u and v of what is seen of polygons, from points times depth ``(..., P, 3)``: ``(..., 4)``."""
    after = seen.roll(-1, -2)
    depth, step = seen[..., 2:], (after - seen)[..., 2:]
    share = (NEAR_M - depth) / torch.where(step == 0, torch.ones_like(step), step)
    # the corners in front of the camera, and where edges come to it from behind
    points = torch.cat([seen, seen + share * (after - seen)], -2)
    crossing = (depth < NEAR_M) != (after[..., 2:] < NEAR_M)
    counts = torch.cat([depth >= NEAR_M, crossing], -2)
    place = points[..., :2] / points[..., 2:].clamp_min(NEAR_M)
    least = place.masked_fill(~counts, math.inf).amin(-2)
    return torch.stack([least, place.masked_fill(~counts, -math.inf).amax(-2)], -1).flatten(-2)


def from_pixel(to_pixel: Tensor, start: Tensor, right: Tensor, up: Tensor) -> Tensor:
    """``(..., 3, 3)`` from (u, v, 1) of a pixel to (u, v, 1) of a face, divided by depth."""
    linear = to_pixel[..., :3]
    a, b = (linear @ right[..., None])[..., 0], (linear @ up[..., None])[..., 0]
    c = (linear @ start[..., None])[..., 0] + to_pixel[..., 3]
    rows = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -2)
    determinant = (rows[..., 0, :] * a).sum(-1)[..., None, None]
    # a face seen edge-on has none, and is not drawn
    return rows / torch.where(determinant.abs() < 1e-6, torch.ones_like(determinant), determinant)
