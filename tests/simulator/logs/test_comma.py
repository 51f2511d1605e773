"""The comma2k19 layout is read into our frames and units."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from simulator.logs.comma import read_segment
from simulator.logs.drive import RecordedDrive
from simulator.world import InvalidInput


@pytest.fixture(params=["comma2k19", "drp_sc1"])
def segment(request: pytest.FixtureRequest, data: Path) -> RecordedDrive:
    if request.param == "drp_sc1":
        return read_segment(data / "drp_sc1/data/scenarios/highway/sc1")
    return read_segment(next((data / "comma2k19_example1/Example_1").glob("*/40")))


def test_a_minute_at_twenty_hertz(segment: RecordedDrive) -> None:
    assert len(segment.motion) in (1199, 1200)
    assert np.allclose(np.diff(segment.motion.time_s), 0.05, atol=2e-3)
    assert (segment.footage.width, segment.footage.height) == (segment.camera.width, segment.camera.height)


def test_speed_is_how_fast_the_position_changes(segment: RecordedDrive) -> None:
    motion = segment.motion
    along = np.gradient(motion.arc_length(), motion.time_s)
    assert np.abs(along - motion.speed_mps).mean() < 0.1


def test_the_car_goes_where_it_points(segment: RecordedDrive) -> None:
    motion = segment.motion
    course = np.arctan2(np.gradient(motion.y_m), np.gradient(motion.x_m))
    slip = np.angle(np.exp(1j * (course - motion.yaw_rad)))
    assert np.abs(slip[motion.speed_mps > 5]).mean() < math.radians(0.5)


def test_steering_turns_the_car_the_way_it_points(segment: RecordedDrive) -> None:
    """Yaw rate of a kinematic bicycle; the logged wheel has an unknown zero, so only the variation is compared."""
    motion = segment.motion
    rate = np.gradient(motion.yaw_rad, motion.time_s)
    kinematic = motion.speed_mps * motion.steering_rad / (16.88 * 2.65)
    assert np.corrcoef(rate, kinematic)[0, 1] > 0.7


def test_the_camera_looks_down_a_little(segment: RecordedDrive) -> None:
    assert 0.05 < segment.camera.mount.pitch_rad < 0.08
    assert abs(segment.camera.mount.yaw_rad) < 0.03


def test_it_starts_at_the_origin(segment: RecordedDrive) -> None:
    state = segment.motion.at(torch.zeros(1, dtype=torch.float64))
    assert (float(state.x_m), float(state.y_m), float(state.yaw_rad)) == (0.0, 0.0, 0.0)


def test_a_folder_without_a_log_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="frame_times"):
        read_segment(tmp_path)


def test_a_broken_array_is_invalid_input(tmp_path: Path) -> None:
    (tmp_path / "global_pose").mkdir()
    (tmp_path / "global_pose/frame_times").write_text("not an array")
    with pytest.raises(InvalidInput, match="not a NumPy array"):
        read_segment(tmp_path)
