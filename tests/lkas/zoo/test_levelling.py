"""The horizon is where lane lines meet, on straight roads and in curves."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from lkas.zoo.levelling import calibrate, level
from lkas.zoo.twinlitenet import TwinLiteNet
from simulator.camera import CAMERAS, Camera
from simulator.logs.comma import read_segment

WIDE = CAMERAS["wide"]


def paint(camera: Camera, lines: list[tuple[float, float, float]]) -> Tensor:
    """A picture of lane-line probability with lines ``y = a + b x + c x**2``."""
    picture = np.zeros((camera.height, camera.width), np.float32)
    x = torch.arange(3.0, 90.0, 0.25)
    for a, b, c in lines:
        u, v, _ = camera.project(torch.stack([x, a + b * x + c * x**2, torch.zeros_like(x)], -1))
        points = torch.stack([u, v], -1).sub(0.5).mul(16).round().int().numpy()
        cv2.polylines(picture, [points], False, 1.0, 6, cv2.LINE_AA, shift=4)
    return torch.from_numpy(picture)


@pytest.mark.parametrize("pitch_rad", [-0.04, 0.0, 0.07])
def test_level_finds_the_pitch(pitch_rad: float) -> None:
    pitched = WIDE.with_mount(pitch_rad=pitch_rad)
    curved = [(1.7, 0.02, 0.003), (-1.9, 0.02, 0.003)]
    assert abs(level(paint(pitched, curved), WIDE).mount.pitch_rad - pitch_rad) < 0.003


def test_level_leaves_a_camera_that_sees_no_lane() -> None:
    assert level(torch.zeros(WIDE.height, WIDE.width), WIDE) == WIDE


def test_lines_tell_the_pitch_that_the_log_tells(data: Path) -> None:
    """Pitch from how a real car moved in its camera's axes for a minute, and from the lane lines of one frame."""
    segment = read_segment(data / "drp_sc1/data/scenarios/highway/sc1")
    network = TwinLiteNet.load(data / "twinlitenet/best.pth")
    with torch.no_grad():
        _, lane = network.probabilities(segment.footage.frame(0)[None])
    levelled = level(lane[0], segment.camera.with_mount(pitch_rad=0.0))
    assert abs(levelled.mount.pitch_rad - segment.camera.mount.pitch_rad) < math.radians(0.5)


def test_a_lane_tells_pitch_and_height() -> None:
    mounted = WIDE.with_mount(pitch_rad=0.04, z_m=1.6)
    camera, lane = calibrate(paint(mounted, [(1.7, 0.02, 0.0), (-1.9, 0.02, 0.0)]), WIDE)
    assert abs(camera.mount.pitch_rad - 0.04) < 0.003
    assert abs(camera.mount.z_m - 1.6) < 0.05
    assert lane.left is not None
    assert lane.right is not None


def test_no_lane_tells_no_height() -> None:
    camera, lane = calibrate(paint(WIDE, [(1.7, 0.0, 0.0)]), WIDE)
    assert camera == WIDE
    assert lane.right is None
