"""Outputs of openpilot's models are read as openpilot reads them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.layouts import LAYOUTS
from lkas.outputs import PLAN_TIMES_S, parse
from lkas.perception import LEFT_NEAR, RIGHT_NEAR, Perception
from simulator.world import DISTANCES_M, InvalidInput


@pytest.mark.parametrize("version", LAYOUTS)
def test_every_layout_parses_to_the_same_shapes(version: str, generator: torch.Generator) -> None:
    output = torch.randn(2, LAYOUTS[version].size, generator=generator)
    outputs = parse(output)
    seen = outputs.perception
    assert seen.path_y_m.shape == seen.path_std_m.shape == (2, 33)
    assert seen.lane_y_m.shape == seen.lane_std_m.shape == (2, 4, 33)
    assert seen.lane_prob.shape == (2, 4)
    assert seen.lead_distance_m.shape == seen.lead_std_m.shape == seen.lead_prob.shape == (2,)
    assert seen.pose.shape == (2, 6)
    assert outputs.features.shape == (2, 512)
    assert (seen.path_std_m > 0).all()
    assert (seen.lane_std_m > 0).all()
    assert torch.isfinite(seen.path_y_m).all()


def test_dense_lines_are_left_positive_about_the_lane() -> None:
    layout = LAYOUTS["0.7"]
    output = torch.zeros(1, layout.size, dtype=torch.float64)
    left = torch.zeros(385, dtype=torch.float64)
    left[:192] = 0.01 * torch.arange(192)
    left[384] = 2.0
    output[:, layout.slices["left"]] = left
    seen = parse(output).perception
    assert torch.allclose(seen.lane_y_m[0, LEFT_NEAR, :-1], 1.8 + 0.01 * DISTANCES_M[:-1])
    assert torch.allclose(seen.lane_y_m[0, RIGHT_NEAR], torch.tensor(-1.8, dtype=torch.float64))
    assert torch.allclose(
        seen.lane_prob[0], torch.tensor([0.0, 0.8808, 0.5, 0.0], dtype=torch.float64), atol=1e-4
    )


def test_nothing_is_seen_beyond_the_valid_length() -> None:
    layout = LAYOUTS["0.7.3"]
    output = torch.zeros(1, layout.size)
    output[0, 384] = 50.0
    std = parse(output).perception.path_std_m[0]
    assert (std[DISTANCES_M < 48] < 1).all()
    assert (std[DISTANCES_M > 51] > 900).all()


def test_the_likeliest_plan_is_taken_and_turned_left() -> None:
    """A plan at 10 m/s along a parabola to the right, with the other four hypotheses elsewhere."""
    layout = LAYOUTS["0.8.10"]
    plans = torch.zeros(1, 5, 2 * 33 * 15 + 1, dtype=torch.float64)
    chosen = torch.zeros(33, 15, dtype=torch.float64)
    chosen[:, 0] = 10 * PLAN_TIMES_S
    chosen[:, 1] = 0.001 * chosen[:, 0] ** 2
    plans[0, 3, : 33 * 15] = chosen.flatten()
    plans[0, 3, -1] = 1.0
    output = torch.zeros(1, layout.size, dtype=torch.float64)
    output[:, layout.slices["plan"]] = plans.flatten(1)
    seen = parse(output)
    near = DISTANCES_M < 100
    expected = -0.001 * DISTANCES_M**2
    assert torch.allclose(seen.perception.path_y_m[0, near], expected[near], atol=0.02)
    assert seen.plan is not None
    assert torch.allclose(seen.plan[0, :, 1], -chosen[:, 1])


def test_a_standing_car_has_a_finite_path(generator: torch.Generator) -> None:
    layout = LAYOUTS["0.8.10"]
    output = torch.zeros(1, layout.size)
    output[:, layout.slices["plan"]] = 1e-4 * torch.randn(1, layout.fields["plan"], generator=generator)
    output.requires_grad_()
    path = parse(output).perception.path_y_m
    path.sum().backward()
    assert path.abs().max() < 1.0
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()


def test_unknown_version_or_wrong_size_is_invalid_input() -> None:
    with pytest.raises(InvalidInput, match=r"'0\.5'"):
        parse(torch.zeros(1, 1760), "0.5")
    with pytest.raises(InvalidInput, match="1724"):
        parse(torch.zeros(1, 1760), "0.6.6")


def test_golden_output_of_a_real_model(data: Path) -> None:
    golden = torch.from_numpy(np.load(data / "supercombo_golden/outputs_golden_outputs.npy"))
    outputs = parse(golden)
    nearest = outputs.perception.lane_y_m[0, :, 0]
    assert torch.allclose(nearest, torch.tensor([4.08, 1.51, -1.68, -4.35]), atol=0.01)
    assert outputs.camera_height_m is not None
    assert abs(float(outputs.camera_height_m) - 1.22) < 0.005
    assert outputs.road_edge_y_m is not None
    assert outputs.road_edge_y_m[0, 0, 0] > 4 > -4 > outputs.road_edge_y_m[0, 1, 0]


def blended_heading(seen: Perception, distance_m: float) -> Tensor:
    """Slope of openpilot 0.6's path: cubics of lines and path through their first points, weighted by confidence."""

    def slope(y: Tensor, std: Tensor) -> Tensor:
        x = DISTANCES_M.to(y)[1:]
        # points are denser near the car than the one per metre that the original fit has
        weight = (torch.gradient(DISTANCES_M.to(y))[0][1:].sqrt() / std[:, 1:])[..., None]
        rows = torch.stack([x, x**2, x**3], -1) * weight
        fit = torch.linalg.lstsq(rows, (y[:, 1:, None] - y[:, :1, None]) * weight).solution[..., 0]
        return fit @ y.new_tensor([1.0, 2 * distance_m, 3 * distance_m**2])

    left = slope(seen.lane_y_m[:, LEFT_NEAR], seen.lane_std_m[:, LEFT_NEAR])
    right = slope(seen.lane_y_m[:, RIGHT_NEAR], seen.lane_std_m[:, RIGHT_NEAR])
    path = slope(seen.path_y_m, seen.path_std_m)
    p_left, p_right = seen.lane_prob[:, LEFT_NEAR], seen.lane_prob[:, RIGHT_NEAR]
    lane = (p_left * left + p_right * right) / (p_left + p_right + 1e-4)
    either = p_left + p_right - p_left * p_right
    return either * lane + (1 - either) * path


