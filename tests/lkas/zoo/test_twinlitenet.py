"""TwinLiteNet: the architecture fits the published weights, and sees lanes on real roads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.zoo.twinlitenet import PositionAttention, TwinLiteNet
from simulator.world import InvalidInput


@pytest.fixture(scope="module")
def network(data: Path) -> TwinLiteNet:
    return TwinLiteNet.load(data / "twinlitenet" / "best.pth")


def read_rgb(path: Path) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(cv2.imread(str(path))[None, ..., ::-1]))


def test_names_and_shapes_are_the_published_ones(data: Path) -> None:
    lines = (data / "twinlitenet" / "state_dict_keys.txt").read_text().splitlines()
    published = dict(line.removeprefix("module.").split(" ", 1) for line in lines)
    assert {name: str(tuple(value.shape)) for name, value in TwinLiteNet().state_dict().items()} == published


def test_parameter_count_is_the_published_one() -> None:
    assert sum(p.numel() for p in TwinLiteNet().parameters()) == 439_633


def test_output_has_the_size_of_the_input() -> None:
    drivable, lane = TwinLiteNet().eval()(torch.rand(2, 3, 40, 64))
    assert drivable.shape == lane.shape == (2, 2, 40, 64)


def test_frames_of_any_size_are_brought_to_the_input_size() -> None:
    shown = []

    class Watched(TwinLiteNet):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            shown.append(tuple(x.shape))
            return super().forward(x)

    frames = torch.randint(0, 256, (1, 50, 90, 3), dtype=torch.uint8)
    for network, size in ((Watched((40, 64)), (40, 64)), (Watched(), (360, 640))):
        with torch.no_grad():
            drivable, lane = network.eval().probabilities(frames)
        assert shown.pop() == (1, 3, *size)
        assert drivable.shape == lane.shape == (1, 50, 90)


def test_uniform_attention_averages_over_places() -> None:
    attention = PositionAttention(8)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        attention.gamma.fill_(1.0)
        attention.value_conv.weight.copy_(torch.eye(8)[..., None, None])
    x = torch.rand(1, 8, 4, 5)
    torch.testing.assert_close(attention(x), x + x.mean((2, 3), keepdim=True))


def test_missing_or_foreign_file_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"best\.pth"):
        TwinLiteNet.load(tmp_path / "nothing.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "foreign.pth")
    with pytest.raises(InvalidInput, match=r"foreign\.pth"):
        TwinLiteNet.load(tmp_path / "foreign.pth")


def test_no_weight_is_denormal(network: TwinLiteNet) -> None:
    smallest = torch.finfo(torch.float32).tiny
    for value in network.state_dict().values():
        assert not ((value.abs() < smallest) & (value != 0)).any()


def test_sees_the_lane_as_in_the_published_demo(network: TwinLiteNet, data: Path) -> None:
    """The lower right quarter of the demo is this image at 640 x 360, with lane pixels in pure red."""
    with torch.no_grad():
        _, lane = network.probabilities(read_rgb(data / "udacity_lanelines/test_images/solidWhiteRight.jpg"))
    demo = read_rgb(data / "twinlitenet" / "demo_overlay.png")[0, 360:, 640:].int()
    painted = (demo - torch.tensor([255, 0, 0])).abs().sum(-1) < 30
    seen = torch.nn.functional.interpolate(lane[None], (360, 640), mode="bilinear")[0, 0] > 0.5
    assert (painted & seen).sum() / (painted | seen).sum() > 0.85
