"""Lane lines are found where they were painted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.zoo.lane_mask import EgoLane, fit_ego_lane, fit_lane_lines
from lkas.zoo.twinlitenet import TwinLiteNet
from simulator.camera import CAMERAS, Camera

WIDE = CAMERAS["wide"]
X_M = torch.tensor([6.0, 10.0, 20.0, 40.0], dtype=torch.float64)


def paint(camera: Camera, lines: list[tuple[float, float, float]], dash_m: float = 100.0) -> Tensor:
    """A picture of lane-line probability with lines ``y = a + b x + c x**2``, dashes of 3 m every ``dash_m``."""
    picture = np.zeros((camera.height, camera.width), np.float32)
    for a, b, c in lines:
        x = torch.arange(2.0, 90.0, 0.25)
        u, v, depth = camera.project(torch.stack([x, a + b * x + c * x**2, torch.zeros_like(x)], -1))
        points = torch.stack([u, v], -1).mul(16).round().int().numpy()
        for i in range(len(x) - 1):
            if depth[i] > 1 and (dash_m >= 100 or x[i] % dash_m < 3):
                # OpenCV has pixel centres at integers, we have them at halves
                cv2.line(picture, points[i] - 8, points[i + 1] - 8, 1.0, 6, cv2.LINE_AA, shift=4)
    return torch.from_numpy(picture)


def truth(line: tuple[float, float, float]) -> Tensor:
    return line[0] + line[1] * X_M + line[2] * X_M**2


@pytest.mark.parametrize("curvature", [0.0, 0.004, -0.012])
@pytest.mark.parametrize("heading", [0.0, 0.06])
def test_lines_are_found_where_they_are(heading: float, curvature: float) -> None:
    lines = [(offset, heading, curvature / 2) for offset in (5.2, 1.5, -2.1, -5.8)]
    lane = fit_ego_lane(paint(WIDE, lines), WIDE)
    assert lane.left is not None
    assert lane.right is not None
    tolerance = torch.tensor([0.05, 0.05, 0.1, 0.3], dtype=torch.float64)
    assert ((lane.left.y_at(X_M) - truth(lines[1])).abs() < tolerance).all()
    assert ((lane.right.y_at(X_M) - truth(lines[2])).abs() < tolerance).all()


def test_dashes_are_one_line() -> None:
    lines = fit_lane_lines(paint(WIDE, [(1.8, 0.0, 0.0)], dash_m=12.0), WIDE)
    assert len(lines) == 1
    assert lines[0].seen_m < 0.8 * (lines[0].far_m - lines[0].near_m)
    assert abs(float(lines[0].y_at(torch.tensor(20.0))) - 1.8) < 0.1


def test_a_single_dash_goes_on_like_the_other_line() -> None:
    bend = 1 / 60 / 2
    picture = paint(WIDE, [(-1.8, 0.0, bend)])
    dash = paint(WIDE, [(1.7, 0.0, bend)])
    _, first, _ = WIDE.project(torch.tensor([8.5, 2.0, 0.0]))
    dash[: int(first)] = 0
    lane = fit_ego_lane(torch.maximum(picture, dash), WIDE)
    assert lane.left is not None
    assert lane.left.far_m < 9
    assert abs(float(lane.left.y_at(X_M)[2]) - (1.7 + bend * 400)) < 0.4


def test_parting_lines_are_both_found() -> None:
    lines = fit_lane_lines(paint(WIDE, [(1.6, 0.05, 0.0), (-1.9, -0.05, 0.0)]), WIDE)
    assert [round(float(line.y_at(torch.tensor(10.0))), 1) for line in lines] == [-2.4, 2.1]


def test_lines_seen_at_different_distances_are_both_found() -> None:
    picture = paint(WIDE, [(1.6, 0.05, 0.0), (-1.9, -0.03, 0.0)])
    picture[:400, 640:] = 0  # the right one ends at some ten metres
    picture[400:, :640] = 0  # the left one begins there
    assert [round(float(line.y_at(torch.tensor(11.5)))) for line in fit_lane_lines(picture, WIDE)] == [-2, 2]


def test_a_bar_across_the_road_is_no_lane_line() -> None:
    picture = torch.zeros(WIDE.height, WIDE.width)
    picture[450:470, 300:1000] = 1.0
    assert fit_ego_lane(picture, WIDE) == EgoLane(None, None)


def test_nothing_is_found_in_nothing() -> None:
    assert fit_ego_lane(torch.zeros(WIDE.height, WIDE.width), WIDE) == EgoLane(None, None)


def test_gradient_pulls_a_line_towards_new_probability() -> None:
    picture = paint(WIDE, [(1.8, 0.0, 0.0)]).requires_grad_()
    (line,) = fit_lane_lines(picture, WIDE)
    line.y_at(torch.tensor(15.0)).backward()
    assert picture.grad is not None
    u, v, _ = (int(value) for value in WIDE.project(torch.tensor([15.0, 1.8, 0.0])))
    assert picture.grad[v, u - 8] > 0  # left in the picture is left on the road
    assert picture.grad[v, u + 8] < 0


def test_real_lane_on_a_real_road(data: Path) -> None:
    """The lane of an American highway is 3.7 m wide; the camera's focal length and horizon are estimates."""
    network = TwinLiteNet.load(data / "twinlitenet" / "best.pth")
    image = cv2.imread(str(data / "udacity_lanelines/test_images/solidYellowCurve.jpg"))[..., ::-1]
    camera = Camera("estimate", 960, 540, 800.0, 800.0, 480.0, 312.0)
    with torch.no_grad():
        _, seen = network.probabilities(torch.from_numpy(np.ascontiguousarray(image))[None])
    lane = fit_ego_lane(seen[0], camera)
    assert lane.left is not None
    assert lane.right is not None
    width = lane.left.y_at(X_M) - lane.right.y_at(X_M)
    torch.testing.assert_close(width, torch.full_like(width, 3.7), atol=0.2, rtol=0)
