"""What is written as openpilot writes it is read back as it was."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from lkas.layouts import LAYOUTS
from lkas.outputs import ModelOutputs, parse
from lkas.packing import pack
from lkas.perception import Perception
from simulator.world import DISTANCES_M, InvalidInput


def some_outputs() -> ModelOutputs:
    """Two gently curved roads, seen a little differently."""
    x = DISTANCES_M
    curve = torch.stack([0.0005 * x**2, -0.001 * x**2 + 0.3])
    offsets = torch.tensor([5.4, 1.8, -1.9, -5.5], dtype=torch.float64)
    spread = (0.1 + 0.01 * x).expand(2, -1)
    perception = Perception(
        path_y_m=curve,
        path_std_m=spread,
        lane_y_m=curve[:, None] + offsets[:, None],
        lane_std_m=spread[:, None].expand(-1, 4, -1) * 0.5,
        lane_prob=torch.tensor([[0.1, 0.9, 0.8, 0.2], [0.3, 0.6, 0.99, 0.01]], dtype=torch.float64),
        lead_distance_m=torch.tensor([40.0, 70.0], dtype=torch.float64),
        lead_std_m=torch.tensor([2.0, 5.0], dtype=torch.float64),
        lead_prob=torch.tensor([0.2, 0.7], dtype=torch.float64),
        pose=torch.tensor([[20.0, 0.1, -0.2, 0.01, -0.02, 0.03]] * 2, dtype=torch.float64),
    )
    return ModelOutputs(
        perception,
        features=torch.arange(1024.0, dtype=torch.float64).reshape(2, 512),
        road_edge_y_m=torch.stack([curve + 7, curve - 7], 1),
        road_edge_std_m=torch.stack([spread, spread], 1),
        desired_curvature_per_m=torch.tensor([0.001, -0.002], dtype=torch.float64),
        camera_height_m=torch.tensor([1.22, 1.3], dtype=torch.float64),
    )


@pytest.mark.parametrize("version", [name for name, layout in LAYOUTS.items() if layout.plan_columns])
def test_round_trip_is_exact_from_0_8(version: str) -> None:
    outputs = some_outputs()
    again = parse(pack(outputs, version), version)
    for field in dataclasses.fields(Perception):
        torch.testing.assert_close(
            getattr(again.perception, field.name),
            getattr(outputs.perception, field.name),
            atol=2e-4,
            rtol=2e-4,
        )
    assert torch.equal(again.features, outputs.features)
    assert again.road_edge_y_m is not None
    torch.testing.assert_close(again.road_edge_y_m, outputs.road_edge_y_m)
    if "road_transform" in LAYOUTS[version].fields:
        torch.testing.assert_close(again.camera_height_m, outputs.camera_height_m)
        torch.testing.assert_close(again.desired_curvature_per_m, outputs.desired_curvature_per_m)


@pytest.mark.parametrize("version", [name for name, layout in LAYOUTS.items() if not layout.plan_columns])
def test_round_trip_up_to_0_7_3_keeps_what_it_has_room_for(version: str) -> None:
    """Every metre instead of ``DISTANCES_M``: a parabola is off by the sagitta of its chords."""
    seen = some_outputs().perception
    again = parse(pack(some_outputs(), version), version).perception
    within: Tensor = DISTANCES_M < 190
    torch.testing.assert_close(again.path_y_m[:, within], seen.path_y_m[:, within], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(
        again.lane_y_m[:, 1:3, within], seen.lane_y_m[:, 1:3, within], atol=2e-3, rtol=2e-3
    )
    torch.testing.assert_close(again.path_std_m[:, within], seen.path_std_m[:, within], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(again.lane_prob[:, 1:3], seen.lane_prob[:, 1:3], atol=1e-4, rtol=0)
    torch.testing.assert_close(again.lead_distance_m, seen.lead_distance_m)
    torch.testing.assert_close(again.lead_std_m, seen.lead_std_m)
    if "pose" in LAYOUTS[version].fields:
        torch.testing.assert_close(again.pose, seen.pose)


def test_gradients_pass_through() -> None:
    outputs = some_outputs()
    path = outputs.perception.path_y_m.clone().requires_grad_()
    seen = dataclasses.replace(outputs.perception, path_y_m=path)
    again = parse(pack(dataclasses.replace(outputs, perception=seen), "0.9.6"))
    again.perception.path_y_m.sum().backward()
    assert path.grad is not None
    torch.testing.assert_close(path.grad, torch.ones_like(path), atol=1e-3, rtol=0)


def test_unknown_version_is_invalid_input() -> None:
    with pytest.raises(InvalidInput, match=r"'1\.0'"):
        pack(some_outputs(), "1.0")
