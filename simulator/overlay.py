"""Pictures for people: what a driver sees and believes, drawn over a camera frame, and the same from above.

Convention: paths and lane lines are lateral positions [m, positive left] at ``simulator.world.DISTANCES_M`` ahead, in
the frame of the camera's foot, as plain arrays, so that a recording can be drawn like a live world. Images are
``(H, W, 3) uint8 RGB``; functions give back new ones.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from simulator.camera import Camera
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.roads.road import LEAD_IN_M, STEP_M, LaneMark, Road
from simulator.world import DISTANCES_M

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Color = tuple[int, int, int]

PATH_COLOR: Color = (40, 214, 170)
LANE_COLOR: Color = (255, 196, 64)
CAR_COLOR: Color = (236, 240, 244)
LEAD_COLOR: Color = (232, 92, 80)
_PAINT: dict[str, Color] = {"yellow": (232, 196, 72), "white": (224, 226, 228), "standard": (224, 226, 228)}
_VERGE, _ASPHALT, _LANE = (66, 84, 62), (70, 72, 76), (84, 86, 91)

_FARTHEST_M = 90.0
_PATH_WIDTH_M, _LINE_WIDTH_M = 1.7, 0.07
_SUBPIXEL = 4
"""cv2 takes fixed-point coordinates: this many binary digits after the point."""


def draw_sight(
    frame: Image,
    camera: Camera,
    path_y_m: Array,
    lane_y_m: Array,
    lane_prob: Array,
) -> Image:
    """Draw a believed path as a ribbon and believed lane lines, the fainter the less probable.

    Args:
        frame: of ``camera``.
        camera: whose frame it is.
        path_y_m: ``(33,)``.
        lane_y_m: ``(4, 33)``; NaN where there is none.
        lane_prob: ``(4,)`` in [0, 1].
    """
    x = _fine_distances()
    picture = frame.copy()
    picture = _ribbon(picture, camera, x, _resample(path_y_m, x), _PATH_WIDTH_M, PATH_COLOR, (0.12, 0.45))
    for line, prob in zip(lane_y_m, lane_prob, strict=True):
        opacity = 0.9 * float(np.clip(prob, 0, 1))
        picture = _ribbon(
            picture, camera, x, _resample(line, x), _LINE_WIDTH_M, LANE_COLOR, (opacity, opacity)
        )
    return picture


def birds_eye(
    road: Road,
    pose: tuple[float, float, float],
    s_m: float,
    path_y_m: Array,
    lane_y_m: Array,
    lane_prob: Array,
    lead_distance_m: float = np.inf,
    size: tuple[int, int] = (260, 400),
) -> Image:
    """The road from above, the car near the lower edge and looking up.

    Args:
        road: the map.
        pose: x [m], y [m] and yaw [rad] of the rear axle.
        s_m: where along the road that is.
        path_y_m: ``(33,)`` believed path.
        lane_y_m: ``(4, 33)`` believed lane lines; NaN where there is none.
        lane_prob: ``(4,)``.
        lead_distance_m: gap to the car ahead, infinite for none.
        size: width and height of the picture [px].
    """
    view = _PlanView(size)
    picture = np.full((size[1], size[0], 3), _VERGE, np.uint8)
    first = max(int((s_m - view.behind_m - 5 + LEAD_IN_M) / STEP_M), 0)
    last = min(int((s_m + view.ahead_m + 15 + LEAD_IN_M) / STEP_M), len(road.x_m))
    part = slice(first, max(last, first + 2))
    for lane in road.lanes:
        color = _LANE if lane is road.ego_lane else _ASPHALT
        borders = [_in_car(road, part, pose, profile[part]) for profile in (lane.left_m, lane.right_m)]
        exists = np.isfinite(lane.left_m[part]) & np.isfinite(lane.right_m[part])
        for run in _runs(exists):
            outline = np.concatenate([borders[0][run], borders[1][run][::-1]])
            cv2.fillPoly(picture, [_fixed(view.pixels(outline))], color, cv2.LINE_AA, _SUBPIXEL)
    for mark in road.marks:
        painted = np.isfinite(mark.offset_m[part]) & _painted(mark, road.s_m[part])
        line = _in_car(road, part, pose, mark.offset_m[part])
        thickness = max(1, round(mark.width_m * view.px_per_m))
        for run in _runs(painted):
            points = [_fixed(view.pixels(line[run]))]
            cv2.polylines(
                picture,
                points,
                False,
                _PAINT.get(mark.color, _PAINT["white"]),
                thickness,
                cv2.LINE_AA,
                _SUBPIXEL,
            )
    x = _fine_distances()
    for line, prob in zip(lane_y_m, lane_prob, strict=True):
        if prob > 0.05:
            layer = picture.copy()
            view.polyline(layer, x + CAMERA_FOOT_M, _resample(line, x), LANE_COLOR, 1)
            picture = _blend(picture, layer, float(np.clip(prob, 0, 1)))
    path = _resample(path_y_m, x)
    view.polyline(picture, x + CAMERA_FOOT_M, path, PATH_COLOR, 2)
    if np.isfinite(lead_distance_m):
        view.car(picture, 3.6 + lead_distance_m, float(np.interp(lead_distance_m, x, path)), LEAD_COLOR)
    view.car(picture, -1.0, 0.0, CAR_COLOR)
    return picture


def place_inset(frame: Image, inset: Image, margin_px: int = 16) -> Image:
    """Put a small picture with a thin border into the upper right corner, shrunk if the frame is too small for it."""
    room = frame.shape[0] - 2 * margin_px
    scale = min(1.0, room / inset.shape[0], 0.4 * frame.shape[1] / inset.shape[1])
    if scale < 1.0:
        wanted = (max(int(inset.shape[1] * scale), 1), max(int(inset.shape[0] * scale), 1))
        inset = np.asarray(cv2.resize(inset, wanted, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = inset.shape[:2]
    picture = frame.copy()
    place = np.s_[
        margin_px : margin_px + height, frame.shape[1] - margin_px - width : frame.shape[1] - margin_px
    ]
    picture[place] = inset
    corner = (frame.shape[1] - margin_px - width, margin_px)
    opposite = (frame.shape[1] - margin_px - 1, margin_px + height - 1)
    cv2.rectangle(picture, corner, opposite, (20, 22, 24), 1)
    return picture


class _PlanView:
    """Scale of the picture from above: metres of the car's frame to pixels."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.width, self.height = size
        self.behind_m, self.ahead_m = 8.0, 62.0
        self.px_per_m = self.height / (self.behind_m + self.ahead_m)

    def pixels(self, points: Array) -> Array:
        """``(P, 2)`` x forward, y left to u right, v down."""
        u = self.width / 2 - points[:, 1] * self.px_per_m
        v = self.height - (points[:, 0] + self.behind_m) * self.px_per_m
        return np.stack([u, v], 1)

    def polyline(self, picture: Image, x_m: Array, y_m: Array, color: Color, thickness: int) -> None:
        points = np.stack([x_m, y_m], 1)
        points = self.pixels(points[np.isfinite(y_m)])
        cv2.polylines(picture, [_fixed(points)], False, color, thickness, cv2.LINE_AA, _SUBPIXEL)

    def car(self, picture: Image, rear_m: float, y_m: float, color: Color) -> None:
        """A car of 4.6 m x 1.9 m with a windscreen, its rear bumper at ``rear_m``."""
        body = np.array([[0, -0.95], [0, 0.95], [4.2, 0.95], [4.6, 0.7], [4.6, -0.7], [4.2, -0.95]])
        glass = np.array([[2.6, -0.75], [2.6, 0.75], [3.3, 0.8], [3.3, -0.8]])
        for outline, paint in ((body, color), (glass, (40, 46, 54))):
            points = self.pixels(outline + np.array([rear_m, y_m]))
            cv2.fillPoly(picture, [_fixed(points)], paint, cv2.LINE_AA, _SUBPIXEL)


