"""Motion logs interpolate, extrapolate and turn into curves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulator.logs.motion import MotionLog
from simulator.world import InvalidInput


def arc(radius_m: float = 100.0, speed_mps: float = 20.0, frames: int = 100) -> MotionLog:
    time = 0.05 * np.arange(frames)
    yaw = speed_mps * time / radius_m
    return MotionLog(
        time,
        radius_m * np.sin(yaw),
        radius_m * (1 - np.cos(yaw)),
        yaw,
        np.full(frames, speed_mps),
        np.zeros(frames),
    )


def test_straight_log_rolls_evenly() -> None:
    state = MotionLog.straight(10.0, 21).at(torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64))
    assert torch.allclose(state.x_m, torch.tensor([0.0, 5.0, 20.0], dtype=torch.float64))
    assert torch.equal(state.speed_mps, torch.full((3,), 10.0, dtype=torch.float64))


def test_recorded_frames_are_met_exactly() -> None:
    log = arc()
    state = log.at(torch.from_numpy(log.time_s))
    assert np.array_equal(state.x_m.numpy(), log.x_m)
    assert np.array_equal(state.yaw_rad.numpy(), log.yaw_rad)
    assert np.allclose(state.yaw_rate_radps.numpy(), 0.2)


def test_trace_is_its_own_road() -> None:
    log = arc()
    road = log.road("arc", 99.0)
    assert (road.length_m, road.marks) == (99.0, ())
    assert np.isnan(road.ego_lane.left_m).all()
    s, d = road.curve().to_frenet(*(torch.from_numpy(v)[None] for v in (log.x_m, log.y_m, log.arc_length())))
    assert d.abs().max() < 0.02
    assert np.allclose(s[0].numpy(), log.arc_length(), atol=0.1)
    _, _, heading, curvature = road.curve().frame_at(torch.tensor([[50.0]], dtype=torch.float64))
    assert abs(float(heading) - 0.5) < 0.01
    assert abs(float(curvature) - 0.01) < 1e-4


def test_the_middle_of_the_lane_is_the_road_where_it_is_known() -> None:
    road = arc().road("lane", 99.0, lane_m=(2.0, -1.0))
    x, y = (torch.tensor([[float(v[-1])]]) for v in (arc().x_m, arc().y_m))
    s, d = road.curve().to_frenet(x.double(), y.double(), torch.tensor([[99.0]], dtype=torch.float64))
    assert float(d) == pytest.approx(-0.5, abs=0.02)
    assert float(s) == pytest.approx(99.0 * 99.5 / 100, abs=0.1)
    assert [float(mark.offset_m[0]) for mark in road.marks] == [1.5, -1.5]


def test_driven_length_grows_with_time() -> None:
    log = arc()
    assert log.driven_m(2.0) == pytest.approx(40.0, abs=1e-3)
    assert log.driven_m(10.0) == pytest.approx(200.0, abs=1e-2)


def test_a_standing_log_has_a_road_ahead() -> None:
    x, y = (
        MotionLog.straight(0.0, 10)
        .road("standing", 100.0)
        .curve()
        .to_cartesian(*torch.tensor([[[100.0]], [[2.0]]], dtype=torch.float64))
    )
    assert (float(x), float(y)) == (100.0, 2.0)


def test_time_must_rise() -> None:
    zero = np.zeros(2)
    with pytest.raises(InvalidInput, match="time_s"):
        MotionLog(zero, zero, zero, zero, zero, zero)
    time = np.arange(2.0)
    with pytest.raises(InvalidInput, match="yaw_rad holds"):
        MotionLog(time, zero, zero, np.array([0.0, np.nan]), zero, zero)
