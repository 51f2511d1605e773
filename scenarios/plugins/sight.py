"""How much a patch stands out to somebody who drives towards it: structural similarity with the clean road."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from attacks.perturbation import RoadPatch, lay
from simulator.embedded import EmbeddedWorld, WorldState
from simulator.recording import Channel
from simulator.roads.ahead import CAMERA_FOOT_M
from simulator.world import VehicleState, World

DISTANCES_M = (30.0, 15.0, 7.0)
"""From the camera's foot to the patch's near edge."""

_WINDOW_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def structural_similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """SSIM of the luma of two pictures, meant over the picture (Wang et al., IEEE Trans. Image Processing 13, 2004).

    Args:
        one: ``(H, W, 3)`` uint8 RGB, both sides at least 11 px.
        other: the same shape.

    Returns:
        1 for equal pictures.
    """
    x, y = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64) for picture in (one, other))

    def mean(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = cv2.GaussianBlur(picture, (_WINDOW_PX, _WINDOW_PX), _SIGMA_PX)
        rim = _WINDOW_PX // 2  # windows that lie within the picture, as in the publication
        return np.asarray(blurred[rim:-rim, rim:-rim])

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    alike = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float((alike / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))).mean())


def patch_similarity(world: World, patches: Sequence[RoadPatch]) -> list[Channel] | None:
    """Similarity of what is seen with and without the patches from ``DISTANCES_M``, on the middle of the lane.

    Args:
        world: in which the patches' scenarios are driven.
        patches: one a world.

    Returns:
        ``(3,)`` a world, through the first camera there is; None where there is none, or the world is not an embedded
        one and cannot be looked at from anywhere.
    """
    if not isinstance(world, EmbeddedWorld):
        return None
    edges = torch.tensor([patch.s_m for patch in patches], dtype=torch.float64)
    layer, values = lay(patches), []
    for distance_m in DISTANCES_M:
        s = edges - distance_m - CAMERA_FOOT_M
        x, y, heading, _ = world.curve.frame_at(s)
        begun = world.start(0)
        car = VehicleState.at(x, y, heading, begun.vehicle.speed_mps)
        standing = WorldState(car, begun.memory, s, begun.frame, begun.seed)
        clean, dirty = (list(world.observe(standing, layers).frames.values()) for layers in ((), (layer,)))
        if not clean:
            return None
        values.append(
            [structural_similarity(a, b) for a, b in zip(clean[0].numpy(), dirty[0].numpy(), strict=True)]
        )
    return [Channel(column, "1") for column in np.array(values).T]
