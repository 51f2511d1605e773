"""Boxes drawn into a rendered image, with the shadows that they cast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from simulator.camera import Camera
from simulator.faces import NEAR_M, Faces, from_pixel, project, project_faces, projections
from simulator.geometry import rotate
from simulator.looks import LOOKS, Solid, Textures, textures
from simulator.objects import Boxes
from simulator.weather import Light
from simulator.world import VehicleState

FARTHEST_M = 300.0
"""Boxes beyond are a few pixels, and not drawn."""

_ALL = slice(None)
_RIM_PX = 4
_SHADOW_M = 0.35
"""Half the width of a shadow's soft edge."""

_SUN_SHARE = 0.6
"""What the sun alone gives of a clear day's light."""

_BEAM_M = 18.0
_LAMP = 1.4
_UNIT_BOX = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)]
_PAIRS = list(combinations(range(12), 2))


def draw_boxes(
    image: Tensor,
    boxes: Boxes,
    cameras: Camera | Sequence[Camera],
    state: VehicleState,
    lights: Sequence[Light],
) -> Tensor:
    """Draw boxes over a rendered image, the far ones first.

    Call it when road and sky, fog included, are in the image, and before noise. Edges are anti-aliased by their exact
    distance to every pixel's centre, so that the image is differentiable in the poses of the car and of the boxes.

    Args:
        image: ``(N, 3, H, W)`` float in [0, 1], RGB.
        boxes: of N worlds.
        cameras: one for all worlds, or N of them.
        state: of the car that carries the camera, N worlds.
        lights: N of them.

    Returns:
        ``(N, 3, H, W)``; the image itself where nothing is in view.
    """
    if isinstance(cameras, Camera):
        cameras = [cameras] * len(boxes)
    height, width = image.shape[-2:]
    # positions in the world may need float64; what a camera sees of them does not
    size = torch.stack([boxes.length_m, boxes.width_m, boxes.height_m], -1).to(image)
    to_pixel, eye = (t.to(image) for t in projections(boxes, cameras, state))
    color = boxes.color.to(image)
    distance = torch.linalg.norm(eye[..., :2], dim=-1)
    near = (boxes.present & (distance <= FARTHEST_M)).tolist()
    shadow = _cast(boxes, lights).to(image)
    corners = (
        size.new_tensor(_UNIT_BOX)
        * (size + size.new_tensor([2 * _SHADOW_M, 2 * _SHADOW_M, 0.0]))[..., None, :]
    )
    # where the tops throw their shadows, which the lower half of the corners stands for
    ends = corners[..., ::2, :] + functional.pad(shadow, (0, 1))[..., None, :]
    seen = project(to_pixel, torch.cat([corners, ends], -2)).tolist()
    distances = distance.tolist()
    jobs = []
    for world in range(len(boxes)):
        for k in sorted(range(len(boxes.kinds)), key=lambda k: -distances[world][k]):
            window = _window(seen[world][k], width, height) if near[world][k] else None
            if window is not None:
                jobs.append((world, k, window))
    if not jobs:
        return image
    drawn = image.clone()
    kinds = {boxes.kinds[k] for _, k, _ in jobs}
    faces = {kind: project_faces(LOOKS[kind], size, to_pixel, eye) for kind in kinds}
    paintings = {kind: textures(kind, image.dtype, image.device) for kind in kinds}
    brushes = [_Brush(drawn[world], window, distance[world, k], lights[world]) for world, k, window in jobs]
    # shadows lie on the road only, and never on a box that is drawn already
    for brush, (world, k, _) in zip(brushes, jobs, strict=True):
        brush.shade(to_pixel[world, k], size[world, k], shadow[world, k])
    for brush, (world, k, _) in zip(brushes, jobs, strict=True):
        kind = boxes.kinds[k]
        brush.paint(LOOKS[kind], faces[kind].of(world, k), paintings[kind], color[world, k])
    return drawn


def _cast(boxes: Boxes, lights: Sequence[Light]) -> Tensor:
    """From every box's footprint to the shadow of its top, in its own frame [m]: ``(N, K, 2)``, 0 without sun."""
    x, y = boxes.x_m.new_tensor([light.shadow if light.sun > 0 else (0.0, 0.0) for light in lights]).T
    ahead, left = rotate(boxes.height_m * x[:, None], boxes.height_m * y[:, None], -boxes.yaw_rad)
    return torch.stack([ahead, left], -1)


