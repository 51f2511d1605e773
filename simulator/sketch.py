"""What a recording looks like as lines and surfaces: for viewers and films, which only have to draw them.

Convention: positions ``s_m`` along a road and ``d_m`` to its left become points in the road's frame (ISO 8855, x and y
in metres). Lines on the road ahead are in the frame of the camera's foot, pixels as in
`simulator.camera.Camera.project`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from simulator.camera import Camera
from simulator.recording import Recording
from simulator.roads.ahead import CAMERA_FOOT_M

Array = NDArray[np.float64]

FARTHEST_M = 80.0
OUTLINE_POINTS = 40
FINER = 8
"""Into how many pieces what lies between two points is cut to find the borders of the picture."""


SHOWN_CAMERAS = ("wide", "model")
"""Whose pictures are shown, the first that was recorded."""


@dataclass(frozen=True)
class Surface:
    """A surface of triangles.

    Attributes:
        points: ``(V, 2)`` m.
        triangles: ``(F, 3)`` indices of points.
    """

    points: Array
    triangles: NDArray[np.int64]


@dataclass(frozen=True)
class Belief:
    """What the driver believed at an instant.

    Attributes:
        path: ``(K, 2)`` in the foot's frame.
        lanes: ``(K, 2)`` each, the lane lines that there are.
        probabilities: one a lane line.
    """

    path: Array
    lanes: list[Array]
    probabilities: list[float]


def shown_camera(recording: Recording) -> str | None:
    """The camera whose pictures are shown, channel ``frames/...``; None if none were recorded."""
    return next((name for name in SHOWN_CAMERAS if f"frames/{name}" in recording.images), None)


def beside(recording: Recording, s_m: Array, d_m: Array) -> Array:
    """``(K, 3)`` x, y and heading beside the road's reference line."""
    x_m, y_m = (np.interp(s_m, recording["road/s_m"], recording[f"road/{name}"]) for name in ("x_m", "y_m"))
    heading = np.interp(s_m, recording["road/s_m"], np.unwrap(recording["road/heading_rad"]))
    return np.stack([x_m - d_m * np.sin(heading), y_m + d_m * np.cos(heading), heading], -1)


def asphalt(recording: Recording) -> Surface:
    """Between the outermost borders of all lanes."""
    lanes = recording["road/lanes_m"].astype(np.float64)
    return _grid(
        recording, recording["road/s_m"], np.stack([np.nanmax(lanes, (0, 1)), np.nanmin(lanes, (0, 1))], 1)
    )


def patch(recording: Recording) -> Surface | None:
    """The patch, a point a cell, in the order of ``patch/brightness``; None without one."""
    if "patch/place_m" not in recording:
        return None
    rows, columns = recording["patch/brightness"].shape
    s_m, d_m, length_m, width_m = recording["patch/place_m"]
    along = s_m + (np.arange(rows) + 0.5) * length_m / rows
    across = d_m + (0.5 - (np.arange(columns) + 0.5) / columns) * width_m
    return _grid(recording, along, np.broadcast_to(across, (rows, columns)))


def patch_outline(recording: Recording) -> Array | None:
    """``(K, 2)`` the patch's border, closed; None without one."""
    if "patch/place_m" not in recording:
        return None
    s_m, d_m, length_m, width_m = recording["patch/place_m"]
    along = np.linspace(s_m, s_m + length_m, OUTLINE_POINTS)
    half = np.full(OUTLINE_POINTS, 0.5 * width_m)
    left, right = beside(recording, along, d_m + half), beside(recording, along, d_m - half)
    return np.concatenate([left, right[::-1], left[:1]])[:, :2]


def marks(recording: Recording) -> list[Array]:
    """``(K, 2)`` each, the painted stretches of all marks."""
    s_m = recording["road/s_m"]
    strips = []
    for facts, offset_m in zip(recording.meta["marks"], recording["road/marks_m"], strict=True):
        paint = np.isfinite(offset_m) & (facts["kind"] != "none")
        if "broken" in facts["kind"] and "solid" not in facts["kind"]:
            paint &= np.mod(s_m, facts["dash_m"] + facts["gap_m"]) < facts["dash_m"]
        points = beside(recording, s_m, offset_m.astype(np.float64))[:, :2]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], paint, [False]])))
        strips += [points[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]
    return strips


def clean_offset_m(recording: Recording) -> Array | None:
    """``(T,)`` offset of the car that drove without the attack, at the times of the attacked one.

    NaN after its end; None where nobody drove without an attack.
    """
    if "benign/offset_m" not in recording:
        return None
    clean, times_s = recording.channels["benign/offset_m"], recording.channels["truth/s_m"].time_s
    assert clean.time_s is not None
    assert times_s is not None
    return np.interp(times_s, clean.time_s, clean.values, right=np.nan)


def clean_way(recording: Recording) -> Array | None:
    """``(T, 3)`` poses of the car that drove without the attack; NaN or None as in `clean_offset_m`.

    It is put as far along the road as the attacked one, from which it differs in speed by nothing.
    """
    offset_m = clean_offset_m(recording)
    return None if offset_m is None else beside(recording, recording["truth/s_m"], offset_m)


def believed(recording: Recording, index: int) -> Belief:
    """What the driver believed in frame ``index``."""
    distances = recording["perception/distances_m"]
    near = distances <= FARTHEST_M

    def way(y_m: Array) -> Array:
        return np.stack([distances[near], y_m[near]], 1)

    lines = recording["perception/lane_y_m"][index], recording["perception/lane_prob"][index]
    seen = [
        (way(line), float(prob)) for line, prob in zip(*lines, strict=True) if np.isfinite(line[near]).all()
    ]
    path = way(recording["perception/path_y_m"][index])
    return Belief(path, [line for line, _ in seen], [prob for _, prob in seen])


def in_foot_frame(points: Array, pose: Array) -> Array:
    """``(K, 2)`` points of the road's frame as the camera's foot has them, the rear axle being at ``pose`` ``(3,)``."""
    x_m, y_m, yaw_rad = pose
    dx, dy = points[:, 0] - x_m, points[:, 1] - y_m
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.stack([cos * dx + sin * dy - CAMERA_FOOT_M, cos * dy - sin * dx], 1)


def in_picture(camera: Camera, way: Array) -> Array:
    """``(P, 2)`` pixels of the part of a line ``(K, 2)`` on the road that is in the picture."""
    places = np.linspace(0, len(way) - 1, FINER * (len(way) - 1) + 1)
    x_m, y_m = (np.interp(places, np.arange(len(way)), values) for values in way.T)
    points = torch.from_numpy(np.column_stack([x_m, y_m, np.zeros_like(x_m)]))
    u, v, depth = (values.numpy() for values in camera.project(points))
    inside = (u >= 0) & (u <= camera.width) & (v >= 0) & (v <= camera.height)
    return np.stack([u, v], 1)[(depth > 0.5) & inside]


def _grid(recording: Recording, s_m: Array, d_m: Array) -> Surface:
    """The surface through points at ``s_m`` ``(R,)`` and ``d_m`` ``(R, C)``."""
    rows, columns = d_m.shape
    points = beside(recording, np.repeat(s_m, columns), d_m.ravel())[:, :2]
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack([corner, corner + columns, corner + 1], 1)
    lower = np.stack([corner + 1, corner + columns, corner + columns + 1], 1)
    return Surface(points, np.concatenate([upper, lower]))