def test_recorded_outputs_agree_with_the_steering_that_followed(data: Path) -> None:
    """Outputs of the 0.7 model on 21 attacked frames, and what its authors' planner and controller made of them."""
    logs = data / "drp_sc1/logs/highway_sc1_left"
    outputs = parse(torch.from_numpy(np.load(logs / "model_outputs_100.npy")).double())
    seen = outputs.perception
    assert torch.allclose(
        seen.lane_y_m[0, [LEFT_NEAR, RIGHT_NEAR], 0], torch.tensor([1.28, -1.96]).double(), atol=0.01
    )
    assert torch.allclose(
        seen.lane_prob[0, [LEFT_NEAR, RIGHT_NEAR]], torch.tensor([0.83, 0.79]).double(), atol=0.01
    )

    passes: list[list[float]] = []
    frame = 0
    for line in (logs / "run_patch_generation.py.log").read_text().splitlines():
        if step := re.search(r"\] (\d+): valid", line):
            frame = int(step[1])
        elif wanted := re.search(r"desired steering angle: (\S+),", line):
            if frame == 0:
                passes.append([])
            passes[-1].append(float(wanted[1]))
    optimised = [steering for steering in passes if len(steering) == 21][-1]
    replayed = [steering for steering in passes if len(steering) == 50][-1][:21]
    heading = blended_heading(seen, 15.0).numpy()
    assert np.corrcoef(heading, optimised)[0, 1] >= 0.85
    assert np.corrcoef(heading, replayed)[0, 1] >= 0.85
