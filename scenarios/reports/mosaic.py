"""Pictures of what networks see, and many of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lkas.zoo.lane_mask import LaneLine
from simulator.camera import Camera
from simulator.world import InvalidInput

Image = NDArray[np.uint8]

NEAREST_M, FARTHEST_M = 4.0, 60.0
"""Where a line is drawn, as far as it is seen."""


def draw_line(picture: Image, camera: Camera, line: LaneLine | None, color: tuple[int, int, int]) -> Image:
    """The picture with a lane line on the road; unchanged where there is none."""
    drawn = picture.copy()
    if line is not None:
        x = torch.arange(NEAREST_M, min(FARTHEST_M, line.far_m) + 1.0, 0.5, dtype=torch.float64)
        u, v, _ = camera.project(torch.stack([x, line.y_at(x).detach(), torch.zeros_like(x)], -1))
        points = torch.stack([u, v], -1).clamp(-30000, 30000).round().int().numpy()
        cv2.polylines(drawn, [points], False, color, 3, cv2.LINE_AA)
    return drawn


def label(picture: Image, text: str, good: bool) -> Image:
    """The picture with a line of text in its upper left corner, red where something is wrong."""
    written = picture.copy()
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    cv2.rectangle(written, (0, 0), (width + 12, height + below + 8), (20, 22, 24), cv2.FILLED)
    color = (90, 255, 120) if good else (255, 70, 60)
    cv2.putText(written, text, (6, height + 5), font, scale, color, 1, cv2.LINE_AA)
    return written


def write_mosaic(path: Path, pictures: Sequence[Image], columns: int) -> None:
    """Write pictures of one size side by side, row by row.

    Args:
        path: a .jpg or .png.
        pictures: ``(H, W, 3) uint8 RGB``, at least one.
        columns: pictures in a row.

    Raises:
        InvalidInput: it cannot be written.
    """
    blank = np.zeros_like(pictures[0])
    padded = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [np.hstack(padded[k : k + columns]) for k in range(0, len(padded), columns)]
    if not cv2.imwrite(str(path), np.vstack(rows)[..., ::-1]):
        raise InvalidInput(f"--mosaic {path}: cannot be written; is its folder there?")


def check_mosaic(path: Path | None) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises:
        InvalidInput: it is no picture, or its folder is not there.
    """
    if path is not None and (path.suffix.lower() not in (".jpg", ".png") or not path.parent.is_dir()):
        raise InvalidInput(f"--mosaic {path}: give a .jpg or .png in a folder that is there")
