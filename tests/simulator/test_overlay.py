"""Overlays: what is drawn lands where the camera sees it, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulator.camera import CAMERAS
from simulator.overlay import (
    CAR_COLOR,
    LANE_COLOR,
    LEAD_COLOR,
    PATH_COLOR,
    birds_eye,
    draw_sight,
    place_inset,
)
from simulator.roads.layout import LaneLayout
from simulator.roads.road import Road
from simulator.roads.segments import Arc, Line, build_road
from simulator.world import DISTANCES_M

X = DISTANCES_M.numpy()
WIDE = CAMERAS["wide"]
NO_LINES = np.full((4, 33), np.nan)


def _is(image: np.ndarray, color: tuple[int, int, int], tolerance: int = 40) -> np.ndarray:
    return np.asarray((np.abs(image.astype(int) - color) < tolerance).all(-1))


@pytest.fixture(scope="module")
def straight() -> Road:
    return build_road("straight", [Line(200.0)], LaneLayout.one_way(2, 0))


def test_lane_lines_are_drawn_where_the_camera_projects_them() -> None:
    frame = np.zeros((WIDE.height, WIDE.width, 3), np.uint8)
    lines = np.stack([np.full(33, y) for y in (5.4, 1.8, -1.8, -5.4)])
    picture = draw_sight(frame, WIDE, np.full(33, np.nan), lines, np.array([0.0, 1.0, 0.0, 0.0]))
    u, v, _ = WIDE.project(torch.tensor([12.0, 1.8, 0.0]))
    row = _is(picture[int(v)], LANE_COLOR)
    assert np.flatnonzero(row).mean() + 0.5 == pytest.approx(float(u), abs=1.0)


def test_an_improbable_line_is_fainter_and_an_absent_one_is_not_drawn() -> None:
    frame = np.zeros((WIDE.height, WIDE.width, 3), np.uint8)
    path = np.full(33, np.nan)
    lines = np.stack([np.full(33, y) for y in (5.4, 1.8, -1.8, -5.4)])
    lines[0] = np.nan
    sums = [
        int(draw_sight(frame, WIDE, path, lines, np.array(prob)).sum())
        for prob in ([0.0, 1.0, 0.0, 0.0], [0.0, 0.4, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    ]
    assert sums[0] > sums[1] > sums[2] == 0


def test_the_path_covers_the_road_ahead_and_leaves_the_sky_and_the_frame_given() -> None:
    frame = np.full((WIDE.height, WIDE.width, 3), 90, np.uint8)
    picture = draw_sight(frame, WIDE, 0.002 * X**2, NO_LINES, np.zeros(4))
    assert (frame == 90).all()
    assert (picture[: int(WIDE.cy)] == 90).all()
    u, v, _ = WIDE.project(torch.tensor([10.0, 0.2, 0.0]))
    assert picture[int(v), int(u), 1] > picture[int(v), int(u), 0] + 10


def test_birds_eye_shows_road_car_path_and_lead(straight: Road) -> None:
    pose = (float(straight.x_m[200]), float(straight.y_m[200]), float(straight.heading_rad[200]))
    s = float(straight.s_m[200])
    picture = birds_eye(straight, pose, s, np.zeros(33), NO_LINES, np.zeros(4), lead_distance_m=20.0)
    height, width = picture.shape[:2]
    middle = width // 2
    car_rows = np.flatnonzero(_is(picture[:, middle], CAR_COLOR))
    lead_rows = np.flatnonzero(_is(picture[:, middle], LEAD_COLOR))
    px_per_m = height / 70
    assert car_rows.min() - lead_rows.max() == pytest.approx(20 * px_per_m, abs=3)
    assert _is(picture[height // 4, middle], PATH_COLOR)
    # the ego lane is the left one of two: more road to the right than to the left
    verge = _is(picture[height // 2], tuple(int(c) for c in picture[0, 0]), 6)
    left, right = np.flatnonzero(~verge)[[0, -1]]
    assert right - middle > middle - left + 2 * px_per_m


@pytest.mark.parametrize("start", [0, 100, 400])
def test_birds_eye_turns_with_the_car(start: int) -> None:
    """On a circle every place looks the same from the car."""
    road = build_road("arc", [Arc(400.0, 120.0)], LaneLayout.one_way(1, 0))
    first = 160 + start
    pictures = [
        birds_eye(
            road,
            (float(road.x_m[i]), float(road.y_m[i]), float(road.heading_rad[i])),
            float(road.s_m[i]),
            X**2 / 240,
            NO_LINES,
            np.zeros(4),
        )
        for i in (160, first)
    ]
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 1.0


def test_the_road_may_end_within_the_picture(straight: Road) -> None:
    end = len(straight.x_m) - 1
    pose = (float(straight.x_m[end]), float(straight.y_m[end]), float(straight.heading_rad[end]))
    picture = birds_eye(straight, pose, float(straight.s_m[end]), np.zeros(33), NO_LINES, np.zeros(4))
    assert picture.shape == (400, 260, 3)


@pytest.mark.parametrize("shape", [(720, 1280), (256, 512), (64, 100)])
def test_inset_fits_into_the_upper_right_corner(shape: tuple[int, int]) -> None:
    frame = np.zeros((*shape, 3), np.uint8)
    inset = np.full((400, 260, 3), 200, np.uint8)
    picture = place_inset(frame, inset)
    rows, columns = np.nonzero(picture.any(-1))
    assert picture.shape == frame.shape
    assert columns.min() > shape[1] // 2
    assert rows.min() == 16
    assert columns.max() == shape[1] - 17
