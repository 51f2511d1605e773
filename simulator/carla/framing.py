"""A camera of any principal point out of CARLA's, whose principal point is in the middle: a larger picture, cropped.

Cropping moves the principal point by whole pixels, and the middle lies on a half or a whole one; what is left, less
than half a pixel, is made up for by turning the camera by as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.camera import Camera


@dataclass(frozen=True)
class Framing:
    """How CARLA is to be asked for a camera's pictures, and which part of them is the picture.

    Attributes:
        camera: wanted.
        width: of the picture to ask for [px].
        height: likewise.
        left: first column of the part.
        top: first row.
        centred: whether the server can only put the principal point in the middle.
    """

    camera: Camera
    width: int
    height: int
    left: int
    top: int
    centred: bool = True

    @classmethod
    def of(cls, camera: Camera, centred: bool = True) -> Framing:
        """The smallest picture that holds a camera's, whose pixels must be square; the very picture if not centred."""
        if not centred:
            return cls(camera, camera.width, camera.height, 0, 0, centred)
        width, left = _span(camera.cx, camera.width)
        height, top = _span(camera.cy, camera.height)
        return cls(camera, width, height, left, top)

    @property
    def fov_deg(self) -> float:
        """Horizontal field of view to ask for."""
        return math.degrees(2 * math.atan(0.5 * self.width / self.camera.fx))

    @property
    def turn_rad(self) -> tuple[float, float]:
        """Pitch (positive down) and yaw (positive left) to add to the mount, so that the rest of a pixel fits."""
        if not self.centred:
            return 0.0, 0.0
        below = self.camera.cy - (0.5 * self.height - self.top)
        beside = self.camera.cx - (0.5 * self.width - self.left)
        # the wanted middle lies lower in the part than the one it has: look further up
        return -math.atan(below / self.camera.fy), math.atan(beside / self.camera.fx)

    def crop(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The wanted part of ``(height, width, ...)``."""
        return picture[self.top : self.top + self.camera.height, self.left : self.left + self.camera.width]


def _span(centre: float, length: int) -> tuple[int, int]:
    """Length of a span with its middle at ``centre`` (to the nearest half) of a part, and where the part begins."""
    middle = round(2 * centre) / 2
    half = max(middle, length - middle)
    return round(2 * half), round(half - middle)
