"""Footage gives back what was recorded, in any order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from simulator.logs.footage import Footage
from simulator.world import InvalidInput


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten frames, each of its own grey, 25 a second."""
    path = tmp_path / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for index in range(10):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    return path


def test_frames_come_in_any_order(video: Path) -> None:
    footage = Footage(video)
    assert (len(footage), footage.height, footage.width, footage.period_s) == (10, 48, 64, 0.04)
    for index in (0, 1, 2, 7, 3, 9):
        assert abs(int(footage.frame(index)[24, 32, 0]) - 20 * index) <= 3


def test_a_picture_is_one_frame_in_rgb(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[..., 2] = 200  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "red.png"), picture)
    footage = Footage(tmp_path / "red.png")
    assert len(footage) == 1
    assert footage.frame(0)[0, 0].tolist() == [200, 0, 0]


def test_bad_footage_is_invalid_input(tmp_path: Path, video: Path) -> None:
    with pytest.raises(InvalidInput, match="no such"):
        Footage(tmp_path / "nothing.mp4")
    with pytest.raises(InvalidInput, match="frame 10"):
        Footage(video).frame(10)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="decoded"):
        Footage(tmp_path / "text.png")
