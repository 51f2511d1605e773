"""Footage gives back what was recorded, in any order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

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


def test_a_raw_stream_is_read_in_any_order_too(tmp_path: Path) -> None:
    """As comma2k19's ``video.hevc``: no index, no length, and OpenCV goes to the first frame whichever is asked for."""
    path = tmp_path / "grey.mjpeg"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for index in range(10):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    footage = Footage(path)
    assert (len(footage), footage.period_s) == (10, None)
    for index in (4, 5, 1, 9, 0):
        assert abs(int(footage.frame(index)[24, 32, 0]) - 20 * index) <= 3
    later = footage.since(3)
    assert len(later) == 7
    assert torch.equal(later.frame(2), footage.frame(5))
    with pytest.raises(InvalidInput, match="frame 7 is not one of its 7"):
        later.frame(7)


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
    for name, content in (
        ("text.mp4", b"no video"),
        ("empty.hevc", b""),
        ("cut.avi", video.read_bytes()[:300]),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match=f"{name}: "):
            Footage(tmp_path / name)
