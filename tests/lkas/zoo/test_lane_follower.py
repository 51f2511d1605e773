"""Lane lines become a path, and a real network follows it down a real road."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lkas.perception import Assistant
from lkas.zoo.lane_follower import LaneFollower, perceive
from lkas.zoo.lane_mask import EgoLane, LaneLine
from lkas.zoo.twinlitenet import TwinLiteNet
from simulator.camera import CAMERAS
from simulator.logs.comma import read_segment
from simulator.replay import ReplayWorld
from simulator.world import DISTANCES_M


def line(*coefficients: float, far_m: float = 40.0) -> LaneLine:
    return LaneLine(torch.tensor(coefficients, dtype=torch.float64), 5.0, far_m, 30.0)


def test_path_is_the_middle_of_the_lane() -> None:
    seen = perceive([EgoLane(line(2.0, 0.02, 0, 0), line(-1.6, 0.02, 0, 0))], torch.tensor([3.6]))
    assert torch.allclose(seen.path_y_m[0], 0.2 + 0.02 * DISTANCES_M)
    assert seen.lane_prob[0].tolist() == [0.0, 0.95, 0.95, 0.0]


def test_one_line_and_the_width_are_enough() -> None:
    seen = perceive(
        [EgoLane(line(1.5, 0, 0, 0), None), EgoLane(None, line(-1.5, 0, 0, 0))], torch.tensor([3.0, 4.0])
    )
    assert torch.allclose(seen.path_y_m[:, 0], torch.tensor([0.0, 0.5], dtype=torch.float64))
    assert seen.lane_prob[:, 1:3].tolist() == [[0.95, 0.0], [0.0, 0.95]]


def test_a_line_goes_on_straight_and_less_surely_where_it_is_not_seen() -> None:
    seen = perceive([EgoLane(line(1.8, 0, 0.001, 0), line(-1.8, 0, 0.001, 0))], torch.tensor([3.6]))
    last = seen.lane_y_m[0, 1, -1]
    assert float(last) == pytest.approx(1.8 + 0.001 * 1600 + 0.08 * (192 - 40))
    assert seen.lane_std_m[0, 1, -1] > 10 * seen.lane_std_m[0, 1, 10]


def test_nothing_seen_is_finite_and_unsure() -> None:
    seen = perceive([EgoLane(None, None)], torch.tensor([3.6]))
    assert torch.equal(seen.path_y_m, torch.zeros(1, 33, dtype=torch.float64))
    assert (seen.path_std_m >= 10).all()


def test_it_is_an_assistant() -> None:
    follower = LaneFollower(TwinLiteNet().eval())
    assert isinstance(follower, Assistant)
    assert follower.cameras == ("wide",)


@pytest.mark.slow
def test_follows_a_real_lane(data: Path) -> None:
    """Half a second at 35 m/s on the motorway of the dirty-road-patch evaluation."""
    segment = read_segment(data / "drp_sc1/data/scenarios/highway/sc1")
    world = ReplayWorld(segment, (CAMERAS["wide"],), hood_row=640)
    follower = LaneFollower(TwinLiteNet.load(data / "twinlitenet/best.pth"))
    follower.reset(1)
    seen = world.reset(0)
    for _ in range(10):
        decision = follower(seen)
        assert decision.perception.lane_prob[0, 1:3].min() > 0.9
        seen = world.step(decision.command)
    assert abs(float(seen.truth.offset_m)) < 0.2
    assert not bool(seen.truth.finished)
