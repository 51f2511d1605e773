"""A recorded drive is consistent, and can be taken from any frame on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from simulator.camera import Camera
from simulator.logs.drive import RecordedDrive
from simulator.logs.footage import Footage
from simulator.logs.motion import MotionLog
from simulator.world import InvalidInput

CAMERA = Camera("small", 64, 48, 50.0, 50.0, 32.0, 24.0)


@pytest.fixture
def footage(tmp_path: Path) -> Footage:
    """Ten frames, each of its own grey."""
    writer = cv2.VideoWriter(str(tmp_path / "grey.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for index in range(10):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    return Footage(tmp_path / "grey.avi")


def test_later_frames_and_motion_go_together(footage: Footage) -> None:
    yaw = 0.01 * np.arange(10.0)
    x, y = np.cumsum(np.cos(yaw)), np.cumsum(np.sin(yaw))
    drive = RecordedDrive(footage, CAMERA, MotionLog(0.05 * np.arange(10), x, y, yaw, 20 + yaw, yaw))
    later = drive.since(0.21)
    assert (len(later.footage), len(later.motion)) == (6, 6)
    assert torch.equal(later.footage.frame(0), footage.frame(4))
    assert torch.equal(later.footage.since(1).frame(0), footage.frame(5))
    motion = later.motion
    assert (motion.time_s[0], motion.x_m[0], motion.y_m[0], motion.yaw_rad[0]) == (0, 0, 0, 0)
    assert motion.time_s[1] == pytest.approx(0.05)
    assert motion.x_m[1] == pytest.approx(np.cos(yaw[5] - yaw[4]))
    assert motion.y_m[1] == pytest.approx(np.sin(yaw[5] - yaw[4]))
    assert motion.speed_mps[0] == drive.motion.speed_mps[4]
    assert drive.since(0.0) is drive


def test_bad_drives_are_named(footage: Footage) -> None:
    with pytest.raises(InvalidInput, match="64 x 48, but camera 'wide' has 65 x 48"):
        RecordedDrive(footage, Camera("wide", 65, 48, 50.0, 50.0, 32.0, 24.0), MotionLog.straight(10.0, 10))
    with pytest.raises(InvalidInput, match="10 frames, but the motion log has 9"):
        RecordedDrive(footage, CAMERA, MotionLog.straight(10.0, 9))
    with pytest.raises(InvalidInput, match=r"start_time_s: 0\.6 is not within the 0\.45 s"):
        RecordedDrive(footage, CAMERA, MotionLog.straight(10.0, 20)).since(0.6)
