"""The comma2k19 layout is read into our frames and units."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
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


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A second at 10 m/s on the equator, to the east; a raw stream of pictures beside it."""
    time, radius_m = 0.05 * np.arange(20), 6_378_137.0
    zero, one = np.zeros(20), np.ones(20)
    arrays = {
        "global_pose/frame_times": 100.0 + time,
        "global_pose/frame_positions": np.stack([radius_m * one, 10 * time, zero], 1),
        "global_pose/frame_velocities": np.stack([zero, 10 * one, zero], 1),
        # forward east, right south, down to the middle of the earth
        "global_pose/frame_orientations": np.tile([0.5, -0.5, -0.5, 0.5], (20, 1)),
        "processed_log/CAN/steering_angle/t": 100.0 + time,
        "processed_log/CAN/steering_angle/value": (2.0 * one)[:, None],
    }
    for name, values in arrays.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with (tmp_path / name).open("wb") as file:
            np.save(file, values)
    cv2.imwrite(str(tmp_path / "preview.png"), np.zeros((874, 1164, 3), np.uint8))
    return tmp_path


def test_a_drive_to_the_east(small: Path) -> None:
    drive = read_segment(small)
    assert len(drive.footage) == 1
    assert drive.motion.x_m == pytest.approx(0.5 * np.arange(20), abs=1e-6)
    assert drive.motion.y_m == pytest.approx(np.zeros(20), abs=1e-6)
    assert drive.motion.steering_rad == pytest.approx(np.full(20, math.radians(2.0)))
    assert (drive.camera.mount.pitch_rad, drive.camera.mount.yaw_rad) == pytest.approx((0.0, 0.0))


def test_the_video_is_taken_where_there_is_one(small: Path) -> None:
    """As a raw stream, which ``video.hevc`` is, as far as the log goes."""
    stream = small / "stream.mjpeg"
    writer = cv2.VideoWriter(str(stream), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (1164, 874))
    for index in range(22):
        writer.write(np.full((874, 1164, 3), 10 * index, np.uint8))
    writer.release()
    stream.rename(small / "video.hevc")
    drive = read_segment(small)
    assert len(drive.footage) == len(drive.motion) == 20
    assert abs(int(drive.footage.frame(8)[400, 500, 0]) - 80) <= 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("global_pose/frame_times", b"text", "not a NumPy array"),
        ("global_pose/frame_times", b"", "not a NumPy array"),
        ("global_pose/frame_times", np.array(["a", "b"]), "not a NumPy array of numbers"),
        ("global_pose/frame_times", np.array(1.0), r"shape \(\); must be \(n\)"),
        ("global_pose/frame_times", np.zeros(0), "finite numbers, at least one"),
        ("global_pose/frame_times", np.zeros(20), r"test_damage.*: motion log: time_s must .* rise"),
        ("global_pose/frame_times", np.arange(9.0), "global_pose: its arrays differ in length"),
        ("global_pose/frame_positions", np.zeros((20, 2)), r"shape \(20, 2\); must be \(n, 3\)"),
        ("global_pose/frame_velocities", np.full((20, 3), np.nan), "finite numbers"),
        ("processed_log/CAN/steering_angle/t", np.arange(3.0), "steering_angle: t and value differ"),
        ("preview.png", b"text", "preview.png: frame 0 cannot be decoded"),
        ("video.hevc", b"text", "video.hevc: not a video"),
    ],
)
def test_damage_is_invalid_input(small: Path, name: str, content: bytes | np.ndarray, message: str) -> None:
    with (small / name).open("wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            np.save(file, content)
    with pytest.raises(InvalidInput, match=message):
        read_segment(small)