def _fine_distances() -> Array:
    """Denser than the 33 distances, so that curves look like curves."""
    return np.arange(0.0, _FARTHEST_M, 0.5)


def _resample(y_m: Array, x: Array) -> Array:
    return np.interp(x, DISTANCES_M.numpy(), np.asarray(y_m, np.float64))


def _image_of(camera: Camera, x: Array, y: Array) -> Array:
    """Pixels ``(P, 2)`` of points on the road, those from the lower edge of the image on."""
    points = torch.from_numpy(np.stack([x, y, np.zeros_like(x)], 1))
    u, v, depth = (t.numpy() for t in camera.project(points))
    seen = (depth > 0.5) & np.isfinite(u) & np.isfinite(v) & (v < 2 * camera.height)
    return np.stack([u, v], 1)[seen]


def _ribbon(
    picture: Image,
    camera: Camera,
    x: Array,
    y: Array,
    width_m: float,
    color: Color,
    opacity: tuple[float, float],
) -> Image:
    """Lay a strip on the road; its opacity goes from the first figure at the far end to the second one here."""
    left, right = _image_of(camera, x, y + width_m / 2), _image_of(camera, x, y - width_m / 2)
    if min(len(left), len(right)) < 2 or max(opacity) < 0.03:
        return picture
    layer = picture.copy()
    cv2.fillPoly(layer, [_fixed(np.concatenate([left, right[::-1]]))], color, cv2.LINE_AA, _SUBPIXEL)
    for edge in (left, right):
        cv2.polylines(layer, [_fixed(edge)], False, color, 1, cv2.LINE_AA, _SUBPIXEL)
    far, near = float(left[-1, 1]), float(picture.shape[0])
    share = np.clip((np.arange(picture.shape[0]) - far) / max(near - far, 1.0), 0, 1)
    weight = (opacity[0] + (opacity[1] - opacity[0]) * np.sqrt(share)).astype(np.float32)[:, None, None]
    return np.asarray(picture + weight * (layer.astype(np.float32) - picture) + 0.5, np.uint8)


def _blend(below: Image, above: Image, share: float) -> Image:
    return np.asarray(cv2.addWeighted(above, share, below, 1 - share, 0), np.uint8)


def _fixed(points: Array) -> NDArray[np.int32]:
    # a pixel's centre is at 0.5 here and at 0 in cv2
    limited = np.clip(points - 0.5, -30000, 30000)
    return np.round(limited * (1 << _SUBPIXEL)).astype(np.int32)


def _in_car(road: Road, part: slice, pose: tuple[float, float, float], d_m: Array) -> Array:
    """``(P, 2)`` points beside the road's reference line, in the frame of the rear axle."""
    heading = road.heading_rad[part]
    x = road.x_m[part] - d_m * np.sin(heading) - pose[0]
    y = road.y_m[part] + d_m * np.cos(heading) - pose[1]
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return np.stack([cos * x + sin * y, cos * y - sin * x], 1)


def _painted(mark: LaneMark, s_m: Array) -> NDArray[np.bool_]:
    """Where a mark has paint along its way."""
    if mark.kind == "none":
        return np.zeros(len(s_m), bool)
    if "broken" not in mark.kind or "solid" in mark.kind:
        return np.ones(len(s_m), bool)
    return np.asarray(np.mod(s_m, mark.dash_m + mark.gap_m) < mark.dash_m)


def _runs(mask: NDArray[np.bool_]) -> list[slice]:
    """Stretches of at least two samples on which a mask holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