def _window(seen: list[list[float]], width: int, height: int) -> tuple[int, int, int, int] | None:
    """Rows and columns (top, bottom, left, right) that a box may touch, from its corners; None if out of view."""
    points = [p for p in seen if p[2] >= NEAR_M]
    # lines inside the box and its shadow do no harm
    for a, b in _PAIRS if 0 < len(points) < len(seen) else ():
        (au, av, ad), (bu, bv, bd) = seen[a], seen[b]
        if (ad < NEAR_M) != (bd < NEAR_M):
            t = (NEAR_M - ad) / (bd - ad)
            points.append([au + t * (bu - au), av + t * (bv - av), NEAR_M])
    if not points:
        return None
    us, vs = [p[0] / p[2] for p in points], [p[1] / p[2] for p in points]
    left, right = max(int(min(us)) - 1, 0), min(int(max(us)) + 2, width)
    top, bottom = max(int(min(vs)) - 1, 0), min(int(max(vs)) + 2, height)
    return (top, bottom, left, right) if top < bottom and left < right else None


class _Brush:
    """Draws one box into its window of one image."""

    def __init__(
        self, image: Tensor, window: tuple[int, int, int, int], distance_m: Tensor, light: Light
    ) -> None:
        top, bottom, left, right = window
        self.corner = left, top
        self.target = image[:, top:bottom, left:right]
        self.columns = torch.arange(left, right, dtype=image.dtype, device=image.device) + 0.5
        self.rows = torch.arange(top, bottom, dtype=image.dtype, device=image.device)[:, None] + 0.5
        before = distance_m.clamp(max=light.fog_distance_m)
        self.clear = torch.exp(light.fog_per_m * before - light.extinction_per_m * distance_m)
        beam = 0.8 * light.headlights * (_BEAM_M / distance_m).clamp(max=1) ** 2
        self.ambient = image.new_tensor(light.ground)[:, None, None] + beam
        self.haze = (image.new_tensor(light.sky_horizon) * (1 - self.clear))[:, None, None]
        self.night, self.sun = light.headlights, light.sun

    def shade(self, to_pixel: Tensor, size: Tensor, shadow: Tensor) -> None:
        """Darken the road: beneath the box, fading out around it, and from there to where ``shadow (2,)`` ends."""
        length, width, zero = size[0], size[1], torch.zeros_like(size[2])
        start = torch.stack([-length / 2, width / 2, zero])
        right, up = torch.stack([zero, -width, zero]), torch.stack([length, zero, zero])
        u, v, inverse_depth = self._evaluate(from_pixel(to_pixel, start, right, up))
        depth = 1 / inverse_depth.clamp_min(1e-4)
        ahead, left = (v * depth - 0.5) * length, (0.5 - u * depth) * width
        dark = 0.75 * _fade(ahead.abs() - length / 2) * _fade(left.abs() - width / 2)
        if self.sun > 0:
            # a rectangle that is swept along a line is what lies in three strips
            (to_x, to_y), reach = shadow, torch.linalg.norm(shadow).clamp_min(1e-6)
            aside = (ahead * to_y - left * to_x).abs() - (length * to_y.abs() + width * to_x.abs()) / 2
            cast = _fade(aside / reach)
            for place, end, side in ((ahead, to_x, length), (left, to_y, width)):
                cast = cast * _fade((place - end / 2).abs() - (side + end.abs()) / 2)
            dark = torch.maximum(dark, _SUN_SHARE * self.sun * cast)
        dark = dark * (self.clear * (inverse_depth > 0))
        self.target.copy_(self.target.clone() * (1 - dark))

    def paint(self, solids: Sequence[Solid], faces: Faces, paintings: Textures, color: Tensor) -> None:
        """Paint the solids into the image, those first that the others hide."""
        self.crop = self.target.clone()
        facing, below_eye = faces.facing.tolist(), faces.below_eye.tolist()
        detail, bounds = faces.detail.tolist(), faces.bounds.tolist()
        order, first = [], 0
        for solid in solids:
            mine = range(first, first + len(solid.faces))
            windows = {index: self._clip(bounds[index]) for index in mine if facing[index]}
            seen = {index: window for index, window in windows.items() if window is not None}
            # from above, the lower solid is behind the upper one; from below, it is in front of it
            order.append((solid.base if below_eye[first] else 2 - solid.base, seen))
            first += len(solid.faces)
        for _, seen in sorted(order, key=lambda entry: entry[0]):
            # neighbouring faces each cover half of a pixel on their common edge, and all of it together
            canvas = self.crop.new_zeros(4, *self.crop.shape[1:])
            for index, (rows, columns) in seen.items():
                level = detail[index]
                canvas[:, rows, columns] += self._face(
                    faces.forms[index], faces.widening[index], paintings[level[0]][level[1]][index], color,
                    rows, columns,
                )  # fmt: skip
            if seen:
                rows = slice(min(r.start for r, _ in seen.values()), max(r.stop for r, _ in seen.values()))
                columns = slice(min(c.start for _, c in seen.values()), max(c.stop for _, c in seen.values()))
                total = canvas[3, rows, columns]
                surplus = total.clamp_min(1)
                below = self.crop[:, rows, columns].clone()
                self.crop[:, rows, columns] = (
                    below * (1 - total / surplus) + canvas[:3, rows, columns] / surplus
                )
        self.target.copy_(self.crop)

    def _clip(self, bounds: list[float]) -> tuple[slice, slice] | None:
        """Rows and columns of the window that a face may touch; None if it is out of sight."""
        (height, width), (left, top) = self.crop.shape[1:], self.corner
        if math.isinf(bounds[0]):
            return None
        # edges reach half a pixel further, and more where they meet at a sharp angle
        rows = slice(max(int(bounds[2]) - top - _RIM_PX, 0), min(int(bounds[3]) - top + _RIM_PX, height))
        columns = slice(max(int(bounds[0]) - left - _RIM_PX, 0), min(int(bounds[1]) - left + _RIM_PX, width))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def _face(
        self, forms: Tensor, widening: Tensor, painting: Tensor, color: Tensor, rows: slice, columns: slice
    ) -> Tensor:
        """Colour and cover of one face in a part of the window, ``(4, h, w)``, multiplied by the cover."""
        right, left, lower, upper, u, v, inverse_depth = self._evaluate(forms, rows, columns)
        inside = _inside(right, left) * _inside(lower, upper) * (inverse_depth > 0)
        depth = 1 / inverse_depth.clamp_min(1e-4)
        v = v * depth
        spread = 1 + 2 * widening * v.clamp(0, 1)
        place = torch.stack([2 * (u * depth - 0.5) / spread, 1 - 2 * v], -1)
        seen = functional.grid_sample(
            painting[None], place[None], padding_mode="border", align_corners=False
        )[0]  # fmt: skip
        fixed, coat, glow, opaque = (seen * inside).split([3, 1, 1, 1])
        rgb = (fixed + coat * color[:, None, None]) * self.ambient
        if self.night > 0:
            rgb = rgb + (_LAMP * self.night) * glow * fixed
        return torch.cat([rgb.clamp(max=1) * self.clear + self.haze * opaque, opaque])

    def _evaluate(self, forms: Tensor, rows: slice = _ALL, columns: slice = _ALL) -> Tensor:
        """``(..., 3)`` linear forms at every pixel of a part of the window, ``(..., h, w)``."""
        a, b, c = forms[..., None, None, :].unbind(-1)
        return a * self.columns[columns] + (b * self.rows[rows] + c)


def _fade(beyond_m: Tensor) -> Tensor:
    """From 1 inside a shadow to 0 outside, by how far a place lies beyond its edge."""
    return (0.5 - beyond_m / (2 * _SHADOW_M)).clamp(0, 1)


def _inside(one: Tensor, other: Tensor) -> Tensor:
    """Share of a pixel between two edges, from its signed distances [px] to both."""
    return ((one + 0.5).clamp(0, 1) + (other + 0.5).clamp(0, 1) - 1).clamp_min(0)
